"""The net with kernels of its own gives the kernel's leaves: tiny nets, extreme weights, lanes and stretches."""

from __future__ import annotations

import os
from pathlib import Path

import net_tools
import pytest
import tiny_net
from conftest import TINY

pytest.importorskip("torch")
pytest.importorskip("triton")

# Lanes, steps and stretches of each: where no GPU is, Triton's interpreter runs them, slowly.
CASES = {
    "small": (3, 5, (1, 3)),
    "one layer, long orders": (3, 12, (12,)),
    "odd": (2, 5, (2,)),
    "no tables": (3, 3, (3,)),
    "ties": (3, 3, (1,)),
    "extreme": (9, 4, (4,)),
    "extreme, more columns than float32 sums": (2, 2, (2,)),
    "peak": (2, 2, (2,)),
}


def check_net(device: str, name: str) -> None:
    from lmzip.twin.fused.net import FusedNet

    n_lanes, n_steps, stretches = CASES[name]
    tensors, config = net_tools.tensors_of(name)
    data = net_tools.lanes_of_bytes(n_lanes, n_steps)
    net_tools.check(FusedNet(tensors, config, device), tiny_net.kernel_net(tensors, config), data, stretches)


@pytest.mark.parametrize("name", net_tools.NETS)
def test_fused_net_equals_kernel(on_triton, name: str) -> None:
    on_triton(check_net, name)


def check_choice(device: str, path: Path) -> None:
    from kernel_tools import beside

    from lmzip.models.bytelm_on_device import NetOnDevice
    from lmzip.twin.fused.net import FusedNet

    raw = bytes(range(97, 117)) * 2
    model = NetOnDevice(path, "cuda" if device == "cuda" else "torch-cpu")
    model.least_size = 0
    drive = model.drive_for(beside(len(raw), 4, 8))
    assert drive is not None and type(drive.stepper.twin) is FusedNet


def test_it_is_what_a_model_uses(on_triton, tmp_path: Path) -> None:
    (tmp_path / "tiny.safetensors").write_bytes(tiny_net.tiny_weights(3, **TINY))
    on_triton(check_choice, tmp_path / "tiny.safetensors")


def test_without_the_interpreter_the_cpu_device_has_no_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    from lmzip.twin.fused import is_usable

    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert not is_usable("cpu") and is_usable("cuda:0") and "TRITON_INTERPRET" not in os.environ
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert is_usable("cpu")

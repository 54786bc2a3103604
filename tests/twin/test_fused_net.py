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


class Given:
    """A matrix whose products are given, with multipliers of 1."""

    def __init__(self, sums) -> None:
        import torch

        self.sums = lambda q: sums
        self.multiplier = torch.full((sums.shape[1],), 1 << 24, dtype=torch.int32, device=sums.device)

    def __call__(self, q):
        return self.sums(q).long()


def check_pieces(device: str) -> None:
    """Every kernel by itself, at the edges of what it is given."""
    import torch
    from torch import Tensor

    from lmzip.twin.fused.net import FusedNet
    from lmzip.twin.net import NetTwin, _Layer

    random = torch.Generator().manual_seed(3)

    def numbers(*shape: int, bits: int = 26) -> Tensor:
        """Return int32 of all sizes up to 2^bits and both signs, next to powers of two."""
        powers = 1 << torch.randint(0, bits + 1, shape, generator=random)
        signs = torch.randint(0, 2, shape, generator=random) * 2 - 1
        found = powers * signs + torch.randint(-1, 2, shape, generator=random)
        return found.clamp(-(1 << bits), 1 << bits).int().to(device)

    orders = [0, 1, 2, 3, 4, 5, 7, 8]
    twin = FusedNet(*tiny_net.tiny_net(n_state=96, orders=orders, table_dim=4, seed=8), device)
    letters = torch.tensor([*b"@AZ[`az{ ", 127, 128, 255])
    known = letters[torch.randint(0, len(letters), (8 + 3, 40), generator=random)].to(device)
    known[:, 0], known[:, 1] = ord("Q"), 200  # words that are too long
    known[3:, 2] = torch.arange(97, 105)
    assert torch.equal(twin._embedded(known), NetTwin._embedded(twin, known))

    for size in (32, 96, 1056):
        x = numbers(9, size, bits=30) + numbers(9, size, bits=29)
        for row, bits in enumerate((0, 1, 5, 15, 16)):
            x[row] = numbers(size, bits=bits)
        x[5], x[6], x[7] = 0, 1, 0
        x[7, 3], x[7, 4] = 1 << 20, -(1 << 17)  # where the factor has reached its end, in the widest
        assert torch.equal(twin._norm(x), NetTwin._norm(twin, x.long())), size

    layer = _Layer(Given(numbers(12, 3 * 96)), None, None, None, numbers(96, bits=20))
    layer.w_in.sums(None)[:, 96:] >>= 11  # gates that are neither open nor closed
    rows = torch.tensor([4, 0, 1], device=device)
    kept = numbers(5, 96, bits=23).clamp(128 - (1 << 23), (1 << 23) - 128)
    expected = kept.clone()
    y = twin._recur(layer, None, kept, rows)
    assert torch.equal(y, NetTwin._recur(twin, layer, None, expected, rows)) and torch.equal(kept, expected)

    squares, logits = Given(numbers(5, 160)), Given(numbers(5, 256))
    assert torch.equal(twin._square(squares, None), NetTwin._square(twin, squares, None))
    assert torch.equal(twin._leaves(logits, None), NetTwin._leaves(twin, logits, None))


def test_pieces_equal_those_in_torch(on_triton) -> None:
    on_triton(check_pieces)


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

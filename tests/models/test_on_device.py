"""Models on a device write and read the kernel's bytes, whichever blocks are coded together; tried on torch's CPU."""

from __future__ import annotations

import io
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_net
from conftest import SAMPLE, TINY
from device_tools import check_coded_together
from kernel_tools import Reached, beside

pytest.importorskip("torch")

import lmzip  # noqa: E402
from lmzip.block import BlockSpec, Run  # noqa: E402
from lmzip.codec import compress_stream, decompress_stream  # noqa: E402
from lmzip.dictionary import Dictionary  # noqa: E402
from lmzip.errors import DamagedError, UnsupportedError  # noqa: E402
from lmzip.models.bytelm_on_device import NetOnDevice  # noqa: E402
from lmzip.models.hf.numerics import Settings  # noqa: E402
from lmzip.models.registry import Registry  # noqa: E402

TEXT = SAMPLE.read_bytes()
NOISE = np.random.default_rng(3).bytes(3000)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "tiny.safetensors"
    path.write_bytes(tiny_net.tiny_weights(3, **TINY))
    return path


@pytest.fixture(scope="module")
def kernel(path: Path):
    return Registry().model(str(path))


@pytest.fixture(scope="module")
def device(path: Path) -> NetOnDevice:
    model = Registry(Settings("torch-cpu")).model(str(path))
    assert isinstance(model, NetOnDevice)
    return model


def spec_of(raw: bytes, n_lanes: int, **changes) -> BlockSpec:
    return beside(len(raw), 4, n_lanes, **changes)


@pytest.mark.parametrize(
    ("size", "n_lanes"), [(1, 1), (2, 8), (300, 1), (301, 8), (2000, 31), (2600, 128), (70, 64)], ids=str
)
def test_blocks_are_the_kernels(kernel, device: NetOnDevice, size: int, n_lanes: int) -> None:
    raw = TEXT[5000 : 5000 + size]
    spec = spec_of(raw, n_lanes)
    assert device.drive_for(spec) is not None
    payload = kernel.encode(raw, spec)
    assert device.encode(raw, spec) == payload
    if payload is not None:
        assert device.decode(payload, spec) == raw
        assert device.decode(payload, spec, Run(expected=raw)) == raw
        assert kernel.decode(payload, spec) == raw


def test_what_does_not_get_smaller_has_no_payload(kernel, device: NetOnDevice) -> None:
    spec = spec_of(NOISE, 16)
    assert kernel.encode(NOISE, spec) is None
    assert device.encode(NOISE, spec) is None


def test_blocks_of_all_kinds_are_coded_together(kernel, device: NetOnDevice) -> None:
    """Encoders, proofs and decoders of several sizes at once, more than there are turns for."""
    raws = [TEXT[i * 700 : i * 700 + 900 + 40 * i] for i in range(9)]
    specs = [spec_of(raw, (8, 16, 5)[i % 3]) for i, raw in enumerate(raws)]
    together, most = device.drive_for(specs[0]), 0
    advance = together._advance

    def watched(launch) -> None:
        nonlocal most
        most = max(most, len(launch.n_steps))
        advance(launch)

    together._advance = watched
    try:
        check_coded_together(kernel, device, raws, specs)
    finally:
        del together._advance
    assert most > 1, "some were predicted for together"
    assert not together._members and not together._taken.any() and not together._launched


def test_a_block_waits_until_there_is_room(kernel, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NetOnDevice, "_ROWS", 20)
    device = NetOnDevice(path, "torch-cpu")
    raw = TEXT[:600]
    spec = spec_of(raw, 12)
    payload = kernel.encode(raw, spec)
    found = []
    threads = [threading.Thread(target=lambda: found.append(device.decode(payload, spec) == raw)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 3
    wide = spec_of(raw, 32)
    assert device.drive_for(wide) is None, "more lanes than there will ever be rows: the kernel's"
    assert device.encode(raw, wide) == kernel.encode(raw, wide)


def test_progress_and_stripes(kernel, device: NetOnDevice) -> None:
    raw = TEXT[:1500]
    spec = spec_of(raw, 24)
    done: list[int] = []
    payload = device.encode(raw, spec, Run(progress=done.append))
    assert sum(done) == len(raw)
    for expected in (None, raw):
        done.clear()
        reached = Reached(raw, spec)
        assert device.decode(payload, spec, Run(progress=done.append, reached=reached, expected=expected)) == raw
        assert sum(done) == len(raw) and reached.seen[-1] == spec.chunk_size
    stopped = Reached(raw, spec, limit=20)
    device.decode(payload, spec, Run(reached=stopped))
    assert 20 <= stopped.seen[-1] < spec.chunk_size


def test_what_progress_raises_ends_a_block_and_no_other(kernel, device: NetOnDevice) -> None:
    class Enough(Exception):
        pass

    def stop(n: int) -> None:
        if n:
            raise Enough

    raw = TEXT[:1200]
    spec = spec_of(raw, 32)
    payload = kernel.encode(raw, spec)
    found = []
    other = threading.Thread(target=lambda: found.append(device.decode(payload, spec) == raw))
    other.start()
    with pytest.raises(Enough):
        device.decode(payload, spec, Run(progress=stop))
    other.join()
    assert found == [True]
    assert device.decode(payload, spec) == raw


def test_damage(kernel, device: NetOnDevice) -> None:
    raw = TEXT[:900]
    spec = spec_of(raw, 24)
    payload = kernel.encode(raw, spec)
    for run in (Run(), Run(expected=raw)):
        with pytest.raises(DamagedError):
            device.decode(payload[:-9], spec, run)
        wrong = payload[:50] + bytes([payload[50] ^ 1]) + payload[51:]
        with suppress(DamagedError):
            assert device.decode(wrong, spec, run) != raw


def test_the_kernel_keeps_blocks_behind_dictionaries_and_those_alone(kernel, device: NetOnDevice) -> None:
    raw, dictionary = TEXT[3000:3600], Dictionary(TEXT[:2000])
    spec = BlockSpec(len(raw), 4, True, 4, dictionary=dictionary)
    assert device.drive_for(spec) is None
    payload = device.encode(raw, spec)
    assert payload == kernel.encode(raw, spec)
    alone = BlockSpec(len(raw), 4, False)
    assert device.encode(raw, alone) == kernel.encode(raw, alone)


def test_a_device_that_predicts_something_else_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lmzip.twin.net import NetTwin

    square = NetTwin._square
    monkeypatch.setattr(NetTwin, "_square", lambda *arguments: square(*arguments) ^ 1)
    raw = TEXT[:500]
    with pytest.raises(UnsupportedError, match="does not predict what tiny does; --device cpu does without"):
        NetOnDevice(path, "torch-cpu").encode(raw, spec_of(raw, 8))
    monkeypatch.setattr("lmzip.models.on_device.torch_device", lambda wanted: "cpu")
    model = NetOnDevice(path, "auto")
    model.least_size = 0
    assert model.encode(raw, spec_of(raw, 8)) == Registry().model(str(path)).encode(raw, spec_of(raw, 8))


def test_a_fused_twin_comes_first_and_gives_way(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it fails or predicts something else, the twin in torch is used."""
    from lmzip.twin.net import NetTwin

    class Fused(NetTwin):
        pass

    class Wrong(NetTwin):
        def _square(self, matrix, q):
            return super()._square(matrix, q) ^ 1

    def failing(*_):
        raise ValueError("no compiler is here")

    monkeypatch.setattr("lmzip.models.on_device.is_usable", lambda device: True)
    raw = TEXT[:500]
    cases = ((Fused, Fused, ""), (Wrong, NetTwin, "does not predict what"), (failing, NetTwin, "no compiler is here"))
    for fused, used, why in cases:
        monkeypatch.setitem(sys.modules, "lmzip.twin.fused.net", SimpleNamespace(FusedNet=fused))
        model = NetOnDevice(path, "torch-cpu")
        assert type(model.drive_for(spec_of(raw, 8)).stepper.twin) is used
        assert why in model.why_not_fused and bool(why) == bool(model.why_not_fused)


def test_what_fails_on_the_device_is_told_in_a_line(device: NetOnDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    raw = TEXT[:500]
    together = device.drive_for(spec_of(raw, 8))
    failures = {
        RuntimeError("CUDA error: an illegal access\nsecond line"): UnsupportedError,
        torch.OutOfMemoryError("no memory"): MemoryError,
    }
    for failure, expected in failures.items():

        def fail(*_, failure=failure):
            raise failure

        monkeypatch.setattr(together.stepper, "predict", fail)
        with pytest.raises(expected) as raised:
            device.encode(raw, spec_of(raw, 8))
        assert "\n" not in str(raised.value)
    monkeypatch.undo()
    assert device.encode(raw, spec_of(raw, 8)) is not None


@pytest.mark.parametrize("level", [5, 6])
def test_files_are_the_same(path: Path, tmp_path: Path, level: int) -> None:
    """Whole frames of several blocks, with proof, in both directions."""
    raw = TEXT[:7000]
    files = {}
    for name in ("cpu", "torch-cpu"):
        registry = Registry(Settings(name))
        out = bytearray()
        compress_stream(
            io.BytesIO(raw).read,
            out.extend,
            level=level,
            model=registry.model(str(path)),
            block_size=2500,
            n_lanes=32,
            verify=True,
        )
        files[name] = bytes(out)
    assert files["cpu"] == files["torch-cpu"] and len(files["cpu"]) < len(raw) * 3 // 4
    for name in ("cpu", "torch-cpu"):
        registry = Registry(Settings(name))
        registry.add_path(str(path))
        out = bytearray()
        decompress_stream(io.BytesIO(files["cpu"]).read, out.extend, registry=registry)
        assert out == raw


def test_the_library_asks_for_no_device_by_itself() -> None:
    assert Registry().default().__class__.__name__ == "ByteLmModel"
    assert lmzip.decompress(lmzip.compress(b"abc" * 99)) == b"abc" * 99

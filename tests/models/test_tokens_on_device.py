"""Transformers on a device write and read the kernel's bytes, whichever blocks are together; tried on torch's CPU."""

from __future__ import annotations

import io
import random
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
import tiny_llama
from device_tools import check_coded_together
from tiny_net import weight_file
from tiny_transformer import tiny_transformer

from lmzip.block import BlockSpec, Run
from lmzip.codec import compress_stream, decompress_stream
from lmzip.convert import import_model
from lmzip.errors import DamagedError, UnsupportedError
from lmzip.models.hf.numerics import Settings
from lmzip.models.llama import LlamaModel
from lmzip.models.registry import Registry
from lmzip.native.predicted import TokenMasses
from lmzip.reference.tokens import Vocabulary

pytest.importorskip("tokenizers")
pytest.importorskip("torch")

from lmzip.models.llama_on_device import TransformerOnDevice  # noqa: E402

TEXT = "the thin thing in the inn, then <s> the \u00e9 in ".encode() * 8
UNEVEN = TEXT[:300] + b"\xff\x00q?" * 20 + b"the " * 30


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tensors, config = tiny_llama.tiny_llama()
    tensors["model.norm.weight"] /= 128
    source = tiny_llama.save_directory(folder / "tiny", tensors, config)
    import_model(source, folder / "tiny.safetensors", name="tiny-tokens", window=256)
    return folder / "tiny.safetensors"


@pytest.fixture(scope="module")
def kernel(path: Path) -> LlamaModel:
    return LlamaModel(path)


@pytest.fixture(scope="module")
def device(path: Path) -> TransformerOnDevice:
    model = Registry(Settings("torch-cpu")).model(str(path))
    assert isinstance(model, TransformerOnDevice)
    return model


def spec_of(raw: bytes, n_lanes: int, context: int = 0) -> BlockSpec:
    return BlockSpec(len(raw), 6, True, n_lanes, context)


@pytest.mark.parametrize(("n_lanes", "context"), [(3, 3), (16, 0), (64, 2)])
@pytest.mark.parametrize("raw", [TEXT, UNEVEN], ids=["text", "uneven"])
def test_blocks_are_the_kernels(kernel, device, raw: bytes, n_lanes: int, context: int) -> None:
    spec = spec_of(raw, n_lanes, context)
    assert device.drive_for(spec) is not None
    payload = kernel.encode(raw, spec)
    assert payload is not None
    assert device.encode(raw, spec) == payload
    assert device.decode(payload, spec) == raw
    assert device.decode(payload, spec, Run(expected=raw)) == raw


def test_blocks_of_all_kinds_are_coded_together(kernel, device) -> None:
    raws = [UNEVEN[i * 20 : 300 + 30 * i] for i in range(6)]
    specs = [spec_of(raw, (16, 9)[i % 2]) for i, raw in enumerate(raws)]
    check_coded_together(kernel, device, raws, specs)


@pytest.mark.parametrize("most", [1, 3])
def test_what_is_not_likely_is_fetched(path: Path, kernel, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Several blocks at once, of which some want weights and others do not."""
    monkeypatch.setattr("lmzip.twin.masses.MOST_LIKELY", most)
    device = Registry(Settings("torch-cpu")).model(str(path))
    fetched, fetch = [], TokenMasses.fetch
    monkeypatch.setattr(TokenMasses, "fetch", lambda *arguments: fetched.append(1) or fetch(*arguments))
    raws = [UNEVEN[i * 20 : 300 + 30 * i] for i in range(3)]
    check_coded_together(kernel, device, raws, [spec_of(raw, 9) for raw in raws])
    assert fetched


def test_little_is_brought_to_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, of a vocabulary of thousands: of known tokens, and of others with all that is fetched."""
    tensors, config = tiny_transformer(3, n_vocab=6000, n_layer=1)
    path = tmp_path / "many.safetensors"
    path.write_bytes(weight_file(tensors, config))
    vocabulary = Vocabulary.from_bytes(path.read_bytes())
    raw = b"".join(random.Random(4).choices(vocabulary.tokens, k=60))
    spec, model = spec_of(raw, 4), TransformerOnDevice(path, "torch-cpu")
    chunks = [vocabulary.longest_tokens(raw[start:end]) for start, end in spec.chunks()]
    monkeypatch.setattr(model, "token_sizes", lambda *_: bytes(len(token) for chunk in chunks for token in chunk))
    stepper, payload = model.drive_for(spec).stepper, LlamaModel.encode(model, raw, spec)
    stepper.n_columns = stepper.n_bytes = 0
    assert model.encode(raw, spec) == payload
    known = stepper.n_bytes / stepper.n_columns
    stepper.n_columns = stepper.n_bytes = 0
    assert payload and model.decode(payload, spec) == raw
    unknown = stepper.n_bytes / stepper.n_columns
    assert known < 4 * 600 and unknown < 4 * 1700 and stepper.twin.n_symbols == 6000


def test_other_payloads_are_damaged(kernel, device) -> None:
    """Also where it is known what should come out, and no other prefixes are told of."""
    spec, other = spec_of(TEXT, 4), TEXT[::-1]
    payload, damaged = kernel.encode(other, spec), bytearray(kernel.encode(TEXT, spec))
    with pytest.raises(DamagedError):
        device.decode(payload, spec, Run(expected=TEXT))
    damaged[5] ^= 8
    with suppress(DamagedError):
        assert device.decode(bytes(damaged), spec) != TEXT


def test_files_are_the_same(path: Path) -> None:
    raw, files = TEXT[:900] + UNEVEN, {}
    for name in ("cpu", "torch-cpu"):
        registry, out = Registry(Settings(name)), bytearray()
        model = registry.model(str(path))
        options = {"level": 6, "model": model, "block_size": 400, "n_lanes": 16, "verify": True}
        compress_stream(io.BytesIO(raw).read, out.extend, **options)
        files[name] = bytes(out)
    assert files["cpu"] == files["torch-cpu"] and len(files["cpu"]) < len(raw)
    for name in ("cpu", "torch-cpu"):
        registry, out = Registry(Settings(name)), bytearray()
        registry.add_path(str(path))
        decompress_stream(io.BytesIO(files["cpu"]).read, out.extend, registry=registry)
        assert out == raw


def test_what_the_twin_does_not_know_is_the_kernels(path: Path, kernel) -> None:
    """A model of a later TRANSFORMER: with auto the kernel goes on, by name it is refused in a line."""
    spec = spec_of(TEXT, 4)
    by_name, auto = TransformerOnDevice(path, "torch-cpu"), TransformerOnDevice(path, "auto")
    auto.least_size = 0
    for model in (by_name, auto):
        model.config = model.config | {"sandwich": True}
    with pytest.raises(UnsupportedError, match="tiny-tokens has sandwich, which does not run on"):
        by_name.encode(TEXT, spec)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("lmzip.models.on_device.torch_device", lambda wanted: "cpu")
        assert auto.encode(TEXT, spec) == kernel.encode(TEXT, spec)


def test_a_device_that_predicts_something_else_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lmzip.twin import transformer

    saturate = transformer.saturate
    monkeypatch.setattr(transformer, "saturate", lambda x: saturate(x + 40))
    with pytest.raises(UnsupportedError, match="does not predict what tiny-tokens does"):
        TransformerOnDevice(path, "torch-cpu").encode(TEXT, spec_of(TEXT, 4))


def test_a_fused_twin_comes_first_and_gives_way(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it fails or predicts something else, the twin in torch is used."""
    from lmzip.twin.transformer import TransformerTwin

    class Fused(TransformerTwin):
        pass

    class Wrong(TransformerTwin):
        def _token_weights(self, normed):
            return super()._token_weights(normed) // 3 + 1

    def failing(*_):
        raise ValueError("no compiler is here")

    monkeypatch.setattr("lmzip.models.on_device.is_usable", lambda device: True)
    for fused, used in ((Fused, Fused), (Wrong, TransformerTwin), (failing, TransformerTwin)):
        found = SimpleNamespace(FusedTransformer=fused)
        monkeypatch.setitem(sys.modules, "lmzip.twin.fused.transformer", found)
        drive = TransformerOnDevice(path, "torch-cpu").drive_for(spec_of(TEXT, 4))
        assert drive is not None and type(drive.stepper.twin) is used

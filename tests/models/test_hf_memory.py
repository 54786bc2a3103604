"""Models of Hugging Face and memory: what does not fit is known from their files' heads."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import codec_tools
import pytest
import tiny_hf

from lmzip import codec
from lmzip.codec import memory
from lmzip.errors import MemoryLimitError
from lmzip.models.hf import loading
from lmzip.models.hf.numerics import Settings
from lmzip.stream import shared

pytest.importorskip("torch", reason="torch is not installed: make test-hf")
pytest.importorskip("transformers", reason="transformers is not installed: make test-hf")

TEXT = b"the thin thing in the inn " * 8


@pytest.fixture
def forgotten(new_registry):
    """Return what makes the library forget all models that it has loaded."""

    def forget(dtype: str | None = None) -> None:
        new_registry(Settings(device="cpu", dtype=dtype, threads=1))

    forget()
    return forget


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_hf.save(tmp_path_factory.mktemp("models") / "tiny", "gpt2")


@pytest.mark.parametrize("kind", ["llama", "gemma3", "mamba", "mamba2", "rwkv", "jamba"])
def test_lanes_keep_what_is_reckoned(tmp_path: Path, forgotten, kind: str) -> None:
    """Counted in a lane with a full window, whatever the model keeps: keys and values, states, or both."""
    from lmzip.models.hf.probe import _collect, fixed
    from lmzip.models.hf.stepping import Lanes

    sizes = {"state_size": 64} if kind == "mamba2" else {}
    loaded = shared.registry.model(f"hf:{tiny_hf.save(tmp_path / kind, kind, **sizes)}")._load()
    lanes, found = Lanes(loaded.runner, 1, loaded.runner.window), {}
    with fixed(1, "cpu"):
        for _ in range(tiny_hf.WINDOW):
            lanes.predict([0], [5])
    _collect(lanes.steps.cache, found, set())
    reckoned = loaded.footprint.of_window(loaded.runner.window)
    assert 0 < sum(found.values()) <= reckoned <= 1.2 * sum(found.values()) + 64 * loaded.runner.window
    assert (loaded.footprint.constant > 0) == (kind in ("gemma3", "mamba", "mamba2", "rwkv", "jamba"))
    assert (loaded.footprint.per_token > 0) == (kind in ("llama", "gemma3", "jamba"))


def test_refused_before_it_is_loaded(folder: Path, forgotten, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmzip.codec.encode.code_block", codec_tools.code_as_the_level_says)
    packed, output = BytesIO(), BytesIO()
    codec.compress_stream(BytesIO(TEXT).read, packed.write, model=shared.registry.model(f"hf:{folder}"))
    frame, name = packed.getvalue(), f"hf:{folder}"

    def fail(*_):
        raise AssertionError("loaded")

    def refuse(limit: int | None) -> None:
        given = {"registry": shared.registry, "memory_limit": limit}
        model = shared.registry.model(name)
        for work in (
            lambda: codec.compress_stream(BytesIO(TEXT).read, output.write, model=model, memory_limit=limit),
            lambda: codec.decompress_stream(BytesIO(frame).read, output.write, **given),
            lambda: list(codec.read_range(BytesIO(frame), 5, 10, **given)),
        ):
            with pytest.raises(MemoryLimitError, match="^the model tiny needs .* MiB") as caught:
                work()
            assert caught.value.exit_status == 1

    for limit, free in ((1000, None), (None, 1000)):
        forgotten()
        with monkeypatch.context() as patches:
            patches.setattr(loading, "load_module", fail)
            patches.setattr(memory, "free_memory", lambda free=free: free)
            refuse(limit)
    assert output.getvalue() == b""
    codec.decompress_stream(BytesIO(frame).read, output.write, registry=shared.registry)
    assert output.getvalue() == TEXT


@pytest.mark.parametrize(("dtype", "least"), [("float32", 4), ("bfloat16", 2)])
def test_the_estimate_is_near_what_weights_take(folder: Path, forgotten, dtype: str, least: int) -> None:
    """Of the weights it is nearly what they take, in the type in which they will be."""
    forgotten(dtype)
    model = shared.registry.model(f"hf:{folder}")
    estimate = model.weights_size()
    assert estimate == model.loading_size() == least * model._n_params
    assert model.fingerprint and not model.loading_size()
    assert 0.8 * model.weights_size() < estimate < 1.2 * model.weights_size()

"""Steps of constant shape give any bytes back, predict what growing caches do, and stay in their memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_hf
from kernel_tools import beside

from lmzip.models.hf.numerics import Settings
from lmzip.stream import shared

torch = pytest.importorskip("torch", reason="torch is not installed: make test-hf")
pytest.importorskip("transformers", reason="transformers is not installed: make test-hf")

from lmzip.models.hf import static  # noqa: E402
from lmzip.models.hf.probe import fingerprint_of, fixed  # noqa: E402
from lmzip.models.hf.stepping import GrowingSteps, Lanes, Runner  # noqa: E402

TEXT = b"the thin thing in the inn, then <s> the \xc3\xa9 in </s>" * 5
PLAIN = ["llama", "gpt2", "qwen2", "gpt_neox", "opt", "phi", "gemma", "bloom"]
OTHERS = ["gemma3", "mistral", "mamba", "mamba2", "rwkv", "jamba"]


@pytest.fixture
def load(tmp_path: Path, new_registry) -> Callable[[str], Any]:
    """Return what loads a tiny model of a kind, to be run in steps of constant shape."""

    def load(kind: str) -> Any:
        new_registry(Settings(device="cpu", threads=1))
        model = shared.registry.model(f"hf:{tiny_hf.save(tmp_path / kind, kind)}")
        model._load().runner.is_static = True
        return model

    return load


@pytest.fixture(autouse=True)
def plain_layers() -> None:
    """transformers before its layers count in tensors has none of these."""
    from transformers import cache_utils

    if not isinstance(getattr(cache_utils.StaticLayer(4), "cumulative_length", None), torch.Tensor):
        pytest.skip("layers of this transformers count outside of tensors")


def predictions(runner: Runner, n_steps: int) -> np.ndarray:
    """Return weights (n_steps, 3, n_vocab) behind some tokens, over several windows."""
    tokens = np.random.default_rng(2).integers(0, runner.n_vocab, (n_steps, 3))
    lanes = Lanes(runner, 3, runner.window)
    return np.stack([lanes.predict([0, 1, 2], row.tolist()) for row in tokens])


@pytest.mark.parametrize("kind", PLAIN)
def test_they_predict_what_growing_caches_do(load, kind: str) -> None:
    """But for roundings, in a window that slides over and over."""
    runner = load(kind)._load().runner
    with fixed(1, "cpu"):
        assert isinstance(runner.new_steps(2, 8), static.StaticSteps)
        found, first = predictions(runner, 75), fingerprint_of(runner)
        assert np.array_equal(found, predictions(runner, 75)) and first == fingerprint_of(runner)
        runner.is_static = False
        expected = predictions(runner, 75)
        assert first != fingerprint_of(runner)
    shares = [weights / weights.sum(-1, keepdims=True) for weights in (found.astype(float), expected.astype(float))]
    assert np.abs(shares[0] - shares[1]).max() < 1e-5


@pytest.mark.parametrize("kind", [*PLAIN, *OTHERS])
def test_bytes_come_back(load, kind: str) -> None:
    model = load(kind)
    spec = beside(len(TEXT), 6, 3)
    payload = model.encode(TEXT, spec)
    assert payload is not None and bytes(model.decode(payload, spec)) == TEXT


@pytest.mark.parametrize("kind", OTHERS)
def test_what_has_no_constant_shape_goes_on_as_before(load, kind: str) -> None:
    assert isinstance(load(kind)._load().runner.new_steps(2, 8), GrowingSteps)


def test_memory_is_that_of_the_start(load) -> None:
    """No new keys and values, whatever slides."""
    runner = load("llama")._load().runner
    with fixed(1, "cpu"):
        lanes, places = Lanes(runner, 2, runner.window), set()
        for _ in range(3 * tiny_hf.WINDOW):
            lanes.predict([0, 1], [5, 9])
            places.add(tuple(layer.keys.data_ptr() for layer in lanes.steps.cache.layers))
    assert len(places) == 1
    assert lanes.steps.cache.layers[0].keys.shape[:3] == (2, 1, runner.window)


def test_graphs_give_what_steps_do(load, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for a graph of CUDA: it does a step again, into the tensors of the first time."""
    runner, n_replays = load("llama")._load().runner, 0

    def recorded(step: Callable[[], Any], device: Any) -> Callable[[], None]:
        step()
        logits = steps._logits

        def replay() -> None:
            nonlocal n_replays
            n_replays += 1
            step()
            logits.copy_(steps._logits)
            steps._logits = logits

        return replay

    with fixed(1, "cpu"):
        expected = predictions(runner, 70)
        monkeypatch.setattr(static, "recorded", recorded)
        lanes = Lanes(runner, 3, runner.window)
        steps = lanes.steps
        assert isinstance(steps, static.StaticSteps)
        steps._step()
        steps._replay = static.recorded(steps._step, "cpu")
        steps.restart()
        tokens = np.random.default_rng(2).integers(0, runner.n_vocab, (70, 3))
        found = np.stack([lanes.predict([0, 1, 2], row.tolist()) for row in tokens])
    assert np.array_equal(found, expected) and n_replays >= 66


@pytest.mark.parametrize("kind", [kind for kind in PLAIN if kind != "opt"])  # which looks how many tokens there were
def test_a_step_does_not_wait_for_the_device(load, kind: str) -> None:
    """On tensors without values, of which nothing can be asked: what would end the recording of a graph."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    runner = load(kind)._load().runner
    with fixed(1, "cpu"):
        steps = runner.new_steps(2, 16)
        steps.take_in(torch.zeros((2, 1), dtype=torch.int64))
        with FakeTensorMode(allow_non_fake_inputs=True) as mode:
            for layer in steps.cache.layers:
                for name in ("keys", "values", "cumulative_length"):
                    setattr(layer, name, mode.from_tensor(getattr(layer, name)))
            logits = steps.take_in(torch.zeros((2, 1), dtype=torch.int64))
    assert logits.shape[0] == 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")
@pytest.mark.parametrize("kind", [*PLAIN, *OTHERS])
def test_on_a_gpu(tmp_path: Path, new_registry, kind: str) -> None:
    """With graphs where there can be: as without, and there and back."""
    new_registry(Settings(device="cuda", threads=1))
    model = shared.registry.model(f"hf:{tiny_hf.save(tmp_path / kind, kind)}")
    runner, spec = model._load().runner, beside(len(TEXT), 6, 3)
    payload = model.encode(TEXT, spec)
    assert payload is not None and bytes(model.decode(payload, spec)) == TEXT
    assert runner.is_static
    if kind in PLAIN and kind != "opt":
        with fixed(1, "cuda"):
            assert runner.new_steps(2, 8)._replay is not None
            recorded = predictions(runner, 75)
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(static, "recorded", lambda step, device: None)
                assert np.array_equal(predictions(runner, 75), recorded)

"""The transformer in torch gives the kernel's token weights: tiny ones, extreme ones, windows that slide, stretches."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from tiny_transformer import GEMMA2, GEMMA3, QWEN3, kernel_transformer, tiny_transformer

torch = pytest.importorskip("torch")

from lmzip.twin import products  # noqa: E402
from lmzip.twin.transformer import TransformerTwin, unknown_parts  # noqa: E402

ALL_INT15 = ["qkv", "o", "gate_up", "down", "lm_head"]
MODELS: dict[str, dict] = {
    "tied": {"seed": 3},
    "one layer": {"seed": 2, "n_layer": 1},
    "own head, biases": {"seed": 4, "tied": False, "bias": True, "n_vocab": 303, "epsilon": 1 << 30},
    "fifteen bits": {"seed": 5, "int15": ALL_INT15, "n_layer": 1},
    "many heads": {"seed": 6, "n_layer": 1, "n_head": 6, "n_kv_head": 2, "head_dim": 64, "int15": ["o"]},
    "sliding": {"seed": 14, **GEMMA2, "window": 256, "n_layer": 2},
    "ties": {"seed": 7, "kind": "ties", "int15": ["down"]},
    "extreme": {"seed": 8, "kind": "extreme", "bias": True, "tied": False},
    "extreme, fifteen bits": {"seed": 9, "kind": "extreme", "int15": ALL_INT15, "n_hidden": 1184, "epsilon": 1 << 32},
    "qwen 3": {"seed": 11, **QWEN3},
    "gemma 2, extreme": {"seed": 12, "kind": "extreme", **GEMMA2},
    "gemma 3": {"seed": 13, "int15": ["o"], **GEMMA3},
    "no epsilon": {"seed": 10, "kind": "extreme", "epsilon": 0},
}


@cache
def tensors_of(name: str):
    return tiny_transformer(**MODELS[name])


def some_tokens(n_lanes: int, n_steps: int, n_vocab: int) -> np.ndarray:
    """Return (n_steps, n_lanes) tokens, among them the same over and over."""
    tokens = np.random.default_rng(5).integers(0, n_vocab, (n_steps, n_lanes))
    tokens[:, 2::3] = 7
    return tokens


def kernel_weights(model, tokens: np.ndarray, n_vocab: int) -> np.ndarray:
    found = model.run(tokens.reshape(-1).tolist(), tokens.shape[1])
    return np.asarray(found).reshape(*tokens.shape, n_vocab)


def twin_weights(twin: TransformerTwin, tokens: np.ndarray, stretches: list[int]) -> np.ndarray:
    """Return the same of the twin, whose lanes lie in disorder among others; stretches: steps at a time."""
    n_steps, n_lanes = tokens.shape
    rows = torch.randperm(n_lanes + 2, generator=torch.Generator().manual_seed(1))[:n_lanes]
    state = twin.new_state(n_lanes + 2)
    before = torch.from_numpy(np.concatenate([np.full((1, n_lanes), twin.n_symbols), tokens[:-1]]))
    parts, at = [], 0
    while at < n_steps:
        size = stretches[len(parts) % len(stretches)]
        parts.append(twin.predict(state, rows, before[at : at + size]).numpy().view(np.uint32))
        at += size
    return np.concatenate(parts)


def check(name: str, n_lanes: int, n_steps: int, *stretches: list[int], **options) -> None:
    tensors, config = tensors_of(name)
    tokens = some_tokens(n_lanes, n_steps, config["n_vocab"])
    expected = kernel_weights(kernel_transformer(tensors, config), tokens, config["n_vocab"])
    twin = TransformerTwin(tensors, config, "cpu", **options)
    for sizes in stretches:
        assert np.array_equal(twin_weights(twin, tokens, sizes), expected), sizes


@pytest.mark.parametrize("name", MODELS)
def test_twin_equals_kernel(name: str) -> None:
    check(name, 4, 16, [1], [5, 1, 10])


@pytest.mark.parametrize("name", ["own head, biases", "extreme, fifteen bits"])
def test_products_of_the_device_are_exact(name: str) -> None:
    extremes = torch.full((32, 1024), -127, dtype=torch.int8)
    if torch._int_mm(extremes, -extremes.t())[0, 0] != -(127**2) * 1024:
        pytest.skip("products of 8 bits saturate on this processor, which is why the CPU device does without")
    check(name, 3, 6, [1], [6], multiply=products.by_integers)


def test_the_window_slides() -> None:
    """Over twice round the ring of 124, in steps, and in stretches that reach over its end."""
    check("one layer", 2, 270, [1] * 140 + [64], [37, 1, 64])
    check("sliding", 2, 200, [1] * 140 + [60], [37, 1, 64])


def test_a_row_is_used_again() -> None:
    tensors, config = tensors_of("tied")
    tokens = some_tokens(2, 150, config["n_vocab"])
    expected = kernel_weights(kernel_transformer(tensors, config), tokens[:9], config["n_vocab"])
    twin = TransformerTwin(tensors, config, "cpu")
    state, rows = twin.new_state(2), torch.arange(2)
    before = torch.from_numpy(np.concatenate([np.full((1, 2), twin.n_symbols), tokens[:-1]]))
    for at in range(0, 150, 50):
        twin.predict(state, rows, before[at : at + 50])
    twin.restart(state, rows)
    assert np.array_equal(twin.predict(state, rows, before[:9]).numpy().view(np.uint32), expected)


@pytest.mark.parametrize("n_lanes", [64, 200])
def test_many_lanes(n_lanes: int) -> None:
    tensors, config = tensors_of("tied")
    tokens = some_tokens(n_lanes, 3, config["n_vocab"])
    model = kernel_transformer(tensors, config)
    parts = [kernel_weights(model, tokens[:, at : at + 50], config["n_vocab"]) for at in range(0, n_lanes, 50)]
    twin = TransformerTwin(tensors, config, "cpu")
    assert np.array_equal(twin_weights(twin, tokens, [1, 2]), np.concatenate(parts, 1))


def test_parts_of_a_later_specification_are_told() -> None:
    for name in MODELS:
        tensors, config = tensors_of(name)
        assert not unknown_parts(config, tensors)
        assert unknown_parts(config | {"experts": 3}, [*tensors, "layers.0.router"]) == {"experts", "layers.0.router"}

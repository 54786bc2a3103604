"""The transformer in torch gives the kernel's token weights: tiny ones, extreme ones, windows that slide, stretches."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_transformer import kernel_transformer
from transformer_tools import MODELS, int8_products_are_exact, kernel_weights, some_tokens, tensors_of, twin_weights

torch = pytest.importorskip("torch")

from lmzip.twin import products  # noqa: E402
from lmzip.twin.transformer import TransformerTwin, unknown_parts  # noqa: E402


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
    if not int8_products_are_exact():
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

"""The transformer with kernels of its own gives the kernel's token weights: tiny ones, extreme ones, all options."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_transformer
import transformer_tools as tools

pytest.importorskip("torch")
pytest.importorskip("triton")


def check(device: str, name: str, stretches: list[int], multiply: str | None = None) -> None:
    from lmzip.twin import products
    from lmzip.twin.fused.transformer import FusedTransformer

    class OfFewLogits(FusedTransformer):
        _LOGITS = 128  # of a program, so that there are several

    tensors, config = tools.tensors_of(name)
    tokens = tools.some_tokens(2, sum(stretches), config["n_vocab"])
    model = tiny_transformer.kernel_transformer(tensors, config)
    expected = tools.kernel_weights(model, tokens, config["n_vocab"])
    options = {"multiply": getattr(products, multiply)} if multiply else {}
    twin = OfFewLogits(tensors, config, device, **options)
    assert np.array_equal(tools.twin_weights(twin, tokens, stretches), expected)


@pytest.mark.parametrize("name", tools.MODELS)
def test_fused_transformer_equals_kernel(on_triton, name: str) -> None:
    on_triton(check, name, [1, 2])


def test_sums_may_lie_apart(on_triton) -> None:
    """As those of torch's product of integers do, whose rows are padded."""
    if not tools.int8_products_are_exact():
        pytest.skip("products of 8 bits saturate on this processor, which is why the CPU device does without")
    on_triton(check, "own head, biases", [2], "by_integers")

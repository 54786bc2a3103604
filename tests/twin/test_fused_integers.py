"""Bits, roots, powers, scaled and shifted numbers within Triton's kernels are those of the twins in torch."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
triton = pytest.importorskip("triton")

from lmzip.twin import integers as expected  # noqa: E402
from lmzip.twin.fused import integers  # noqa: E402

tl = triton.language
N = 1024
_bits, _power, _scaled = integers.bits, integers.power, integers.scaled
_shifted, _reciprocal_root = integers.shifted, integers.reciprocal_root


@triton.jit
def kernel(x, sums, multiplier, shift, table, out, N: tl.constexpr):
    i = tl.arange(0, N)
    x = tl.load(x + i)
    root, e = _reciprocal_root(x + 1, table)
    tl.store(out + i, _bits(x))
    tl.store(out + N + i, root)
    tl.store(out + 2 * N + i, e)
    tl.store(out + 3 * N + i, _power((x & (1 << 17) - 1).to(tl.int32)))
    tl.store(out + 4 * N + i, _scaled(tl.load(sums + i), tl.load(multiplier + i)))
    tl.store(out + 5 * N + i, _shifted(x >> 32, tl.load(shift + i)))


def check(device: str) -> None:
    some = torch.Generator().manual_seed(1)
    edges = [0, 1, *((1 << k) + d for k in range(1, 62) for d in (-1, 0, 1)), (1 << 62) - 2]
    x = torch.randint(0, 1 << 44, (N,), generator=some) >> torch.randint(0, 44, (N,), generator=some)
    x[: len(edges)] = torch.tensor(edges)
    sums = torch.randint(-(1 << 27), 1 << 27, (N,), generator=some, dtype=torch.int32)
    sums[:2] = torch.tensor([1 << 20, -(1 << 20)])
    multiplier = ((1 << 50) // sums.abs().long().clamp(min=1 << 20)).int()  # 2^26 at most, which both of these reach
    shift = torch.randint(-30, 31, (N,), generator=some)
    x, sums, multiplier, shift = (tensor.to(device) for tensor in (x, sums, multiplier, shift))
    tables = expected.Tables.on(device)
    out = torch.zeros((6, N), dtype=torch.int64, device=device)
    kernel[(1,)](x, sums, multiplier, shift, tables.rsqrt, out, N=N)
    root, e = tables.reciprocal_root(x + 1)
    assert torch.equal(out[0], tables.bits(x))
    assert torch.equal(out[1], root) and torch.equal(out[2], e)
    assert torch.equal(out[3], expected.power(x & (1 << 17) - 1))
    assert torch.equal(out[4], sums.long() * multiplier + (1 << 23) >> 24) and out[4].abs().max() == 1 << 26
    assert torch.equal(out[5], expected.shifted(x >> 32, shift))


def test_integers_are_those_of_the_twins(on_triton) -> None:
    on_triton(check)


@triton.jit
def add(x, y):
    tl.store(x, tl.load(x) + tl.load(y))


def check_overflow(device: str) -> None:
    large = torch.full((1,), 1 << 30, dtype=torch.int32)
    add[(1,)](large.clone(), large - 1)
    with pytest.raises(Exception, match="int32 overflow"):
        add[(1,)](large.clone(), large)


def test_the_interpreter_tells_what_overflows(on_triton) -> None:
    if torch.cuda.is_available():
        pytest.skip("a GPU does not tell")
    on_triton(check_overflow)

"""Arithmetic within kernels, elementwise (ARITHMETIC 1, 10.3, 10.4, 10.7); lmzip/twin/integers.py has it in torch."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def bits(x):
    """Return the number of binary digits of x >= 0, int64."""
    x = x.to(tl.int64)
    n = x & 0
    for k in tl.static_range(5, -1, -1):
        half = ((x >> (1 << k)) != 0).to(tl.int64) << k
        x = x >> half
        n += half
    return n + x  # what is left of x is 1, or 0 as it was


@triton.jit
def shifted(x, shift):
    """Return x >> shift, x << -shift where that is negative."""
    return (x << tl.maximum(-shift, 0)) >> tl.maximum(shift, 0)


@triton.jit
def reciprocal_root(total, table):
    """Return (root, e) of total >= 1, int64: near 2^31 * 2^(e / 2) / sqrt(total) (ARITHMETIC 10.4).

    table: where rsqrt_table lies, (193,) int64.
    """
    e = (bits(total) - 1) & -2
    m = shifted(total, e - 30)
    i, f = (m >> 24) - 64, (m >> 8) & 65535
    low, high = tl.load(table + i), tl.load(table + i + 1)
    return low - ((low - high) * f >> 16), e


@triton.jit
def power(x):
    """Return p of ARITHMETIC 10.7, near 2^18 * 2^(-f / 4096) with f the fraction of x = 4096 n + f, of x's type."""
    f = x & 4095
    p = 60439 - (f * 10259 >> 12)
    p = 181252 - (f * p >> 12)
    return (1 << 18) - (f * p >> 12)


@triton.jit
def scaled(sums, multiplier):
    """Return what a product's exact sums come to with their rows' multipliers (ARITHMETIC 10.3): int32, as it is within
    2^26.
    """
    return ((sums.to(tl.int64) * multiplier + (1 << 23)) >> 24).to(tl.int32)

"""Weights that predict with the least squares of errors, by Cholesky's method (SAMPLES 4)."""

from __future__ import annotations

from lmzip.reference.mixing import clamp
from lmzip.reference.tables import rsqrt_table

SQUARE_ROOTS = rsqrt_table()


def inverse_root(n: int) -> tuple[int, int]:
    """Return 2^31 / sqrt(n / 2^e) and e, the largest even number with 2^e <= n."""
    e = (n.bit_length() - 1) & ~1
    m = n >> (e - 30) if e >= 30 else n << (30 - e)
    at, f = (m >> 24) - 64, m >> 8 & 65535
    return SQUARE_ROOTS[at] - ((SQUARE_ROOTS[at] - SQUARE_ROOTS[at + 1]) * f >> 16), e


def fine_inverse_root(n: int) -> tuple[int, int]:
    """Return 2^30 / sqrt(n / 2^e) by a step of Newton's method, and e."""
    y, e = inverse_root(n)
    m = n >> (e - 30) if e >= 30 else n << (30 - e)
    return y * ((3 << 30) - ((y * y >> 32) * m >> 30)) >> 32, e


def solve(gram: list[list[int]], weights: list[int], ridge: int) -> None:
    """Solve for the weights in place.  gram: on and above the diagonal; its last row is that of what is predicted."""
    n, last = len(weights), len(gram) - 1
    largest = max(gram[i][i] for i in [*range(n), last])
    if largest <= 0:
        return
    ridge = min(ridge, largest)
    shift = 57 - largest.bit_length()

    def scaled(v: int) -> int:
        return v << shift if shift > 0 else v >> -shift

    factor = [[0] * (n + 1) for _ in range(n)]  # factor[j][i]: column j, row i; row n is the last one
    inverse, half = [0] * n, [0] * n
    for j in range(n):
        column = {i: gram[j][i] for i in range(j, n)} | {n: gram[j][last]}
        sums = {i: scaled(clamp(g, largest)) for i, g in column.items()}
        for k in range(j):
            for i in sums:
                sums[i] -= factor[k][j] * factor[k][i]
        d = max(sums[j] + (scaled(gram[j][j]) >> 21) + scaled(ridge), 1 << 24)
        inverse[j], e = fine_inverse_root(d)
        half[j] = e // 2
        for i, v in sums.items():
            t = clamp((v + (1 << (half[j] - 1))) >> half[j], 1 << 30)
            factor[j][i] = clamp((t * inverse[j] + (1 << 29)) >> 30, 379625062)
    for j in reversed(range(n)):
        known = sum(factor[j][i] * weights[i] for i in range(j + 1, n))
        t = clamp(((factor[j][n] << 22) - known) >> half[j], 1 << 30)
        weights[j] = clamp(t * inverse[j] >> 30, 1 << 28)

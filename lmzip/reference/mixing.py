"""Probabilities, adaptive cells and mixing in integers, of all bases (ARITHMETIC 5, 6.1, 9)."""

from __future__ import annotations

from lmzip.reference import tables

STRETCH_LIMIT = 12287
WEIGHT_LIMIT = (1 << 30) - 1

SQUASH = tables.squash_table()
STRETCH = tables.stretch_table()
RECIPROCAL = tables.reciprocal_table()
APM_ROW = [min(SQUASH[i * 96] >> 8, 65535) for i in range(33)]


def clamp(x: int, limit: int) -> int:
    return max(-limit, min(limit, x))


def squash(stretch: int) -> int:
    x = stretch + 12288
    i, f = x >> 3, x & 7
    return (SQUASH[i] * (8 - f) + SQUASH[i + 1] * f + 4) >> 3


class Cell:
    """An adaptive probability of a one: p in units of 2^-22, n bits seen."""

    def __init__(self, p16: int, n: int = 0) -> None:
        self.p = p16 << 6
        self.n = n

    def stretch(self) -> int:
        return STRETCH[self.p >> 10]

    def confidence(self) -> int:
        return (self.p - (1 << 21)) >> 10

    def update(self, bit: int, limit: int = 250) -> None:
        error = (4194303 if bit else 0) - self.p
        self.p += ((error >> 3) * RECIPROCAL[self.n]) >> 9
        self.n += self.n < limit


def bounded(p24: int) -> int:
    """Return a probability that the coder can be given."""
    return max(64, min((1 << 24) - 64, p24))


def mix_dot(inputs: list[int], weights: list[int]) -> int:
    """Return the mixed stretch, which may be beyond its limits."""
    return sum((x * (w >> 16)) >> 8 for x, w in zip(inputs, weights, strict=True)) >> 4


def mix_gradient(bit: int, p24: int, rate: int) -> int:
    return clamp((((bit << 24) - p24) * rate + (1 << 15)) >> 16, 32767)


def mix_train(inputs: list[int], weights: list[int], gradient: int) -> None:
    for i, x in enumerate(inputs):
        weights[i] = clamp(weights[i] + ((x * gradient) >> 4), WEIGHT_LIMIT)


def power_above(n: int, limit: int) -> int:
    power = 1
    while power < n and power < limit:
        power *= 2
    return power

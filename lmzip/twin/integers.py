"""Arithmetic that both models share, elementwise on tensors: bits, roots, powers (ARITHMETIC 1, 10.4, 10.7)."""

from __future__ import annotations

from math import isqrt
from typing import NamedTuple

import torch
from torch import Tensor

from lmzip.native.tables import rsqrt_table

EXPONENT_LIMIT = 30 << 12


class Tables(NamedTuple):
    """What elementwise functions look up, on a device."""

    powers: Tensor  # (63,) int64: 2^i
    rsqrt: Tensor  # (193,) int64, ARITHMETIC 10.4

    @classmethod
    def on(cls, device: str) -> Tables:
        powers = torch.tensor([1 << i for i in range(63)], dtype=torch.int64, device=device)
        return cls(powers, torch.tensor(rsqrt_table(), dtype=torch.int64, device=device))

    def bits(self, x: Tensor) -> Tensor:
        """Return the number of binary digits of integers x >= 0, int64."""
        return torch.bucketize(x, self.powers, right=True)

    def reciprocal_root(self, total: Tensor) -> tuple[Tensor, Tensor]:
        """Return (root, e) of integers total >= 1, int64: near 2^31 * 2^(e / 2) / sqrt(total) (ARITHMETIC 10.4)."""
        e = (self.bits(total) - 1) & ~1
        m = (total << (30 - e).clamp_(min=0)) >> (e - 30).clamp_(min=0)
        i, f = (m >> 24) - 64, (m >> 8) & 65535
        low = self.rsqrt[i]
        return low - ((low - self.rsqrt[i + 1]) * f >> 16), e


def shifted(x: Tensor, shift: Tensor) -> Tensor:
    """Return x >> shift, x << -shift where that is negative."""
    return (x << (-shift).clamp_(min=0)) >> shift.clamp(min=0)


def root_factor(n: int, unit: int) -> int:
    """Return round(unit * sqrt(n))."""
    return (isqrt(4 * n * unit * unit) + 1) // 2


def power(x: Tensor) -> Tensor:
    """Return p of ARITHMETIC 10.7, near 2^18 * 2^(-f / 4096) with f the fraction of x = 4096 n + f."""
    f = x & 4095
    p = 60439 - (f * 10259 >> 12)
    p = 181252 - (f * p >> 12)
    return (1 << 18) - (f * p >> 12)

"""Packed vectors of the transformer in torch, and how products come back to units (TRANSFORMER 1, 3)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lmzip.twin.integers import Tables, shifted
from lmzip.twin.products import Matrix

KEPT = 1 << 30
WIDE_LIMIT = 16319


class Packed(NamedTuple):
    """Vectors near (128 high + low) * top / 127 * 2^shift; 8 bits are low alone, and high is None."""

    high: Tensor | None  # (..., n) int8
    low: Tensor  # (..., n) int8
    top: Tensor  # (..., 1) int64
    shift: Tensor  # (..., 1) int64

    def by_steps(self, n_steps: int, n_lanes: int) -> Packed:
        """Return vectors of 8 bits (n_steps * n_lanes, ...) as (n_steps, n_lanes, ...)."""
        return Packed(None, *(part.view(n_steps, n_lanes, *part.shape[1:]) for part in self[1:]))


class Operand(NamedTuple):
    """What a product takes, and what brings that to units: scale(product, factor, places)."""

    q: Tensor  # (n, n_in) int8; of 15 bits (2 n, n_in), the high parts before the low ones
    factor: Tensor  # (n, 1) int64
    places: Tensor  # the same

    @classmethod
    def of(cls, packed: Packed, factor: Tensor, places: Tensor) -> Operand:
        q = packed.low if packed.high is None else torch.cat([packed.high, packed.low])
        return cls(q, factor, places)


def saturate(x: Tensor) -> Tensor:
    """Return x within what every number is kept; in place."""
    return x.clamp_(-KEPT, KEPT)


def scale(y: Tensor, a: Tensor, n: Tensor) -> Tensor:
    """Return y * a / 2^n, rounded and kept (TRANSFORMER 1)."""
    right = n.clamp(min=0)
    return saturate(((y * a << (-n).clamp(min=0)) + (1 << right >> 1)) >> right)


def shift_to(v: Tensor, n_bits: int, tables: Tables) -> tuple[Tensor, Tensor]:
    """Return (v', shift): v' of as many bits, and a sign, as the largest |v_i| of a vector needs (TRANSFORMER 3)."""
    largest = v.abs().amax(-1, keepdim=True)
    shift = (tables.bits(largest) - n_bits).masked_fill_(largest == 0, 0)
    return shifted(v, shift), shift


def quantize_int8(v: Tensor, tables: Tables) -> Packed:
    """Return vectors v (..., n) int64 in 8 bits (TRANSFORMER 3)."""
    v, shift = shift_to(v, 15, tables)
    top = v.abs().amax(-1, keepdim=True).clamp_(min=1)
    q = (v * ((127 << 24) // top)).add_(1 << 23).bitwise_right_shift_(24)
    return Packed(None, q.to(torch.int8), top, shift)


def quantize_int15(v: Tensor, tables: Tables) -> Packed:
    """Return vectors v (..., n) int64 in 15 bits (TRANSFORMER 3)."""
    v, shift = shift_to(v, 14, tables)
    w = v.clamp(-WIDE_LIMIT, WIDE_LIMIT)
    high = w + 64 >> 7
    return Packed(high.to(torch.int8), (w - (high << 7)).to(torch.int8), torch.full_like(shift, 127), shift)


def quantize(v: Tensor, int15: bool, tables: Tables) -> Packed:
    return (quantize_int15 if int15 else quantize_int8)(v, tables)


def product(matrix: Matrix, x: Operand) -> Tensor:
    """Return matrix * x (n, n_out) int64, not yet in units (TRANSFORMER 3)."""
    found = matrix(x.q)
    if len(found) == len(x.factor):
        return found
    high, low = found.chunk(2)
    return (high << 7) + low


def apply(matrix: Matrix, x: Operand) -> Tensor:
    """Return matrix * x in units (TRANSFORMER 3)."""
    return scale(product(matrix, x), x.factor, x.places)

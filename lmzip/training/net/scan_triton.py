"""The gated linear recurrence on CUDA: one Triton program for some channels of a sequence, looping over time."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

BLOCK = 64  # channels of a program


@triton.jit
def _forward(z, g, h0, reset, h, T, D, BLOCK: tl.constexpr):
    b = tl.program_id(0).to(tl.int64)
    d = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = d < D
    state = tl.load(h0 + b * D + d, mask=inside, other=0.0)
    for t in range(T):
        at = (b * T + t) * D + d
        state = tl.where(tl.load(reset + b * T + t) != 0, 0.0, state)
        gate = tl.load(g + at, mask=inside, other=0.0)
        state += gate * (tl.load(z + at, mask=inside, other=0.0) - state)
        tl.store(h + at, state, mask=inside)


@triton.jit
def _backward(z, g, h0, reset, h, dh, dz, dg, T, D, BLOCK: tl.constexpr):
    b = tl.program_id(0).to(tl.int64)
    d = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = d < D
    first = tl.load(h0 + b * D + d, mask=inside, other=0.0)
    carry = tl.zeros((BLOCK,), tl.float32)
    for i in range(T):
        t = T - 1 - i
        at = (b * T + t) * D + d
        # The state before step 0 is h0; h[-1] would be another sequence's, or outside.
        before = tl.load(h + at - D * tl.minimum(t, 1), mask=inside, other=0.0)
        before = tl.where(tl.minimum(t, 1) == 1, before, first)
        keep = tl.where(tl.load(reset + b * T + t) != 0, 0.0, 1.0)
        gate = tl.load(g + at, mask=inside, other=0.0)
        gradient = tl.load(dh + at, mask=inside, other=0.0) + carry
        tl.store(dg + at, gradient * (tl.load(z + at, mask=inside, other=0.0) - before * keep), mask=inside)
        tl.store(dz + at, gradient * gate, mask=inside)
        carry = gradient * (1.0 - gate) * keep


def _grid(z: Tensor) -> tuple[int, int]:
    return z.shape[0], triton.cdiv(z.shape[2], BLOCK)


def forward(z: Tensor, g: Tensor, h0: Tensor, reset: Tensor, h: Tensor) -> None:
    """Fill h (B, T, D) from contiguous z, g (B, T, D) float32, h0 (B, D) and reset (B, T) uint8."""
    _forward[_grid(z)](z, g, h0, reset, h, z.shape[1], z.shape[2], BLOCK=BLOCK)


def backward(z: Tensor, g: Tensor, h0: Tensor, reset: Tensor, h: Tensor, dh: Tensor, dz: Tensor, dg: Tensor) -> None:
    """Fill dz and dg (B, T, D) from the gradient dh of every state."""
    _backward[_grid(z)](z, g, h0, reset, h, dh, dz, dg, z.shape[1], z.shape[2], BLOCK=BLOCK)

"""Products of integers of 8 bits with matrices, exact on every device (ARITHMETIC 10.3).

On CUDA, `torch._int_mm`: integer tensor cores, sums of 32 bits.  On the CPU device, products of float32 that no
rounding touches: oneDNN's products of 8 bits may saturate where a processor lacks VNNI.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_PIECE = 1024  # columns of a matrix whose products float32 sums exactly: 127^2 * 1024 < 2^24
_LEAST_ROWS = 32  # `torch._int_mm` wants more than 16 rows, and they come in tiles
_ROUNDING = 1 << 23

Multiply = Callable[[Tensor], Tensor]  # (n, n_in) int8 to sums (n, n_out) int32


def by_integers(weight: Tensor) -> Multiply:
    """Return the product by `torch._int_mm` with a matrix (n_out, n_in) int8, n_in a multiple of 8."""
    n_out = len(weight)
    padded = torch.nn.functional.pad(weight, (0, 0, 0, -n_out % _LEAST_ROWS))
    columns = padded.t()  # of the memory's order that tensor cores take as it is

    def multiply(q: Tensor) -> Tensor:
        n = len(q)
        rows = max(_LEAST_ROWS, -(-n // _LEAST_ROWS) * _LEAST_ROWS)
        if rows != n:
            q = torch.nn.functional.pad(q, (0, 0, 0, rows - n))
        return torch._int_mm(q, columns)[:n, :n_out]

    return multiply


def by_floats(weight: Tensor) -> Multiply:
    """Return the product by float32: all partial sums of 1024 products are integers below 2^24, which it holds."""
    pieces = [piece.float().t().contiguous() for piece in weight.split(_PIECE, 1)]

    def multiply(q: Tensor) -> Tensor:
        q = q.float()
        sums = [torch.mm(part, piece) for part, piece in zip(q.split(_PIECE, 1), pieces, strict=True)]
        total = sums[0].int()
        for more in sums[1:]:
            total += more.int()
        return total

    return multiply


class Matrix:
    """A matrix with a multiplier for each row, on a device."""

    def __init__(self, weight: Any, multiplier: Any, device: str, multiply: Callable[..., Multiply] | None = None):
        """weight: array (n_out, n_in) int8; multiplier: array (n_out,) int32.  multiply: by_integers or by_floats; None
        for what suits the device.
        """
        self.weight = torch.tensor(weight, dtype=torch.int8, device=device).clamp_(min=-127)
        self.multiplier = torch.tensor(multiplier, dtype=torch.int32, device=device)
        make = multiply or (by_floats if torch.device(device).type == "cpu" else by_integers)
        self.sums: Multiply = make(self.weight)  # without the multipliers

    def __call__(self, q: Tensor) -> Tensor:
        """Return the products (n, n_out) int64, within 2^26, with q (n, n_in) int8."""
        return (self.sums(q).long().mul_(self.multiplier)).add_(_ROUNDING).bitwise_right_shift_(24)

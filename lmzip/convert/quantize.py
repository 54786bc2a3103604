"""From floating-point numbers to the integers of a weight file (ARITHMETIC 10.3, TRANSFORMER 4, 5, 11).

Only what IEEE 754 or decimal arithmetic defines to the bit is used, so that a model gives the same file everywhere.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

import numpy as np

from lmzip.errors import UnsupportedError

MAX_GAIN_SHIFT = 24
MAX_BIAS = 1 << 30
_ROWS = 1024  # quantized at a time
_PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494")


def quantize_rows(weights: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return integers (n_out, n_in) int8 and multipliers (n_out,) int32 of a matrix (n_out, n_in) float32.

    Raises UnsupportedError for weights that are not finite, or larger than ARITHMETIC 10.3 allows.
    """
    integers = np.empty(weights.shape, np.int8)
    multipliers = np.empty(len(weights), np.int32)
    for start in range(0, len(weights), _ROWS):
        rows = slice(start, start + _ROWS)
        part = weights[rows]
        largest = np.abs(part).max(axis=1)
        if not np.isfinite(largest).all():
            raise UnsupportedError(f"the tensor {name} holds numbers that are not finite")
        scale = largest / np.float32(127)
        multiplier = np.rint(scale.astype(np.float64) * 2.0**40 / 127)
        if (multiplier >= 2.0**31).any():
            raise UnsupportedError(f"the tensor {name} holds numbers that are too large")
        is_zero = multiplier == 0
        scale[is_zero] = 1
        q = np.rint(part / scale[:, None])
        q[is_zero] = 0
        integers[rows], multipliers[rows] = q, multiplier
        sums = np.abs(q).sum(axis=1, dtype=np.float64).astype(np.int64)
        if ((sums * 127 * multipliers[rows] >> 24) + 1 > 1 << 26).any():
            raise UnsupportedError(f"the tensor {name} has a row whose products would be too large")
    return integers, multipliers


def quantize_norm(factors: np.ndarray, name: str) -> tuple[np.ndarray, int]:
    """Return integers (n,) int16 in units of 2^g and g, the largest up to 24 that they fit; raises UnsupportedError."""
    exact = factors.astype(np.float64)
    if not np.isfinite(exact).all():
        raise UnsupportedError(f"the tensor {name} holds numbers that are not finite")
    for unit in range(MAX_GAIN_SHIFT, -1, -1):
        integers = np.rint(exact * 2.0**unit)
        if np.abs(integers).max() <= 32767:
            return integers.astype(np.int16), unit
    raise UnsupportedError(f"the tensor {name} holds numbers that are too large")


def quantize_bias(bias: np.ndarray, name: str) -> np.ndarray:
    """Return integers (n,) int32 in units of 2^12; raises UnsupportedError."""
    integers = np.rint(bias.astype(np.float64) * 2.0**12)
    if not (np.abs(integers) <= MAX_BIAS).all():
        raise UnsupportedError(f"the tensor {name} holds numbers that are not finite or too large")
    return integers.astype(np.int32)


def epsilon_of(n_embd: int, rms_epsilon: float) -> int:
    """Return the epsilon of TRANSFORMER 4."""
    return round(n_embd * Fraction(rms_epsilon) * (1 << 24))


def embed_scale_of(scale: float) -> int:
    """Return the scale of embeddings in units of 2^-8 (TRANSFORMER 2)."""
    return round(Fraction(scale) * 256)


def cap_of(cap: float) -> int:
    """Return a soft cap, in nats, in units of 2^-12 octaves (TRANSFORMER 6)."""
    context = Context(prec=40, rounding=ROUND_HALF_EVEN)
    octaves = context.divide(Decimal(cap), context.ln(Decimal(2)))
    return int(context.multiply(octaves, Decimal(1 << 12)).to_integral_value(ROUND_HALF_EVEN))


def inv_freq_of(theta: float, head_dim: int) -> np.ndarray:
    """Return the rotary frequencies (head_dim / 2,) uint32: theta^(-2 i / head_dim) radians, a turn being 2^32."""
    context = Context(prec=40, rounding=ROUND_HALF_EVEN)
    ln_theta = context.ln(Decimal(theta))
    unit = context.divide(Decimal(1 << 31), _PI)
    inv_freq = []
    for i in range(head_dim // 2):
        power = context.divide(context.multiply(ln_theta, Decimal(-2 * i)), Decimal(head_dim))
        angle = context.multiply(unit, context.exp(power))
        inv_freq.append(int(angle.to_integral_value(ROUND_HALF_EVEN)))
    return np.array(inv_freq, np.uint32)

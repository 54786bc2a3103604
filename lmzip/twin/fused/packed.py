"""Numbers of TRANSFORMER within kernels: rounded shifts, packed vectors, norms, sigmoids (1, 3, 4, 8).

lmzip/twin/packed.py and transformer.py have them in torch.  A vector is a whole tensor here, of any shape, int32.
"""

from __future__ import annotations

import triton
import triton.language as tl

from lmzip.twin.fused.integers import bits, reciprocal_root, scaled, shifted
from lmzip.twin.packed import KEPT, WIDE_LIMIT
from lmzip.twin.transformer import GELU_LIMIT

_KEPT = tl.constexpr(KEPT)
_WIDE_LIMIT = tl.constexpr(WIDE_LIMIT)
_GELU_LIMIT = tl.constexpr(GELU_LIMIT)


@triton.jit
def kept(x):
    """Return x within what every number is kept."""
    return tl.minimum(tl.maximum(x, -_KEPT), _KEPT)


@triton.jit
def times(x, y):
    """Return products int64 of int32, as GPUs make them at once."""
    return x.to(tl.int64) * y.to(tl.int64)


@triton.jit
def rounded(x, n):
    """Return x / 2^n, rounded; x: int64, n >= 0."""
    half = ((n.to(tl.int64) & 0 | 1) << n) >> 1
    return (x + half) >> n


@triton.jit
def units(sums, at, low_parts, multiplier, factor, places, there, OF_INT15: tl.constexpr):
    """Return a product, which lies at sums + at, in units, int32; that of a vector of 15 bits has another, of its low
    parts, `low_parts` behind.
    """
    y = scaled(tl.load(sums + at, mask=there, other=0), multiplier).to(tl.int64)
    if OF_INT15:
        y = (y << 7) + scaled(tl.load(sums + at + low_parts, mask=there, other=0), multiplier)
    return kept(rounded(y * factor, places)).to(tl.int32)


@triton.jit
def shift_to(v, N_BITS: tl.constexpr):
    """Return (v', shift): v' of as many bits, and a sign, as the largest |v_i| needs (TRANSFORMER 3)."""
    largest = tl.max(tl.abs(v))
    shift = tl.where(largest == 0, 0, bits(largest) - N_BITS).to(tl.int32)
    return shifted(v, shift), shift


@triton.jit
def put_packed(v, q, at, low_parts, there, TO_INT15: tl.constexpr):
    """Put v to q + at in 8 bits, or in 15, the low parts `low_parts` behind; return (top, shift) (TRANSFORMER 3)."""
    if TO_INT15:
        w, shift = shift_to(v, 14)
        w = tl.minimum(tl.maximum(w, -_WIDE_LIMIT), _WIDE_LIMIT)
        high = (w + 64) >> 7
        tl.store(q + at, high.to(tl.int8), mask=there)
        tl.store(q + at + low_parts, (w - (high << 7)).to(tl.int8), mask=there)
        top = shift & 0 | 127
    else:
        w, shift = shift_to(v, 15)
        top = tl.maximum(tl.max(tl.abs(w)), 1)
        r = (top & 0 | (127 << 24)) // top
        tl.store(q + at, ((w * r + (1 << 23)) >> 24).to(tl.int8), mask=there)
    return top, shift


@triton.jit
def gained(x, gain, unit, EPSILON: tl.constexpr, FACTOR: tl.constexpr, roots):
    """Return (t, ratio, places): x with a root mean square of 1, times the gain, is t * ratio / 2^places (TRANSFORMER
    4).

    gain: int32; unit: of the gain; EPSILON, FACTOR: for the size of x; roots: where rsqrt_table lies.
    """
    v, s = shift_to(x, 15)
    total = tl.sum(times(v, v)) + shifted(tl.full((), EPSILON, tl.int64), 2 * s)
    root, e = reciprocal_root(tl.maximum(total, 1), roots)
    return v * gain, root * FACTOR >> 31, unit + (e >> 1)


@triton.jit
def normalised(x, gain, unit, EPSILON: tl.constexpr, FACTOR: tl.constexpr, roots):
    """Return x, normalised, in units, int32 (TRANSFORMER 4); the others as in gained()."""
    t, ratio, places = gained(x, gain, unit, EPSILON, FACTOR, roots)
    return kept(rounded(t.to(tl.int64) * ratio, tl.minimum(tl.maximum(places, 1), 62))).to(tl.int32)


@triton.jit
def sigmoid(g, table):
    """Return 2^15 / (1 + exp(-g / 4096)) (TRANSFORMER 8), int32.

    g: int32; table: where sigmoid_table lies, (1025,) int32.
    """
    size = tl.abs(g)
    i, f = tl.minimum(size >> 6, 1023), size & 63
    low, high = tl.load(table + i), tl.load(table + i + 1)
    s = tl.where(size >= 1 << 16, 1 << 15, low + (((high - low) * f + 32) >> 6))
    return tl.where(g < 0, (1 << 15) - s, s)


@triton.jit
def glu(g, u, table, IS_GELU: tl.constexpr):
    """Return g * sigmoid(g) * u, SwiGLU, or GeGLU (TRANSFORMER 8), int32; g, u: int32."""
    if IS_GELU:
        h = tl.minimum(tl.abs(g), _GELU_LIMIT)
        square = (h * h + (1 << 11)) >> 12
        size = (h * (26145 + ((1169 * square + (1 << 11)) >> 12)) + (1 << 13)) >> 14
        a = tl.where(g < 0, -size, size)
    else:
        a = g
    gated = (times(g, sigmoid(a, table)) + (1 << 14)) >> 15
    return kept((times(gated.to(tl.int32), u) + (1 << 11)) >> 12).to(tl.int32)


@triton.jit
def soft_cap(x, table, CAP: tl.constexpr):
    """Return CAP * tanh(x / CAP), x for a CAP of 0, in units of 2^-12 octaves (TRANSFORMER 6); x: int32."""
    if CAP == 0:
        capped = x
    else:
        factor: tl.constexpr = (1 << 37) // CAP
        s = sigmoid(((x.to(tl.int64) * factor + (1 << 23)) >> 24).to(tl.int32), table)
        capped = (((s - (1 << 14)).to(tl.int64) * CAP + (1 << 13)) >> 14).to(tl.int32)
    return capped

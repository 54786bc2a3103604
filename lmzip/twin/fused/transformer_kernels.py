"""What stands between the transformer's products, a kernel for each place; a program has a row, or a head of one.

Arguments that kernels share: `sums`, the exact sums of a product (n, n_out) int32 of rows `stride` apart, of vectors of
15 bits (2 n, n_out); `multiplier` (n_out,) int32, `factor` (n,) int64 and `places` (n,) int32, which bring it to units;
`q`, `q_factor`, `q_places`, which are made for the next product: an Operand.  Blocks are powers of two.
"""

from __future__ import annotations

import triton
import triton.language as tl

from lmzip.twin.attention import SIZE_LIMIT
from lmzip.twin.fused.integers import power
from lmzip.twin.fused.packed import gained, glu, kept, normalised, put_packed, shift_to, soft_cap, units
from lmzip.twin.integers import EXPONENT_LIMIT
from lmzip.twin.transformer import OCTAVES

_EXPONENT_LIMIT = tl.constexpr(EXPONENT_LIMIT)
_OCTAVES = tl.constexpr(OCTAVES)
_SIZE_LIMIT = tl.constexpr(SIZE_LIMIT)


@triton.jit
def added_kernel(
    x,
    sums,
    multiplier,
    factor,
    places,
    behind_gain,
    behind_unit,
    gain,
    unit,
    roots,
    q,
    q_factor,
    q_places,
    n,
    stride,
    OF_INT15: tl.constexpr,
    TO_INT15: tl.constexpr,
    EPSILON: tl.constexpr,
    ROOT_FACTOR: tl.constexpr,
    WIDTH: tl.constexpr,
    N_BLOCK: tl.constexpr,
):
    """Add a product, in some models normalised, to x (n, WIDTH) int32, and pack the norm of it.  Grid: (n,).

    sums and what belongs to them may be None, behind_gain too.
    """
    row, k = tl.program_id(0).to(tl.int64), tl.arange(0, N_BLOCK)
    there = k < WIDTH
    v = tl.load(x + row * WIDTH + k, mask=there, other=0)
    if sums is not None:
        of = tl.load(multiplier + k, mask=there, other=0)
        y = units(sums, row * stride + k, n * stride, of, tl.load(factor + row), tl.load(places + row), there, OF_INT15)
        if behind_gain is not None:
            behind = tl.load(behind_gain + k, mask=there, other=0)
            y = normalised(y, behind, behind_unit, EPSILON, ROOT_FACTOR, roots)
        v = kept(v.to(tl.int64) + y).to(tl.int32)
        tl.store(x + row * WIDTH + k, v, mask=there)
    t, ratio, bits_of_t = gained(v, tl.load(gain + k, mask=there, other=0), unit, EPSILON, ROOT_FACTOR, roots)
    top, shift = put_packed(t, q, row * WIDTH + k, n * WIDTH, there, TO_INT15)
    tl.store(q_factor + row, top * ratio)
    tl.store(q_places + row, tl.minimum(tl.maximum(16 + bits_of_t - shift, 1), 62).to(tl.int32))


@triton.jit
def _put_operand(v, q, q_factor, q_places, row, k, n, there, TO_INT15: tl.constexpr, WIDTH: tl.constexpr):
    """Pack a row for a product."""
    top, shift = put_packed(v, q, row * WIDTH + k, n * WIDTH, there, TO_INT15)
    # With 15 bits the largest numbers go the other way, by a place.
    tl.store(q_factor + row, top.to(tl.int64) << tl.maximum(shift - 16, 0))
    tl.store(q_places + row, tl.maximum(16 - shift, 0))


@triton.jit
def packed_kernel(x, q, q_factor, q_places, n, TO_INT15: tl.constexpr, WIDTH: tl.constexpr, N_BLOCK: tl.constexpr):
    """Pack x (n, WIDTH) int32.  Grid: (n,)."""
    row, k = tl.program_id(0).to(tl.int64), tl.arange(0, N_BLOCK)
    there = k < WIDTH
    v = tl.load(x + row * WIDTH + k, mask=there, other=0)
    _put_operand(v, q, q_factor, q_places, row, k, n, there, TO_INT15, WIDTH)


@triton.jit
def gated_kernel(
    sums,
    multiplier,
    factor,
    places,
    sigmoids,
    q,
    q_factor,
    q_places,
    n,
    stride,
    IS_GELU: tl.constexpr,
    OF_INT15: tl.constexpr,
    TO_INT15: tl.constexpr,
    WIDTH: tl.constexpr,
    N_BLOCK: tl.constexpr,
):
    """Pack glu of the halves, `WIDTH` wide, of a product.  Grid: (n,)."""
    row, k = tl.program_id(0).to(tl.int64), tl.arange(0, N_BLOCK)
    there = k < WIDTH
    by, to = tl.load(factor + row), tl.load(places + row)
    at, low_parts = row * stride + k, n * stride
    g = units(sums, at, low_parts, tl.load(multiplier + k, mask=there, other=0), by, to, there, OF_INT15)
    of = tl.load(multiplier + WIDTH + k, mask=there, other=0)
    u = units(sums, at + WIDTH, low_parts, of, by, to, there, OF_INT15)
    v = glu(g, u, sigmoids, IS_GELU)
    _put_operand(v, q, q_factor, q_places, row, k, n, there, TO_INT15, WIDTH)


@triton.jit
def heads_kernel(
    sums,
    multiplier,
    factor,
    places,
    bias,
    query_gain,
    key_gain,
    query_unit,
    key_unit,
    cosines,
    sines,
    roots,
    query,
    query_top,
    query_shift,
    key_value,
    key_value_size,
    n,
    stride,
    OF_INT15: tl.constexpr,
    EPSILON: tl.constexpr,
    ROOT_FACTOR: tl.constexpr,
    N_HEAD: tl.constexpr,
    N_KV_HEAD: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    N_HALF: tl.constexpr,
):
    """Turn and pack what the product with `qkv` gives: queries and their scales, keys and values and their sizes.

    Grid: (n, N_HEAD + 2 N_KV_HEAD).  query_gain, key_gain: (HEAD_DIM,) int32 of norms, or None; cosines, sines: (n,
    HEAD_DIM / 2) int16; key_value: (2, n, N_KV_HEAD, HEAD_DIM) int8.  N_HALF: HEAD_DIM / 2 or more.
    """
    row, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    half: tl.constexpr = HEAD_DIM // 2
    i = tl.arange(0, N_HALF)
    k = i[:, None] + half * tl.arange(0, 2)[None, :]
    there = (i < half)[:, None] & (k < HEAD_DIM)
    of = tl.load(multiplier + head * HEAD_DIM + k, mask=there, other=0)
    at = row * stride + head * HEAD_DIM + k
    v = units(sums, at, n * stride, of, tl.load(factor + row), tl.load(places + row), there, OF_INT15)
    if bias is not None:
        v = kept(v.to(tl.int64) + tl.load(bias + head * HEAD_DIM + k, mask=there, other=0)).to(tl.int32)
    before = tl.zeros((), tl.int32)  # what v was shifted by
    if head < N_HEAD + N_KV_HEAD:
        if query_gain is not None:
            if head < N_HEAD:
                v = normalised(v, tl.load(query_gain + k, mask=there, other=0), query_unit, EPSILON, ROOT_FACTOR, roots)
            else:
                v = normalised(v, tl.load(key_gain + k, mask=there, other=0), key_unit, EPSILON, ROOT_FACTOR, roots)
        v, before = shift_to(v, 15)
        first, second = tl.split(v)
        c = tl.load(cosines + row * half + i, mask=i < half, other=0).to(tl.int32)
        s = tl.load(sines + row * half + i, mask=i < half, other=0).to(tl.int32)
        v = (tl.join(first * c - second * s, first * s + second * c) + (1 << 13)) >> 14
    if head < N_HEAD:
        to = row * N_HEAD + head
        top, shift = put_packed(v, query, to * HEAD_DIM + k, 0, there, False)
        tl.store(query_top + to, top)
        tl.store(query_shift + to, shift + before)
    else:
        which, kv = (head - N_HEAD) // N_KV_HEAD, (head - N_HEAD) % N_KV_HEAD
        to = (which * n + row) * N_KV_HEAD + kv
        top, shift = put_packed(v, key_value, to * HEAD_DIM + k, 0, there, False)
        tl.store(key_value_size + to, _size_of(top, shift + before))


@triton.jit
def _size_of(top, shift):
    """Return the size of a packed key or value, int32 (TRANSFORMER 5)."""
    size = (top.to(tl.int64) << tl.minimum(tl.maximum(shift, 0), 23)) >> tl.maximum(-shift, 0)
    return tl.minimum(size, _SIZE_LIMIT).to(tl.int32)


@triton.jit
def _logits(
    sums, row, k, multiplier, factor, places, n, stride, there, sigmoids, OF_INT15: tl.constexpr, CAP: tl.constexpr
):
    """Return logits, int32, -2^31 of those that are not there."""
    of = tl.load(multiplier + k, mask=there, other=0)
    by = tl.load(factor + row) * _OCTAVES >> 16
    y = units(sums, row * stride + k, n * stride, of, by, tl.load(places + row), there, OF_INT15)
    return tl.where(there, soft_cap(y, sigmoids, CAP), -(1 << 31))


@triton.jit
def largest_kernel(
    sums,
    multiplier,
    factor,
    places,
    sigmoids,
    largest,
    n,
    stride,
    CAP: tl.constexpr,
    OF_INT15: tl.constexpr,
    N_SYMBOLS: tl.constexpr,
    N_BLOCK: tl.constexpr,
):
    """Find the largest of each N_BLOCK logits: largest (n, blocks) int32.  Grid: (n, blocks)."""
    row, block = tl.program_id(0).to(tl.int64), tl.program_id(1)
    k = block * N_BLOCK + tl.arange(0, N_BLOCK)
    logits = _logits(sums, row, k, multiplier, factor, places, n, stride, k < N_SYMBOLS, sigmoids, OF_INT15, CAP)
    tl.store(largest + row * tl.num_programs(1) + block, tl.max(logits))


@triton.jit
def weights_kernel(
    sums,
    multiplier,
    factor,
    places,
    sigmoids,
    largest,
    weights,
    n,
    stride,
    CAP: tl.constexpr,
    OF_INT15: tl.constexpr,
    N_SYMBOLS: tl.constexpr,
    N_BLOCK: tl.constexpr,
    N_BLOCKS: tl.constexpr,
):
    """Make the weights (n, N_SYMBOLS) int32 of logits (TRANSFORMER 9).  Grid: (n, blocks); N_BLOCKS: or more."""
    row, block = tl.program_id(0).to(tl.int64), tl.program_id(1)
    i, k = tl.arange(0, N_BLOCKS), block * N_BLOCK + tl.arange(0, N_BLOCK)
    there, blocks = k < N_SYMBOLS, tl.num_programs(1)
    most = tl.max(tl.load(largest + row * blocks + i, mask=i < blocks, other=-(1 << 31)))
    logits = _logits(sums, row, k, multiplier, factor, places, n, stride, there, sigmoids, OF_INT15, CAP)
    x = tl.minimum(most.to(tl.int64) - logits, _EXPONENT_LIMIT)
    e = tl.maximum((power(x) << 13) >> (x >> 12), 1)  # of 32 bits without a sign
    tl.store(weights + row * N_SYMBOLS + k, e.to(tl.int32), mask=there)

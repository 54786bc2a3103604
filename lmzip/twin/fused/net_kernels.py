"""What stands between two products of the byte-level net, a kernel for each piece (ARITHMETIC 10.2 to 10.7).

A *column* is a byte of a lane, a row of its tensors; columns are in the order of steps, then of lanes.  Sums are those
of Matrix.sums.  All numbers fit into 32 bits but where ARITHMETIC 11.2 says 64.
"""

from __future__ import annotations

import triton
import triton.language as tl

from lmzip.twin.fused.integers import bits, power, reciprocal_root, scaled, shifted
from lmzip.twin.integers import EXPONENT_LIMIT
from lmzip.twin.net import HASH, WORD_BYTES

_exponent_limit = tl.constexpr(EXPONENT_LIMIT)
_hash = tl.constexpr(HASH)
_word_bytes = tl.constexpr(WORD_BYTES)


@triton.jit
def _clamp(x, limit):
    return tl.minimum(tl.maximum(x, -limit), limit)


@triton.jit
def _tile(n, SIZE: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    """Return of a program's tile of a tensor (n, SIZE): where its elements (ROWS, BLOCK) are, which of them there are,
    and their columns (1, BLOCK) within rows.
    """
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    place = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)[None, :]
    return row * SIZE + place, (row < n) & (place < SIZE), place


@triton.jit
def _products(sums, multiplier, n, SIZE: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    """Return _tile() and its products int32, 0 where there is none."""
    at, inside, place = _tile(n, SIZE, ROWS, BLOCK)
    factor = tl.load(multiplier + place, mask=place < SIZE, other=0)
    return at, inside, scaled(tl.load(sums + at, mask=inside, other=0), factor)


@triton.jit
def embed(known, byte_embedding, tables, orders, out, n, n_lanes,
          N_INPUT: tl.constexpr, BYTE_DIM: tl.constexpr, TABLE_DIM: tl.constexpr, TABLE_BITS: tl.constexpr,
          ROWS: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    """Program (., 0) writes its columns' embeddings of the last byte, (., i + 1) their rows of table i (10.2)."""
    column = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    there = (column < n)[:, None]
    dim = tl.arange(0, BLOCK)[None, :]
    part = tl.program_id(1) - 1
    if part < 0:
        c1 = tl.load(known + column + 8 * n_lanes, mask=column < n, other=0)
        piece = tl.load(byte_embedding + c1[:, None] * BYTE_DIM + dim, mask=there & (dim < BYTE_DIM), other=0)
        tl.store(out + column[:, None] * N_INPUT + dim, piece, mask=there & (dim < BYTE_DIM))
    else:
        order = tl.load(orders + part)
        key = column & 0
        goes_on = column >= 0
        for j in tl.static_range(8):
            byte = tl.load(known + column + (8 - j) * n_lanes, mask=column < n, other=0)
            lower = byte | 32
            is_letter = (byte >= 128) | ((lower >= 97) & (lower <= 122))
            goes_on = goes_on & tl.where(order == 0, is_letter & (j < _word_bytes), j < order)
            key |= tl.where(goes_on, tl.where(order == 0, lower, byte) << 8 * j, 0)
        hashed = ((key + order) * _hash >> (64 - TABLE_BITS)) & ((1 << TABLE_BITS) - 1)
        row = (part.to(tl.int64) << TABLE_BITS) + tl.where(order == 2, key, hashed)
        piece = tl.load(tables + row[:, None] * TABLE_DIM + dim, mask=there & (dim < TABLE_DIM), other=0)
        at = out + column[:, None] * N_INPUT + BYTE_DIM + part * TABLE_DIM
        tl.store(at + dim, piece, mask=there & (dim < TABLE_DIM))


@triton.jit
def _normed(x, rsqrt, SIZE: tl.constexpr, FACTOR: tl.constexpr):
    """Return norm(x) int8 of rows (ROWS, BLOCK) int32, which have 0 behind their SIZE numbers (10.4)."""
    largest = tl.max(tl.abs(x), 1, keep_dims=True)
    shift = tl.where(largest == 0, 0, bits(largest) - 15)
    v = shifted(x, shift.to(tl.int32))
    total = (SIZE << 2 * tl.maximum(-shift, 0)) + tl.sum((v * v).to(tl.int64), 1, keep_dims=True)
    root, e = reciprocal_root(total, rsqrt)
    half = e >> 1
    r = (root * FACTOR + (1 << (19 + half))) >> (20 + half)
    return _clamp((v * tl.minimum(r, 32767).to(tl.int32) + (1 << 19)) >> 20, 127).to(tl.int8)


@triton.jit
def norm(x, q, rsqrt, n, SIZE: tl.constexpr, FACTOR: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    """q = norm(x)."""
    at, inside, _ = _tile(n, SIZE, ROWS, BLOCK)
    tl.store(q + at, _normed(tl.load(x + at, mask=inside, other=0), rsqrt, SIZE, FACTOR), mask=inside)


@triton.jit
def add_norm(sums, multiplier, x, q, rsqrt, n, IS_FIRST: tl.constexpr,
             SIZE: tl.constexpr, FACTOR: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    """x += the products, or x = these where they are the first; q = norm(x)."""
    at, inside, v = _products(sums, multiplier, n, SIZE, ROWS, BLOCK)
    if not IS_FIRST:
        v += tl.load(x + at, mask=inside, other=0)
    tl.store(x + at, v, mask=inside)
    tl.store(q + at, _normed(v, rsqrt, SIZE, FACTOR), mask=inside)


@triton.jit
def _gate_sigmoid(u):
    v = _clamp(u, 1 << 14)
    r = (1 << 14) - tl.abs(v)
    s = (r * r + (1 << 14)) >> 15
    return tl.where(v < 0, s, (1 << 14) - s)


@triton.jit
def recur(sums, multiplier, forget_bias, states, rows, out, n_steps, n_lanes, SIZE: tl.constexpr, BLOCK: tl.constexpr):
    """Program (lane, i) takes a piece of a lane's state through all steps: out = y, and states[rows] = h (10.5)."""
    lane = tl.program_id(0).to(tl.int64)
    place = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = place < SIZE
    m_z = tl.load(multiplier + place, mask=inside, other=0)
    m_f = tl.load(multiplier + SIZE + place, mask=inside, other=0)
    m_o = tl.load(multiplier + 2 * SIZE + place, mask=inside, other=0)
    bias = tl.load(forget_bias + place, mask=inside, other=0)
    state = states + tl.load(rows + lane) * SIZE + place
    h = tl.load(state, mask=inside, other=0)
    for t in tl.range(0, n_steps, num_stages=4):
        column = lane + t * n_lanes
        u = sums + column * (3 * SIZE) + place
        z = scaled(tl.load(u, mask=inside, other=0), m_z)
        f = scaled(tl.load(u + SIZE, mask=inside, other=0), m_f)
        o = scaled(tl.load(u + 2 * SIZE, mask=inside, other=0), m_o)
        d = (256 * _clamp(z, 32767) - h + 128) >> 8
        h += (d * _gate_sigmoid(-(f + bias)) + 32) >> 6
        y = (((h + 128) >> 8) * _gate_sigmoid(o) + (1 << 13)) >> 14
        tl.store(out + column * SIZE + place, y, mask=inside)
    tl.store(state, h, mask=inside)


@triton.jit
def square(sums, multiplier, q, n, SIZE: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    """q = square of the products (10.6)."""
    at, inside, u = _products(sums, multiplier, n, SIZE, ROWS, BLOCK)
    a = tl.minimum(tl.maximum(u, 0), 1 << 14)
    tl.store(q + at, tl.minimum((a * a + (1 << 19)) >> 20, 127).to(tl.int8), mask=inside)


@triton.jit
def leaves(sums, multiplier, out, n, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    """out = the leaves of logits, which are the products (10.7); BLOCK is their number, 256."""
    at, inside, logits = _products(sums, multiplier, n, BLOCK, ROWS, BLOCK)
    x = tl.minimum(tl.max(logits, 1, keep_dims=True) - logits, _exponent_limit)
    tl.store(out + at, tl.maximum((power(x) << 4) >> (x >> 12), 1), mask=inside)

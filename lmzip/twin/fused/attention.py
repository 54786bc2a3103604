"""Attention in one kernel: what twin/attention.py gives, without a number of a score in memory (TRANSFORMER 6, 7, 10).

A program has some queries of a lane that use the same head of keys and values, and goes through the lane's tokens three
times, as integers allow no shorter way: for the largest score; for the sums of softmax weights and of these times the
values' sizes; for the means.  Scores are made anew each time.  The lane's tokens are those in the cache, then new ones.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from lmzip.twin.attention import SCORE_LIMIT, Cache
from lmzip.twin.fused.integers import bits, power
from lmzip.twin.fused.packed import kept, rounded, soft_cap, times
from lmzip.twin.integers import EXPONENT_LIMIT
from lmzip.twin.packed import WIDE_LIMIT

_SCORE_LIMIT = tl.constexpr(SCORE_LIMIT)
_WIDE_LIMIT = tl.constexpr(WIDE_LIMIT)
_EXPONENT_LIMIT = tl.constexpr(EXPONENT_LIMIT)
_NEVER = tl.constexpr(1 << 30)  # the age of what is not there


class Heads(NamedTuple):
    """New queries, keys and values in 8 bits, and what these are worth."""

    query: Tensor  # (n_steps, n_lanes, n_head, head_dim) int8
    top: Tensor  # (n_steps, n_lanes, n_head) int32
    shift: Tensor  # the same
    key: Tensor  # (n_steps, n_lanes, n_kv_head, head_dim) int8
    value: Tensor
    key_size: Tensor  # (n_steps, n_lanes, n_kv_head) int32
    value_size: Tensor


class _Tokens(NamedTuple):
    """Within a kernel: where some tokens of a lane and a head are, the vectors of one `apart` from the next one's."""

    key: Any
    value: Any
    key_size: Any
    value_size: Any
    apart: Any
    end: Any  # how many
    ages: Any  # what _ages() needs, None of new tokens
    oldest: Any  # (queries,): the age up to which a query sees them


class _Queries(NamedTuple):
    """Within a kernel: queries of a program."""

    q: Any  # (queries, dims) int8
    factor: Any  # (queries,) int32: z * factor / 2^places is the score
    places: Any


@triton.jit
def _slot_of(token, window, n_sink):
    """Return where a lane's token goes: the first ones stay, the others take turns."""
    return tl.where(token < window, token, n_sink + (token - n_sink) % (window - n_sink))


@triton.jit
def _vectors(base, tokens, source, dims, HEAD_DIM: tl.constexpr):
    """Return keys or values (tokens, dims) int8, from `base` on."""
    there = (tokens < source.end)[:, None] & (dims < HEAD_DIM)[None, :]
    vectors = base + (tokens.to(tl.int64) * source.apart)[:, None] * HEAD_DIM
    return tl.load(vectors + dims[None, :], mask=there, other=0)


@triton.jit
def _sizes(base, tokens, source):
    """Return the sizes (1, tokens) int32 of keys or values, from `base` on."""
    return tl.load(base + tokens.to(tl.int64) * source.apart, mask=tokens < source.end, other=0)[None, :]


@triton.jit
def _scores(tokens, source, queries, dims, sigmoids, HEAD_DIM: tl.constexpr, CAP: tl.constexpr):
    """Return scores (queries, tokens) int32, -2^30 of tokens that a query does not see."""
    dot = tl.dot(queries.q, tl.trans(_vectors(source.key, tokens, source, dims, HEAD_DIM)))
    z = (times(dot, _sizes(source.key_size, tokens, source)) + (1 << 15)) >> 16
    scores = rounded(times(z.to(tl.int32), queries.factor[:, None]), queries.places[:, None])
    scores = tl.minimum(tl.maximum(scores, -_SCORE_LIMIT), _SCORE_LIMIT).to(tl.int32)
    hidden = _ages(tokens, source)[None, :] > source.oldest[:, None]
    return tl.where(hidden, -2 * _SCORE_LIMIT, soft_cap(scores, sigmoids, CAP))


@triton.jit
def _ages(tokens, source):
    """Return how far back tokens are: new ones by their number, those of a cache by tokens, but 0 in its sink."""
    if source.ages is None:
        age = tokens
    else:
        next_slot, n_sink, ring = source.ages
        age = next_slot - tokens
        age = tl.where(tokens < n_sink, 0, tl.where(age > 0, age, age + ring))
    return tl.where(tokens < source.end, age, _NEVER)


@triton.jit
def _softmax(largest, scores):
    """Return softmax weights p, not divided by their sum, int32."""
    x = tl.minimum(largest[:, None] - scores, _EXPONENT_LIMIT)
    return (power(x) << 4) >> (x >> 12)


@triton.jit
def attention_kernel(
    query,
    query_top,
    query_shift,
    new_key,
    new_value,
    new_key_size,
    new_value_size,
    rows,
    before,
    cache_key,
    cache_value,
    cache_key_size,
    cache_value_size,
    sigmoids,
    out,
    n_steps,
    n_lanes,
    UNIT: tl.constexpr,
    CAP: tl.constexpr,
    N_KV_HEAD: tl.constexpr,
    GROUP: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    WINDOW: tl.constexpr,
    N_SINK: tl.constexpr,
    N_QUERIES: tl.constexpr,
    N_TOKENS: tl.constexpr,
    N_DIMS: tl.constexpr,
):
    """Put what heads of new tokens see into out (n_steps, n_lanes, n_head, HEAD_DIM) int32.

    Grid: (n_lanes * N_KV_HEAD, pieces of N_QUERIES of the GROUP * n_steps queries).  rows, before: (n_lanes,) int64,
    those of the cache, and a lane's tokens before.  N_QUERIES, N_TOKENS, N_DIMS: of a program, of a turn of its loops,
    and HEAD_DIM or more; powers of two.
    """
    lane, head = tl.program_id(0) // N_KV_HEAD, tl.program_id(0) % N_KV_HEAD
    which = tl.program_id(1) * N_QUERIES + tl.arange(0, N_QUERIES)
    step, dims = which // GROUP, tl.arange(0, N_DIMS)
    is_query = which < GROUP * n_steps
    at = (step.to(tl.int64) * n_lanes + lane) * (N_KV_HEAD * GROUP) + head * GROUP + which % GROUP
    elements = at[:, None] * HEAD_DIM + dims[None, :]
    is_element = is_query[:, None] & (dims < HEAD_DIM)[None, :]
    factor = (tl.load(query_top + at, mask=is_query, other=1).to(tl.int64) * UNIT >> 12).to(tl.int32)
    places = 20 - tl.load(query_shift + at, mask=is_query, other=0).to(tl.int64)
    queries = _Queries(tl.load(query + elements, mask=is_element, other=0), factor, places)

    had = tl.load(before + lane)
    ring: tl.constexpr = WINDOW - N_SINK
    next_slot = _slot_of(had, WINDOW, N_SINK).to(tl.int32)
    slot = (tl.load(rows + lane) * N_KV_HEAD + head) * WINDOW
    old = _Tokens(
        cache_key + slot * HEAD_DIM,
        cache_value + slot * HEAD_DIM,
        cache_key_size + slot,
        cache_value_size + slot,
        1,
        tl.minimum(had, WINDOW).to(tl.int32),
        (next_slot, N_SINK, ring),
        ring - 1 - step,
    )
    first = lane.to(tl.int64) * N_KV_HEAD + head
    new = _Tokens(
        new_key + first * HEAD_DIM,
        new_value + first * HEAD_DIM,
        new_key_size + first,
        new_value_size + first,
        n_lanes * N_KV_HEAD,
        n_steps,
        None,
        step,
    )
    tokens_of = (old, new)

    best = tl.full((N_QUERIES, N_TOKENS), -2 * _SCORE_LIMIT, tl.int32)
    for i in tl.static_range(2):
        source = tokens_of[i]
        for start in range(0, source.end, N_TOKENS):
            tokens = start + tl.arange(0, N_TOKENS)
            best = tl.maximum(best, _scores(tokens, source, queries, dims, sigmoids, HEAD_DIM, CAP))
    largest = tl.max(best, 1)

    p_sums = tl.zeros((N_QUERIES, N_TOKENS), tl.int32)  # of up to 2^7 turns and two
    b_sums = tl.zeros((N_QUERIES, N_TOKENS), tl.int64)
    b_most = tl.zeros((N_QUERIES, N_TOKENS), tl.int64)
    for i in tl.static_range(2):
        source = tokens_of[i]
        for start in range(0, source.end, N_TOKENS):
            tokens = start + tl.arange(0, N_TOKENS)
            p = _softmax(largest, _scores(tokens, source, queries, dims, sigmoids, HEAD_DIM, CAP))
            b = times(p, _sizes(source.value_size, tokens, source))
            p_sums += p
            b_sums += b
            b_most = tl.maximum(b_most, b)
    p_sum, b_sum = tl.sum(p_sums.to(tl.int64), 1), tl.sum(b_sums, 1)
    n = tl.maximum(tl.maximum(bits(tl.max(b_most, 1)) - 14, bits(b_sum) - 24), 0)
    p_bits = bits(p_sum)
    inverse = ((p_sum & 0 | 1) << (p_bits + 22)) // (127 * tl.maximum(p_sum, 1))

    upper = tl.zeros((N_QUERIES, N_DIMS), tl.int32)
    lower = tl.zeros((N_QUERIES, N_DIMS), tl.int32)
    for i in tl.static_range(2):
        source = tokens_of[i]
        for start in range(0, source.end, N_TOKENS):
            tokens = start + tl.arange(0, N_TOKENS)
            p = _softmax(largest, _scores(tokens, source, queries, dims, sigmoids, HEAD_DIM, CAP))
            b = times(p, _sizes(source.value_size, tokens, source))
            w = tl.minimum(rounded(b, n[:, None]), _WIDE_LIMIT).to(tl.int32)
            values = _vectors(source.value, tokens, source, dims, HEAD_DIM)
            high = (w + 128) >> 8  # 0 .. 64
            upper = tl.dot(high.to(tl.int8), values, upper)
            lower = tl.dot((w - (high << 8)).to(tl.int8), values, lower)
    total = times((upper << 8) + lower, inverse.to(tl.int32)[:, None])
    seen = kept(rounded(total, (p_bits + 22 - n)[:, None]))
    tl.store(out + elements, seen.to(tl.int32), mask=is_element)


@triton.jit
def store_kernel(
    new_key,
    new_value,
    new_key_size,
    new_value_size,
    rows,
    before,
    cache_key,
    cache_value,
    cache_key_size,
    cache_value_size,
    n_lanes,
    N_KV_HEAD: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    WINDOW: tl.constexpr,
    N_SINK: tl.constexpr,
    N_DIMS: tl.constexpr,
):
    """Put new keys and values into the cache.  Grid: (n_steps * n_lanes, N_KV_HEAD)."""
    column, head = tl.program_id(0), tl.program_id(1)
    step, lane = column // n_lanes, column % n_lanes
    token = tl.load(before + lane) + step
    to = (tl.load(rows + lane) * N_KV_HEAD + head) * WINDOW + _slot_of(token, WINDOW, N_SINK)
    of = column.to(tl.int64) * N_KV_HEAD + head
    dims = tl.arange(0, N_DIMS)
    there = dims < HEAD_DIM
    key = tl.load(new_key + of * HEAD_DIM + dims, mask=there)
    value = tl.load(new_value + of * HEAD_DIM + dims, mask=there)
    tl.store(cache_key + to * HEAD_DIM + dims, key, mask=there)
    tl.store(cache_value + to * HEAD_DIM + dims, value, mask=there)
    tl.store(cache_key_size + to, tl.load(new_key_size + of))
    tl.store(cache_value_size + to, tl.load(new_value_size + of))


def tile_of(n_queries: int, head_dim: int, cap: int) -> dict[str, int]:
    """Return what a program works on where a head of keys has n_queries, found by instructions for each score as far as
    registers hold all of it.
    """
    n_dims = triton.next_power_of_2(head_dim)
    # Products make 8 queries at least, of which 4 and 4 are alike, so that fewer save nothing.
    n_queries = min(max(4, triton.next_power_of_2(n_queries)), 16 if n_dims > 128 else 32)
    few = n_queries < 16
    return {
        "N_QUERIES": n_queries,
        "N_TOKENS": 128 if few and n_dims <= 64 else 64,
        "N_DIMS": n_dims,
        "num_warps": 8 if n_dims > (128 if few else 64) else 4,
        "num_stages": 1 if cap else 2,  # more would fetch what sigmoids look up beforehand too
    }


def attend(
    heads: Heads, cache: Cache, rows: Tensor, before: Tensor, n_sink: int, unit: int, cap: int, sigmoids: Tensor
) -> Tensor:
    """Return what the heads of new tokens see (n_steps, n_lanes, n_head, head_dim) int32; the cache takes the tokens
    in.

    rows, before: (n_lanes,) int64, where lanes are in the cache, and how many tokens they have; n_sink: of the layer;
    unit: scale_of_scores; cap: of scores, 0 for none; sigmoids: sigmoid_table, int32.
    """
    n_steps, n_lanes, n_head, head_dim = heads.query.shape
    n_kv_head, window = cache.keys.shape[1:3]
    group = n_head // n_kv_head
    tile = tile_of(group * n_steps, head_dim, cap)
    out = torch.empty_like(heads.query, dtype=torch.int32)
    lanes = rows, before, *cache
    shape = {"N_KV_HEAD": n_kv_head, "HEAD_DIM": head_dim, "WINDOW": window, "N_SINK": n_sink}
    attention_kernel[n_lanes * n_kv_head, triton.cdiv(group * n_steps, tile["N_QUERIES"])](
        *heads, *lanes, sigmoids, out, n_steps, n_lanes, unit, cap, GROUP=group, **shape, **tile
    )  # fmt: skip
    store_kernel[n_steps * n_lanes, n_kv_head](*heads[3:], *lanes, n_lanes, N_DIMS=tile["N_DIMS"], **shape)
    return out

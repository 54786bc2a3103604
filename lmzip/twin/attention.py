"""Attention of the transformer in torch: packed heads, rotary positions, the KV cache, softmax (TRANSFORMER 5 to 7).

Products of integers of 8 bits are of float32, which holds all their partial sums exactly: there is no other batched
product on every device.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from lmzip.native.tables import cosine_table
from lmzip.twin.integers import EXPONENT_LIMIT, Tables, power
from lmzip.twin.packed import WIDE_LIMIT, Packed, quantize_int8, scale, shift_to

N_SINK = 4
SCORE_LIMIT = 1 << 29
SIZE_LIMIT = 1 << 22
_PIECE = 1024  # tokens whose parts of weights times values float32 sums exactly: 128 * 127 * 1024 < 2^24
_QUARTER = 1 << 30


class Rotary:
    """Turns queries and keys by their positions."""

    def __init__(self, inv_freq: Tensor, tables: Tables) -> None:
        """inv_freq: (head_dim / 2,) int64."""
        self._inv_freq, self._tables = inv_freq, tables
        self._cosine = torch.tensor([*cosine_table(), 0], dtype=torch.int64, device=inv_freq.device)
        self._cosine[1024] = 0

    def angles(self, position: Tensor) -> tuple[Tensor, Tensor]:
        """Return cosines and sines (n, head_dim / 2) int16 of positions (n,), 1.0 = 2^14."""
        phase = position[:, None] * self._inv_freq & 0xFFFFFFFF
        return self._of(phase), self._of(phase - _QUARTER & 0xFFFFFFFF)

    def _of(self, phase: Tensor) -> Tensor:
        quadrant, p = phase >> 30, phase & _QUARTER - 1
        p = torch.where(quadrant & 1 == 1, _QUARTER - p, p)
        i, f = p >> 20, (p >> 4) & 65535
        low = self._cosine[i]
        c = low - ((low - self._cosine[i + 1]) * f + (1 << 15) >> 16)
        return torch.where((quadrant == 1) | (quadrant == 2), -c, c).short()

    def turn(self, v: Tensor, cosines: Tensor, sines: Tensor) -> Packed:
        """Return heads v (n, n_heads, head_dim), turned and packed."""
        v, shift = shift_to(v, 15, self._tables)
        first, second = v.chunk(2, -1)
        c, s = cosines[:, None], sines[:, None]
        a, b = first * c - second * s, first * s + second * c
        turned = quantize_int8(torch.cat([a, b], -1).add_(1 << 13) >> 14, self._tables)
        return turned._replace(shift=turned.shift + shift)


def size_of(packed: Packed) -> Tensor:
    """Return the sizes of packed keys or values, int32, without the last dimension (TRANSFORMER 5)."""
    up, down = packed.shift.clamp(min=0), (-packed.shift).clamp(min=0)
    # top is below 2^15 + 1, so that a shift of 23 is beyond the limit as well as any.
    return ((packed.top << up.clamp(max=23)) >> down).clamp(max=SIZE_LIMIT).squeeze(-1).int()


class Cache(NamedTuple):
    """Keys and values of one layer for all rows: the first tokens of a lane, then a ring."""

    keys: Tensor  # (n_rows, n_kv_head, window, head_dim) int8
    values: Tensor
    key_sizes: Tensor  # (n_rows, n_kv_head, window) int32
    value_sizes: Tensor


class Places:
    """Where the tokens of some lanes are, the same for all layers of a window."""

    def __init__(self, rows: Tensor, before: Tensor, n_steps: int, window: int, n_sink: int) -> None:
        """rows, before: (n_lanes,) int64, where lanes are in caches, and how many tokens they have; n_steps: more of
        each, at most window - n_sink; attention sees the first n_sink and the last (TRANSFORMER 10).
        """
        self.rows, self.before, self.n_sink = rows, before, n_sink
        self._window, self._ring = window, window - n_sink
        self._steps = torch.arange(n_steps, device=rows.device)
        self._token = before + self._steps[:, None]

    @cached_property
    def slots(self) -> Tensor:
        """Where new tokens go (n_steps, n_lanes)."""
        token, n_sink = self._token, self.n_sink
        return torch.where(token < self._window, token, n_sink + (token - n_sink) % self._ring)

    @cached_property
    def hidden(self) -> Tensor:
        """What a new token does not see, old ones before new: (n_lanes, 1, 1, n_steps, window + n_steps) bool."""
        slot, steps, ring = torch.arange(self._window, device=self.rows.device), self._steps, self._ring
        last = self.before[:, None] - 1 - slot
        is_sink = slot < self.n_sink
        # The newest token in each slot: in the ring, so many rounds after the first.
        held = torch.where(is_sink, slot, slot + last.clamp(min=0) // ring * ring)
        oldest = (self._token - ring + 1).t()[:, :, None]  # that is seen, the sink apart
        old = (is_sink | (held[:, None] >= oldest)) & (last >= 0)[:, None]
        new = (steps[:, None] >= steps).expand(len(self.rows), len(steps), len(steps))
        return ~torch.cat([old, new], 2)[:, None, None]


def attend(
    query: Packed,
    key: Packed,
    value: Packed,
    cache: Cache,
    at: Places,
    unit: int,
    soft_cap: Callable[[Tensor], Tensor],
    tables: Tables,
) -> Tensor:
    """Return what the heads of new tokens see (n_steps, n_lanes, n_head, head_dim); the cache takes the tokens in.

    query: (n_steps, n_lanes, n_head, head_dim), key, value: (n_steps, n_lanes, n_kv_head, head_dim); unit:
    scale_of_scores; soft_cap: of scores.
    """
    n_steps, n_lanes, n_head, head_dim = query.low.shape
    n_kv_head = key.low.shape[2]
    group = n_head // n_kv_head
    keys, values = (_joined(old[at.rows], new.low) for old, new in ((cache.keys, key), (cache.values, value)))
    new_sizes = size_of(key), size_of(value)
    key_sizes = torch.cat([cache.key_sizes[at.rows], new_sizes[0].permute(1, 2, 0)], 2)
    value_sizes = torch.cat([cache.value_sizes[at.rows], new_sizes[1].permute(1, 2, 0)], 2)

    def by_heads(x: Tensor) -> Tensor:
        """(n_steps, n_lanes, n_head, d) -> (n_lanes, n_kv_head, group, n_steps, d)."""
        return x.view(n_steps, n_lanes, n_kv_head, group, x.shape[-1]).permute(1, 2, 3, 0, 4)

    q = by_heads(query.low).reshape(n_lanes * n_kv_head, group * n_steps, head_dim).float()
    dot = torch.bmm(q, keys.flatten(0, 1).transpose(1, 2).float()).long()
    dot = dot.view(n_lanes, n_kv_head, group, n_steps, keys.shape[2])
    z = (dot * key_sizes[:, :, None, None]).add_(1 << 15).bitwise_right_shift_(16)
    n = 20 - by_heads(query.shift)
    scores = (z * (by_heads(query.top) * unit >> 12) + (1 << n - 1) >> n).clamp_(-SCORE_LIMIT, SCORE_LIMIT)
    scores = soft_cap(scores).masked_fill_(at.hidden, -2 * SCORE_LIMIT)  # of no weight beside any score
    x = (scores.amax(-1, keepdim=True) - scores).clamp_(max=EXPONENT_LIMIT)
    p = power(x) << 4 >> (x >> 12)
    out = _mean(p, values, value_sizes, tables)
    new_slots = at.rows.expand(n_steps, n_lanes), slice(None), at.slots
    cache.keys[new_slots], cache.values[new_slots] = key.low, value.low
    cache.key_sizes[new_slots], cache.value_sizes[new_slots] = new_sizes
    return out.permute(3, 0, 1, 2, 4).reshape(n_steps, n_lanes, n_head, head_dim)


def _joined(old: Tensor, new: Tensor) -> Tensor:
    """Return old (n_lanes, n_kv_head, window, head_dim) and new (n_steps, n_lanes, n_kv_head, head_dim) ones."""
    return torch.cat([old, new.permute(1, 2, 0, 3)], 2)


def _mean(p: Tensor, values: Tensor, sizes: Tensor, tables: Tables) -> Tensor:
    """Return the means (n_lanes, n_kv_head, group, n_steps, head_dim) of values under softmax weights p, not divided
    by their sum (TRANSFORMER 7).
    """
    b = p * sizes[:, :, None, None]
    p_sum, b_sum = p.sum(-1, keepdim=True), b.sum(-1, keepdim=True)
    n = torch.maximum(tables.bits(b.amax(-1, keepdim=True)) - 14, tables.bits(b_sum) - 24).clamp_(min=0)
    weights = (b + (1 << n >> 1) >> n).clamp_(max=WIDE_LIMIT)
    p_bits = tables.bits(p_sum)
    inverse = (1 << p_bits + 22) // (127 * p_sum)
    high = weights + 128 >> 8  # 0 .. 64
    parts = torch.stack([high, weights - (high << 8)]).float()  # the lower within +-128
    flat = parts.flatten(1, 2).flatten(2, 3)  # (2, n_lanes * n_kv_head, group * n_steps, n)
    both = flat.transpose(0, 1).flatten(1, 2)
    sums = torch.zeros((), dtype=torch.int64, device=p.device)
    of_values = values.flatten(0, 1)
    for some, there in zip(both.split(_PIECE, 2), of_values.split(_PIECE, 1), strict=True):
        sums = sums + torch.bmm(some, there.float()).long()
    upper, lower = sums.view(len(of_values), 2, -1, sums.shape[-1]).unbind(1)
    total = ((upper << 8) + lower).view(*p.shape[:-1], -1)
    return scale(total, inverse, p_bits + 22 - n)

"""The byte-level net of ARITHMETIC 10 with one kernel for all that stands between two of its products."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
import triton
from torch import Tensor

from lmzip.twin.fused import net_kernels as kernels
from lmzip.twin.integers import root_factor
from lmzip.twin.net import NORM_UNIT, NetTwin
from lmzip.twin.products import Matrix

_TILE = 1024  # elements that a program works on at once, unless a row alone has more
_CHANNELS = 64  # elements of a state that a program takes through all steps


class _Tiles(NamedTuple):
    """How tensors (n, size) are cut for programs, each of which has whole rows."""

    size: int
    rows: int
    block: int  # a power of two, not below size
    num_warps: int

    @classmethod
    def of(cls, size: int) -> _Tiles:
        block = triton.next_power_of_2(size)
        rows = max(1, _TILE // block)
        return cls(size, rows, block, min(8, max(1, rows * block // 256)))


class FusedNet(NetTwin):
    """A net of one weight file on a device for which is_usable() holds; it predicts what NetTwin does.

    Its residual stream and what recurrences give have 32 bits, which hold them (ARITHMETIC 11.2).
    """

    def __init__(self, tensors: Mapping[str, Any], config: Mapping[str, Any], device: str, **options: Any) -> None:
        """See NetTwin."""
        super().__init__(tensors, config, device, **options)
        self._order_of = torch.tensor(self._orders, dtype=torch.int64, device=device)  # of each table

    def _embedded(self, known: Tensor) -> Tensor:
        n_lanes, byte_dim, table_dim = known.shape[1], self._byte_embedding.shape[1], self._tables.shape[2]
        n = (len(known) - 8) * n_lanes
        out = self._new(n, byte_dim + len(self._orders) * table_dim, torch.int8)
        tiles = _Tiles.of(max(byte_dim, table_dim))
        kernels.embed[triton.cdiv(n, tiles.rows), 1 + len(self._orders)](
            *(known, self._byte_embedding, self._tables, self._order_of, out, n, n_lanes),
            *(out.shape[1], byte_dim, table_dim, self._table_bits, tiles.rows, tiles.block),
            num_warps=tiles.num_warps,
        )
        return out

    def _add(self, x: Tensor | None, matrix: Matrix, q: Tensor) -> tuple[Tensor, Tensor]:
        sums = matrix.sums(q)
        n, size = sums.shape
        kept = self._new(n, size, torch.int32) if x is None else x
        normed = self._new(n, size, torch.int8)
        tiles = _Tiles.of(size)
        kernels.add_norm[(triton.cdiv(n, tiles.rows),)](
            *(sums, matrix.multiplier, kept, normed, self._integers.rsqrt, n, x is None),
            *(size, root_factor(size, NORM_UNIT), tiles.rows, tiles.block),
            num_warps=tiles.num_warps,
        )
        return kept, normed

    def _norm(self, x: Tensor) -> Tensor:
        n, size = x.shape
        normed = self._new(n, size, torch.int8)
        tiles = _Tiles.of(size)
        kernels.norm[(triton.cdiv(n, tiles.rows),)](
            *(x, normed, self._integers.rsqrt, n, size, root_factor(size, NORM_UNIT), tiles.rows, tiles.block),
            num_warps=tiles.num_warps,
        )
        return normed

    def _recur(self, layer: Any, q: Tensor, states: Tensor, rows: Tensor) -> Tensor:
        sums = layer.w_in.sums(q)
        n, n_lanes, size = len(sums), len(rows), self.n_state
        y = self._new(n, size, torch.int32)
        kernels.recur[n_lanes, triton.cdiv(size, _CHANNELS)](
            *(sums, layer.w_in.multiplier, layer.forget_bias, states, rows, y, n // n_lanes, n_lanes),
            *(size, _CHANNELS),
            num_warps=_CHANNELS // 32,
        )
        return self._norm(y)

    def _square(self, matrix: Matrix, q: Tensor) -> Tensor:
        sums = matrix.sums(q)
        n, size = sums.shape
        squared = self._new(n, size, torch.int8)
        tiles = _Tiles.of(256)
        kernels.square[triton.cdiv(n, tiles.rows), triton.cdiv(size, tiles.block)](
            *(sums, matrix.multiplier, squared, n, size, tiles.rows, tiles.block), num_warps=tiles.num_warps
        )
        return squared

    def _leaves(self, matrix: Matrix, q: Tensor) -> Tensor:
        sums = matrix.sums(q)
        n, size = sums.shape
        found = self._new(n, size, torch.int32)
        tiles = _Tiles.of(size)
        kernels.leaves[(triton.cdiv(n, tiles.rows),)](
            *(sums, matrix.multiplier, found, n, tiles.rows, tiles.block), num_warps=tiles.num_warps
        )
        return found

    def _new(self, n: int, size: int, dtype: torch.dtype) -> Tensor:
        return torch.empty((n, size), dtype=dtype, device=self.device)

"""Sums of tokens' weights that coding needs, made where the weights are (TRANSFORMER 12.3, 12.4).

Tokens that begin with a prefix stand side by side in the sorted vocabulary, so that what they weigh together is the
difference of two of the sums of all weights before a token.  Where the token to come is known, the prefixes are those
on its path; else the likeliest ones, and a coder asks for the weights of what is behind another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lmzip.native.predicted import NO_PREFIX, Entries
from lmzip.twin.integers import Tables

_PIECE = 1 << 25  # weights whose sums, of 64 bits, are there at once
_LEAF_BITS, _END_BITS, _LEAST_END = 30, 31, 256
MOST_LIKELY = 96  # prefixes of a token that is not known, and
MOST_LEAVES = 1024  # children that these have together


class Paths(NamedTuple):
    """The prefixes on the way to each token behind which something is decided, the empty one first, the token itself
    last if others begin with it.
    """

    first: np.ndarray  # (n_vocab + 1) int64: where those of each token begin in
    prefixes: np.ndarray  # int64: numbers of prefixes
    leaves_at: np.ndarray  # (len(prefixes) + 1) int64: children of all prefixes before


def decides(prefixes: Any) -> np.ndarray:
    """Return (n_prefixes) bool: whether more than one thing can come behind a prefix."""
    n_children = prefixes["n_children"]
    return (n_children > 1) | (n_children > 0) & (prefixes["is_token"] > 0)


def paths_of(prefixes: Any) -> Paths:
    """Return the paths of all tokens; prefixes: as ExternalTokens.prefixes() has them."""
    n_children = prefixes["n_children"].astype(np.int64)
    parents = np.zeros(len(prefixes), np.int64)
    parents[1:] = np.repeat(np.arange(len(prefixes)), n_children)  # children stand in the order of their parents
    node = np.flatnonzero(prefixes["is_token"])
    node = node[np.argsort(prefixes["first"][node])]  # (n_vocab): the prefix that each token is
    rows, steps, token, depth, is_wanted = [], [], np.arange(len(node)), 0, decides(prefixes)
    while len(node):
        there = is_wanted[node]
        rows.append(np.stack([token[there], node[there]]))
        steps.append(np.full(int(there.sum()), -depth))
        token, node, depth = token[node > 0], parents[node[node > 0]], depth + 1
    tokens, found = np.concatenate(rows, 1)
    order = np.lexsort((np.concatenate(steps), tokens))
    n_vocab = int(prefixes["is_token"].sum())
    first = np.searchsorted(tokens[order], np.arange(n_vocab + 1))
    leaves_at = np.concatenate([[0], np.cumsum(n_children[found[order]])])
    return Paths(first, found[order], leaves_at)


def sent(numbers: np.ndarray, device: torch.device) -> Tensor:
    """Return an array on a device, on its way to a GPU while this goes on."""
    tensor = torch.from_numpy(numbers)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


class Layout(NamedTuple):
    """Where entries and leaves of columns lie that are made for known tokens; all is known before the device begins."""

    columns: np.ndarray  # (n_columns + 1) uint64
    prefixes: np.ndarray  # (n_entries) uint32
    leaves_at: np.ndarray  # (n_entries) uint64
    n_leaves: int

    def entries(self, found: np.ndarray) -> Entries:
        """Return the entries of what of_paths() made."""
        ends, leaves = np.split(found, [len(self.prefixes)])
        return Entries(self.columns, self.prefixes, ends, self.leaves_at, leaves)


class Masses:
    """Makes sums for one vocabulary on a device."""

    def __init__(self, prefixes: Any, device: str) -> None:
        """prefixes: as ExternalTokens.prefixes() has them."""

        def numbers(name: str) -> Tensor:
            return torch.tensor(prefixes[name].astype(np.int64), device=device)

        self._tables = Tables.on(device)
        self._first, self._end = numbers("first"), numbers("end")
        self._children, self._n_children = numbers("children"), numbers("n_children")
        self._is_token = numbers("is_token").bool()
        self._deciding = torch.tensor(np.flatnonzero(decides(prefixes)), device=device)
        self._paths = paths_of(prefixes)
        self.n_likely = min(MOST_LIKELY, len(self._deciding))
        self.n_leaves = max(MOST_LEAVES, int(prefixes["n_children"][0]))

    # --- of tokens that are known -------------------------------------------------------------------------------------

    def layout_of(self, tokens: np.ndarray) -> Layout:
        """Return where what is made for known tokens (n_columns,) lies: for each prefix on a token's path an entry."""
        paths = self._paths
        sizes = paths.first[tokens + 1] - paths.first[tokens]
        columns = np.concatenate([[0], np.cumsum(sizes)])
        entries = np.arange(columns[-1]) + np.repeat(paths.first[tokens] - columns[:-1], sizes)
        prefixes = paths.prefixes[entries]
        leaves = np.concatenate([[0], np.cumsum(paths.leaves_at[entries + 1] - paths.leaves_at[entries])])
        return Layout(
            columns.astype(np.uint64), prefixes.astype(np.uint32), leaves[:-1].astype(np.uint64), int(leaves[-1])
        )

    def of_paths(self, weights: Tensor, layout: Layout) -> Tensor:
        """Return ends and leaves, end to end, of all entries: (n_entries + n_leaves) int32, without a sign.

        weights: (n_columns, n_vocab) int32 without a sign.
        """
        device, found_ends, found_leaves = weights.device, [], []
        columns, bounds = layout.columns.astype(np.int64), np.append(layout.leaves_at, layout.n_leaves).astype(np.int64)
        prefixes, n_entries = sent(layout.prefixes.view(np.int32), device), sent(np.diff(columns), device)
        for at, sums in self._sums_of(weights):
            own = columns[at : at + len(sums) + 1]
            n, n_leaves = int(own[-1] - own[0]), int(bounds[own[-1]] - bounds[own[0]])
            of_columns = torch.arange(len(sums), device=device)
            column = torch.repeat_interleave(of_columns, n_entries[at : at + len(sums)], output_size=n)
            prefix = prefixes[own[0] : own[-1]].long()
            ends, shift = self._behind(sums, column, prefix)
            sizes = self._n_children[prefix]
            entry = torch.repeat_interleave(torch.arange(n, device=device), sizes, output_size=n_leaves)
            place = torch.arange(n_leaves, device=device) - (sizes.cumsum(0) - sizes)[entry]
            found_leaves.append(self._leaves(sums, column[entry], self._children[prefix][entry] + place, shift[entry]))
            found_ends.append(ends)
        return torch.cat(found_ends + found_leaves)

    # --- of tokens that are not ---------------------------------------------------------------------------------------

    def of_likely(self, weights: Tensor) -> Tensor:
        """Return what is likely to be needed: (n_columns, 3 n_likely + n_leaves) int32 without a sign, of each column
        numbers of prefixes, their ends, where their leaves begin in the column's, and these.

        Prefixes that a column has no room for are NO_PREFIX.  weights: (n_columns, n_vocab) int32 without a sign.
        """
        found = []
        slots = torch.arange(self.n_leaves, device=weights.device)
        for _, sums in self._sums_of(weights):
            n = len(sums)
            masses = sums[:, self._end[self._deciding]] - sums[:, self._first[self._deciding]]
            prefix = self._deciding[masses.topk(self.n_likely, 1).indices]
            sizes = self._n_children[prefix]
            stops = sizes.cumsum(1)
            column = torch.arange(n, device=weights.device)[:, None]
            ends, shift = self._behind(sums, column, prefix)
            entry = torch.searchsorted(stops, slots.expand(n, -1).contiguous(), right=True)
            is_there = entry < self.n_likely
            entry = entry.clamp_(max=self.n_likely - 1)
            place = slots - (stops - sizes).gather(1, entry)
            child = (self._children[prefix].gather(1, entry) + place).clamp_(max=len(self._first) - 1)
            leaves = self._leaves(sums, column, child, shift.gather(1, entry)).masked_fill_(~is_there, 0)
            number = prefix.masked_fill(stops > self.n_leaves, NO_PREFIX).to(torch.int32)
            found.append(torch.cat([number, ends, (stops - sizes).to(torch.int32), leaves], 1))
        return torch.cat(found)

    def likely(self, found: np.ndarray) -> Entries:
        """Return the entries of what of_likely() made."""
        k, row = self.n_likely, 3 * self.n_likely + self.n_leaves
        rows = found.reshape(-1, row)
        # Leaves stay where they are, among the others.
        leaves_at = rows[:, 2 * k : 3 * k] + (np.arange(len(rows), dtype=np.uint64) * row + 3 * k)[:, None]
        prefixes, ends = rows[:, :k].ravel(), rows[:, k : 2 * k].ravel()
        return Entries(np.arange(len(rows) + 1, dtype=np.uint64) * k, prefixes, ends, leaves_at.ravel(), found.ravel())

    # --- of both ------------------------------------------------------------------------------------------------------

    def _sums_of(self, weights: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Yield pieces of the columns: the first of each, and sums (n, n_vocab + 1) int64 of all weights before a
        token.
        """
        size = max(1, _PIECE // weights.shape[1])
        for at, piece in enumerate(weights.split(size)):
            sums = torch.zeros(len(piece), weights.shape[1] + 1, dtype=torch.int64, device=weights.device)
            torch.cumsum(piece.long().bitwise_and_(0xFFFFFFFF), 1, out=sums[:, 1:])
            yield at * size, sums

    def _behind(self, sums: Tensor, column: Tensor, prefix: Tensor) -> tuple[Tensor, Tensor]:
        """Return of prefixes, in columns of sums, 2^32 times the probability that a token ends there, int32 without a
        sign, where one can, and the shift of the sums of those that go on.
        """
        first, end = self._first[prefix], self._end[prefix]
        total = sums[column, end] - sums[column, first]
        own = torch.where(self._is_token[prefix], sums[column, first + 1] - sums[column, first], 0)
        shift = (self._tables.bits(total) - _END_BITS).clamp_(min=0)
        ends = ((own << 32 - shift) // (total >> shift)).clamp_(_LEAST_END, (1 << 32) - _LEAST_END)
        return ends.to(torch.int32), (self._tables.bits(total - own) - _LEAF_BITS).clamp_(min=0)

    def _leaves(self, sums: Tensor, column: Tensor, child: Tensor, shift: Tensor) -> Tensor:
        """Return the leaves (int32) of children in columns of sums, from the shifts of the prefixes before them."""
        mass = sums[column, self._end[child]] - sums[column, self._first[child]]
        return (mass >> shift).clamp_(min=1).to(torch.int32)

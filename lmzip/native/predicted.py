"""What a caller predicts for lanes of many blocks and steps at once: of each either the weights of all symbols, or the
few sums that coding needs of them (lmz_external_run, lmz_token_masses).

A *column* is a lane at a step; step after step, all lanes of a step side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from lmzip.native._kernel import ffi

NO_PREFIX = (1 << 32) - 1  # in the place of a prefix that is not told of

# fetch(columns, firsts, ends), arrays (n) int64: the weights of tokens firsts[i] .. ends[i] - 1 of columns[i], end to
# end, a contiguous array uint32.
Fetch = Callable[[Any, Any, Any], Any]


class Weights:
    """Weights of all symbols of each column."""

    def __init__(self, weights: Any) -> None:
        """weights: contiguous array (n_steps, n_lanes, n_symbols) uint32."""
        self.n_lanes = weights.shape[1]
        self.weights = weights
        self.fields = {"weights": weights.ctypes.data, "masses": 0}  # of an lmz_external_run


class Entries(NamedTuple):
    """What is predicted behind prefixes of tokens: arrays, by entries in the order of their columns."""

    columns: Any  # (n_columns + 1) uint64: where those of each column begin
    prefixes: Any  # uint32: the number of each, or NO_PREFIX
    ends: Any  # uint32: where a prefix is a token and begins others, 2^32 times the probability that the token ends
    leaves_at: Any  # uint64: where its leaves begin, one for each byte that goes on
    leaves: Any  # (n_leaves) uint32


class TokenMasses:
    """What is predicted behind some prefixes of each column (TRANSFORMER 12.3, 12.4)."""

    def __init__(self, n_lanes: int, entries: Entries, fetch: Fetch | None) -> None:
        """fetch: is asked where coding comes to prefixes that are missing; None: the payload is damaged then, as the
        entries are those of what should come out.
        """
        self.n_lanes, self.entries, self._fetch = n_lanes, entries, fetch
        self.n_fetched = 0  # weights that were asked for
        self._kept: list[Any] = []  # these, as long as the kernel may look at them
        arrays = {
            "columns": ("uint64_t[]", entries.columns),
            "prefixes": ("uint32_t[]", entries.prefixes),
            "ends": ("uint32_t[]", entries.ends),
            "leaves_at": ("uint64_t[]", entries.leaves_at),
            "leaves": ("uint32_t[]", entries.leaves),
        }
        self._buffers = {name: ffi.from_buffer(kind, array) for name, (kind, array) in arrays.items()}
        numbers = {"n_leaves": len(entries.leaves), "is_all": fetch is None}
        self._record = ffi.new("lmz_token_masses *", self._buffers | numbers)
        self.fields = {"weights": 0, "masses": int(ffi.cast("uintptr_t", self._record))}  # of an lmz_external_run

    def fetch(self, columns: Any, firsts: Any, ends: Any) -> Any:
        """Return the addresses (n) of weights of some tokens of columns, which stay there as long as this object."""
        import numpy as np

        assert self._fetch
        found, sizes = self._fetch(columns, firsts, ends), ends - firsts
        if found.shape != (sizes.sum(),):
            raise ValueError("weights of another shape")
        self._kept.append(found)
        self.n_fetched += len(found)
        return found.ctypes.data + 4 * (np.cumsum(sizes) - sizes)

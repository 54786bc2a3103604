"""Experts whose distributions the caller computes: of bytes, and of tokens (ARITHMETIC 8.3, TRANSFORMER 12.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lmzip.native._kernel import ffi, lib
from lmzip.native.expert import Expert

_PREFIX = {"first": "u4", "end": "u4", "children": "u4", "n_children": "u2", "is_token": "u1"}


class External(Expert):
    """Predicts as the caller tells."""

    start: int  # what counts as a lane's symbol before its first
    n_symbols: int


class ExternalBytes(External):
    """Predicts bytes as the caller tells: weights within 1 .. 2^23, in the place of a byte-level net's."""

    start = 0
    n_symbols = 256

    def __init__(self) -> None:
        """Raises MemoryError."""
        super().__init__("", lib.lmz_external_bytes_new)


class ExternalTokens(External):
    """Predicts tokens as the caller tells: weights within 1 .. 2^31, in the place of a transformer's."""

    def __init__(self, token_bytes: Sequence[bytes]) -> None:
        """token_bytes: the tokens' byte strings.

        Raises ValueError where they are not sorted, one is empty, twice there or longer than 255 bytes, or a single
        byte is none of them, MemoryError.
        """
        sizes = bytes(map(len, token_bytes))  # ValueError for more than 255
        data = b"".join(token_bytes)
        complaint = "not a vocabulary: tokens are sorted, different, and every byte is one"
        super().__init__(complaint, lib.lmz_external_tokens_new, data, len(data), sizes, len(sizes))
        self.n_symbols = self.start = len(sizes)

    def prefixes(self) -> Any:
        """Return all prefixes of the tokens by their numbers (TRANSFORMER 12.3), a structured array.

        Fields: first, end: the tokens that begin with it; children, n_children: the prefixes that are a byte longer;
        is_token.
        """
        import numpy as np

        n = ffi.new("size_t *")
        nodes = lib.lmz_expert_prefixes(self.handle, n)
        size = ffi.sizeof("lmz_prefix")
        offsets = [ffi.offsetof("lmz_prefix", name) for name in _PREFIX]
        layout = np.dtype({"names": [*_PREFIX], "formats": [*_PREFIX.values()], "offsets": offsets, "itemsize": size})
        return np.frombuffer(ffi.buffer(nodes, n[0] * size), layout).copy()

"""Large vocabularies cut down to some of their tokens; what the others stood for is spelt by shorter ones.

A list of kept tokens is a text: the differences between their numbers, in rising order from 0 on, one a line; it may be
compressed as by gzip.  scripts/keep_tokens.py makes one.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path

from lmzip.errors import UnsupportedError
from lmzip.tokenizers.bpe import Bpe
from lmzip.tokenizers.vocabulary import byte_string
from lmzip.weights.files import open_regular

_MAX_SIZE = 1 << 23  # bytes of a list
_GZIP_MAGIC = b"\x1f\x8b"


def read_kept(path: Path) -> list[int]:
    """Return the numbers of a list of tokens; raises OSError, UnsupportedError."""
    file, _ = open_regular(path, _MAX_SIZE)
    with file:
        data = file.read(_MAX_SIZE)
    try:
        if data.startswith(_GZIP_MAGIC):
            unpacking = zlib.decompressobj(31)
            data = unpacking.decompress(data, _MAX_SIZE)
            data = data if unpacking.eof else b""
        steps = [int(line) for line in data.decode("ascii").split()]
    except (ValueError, zlib.error):
        steps = []
    if not steps or min(steps[1:], default=1) < 1 or steps[0] < 0:
        raise UnsupportedError(f"{path.name} is no list of tokens")
    return list(accumulate(steps))


def write_kept(path: Path, numbers: Iterable[int]) -> None:
    """Write a list of tokens, the same bytes each time; raises OSError."""
    steps = [b - a for a, b in pairwise([0, *sorted(set(numbers))])]
    path.write_bytes(gzip.compress("".join(f"{step}\n" for step in steps).encode(), 9, mtime=0))


class Closure:
    """Which other tokens a tokenizer needs to come to a token: those that it merges on the way."""

    def __init__(self, bpe: Bpe) -> None:
        self._bpe = bpe
        self._numbers = {token: i for i, token in enumerate(bpe.tokens) if token is not None}
        self._ranks: dict[tuple[str, str], int] = {}
        for rank, merge in enumerate(bpe.merges):
            self._ranks.setdefault(merge, rank)
        strings = ((i, byte_string(token, bpe.is_byte_level)) for token, i in self._numbers.items())
        self.bytes = frozenset(i for i, string in strings if string is not None and len(string) == 1)

    def of(self, number: int) -> set[int]:
        """Return the token and those that it is made of."""
        token = self._bpe.tokens[number]
        if token is None or number in self._bpe.isolated or number in self.bytes:
            return {number}
        parts, needed = list(token), {token}
        while True:
            needed.update(parts)
            ranks = [self._ranks.get(pair, len(self._ranks)) for pair in pairwise(parts)]
            best = min(ranks, default=len(self._ranks))
            if best == len(self._ranks):
                return {self._numbers[part] for part in needed if part in self._numbers}
            at = ranks.index(best)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]


def cut_down(bpe: Bpe, kept: Iterable[int]) -> Bpe:
    """Return a tokenizer with no more than these tokens, what they are made of and all single bytes."""
    closure = Closure(bpe)
    numbers = set(closure.bytes).union(*(closure.of(i) for i in kept if i < len(bpe.tokens)))
    tokens = [token if i in numbers else None for i, token in enumerate(bpe.tokens)]
    return replace(bpe, tokens=tokens, isolated=bpe.isolated & numbers)

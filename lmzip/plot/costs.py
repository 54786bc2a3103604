"""What is drawn: the bits of every byte of a file, its blocks, and its words."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lmzip.codec import BlockCosts
from lmzip.contents import describe

_WORD = re.compile(r"\s*(?:\w+|[^\w\s]+)|\s+")
_LEAST_TEXT = 0.95  # of the characters of a text are letters, digits, marks or blanks


class Part(NamedTuple):
    """Some bytes and what they cost: a cell of a map, a word, a token."""

    start: int
    end: int
    bits: float

    @property
    def rate(self) -> float:
        return self.bits / (self.end - self.start)


class Block(NamedTuple):
    """A block, what it is of, and its bits."""

    start: int
    size: int
    content: str
    bits: float


@dataclass(frozen=True)
class Measured:
    """A file, the bits that each of its bytes costs, and what it was coded as."""

    name: str
    raw: bytes
    bits: np.ndarray  # (n,) of each byte; those of a sample or token spread over its bytes
    ends: np.ndarray  # (n_steps,) where each byte, sample or token ends
    blocks: list[Block]
    has_tokens: bool
    settings: str  # what it was coded with, in words

    @property
    def total(self) -> float:
        return float(self.bits.sum())

    def cells(self, most: int) -> list[Part]:
        """Return up to `most` stretches of one size, the last of which may be shorter."""
        size = max(1, -(-len(self.raw) // most))
        starts = np.arange(0, len(self.raw), size)
        sums = np.add.reduceat(self.bits, starts) if len(starts) else starts
        ends = (min(int(start) + size, len(self.raw)) for start in starts)
        return [Part(int(start), end, float(b)) for start, end, b in zip(starts, ends, sums, strict=True)]

    @property
    def is_text(self) -> bool:
        """Whether the beginning reads as text in UTF-8."""
        text = self.raw[: 1 << 16].decode("utf-8", "replace")
        readable = sum(c.isprintable() and c != "\ufffd" or c in "\n\r\t" for c in text)
        return bool(text) and readable >= _LEAST_TEXT * len(text)

    def words(self, size: int) -> Iterator[Part]:
        """Yield the words of the first bytes of a text, with the blanks before them; its tokens if it has some."""
        if self.has_tokens:
            ends = [int(end) for end in self.ends[: np.searchsorted(self.ends, size, "right")]]
        else:
            # What is no UTF-8 becomes as many characters of one byte.
            text = self.raw[:size].decode("utf-8", "surrogateescape")
            sizes = (len(match[0].encode("utf-8", "surrogateescape")) for match in _WORD.finditer(text))
            ends = list(np.cumsum(list(sizes), dtype=np.int64))
        so_far = np.concatenate([[0.0], np.cumsum(self.bits[: ends[-1] if ends else 0])])
        start = 0
        for end in map(int, ends):
            yield Part(start, end, float(so_far[end] - so_far[start]))
            start = end

    def costliest(self, n: int) -> list[tuple[str, int, float]]:
        """Return the words, blanks aside, whose bits come to most in all the file: word, how often, bits."""
        found: dict[bytes, list[float]] = defaultdict(lambda: [0, 0.0])
        for word in self.words(len(self.raw)):
            key = self.raw[word.start : word.end].strip()
            found[key][0] += 1
            found[key][1] += word.bits
        found.pop(b"", None)
        most = sorted(found.items(), key=lambda item: (-item[1][1], item[0]))[:n]
        return [(word.decode("utf-8", "replace"), int(count), bits) for word, (count, bits) in most]


def measured(name: str, raw: bytes, blocks: Sequence[BlockCosts], settings: str) -> Measured:
    """Return what blocks cost, byte by byte."""
    bits, ends = np.zeros(len(raw), np.float32), [np.zeros(0, np.int64)]
    shown, has_tokens = [], False
    for block in blocks:
        of_block = np.frombuffer(block.steps.ends, np.uint64).astype(np.int64)
        costs = np.frombuffer(block.steps.bits, np.float64)
        sizes = np.diff(of_block, prepend=0)
        size = block.spec.raw_size
        bits[block.start : block.start + size] = np.repeat(costs / np.maximum(sizes, 1), sizes)
        ends.append(of_block + block.start)
        has_tokens |= block.spec.content.kind == 0 and len(of_block) < size
        shown.append(Block(block.start, size, describe(block.spec.content), float(costs.sum())))
    return Measured(name, raw, bits, np.concatenate(ends), shown, has_tokens, settings)

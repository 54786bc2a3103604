"""What headers of sound have in common: chunks of a name and a size, and sizes that their writers did not know."""

from __future__ import annotations

from collections.abc import Iterator

from lmzip.contents.samples import MAX_HEADER_SIZE, demand, unpack

_MAX_CHUNKS = 64
_FIRST_UNKNOWN_SIZE = 0x7FFFF000  # what programs write into pipes: the greatest numbers of 31 or 32 bits, about


def chunks(data: memoryview, at: int, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, size and start of the chunks from a place on; raises NotSamplesError before there are too many."""
    limit = at + MAX_HEADER_SIZE
    for _ in range(_MAX_CHUNKS):
        demand(at <= limit)
        name, size = unpack(order + "4sI", data, at)
        yield name, size, at + 8
        at += 8 + size + size % 2


def declared_size(size: int) -> int | None:
    """Return a size that a header says, None if it says that the size is not known."""
    return size if 0 < size < _FIRST_UNKNOWN_SIZE else None

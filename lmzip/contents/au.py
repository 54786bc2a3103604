"""Headers of AU files."""

from __future__ import annotations

from lmzip.block import BIG_ENDIAN, FLOAT, SIGNED
from lmzip.contents.samples import MAX_HEADER_SIZE, Samples, demand, sound, unpack

_DEPTHS_AND_FLAGS = {  # of encodings
    2: (8, SIGNED),
    3: (16, SIGNED | BIG_ENDIAN),
    4: (24, SIGNED | BIG_ENDIAN),
    5: (32, SIGNED | BIG_ENDIAN),
    6: (32, FLOAT | BIG_ENDIAN),
}
_UNKNOWN_SIZE = 0xFFFFFFFF


def read_au(data: memoryview, at: int) -> list[Samples]:
    """Read the header of an AU file."""
    offset, size, encoding, rate, channels = unpack(">4x5I", data, at)
    demand(24 <= offset <= MAX_HEADER_SIZE and encoding in _DEPTHS_AND_FLAGS and 1 <= rate < 1 << 20)
    content = sound(channels, *_DEPTHS_AND_FLAGS[encoding])
    return [Samples(at + offset, None if size == _UNKNOWN_SIZE else size, content)]

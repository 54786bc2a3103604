"""Headers of AIFF and AIFF-C files."""

from __future__ import annotations

from lmzip.block import BIG_ENDIAN, FLOAT, SIGNED, Content
from lmzip.contents.chunks import chunks, declared_size
from lmzip.contents.samples import MAX_HEADER_SIZE, NotSamplesError, Samples, demand, sound, unpack

_FLAGS_OF_COMPRESSION = {
    b"NONE": SIGNED | BIG_ENDIAN,
    b"twos": SIGNED | BIG_ENDIAN,
    b"in24": SIGNED | BIG_ENDIAN,
    b"in32": SIGNED | BIG_ENDIAN,
    b"sowt": SIGNED,
    b"42ni": SIGNED,
    b"23ni": SIGNED,
    b"raw ": 0,
    b"fl32": FLOAT | BIG_ENDIAN,
    b"FL32": FLOAT | BIG_ENDIAN,
}


def read_aiff(data: memoryview, at: int) -> list[Samples]:
    """Read the chunks of an AIFF file up to its samples."""
    has_compression = data[at + 11] == ord("C")
    content = None
    for name, size, start in chunks(data, at + 12, ">"):
        if name == b"COMM":
            content = _read_common(data, start, has_compression)
        elif name == b"SSND":
            offset = unpack(">I4x", data, start)[0]
            if content is None or offset > MAX_HEADER_SIZE:
                break
            known = declared_size(size)
            return [Samples(start + 8 + offset, known and max(0, known - 8 - offset), content)]
    raise NotSamplesError


def _read_common(data: memoryview, at: int, has_compression: bool) -> Content:
    channels, bits = unpack(">H4xH", data, at)
    compression = unpack("18x4s", data, at)[0] if has_compression else b"NONE"
    demand(compression in _FLAGS_OF_COMPRESSION and 1 <= bits <= 32)
    depth, flags = -(-bits // 8) * 8, _FLAGS_OF_COMPRESSION[compression]
    demand((depth == 32 or not flags & FLOAT) and (depth == 8 or flags != 0))
    return sound(channels, depth, flags if depth > 8 else flags & ~BIG_ENDIAN)

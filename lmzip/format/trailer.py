"""The trailer of a frame (FORMAT 5): the table of its blocks and the hash of its content."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from lmzip.errors import DamagedError
from lmzip.format.header import FrameHeader

CONTENT_HASH_SIZE = 8
ROW_SIZE = 8  # of the table
TRAILER_END_SIZE = 14  # the trailer without its table

_END = struct.Struct("<8sH")
_U32 = struct.Struct("<I")

Row = tuple[int, int]  # raw bytes of a block; bytes of its head and payload


def content_hash():
    """Return a new hash object whose 8-byte digest is a frame's content hash (FORMAT 5)."""
    return _blake2b()(digest_size=CONTENT_HASH_SIZE)


@cache
def _blake2b():
    # Here, since listing a file needs none; once, since files are finished even when nothing can be imported any more.
    from hashlib import blake2b

    return blake2b


@dataclass(frozen=True)
class Trailer:
    """The end of a frame: its table, and the hash of the whole content."""

    table: tuple[Row, ...]
    content_hash: bytes  # b"" for a short frame, which has no trailer

    def pack(self, header: FrameHeader) -> bytes:
        """Return the bytes of the trailer of a frame that starts with `header`; none for a short one."""
        if header.is_short:
            return b""
        table = _pack_table(self.table)
        packed = table + _END.pack(self.content_hash, len(self.table))
        return packed + _U32.pack(zlib.crc32(header.packed + packed))


def _pack_table(table: Sequence[Row]) -> bytes:
    return b"".join(struct.pack("<II", *row) for row in table)


def trailer_size(header: FrameHeader, n_blocks: int) -> int:
    """Return the size of the trailer of a frame of n_blocks blocks."""
    if header.is_short:
        return 0
    return ROW_SIZE * n_blocks + TRAILER_END_SIZE


def is_trailer(header: FrameHeader, packed: bytes) -> bool:
    """Return whether the bytes carry the check of a trailer; says nothing of their fields."""
    if header.is_short:
        return not packed
    return len(packed) > 4 and zlib.crc32(header.packed + packed[:-4]) == _U32.unpack_from(packed, len(packed) - 4)[0]


def table_size(end: bytes) -> int:
    """Return the size of the table of the trailer whose last TRAILER_END_SIZE bytes these are."""
    return ROW_SIZE * _END.unpack_from(end)[1]


def parse_table(packed: bytes) -> tuple[Row, ...]:
    """Return the rows of a packed table."""
    return tuple(struct.iter_unpack("<II", packed))


def parse_trailer(header: FrameHeader, packed: bytes, table: Sequence[Row]) -> Trailer:
    """Return the trailer in `packed`, which has the size for len(table) blocks; table: what their heads say.

    Raises DamagedError if its check fails or its table is another.
    """
    if not is_trailer(header, packed):
        raise DamagedError("damaged trailer")
    if header.is_short:
        return Trailer(tuple(table), b"")
    hash_, n_blocks = _END.unpack_from(packed, ROW_SIZE * len(table))
    if n_blocks != len(table) or packed[: ROW_SIZE * len(table)] != _pack_table(table):
        raise DamagedError("the table does not agree with the blocks")
    return Trailer(tuple(table), hash_)

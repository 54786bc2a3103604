"""What the tables of a seekable file say of its parts, read backwards from its end (FORMAT 6): a damaged head hides
neither how many bytes are missing there nor how many blocks.

Frames are found as far as their trailers are sound; short frames have none, and hide those before them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import BinaryIO, NamedTuple

from lmzip.codec.source import Source
from lmzip.errors import LmzipError
from lmzip.format.header import MAX_HEADER_SIZE, START_SIZE, FrameHeader, header_size
from lmzip.format.trailer import TRAILER_END_SIZE, is_trailer, parse_table, table_size

_PIECE_SIZE = 1 << 16
_MOST_NULS = 5  # at the end of a trailer: those of its check, and one of the number of blocks


class Part(NamedTuple):
    """A header, a block or a trailer: blocks and raw bytes of it, and its size in the file."""

    n_blocks: int
    raw_size: int
    size: int


class Tables:
    """The parts of a file by their places."""

    def __init__(self, parts: Mapping[int, Part]) -> None:
        self._parts = parts

    def between(self, start: int, end: int) -> Part | None:
        """Return what whole parts stand from byte `start` to `end`; None where that is not known."""
        n_blocks = raw_size = 0
        at = start
        while at < end:
            part = self._parts.get(at)
            if part is None:
                return None
            n_blocks, raw_size, at = n_blocks + part.n_blocks, raw_size + part.raw_size, at + part.size
        return Part(n_blocks, raw_size, end - start) if at == end else None


NO_TABLES = Tables({})


def read_tables(file: BinaryIO, start: int = 0) -> Tables:
    """Return what tables a seekable file has from byte `start` on, from which places count; raises OSError.

    It stands where it stood afterwards.
    """
    before = file.tell()
    parts: dict[int, Part] = {}
    end, file_end = _last_byte(file, start), file.seek(0, os.SEEK_END)
    ends = range(end, min(end + _MOST_NULS, file_end) + 1)
    found = next(filter(None, (_frame_before(file, start, at) for at in ends)), None)
    while found:
        parts |= found
        found = _frame_before(file, start, start + min(found))
    file.seek(before)
    return Tables(parts)


def _read(file: BinaryIO, start: int, size: int) -> bytes:
    file.seek(start)
    return bytes(Source(file.read).take(size))


def _last_byte(file: BinaryIO, start: int) -> int:
    """Return where the NUL bytes at the end of a file begin."""
    end = file.seek(0, os.SEEK_END)
    while end > start:
        size = min(_PIECE_SIZE, end - start)
        if piece := _read(file, end - size, size).rstrip(b"\0"):
            return end - size + len(piece)
        end -= size
    return start


def _frame_before(file: BinaryIO, start: int, end: int) -> dict[int, Part] | None:
    """Return the parts of the frame that ends at byte `end`, counted from `start`; None where no sound trailer ends."""
    if end - start < TRAILER_END_SIZE:
        return None
    size = table_size(_read(file, end - TRAILER_END_SIZE, TRAILER_END_SIZE))
    table_start = end - TRAILER_END_SIZE - size
    if table_start < start:
        return None
    trailer = _read(file, table_start, end - table_start)
    table = parse_table(trailer[:size])
    blocks_start = table_start - sum(block_size for _, block_size in table)
    if not table or blocks_start < start:
        return None
    most = min(MAX_HEADER_SIZE, blocks_start - start)
    header = _header_before(_read(file, blocks_start - most, most), trailer)
    if header is None:
        return None
    at = blocks_start - len(header.packed) - start
    parts = {}
    for part in (
        Part(0, 0, len(header.packed)),
        *(Part(1, raw_size, block_size) for raw_size, block_size in table),
        Part(0, 0, len(trailer)),
    ):
        parts[at] = part
        at += part.size
    return parts


def _header_before(before: bytes, trailer: bytes) -> FrameHeader | None:
    """Return the header that these bytes end with, with which the check of a trailer passes."""
    for size in range(START_SIZE, len(before) + 1):
        packed = before[-size:]
        try:
            fits = header_size(packed[:START_SIZE]) == size
        except LmzipError:
            continue
        if fits and is_trailer(header := FrameHeader(packed), trailer):
            return header
    return None

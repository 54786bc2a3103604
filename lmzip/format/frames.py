"""The sequence of pieces that a file of frames consists of (FORMAT 2): reads and checks structure, decodes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from lmzip.errors import NotLmzipError, TrailingGarbageError, TruncatedError
from lmzip.format.block import BlockHead, check_sequence, head_size, parse_block_head
from lmzip.format.header import MAGIC, START_SIZE, FrameHeader, header_size
from lmzip.format.trailer import Row, Trailer, parse_trailer, trailer_size


class Source(Protocol):
    """Where the bytes come from; each method has fewer of them at the end only."""

    @property
    def position(self) -> int:
        """How many bytes were taken so far."""

    def take(self, size: int) -> bytearray:
        """Return the next size bytes; memory grows as they arrive, not as promised."""

    def peek(self, size: int) -> bytes:
        """Return the next size bytes without taking them."""

    def skip(self, size: int) -> int:
        """Pass over size bytes; return how many there were."""


@dataclass(frozen=True)
class FrameStart:
    """A header, not yet checked: the head of the block that follows does that."""

    offset: int
    header: FrameHeader


@dataclass(frozen=True)
class Block:
    """A block whose head is sound; its payload has the size that the head says, but may be damaged."""

    offset: int  # of the head in the file
    index: int  # in the frame
    header: FrameHeader
    head: BlockHead
    head_size: int
    payload: bytearray | None  # None: passed over


@dataclass(frozen=True)
class FrameEnd:
    """A trailer that agrees with the blocks before it; end: offset of the first byte behind it."""

    end: int
    trailer: Trailer


Piece = FrameStart | Block | FrameEnd


class FrameParser:
    """Takes the pieces of one frame off a source.

    It changes only once a piece is there as a whole: what a source raises for want of bytes, before which it has put
    back those of the piece, leaves the parser where it was.
    """

    def __init__(self, source: Source, *, with_payloads: bool = True) -> None:
        self.is_complete = False  # whether the trailer was taken
        self._source, self._with_payloads = source, with_payloads
        self._header: FrameHeader | None = None
        self._table: list[Row] = []
        self._is_last, self._n_before = False, 0  # of the block before; raw bytes of all before

    def take(self) -> Piece:
        """Return the next piece; raises TruncatedError, UnsupportedError, DamagedError, NotLmzipError."""
        if self._header is None:
            offset, self._header = self._source.position, take_header(self._source)
            return FrameStart(offset, self._header)
        return self._take_trailer(self._header) if self._is_last else self._take_block(self._header)

    def _take_block(self, header: FrameHeader) -> Block:
        source, offset, index = self._source, self._source.position, len(self._table)
        head, size = take_head(source, header, index)
        check_sequence(head, index, self._n_before)
        payload = source.take(head.payload_size) if self._with_payloads else None
        there = source.skip(head.payload_size) if payload is None else len(payload)
        if there < head.payload_size:
            raise TruncatedError(f"unexpected end of file in block {index + 1}")
        self._table.append((head.raw_size, size + head.payload_size))
        self._is_last = head.last
        self._n_before += head.raw_size
        return Block(offset, index, header, head, size, payload)

    def _take_trailer(self, header: FrameHeader) -> FrameEnd:
        packed = _take(self._source, trailer_size(header, len(self._table)), "the trailer")
        trailer = parse_trailer(header, packed, self._table)
        self.is_complete = True
        return FrameEnd(self._source.position, trailer)


def read_frames(source: Source, *, with_payloads: bool = True) -> Iterator[Piece]:
    """Yield the pieces of all frames up to the end of the source.

    Raises NotLmzipError, TruncatedError, TrailingGarbageError, UnsupportedError and DamagedError in the order of FORMAT
    1.2, each after all pieces before the fault.
    """
    yield from _read_frame(source, with_payloads)
    while start := source.peek(len(MAGIC)):
        if start[0] == 0:
            _skip_padding(source)
            return
        if not MAGIC.startswith(start[:4]):
            raise _garbage(source.position)
        yield from _read_frame(source, with_payloads)


def _read_frame(source: Source, with_payloads: bool) -> Iterator[Piece]:
    parser = FrameParser(source, with_payloads=with_payloads)
    while not parser.is_complete:
        yield parser.take()


def _garbage(offset: int) -> TrailingGarbageError:
    return TrailingGarbageError(f"trailing garbage at byte {offset}", offset)


def _skip_padding(source: Source) -> None:
    """Pass over NUL bytes to the end; raises TrailingGarbageError for anything else."""
    while piece := source.take(1 << 16):
        if other := piece.lstrip(b"\0"):
            raise _garbage(source.position - len(other))


def _take(source: Source, size: int, what: str) -> bytes:
    taken = bytes(source.take(size))
    if len(taken) < size:
        raise TruncatedError(f"unexpected end of file in {what}")
    return taken


def take_header(source: Source) -> FrameHeader:
    """Take the header of a frame; raises NotLmzipError, TruncatedError, UnsupportedError for later versions."""
    start = source.peek(START_SIZE)
    if not start:
        raise TruncatedError("empty input, not in lmzip format")
    if not MAGIC.startswith(start[:4]):
        raise NotLmzipError("not in lmzip format")
    if len(start) < START_SIZE:
        raise TruncatedError("unexpected end of file in the header")
    return FrameHeader(_take(source, header_size(start), "the header"))


def take_head(source: Source, header: FrameHeader, index: int) -> tuple[BlockHead, int]:
    """Take the head of block `index` of a frame; return it and its size.

    Raises TruncatedError, and as parse_block_head does.
    """
    what = f"the head of block {index + 1}"
    start = source.peek(1)
    packed = _take(source, head_size(header, start) if start else 1, what)
    return parse_block_head(header, packed), len(packed)

"""The sequence of pieces that a file of frames consists of (FORMAT 2): reads and checks structure, decodes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lmzip import container
from lmzip.codec.source import Source
from lmzip.container import BlockHead, FrameHeader, Trailer
from lmzip.errors import NotLmzipError, TrailingGarbageError, TruncatedError


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
    payload: bytearray | None  # None: passed over


@dataclass(frozen=True)
class FrameEnd:
    """A trailer that agrees with the blocks before it; end: offset of the first byte behind it."""

    end: int
    trailer: Trailer


Piece = FrameStart | Block | FrameEnd


def read_frames(source: Source, *, with_payloads: bool = True) -> Iterator[Piece]:
    """Yield the pieces of all frames up to the end of the source.

    Raises NotLmzipError, TruncatedError, TrailingGarbageError, UnsupportedError and DamagedError, each after all
    pieces before the fault.
    """
    yield from _read_frame(source, with_payloads)
    while start := source.peek(len(container.MAGIC)):
        if start[0] == 0:
            _skip_padding(source)
            return
        if not container.MAGIC.startswith(start[:4]):
            raise _garbage(source.position)
        yield from _read_frame(source, with_payloads)


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
    start = source.peek(container.HEADER_START_SIZE)
    if not start:
        raise TruncatedError("empty input, not in lmzip format")
    if not container.MAGIC.startswith(start[:4]):
        raise NotLmzipError("not in lmzip format")
    if len(start) < container.PLAIN_HEADER_SIZE:
        raise TruncatedError("unexpected end of file in the header")
    return FrameHeader(_take(source, container.header_size(start), "the header"))


def _read_frame(source: Source, with_payloads: bool) -> Iterator[Piece]:
    offset = source.position
    header = take_header(source)
    yield FrameStart(offset, header)
    payload_sizes: list[int] = []
    block_size, last = 0, False
    while not last:
        offset, index = source.position, len(payload_sizes)
        packed = _take(source, header.block_head_size, f"the head of block {index + 1}")
        head = container.parse_block_head(header, packed)
        block_size, last = block_size if index else head.raw_size, head.last
        container.check_sequence(head, index, block_size)
        payload = source.take(head.payload_size) if with_payloads else None
        there = source.skip(head.payload_size) if payload is None else len(payload)
        if there < head.payload_size:
            raise TruncatedError(f"unexpected end of file in block {index + 1}")
        yield Block(offset, index, header, head, payload)
        del payload  # not to be held while the next one is read
        payload_sizes.append(head.payload_size)
    packed = _take(source, container.trailer_size(header, len(payload_sizes)), "the trailer")
    yield FrameEnd(source.position, container.parse_trailer(header, packed, payload_sizes))

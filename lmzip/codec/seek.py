"""What a seekable file holds and where: lists frames without decoding, reads ranges by decoding only their blocks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO

from lmzip import arguments
from lmzip.codec.block import Early, decode_block, model_of, tells_outside
from lmzip.codec.decompress import check_block
from lmzip.codec.memory import check_window, decode_need, fitting_threads
from lmzip.codec.settings import window_log
from lmzip.codec.source import FileSource, Source
from lmzip.codec.stripes import StripeChecker
from lmzip.dictionary import DictionarySource
from lmzip.errors import DamagedError, TruncatedError
from lmzip.format import outside
from lmzip.format.block import BlockHead, stripe_checks_size
from lmzip.format.frames import Block, FrameStart, read_frames
from lmzip.format.header import VERSION, FrameHeader, ModelRecord
from lmzip.models.registry import Registry
from lmzip.original import OriginalSource

if TYPE_CHECKING:
    from lmzip.native.copies import Past


@dataclass(frozen=True)
class BlockInfo:
    """A block and its place; offset and raw_offset count from the start of the file and of its whole content."""

    offset: int
    raw_offset: int
    head: BlockHead
    head_size: int = 0  # bytes between offset and the payload
    n_outside: int = 0  # bytes outside the vocabulary of the model


@dataclass(frozen=True)
class FrameInfo:
    """A frame and its place; all sizes and offsets in bytes."""

    offset: int
    compressed_size: int
    raw_offset: int
    raw_size: int
    header: FrameHeader
    model: ModelRecord | None  # None: the built-in predictor
    blocks: tuple[BlockInfo, ...]
    content_hash: bytes

    @property
    def block_size(self) -> int:
        """Raw bytes of the largest block."""
        return max(block.head.raw_size for block in self.blocks)

    @property
    def window(self) -> int:
        """How many bytes before a block it may have copies of; 0: blocks stand alone."""
        return self.header.window

    @property
    def n_far(self) -> int:
        """How many blocks have copies of those before."""
        return sum(block.head.is_far for block in self.blocks)

    @property
    def n_stored(self) -> int:
        return sum(block.head.is_stored for block in self.blocks)

    @property
    def n_outside(self) -> int:
        return sum(block.n_outside for block in self.blocks)

    @property
    def version(self) -> int:
        return VERSION


def list_frames(file: BinaryIO) -> list[FrameInfo]:
    """Return all frames of a seekable file from heads, trailers and what payloads begin with; needs no model.

    Nothing is decoded; every check but those of the data is made.  Raises NotLmzipError, DamagedError, TruncatedError,
    TrailingGarbageError, UnsupportedError.
    """

    def told(frame: FrameInfo) -> FrameInfo:
        blocks = (replace(block, n_outside=_n_outside(file, frame, block)) for block in frame.blocks)
        return replace(frame, blocks=tuple(blocks))

    return [told(frame) if frame.model else frame for frame in _frames(file)]


def _n_outside(file: BinaryIO, frame: FrameInfo, block: BlockInfo) -> int:
    """Return what the start of a block's payload tells, 0 where it tells nothing."""
    if not tells_outside(frame.model, block.head):
        return 0
    file.seek(block.offset + block.head_size + stripe_checks_size(block.head.coded_size, block.head.n_lanes))
    start = bytes(Source(file.read).take(min(outside.MAX_SIZE, block.head.payload_size)))
    try:
        return outside.parse(start, block.head.coded_size)[0]
    except DamagedError as error:
        raise DamagedError(f"block at byte {block.offset}: {error}") from None


def _frames(file: BinaryIO, file_start: int = 0) -> list[FrameInfo]:
    """Return all frames of a seekable file from heads and trailers alone: no damage of a block hides the others.

    What they say of places counts from byte file_start, where the first frame is.
    """
    frames: list[FrameInfo] = []
    blocks: list[BlockInfo] = []
    start: FrameStart | None = None
    model, raw_offset = None, 0
    for piece in read_frames(FileSource(file, file_start), with_payloads=False):
        if isinstance(piece, FrameStart):
            start, blocks, model = piece, [], None
        elif isinstance(piece, Block):
            model = piece.header.model() if not blocks else model
            blocks.append(BlockInfo(piece.offset, raw_offset, piece.head, piece.head_size))
            raw_offset += piece.head.raw_size
        else:
            assert start is not None
            raw_start = blocks[0].raw_offset
            sizes = (piece.end - start.offset, raw_start, raw_offset - raw_start)
            hash_ = piece.trailer.content_hash
            frames.append(FrameInfo(start.offset, *sizes, start.header, model, tuple(blocks), hash_))
    return frames


class BlockReader:
    """The blocks of a seekable file by their place in the content.

    It keeps no decoded block, but where blocks have copies of those before, the bytes of the window before the next: to
    read on takes no more than decoding each once.  Behind a jump, all are decoded from the first that is needed on.
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        start: int = 0,
        memory_limit: int | None = None,
        registry: Registry | None = None,
        long: bool | int | None = None,
        dictionary: DictionarySource | None = None,
        patch_from: OriginalSource | None = None,
    ) -> None:
        """Read the index of what is there from byte `start` on; registry: where models come from, default a new one.

        long, dictionary, patch_from: as for decompress_stream.  Raises as list_frames does, but for what payloads begin
        with.
        """
        self._file, self._file_start = file, start
        self._registry = registry or Registry()
        self._memory_limit = arguments.memory_limit(memory_limit)
        self._long, self._dictionary, self._patch_from = window_log(long), dictionary, patch_from
        self._blocks = [(frame.header, block) for frame in _frames(file, start) for block in frame.blocks]
        self._starts = [block.raw_offset for _, block in self._blocks]
        self.size = self._starts[-1] + self._blocks[-1][1].head.raw_size  # of the whole content
        self._past: Past | None = None  # of the frame that was read last, where its blocks may refer to it
        self._past_end = 0  # the block that it ends before

    def read_at(self, offset: int, end: int | None = None) -> tuple[int, Any]:
        """Return (start, raw bytes) of the block that holds byte `offset` of the content, b"" at its end.

        end: bytes of the content from there on are not wanted; decoding stops as soon as the others are checked.  Where
        it did, only those from offset to end are returned, else the whole block.  Raises DamagedError,
        ModelMissingError, UnsupportedError, NumericsError, MemoryLimitError.
        """
        if offset >= self.size:
            return self.size, b""
        number = bisect_right(self._starts, offset) - 1
        info = self._blocks[number][1]
        first, last = offset - info.raw_offset, min(end or self.size, self.size) - info.raw_offset
        ended = False

        def early(_raw: memoryview, checker: StripeChecker) -> bool:
            nonlocal ended
            ended = checker.covers(first, last)
            return not ended

        try:
            self._read_past(number)
            raw = self._decode(number, early if end is not None else None)
            if not ended:
                self._keep(number, raw)
        except BaseException:
            self._past = None
            raise
        return (offset, memoryview(raw)[first:last]) if ended else (info.raw_offset, raw)

    def _decode(self, number: int, early: Early | None = None) -> Any:
        """Return the raw bytes of a block for which the past is there."""
        header, info = self._blocks[number]
        self._file.seek(self._file_start + info.offset + info.head_size)
        payload = Source(self._file.read).take(info.head.payload_size)
        if len(payload) < info.head.payload_size:
            raise TruncatedError("unexpected end of file: it changed while it was read")
        block = Block(info.offset, 0, header, info.head, info.head_size, payload)
        check_window(header, self._long, self._memory_limit)
        model = model_of(header, self._registry, self._memory_limit, self._dictionary, self._patch_from)
        check_block(model, block, self._memory_limit)
        fitting_threads(1, decode_need(model, header, info.head), self._memory_limit)
        name = f"block at byte {info.offset}"
        early = None if info.head.has_copies else early
        return decode_block(model, header, info.head, payload, name, early=early, past=self._past)

    def _keep(self, number: int, raw) -> None:
        """Have a block in the past of the next one, where its frame has such."""
        header, info = self._blocks[number]
        if self._past and header.window:
            if not info.head.is_far:
                self._past.append(raw)
            self._past_end = number + 1

    def _read_past(self, number: int) -> None:
        """Decode what a block may have copies of, unless it is there."""
        header = self._blocks[number][0]
        if not header.window:
            self._past = None
            return
        first = self._first_needed(number)
        if not self._past or not first <= self._past_end <= number or not self._has_past_of(number):
            from lmzip.native.copies import Past  # the kernel, which a list does without

            self._past = None  # not to be held beside the new one
            self._past, self._past_end = Past(header.window), first
        for before in range(self._past_end, number):
            self._keep(before, self._decode(before))

    def _oldest_needed(self, number: int) -> int:
        """Return where in the content the copies of a block begin, its start where it has none of blocks before."""
        return self._starts[number] - self._blocks[number][1].head.reach

    def _first_needed(self, number: int) -> int:
        """Return the first of the blocks that make a block: it, those it has copies of, those these have copies of."""
        first, oldest = number, self._oldest_needed(number)
        while self._starts[first] > oldest:
            first -= 1
            oldest = min(oldest, self._oldest_needed(first))
        return first

    def _has_past_of(self, number: int) -> bool:
        """Return whether the past is enough for all blocks from its end on to this one."""
        assert self._past
        oldest = self._starts[self._past_end] - self._past.reach
        return all(self._oldest_needed(at) >= oldest for at in range(self._past_end, number + 1))


def read_range(
    file: BinaryIO,
    offset: int,
    size: int,
    *,
    memory_limit: int | None = None,
    registry: Registry | None = None,
    long: bool | int | None = None,
    dictionary: DictionarySource | None = None,
    patch_from: OriginalSource | None = None,
) -> Iterator[bytes]:
    """Yield bytes offset .. offset + size of a seekable file's content, in pieces, fewer if the content ends before.

    Decodes only the blocks that the range touches, those that they have copies of, and of the last one no more than it
    takes.  memory_limit and what follows: as for BlockReader.  Raises ValueError for a negative offset or
    size, and as list_frames and decompress_stream do.
    """
    offset, size = arguments.integer("offset", offset), arguments.integer("size", size)
    if offset < 0 or size < 0:
        raise ValueError("a range starts at 0 or later and has no negative size")
    reader = BlockReader(
        file, memory_limit=memory_limit, registry=registry, long=long, dictionary=dictionary, patch_from=patch_from
    )
    end = min(offset + size, reader.size)
    while offset < end:
        start, raw = reader.read_at(offset, end)
        piece = memoryview(raw)[offset - start : end - start]
        yield bytes(piece)
        offset += len(piece)

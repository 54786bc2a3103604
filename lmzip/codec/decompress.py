"""From frames to a byte stream: decodes blocks in threads, writes each in order once its check has passed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

from lmzip import arguments
from lmzip.codec.block import check_takes, decode_block, model_of, substitute
from lmzip.codec.memory import Threads, check_weights, decode_need
from lmzip.codec.salvage import SalvageSource, salvage_frames
from lmzip.codec.sink import Write, write_all
from lmzip.codec.source import Read, Source
from lmzip.codec.stripes import StripeChecker
from lmzip.codec.summary import Hole, Progress, Summary
from lmzip.codec.workers import Workers
from lmzip.errors import DamagedError, LmzipError, ModelMissingError, NumericsError, UnsupportedError
from lmzip.format.block import BlockHead
from lmzip.format.frames import Block, FrameEnd, FrameStart, Piece, read_frames
from lmzip.format.trailer import content_hash
from lmzip.models.base import Model
from lmzip.models.registry import Registry

DAMAGED_CONTENT = "damaged content: its hash is not the one in the trailer"


def block_name(block: Block) -> str:
    """Return how messages call a block."""
    return f"block {block.index + 1} at byte {block.offset}"


class _Decoded(NamedTuple):
    """What came of a block."""

    head: BlockHead
    raw: Any  # bytes-like
    hole: Hole | None = None  # what of it could not be saved, behind raw


def check_block(model: Model, block: Block, memory_limit: int | None) -> None:
    """Check, before its memory is known, that a model decodes a block; raises UnsupportedError, MemoryLimitError."""
    if block.head.is_stored:
        return
    check_takes(model, block.head.spec(block.header))
    if block.head.uses_model:
        check_weights(model, memory_limit)


class FrameReader:
    """Turns the pieces of frames into output.

    With salvage, what is damaged, or needs what is not here, becomes a hole in the summary.
    """

    def __init__(
        self,
        write: Write,
        workers: Workers,
        *,
        registry: Registry,
        threads: Threads,
        progress: Progress | None,
        salvage: bool,
    ) -> None:
        self.summary = Summary()
        self._write, self._workers = write, workers
        self._registry, self._threads, self._salvage = registry, threads, salvage
        self._report = workers.report(progress and (lambda n: progress("decompress", n)))
        self._model: Model | None = None  # of the current frame
        self._missing: LmzipError | None = None  # why it has none
        self._lacks: list[LmzipError] = []  # why sound blocks became holes
        self._n_early = 0  # raw bytes of the block that is next in line which are written
        self._content_hash = content_hash()

    def handle(self, piece: Piece | Hole) -> None:
        """Submit the work of one piece; waits while enough blocks are on their way."""
        if isinstance(piece, Block):
            self._handle_block(piece)
        elif isinstance(piece, FrameEnd):
            end = piece
            self._workers.submit(lambda: end, self._end_frame, is_work=False)
        elif isinstance(piece, FrameStart):
            self._model = self._missing = None
        else:
            hole = piece
            self._workers.submit(lambda: hole, self._put_hole, is_work=False)

    def _handle_block(self, block: Block) -> None:
        try:
            model = self._model_for(block)
            check_block(model, block, self._threads.memory_limit)
            need = decode_need(model, block.header, block.head)
        except (DamagedError, ModelMissingError, NumericsError, UnsupportedError) as error:
            if not self._salvage:
                raise
            if not isinstance(error, DamagedError):
                self._lacks.append(error)
            hole = Hole(block.offset, 0, block.head.raw_size, f"{block_name(block)}: {error}")
            self._workers.submit(lambda: hole, self._put_hole, is_work=False)
            return
        self._workers.limit = min(self._workers.limit, self._threads.that_fit(need))
        early_sink = None if self._salvage else self._put_early
        self._workers.submit(
            lambda early=None: self._decode(model, block, early), self._put_block, early_sink=early_sink
        )

    def _model_for(self, block: Block) -> Model:
        """Return the model of a block; to salvage it, any that does.  Raises as model_of does."""
        # Only now has a check covered the header.
        if self._model is None and self._missing is None:
            try:
                self._model = model_of(block.header, self._registry, self._threads.memory_limit)
            except LmzipError as error:
                self._missing = error
        model = self._model
        if model is None and self._salvage:
            model = substitute(block.head, self._registry)
        if model is None:
            assert self._missing is not None
            raise self._missing
        return model

    def _decode(self, model: Model, block: Block, early: Callable[[Any], bool] | None) -> _Decoded:
        """In a worker: return what came of a block, all of it or, to salvage it, its sound beginning and a hole."""
        head = block.head
        sound: Any = b""

        def checked(raw: memoryview, checker: StripeChecker) -> bool:
            nonlocal sound
            if early:
                early((raw, checker.n_checked))
            elif self._salvage:
                sound = raw[: checker.n_checked]
            return True

        name = block_name(block)
        is_cut = len(block.payload or b"") < head.payload_size
        try:
            with self._threads_for(block) as n_threads:
                raw = decode_block(model, block.header, head, block.payload, name, self._report, n_threads, checked)
                return _Decoded(head, raw)
        except DamagedError as error:
            if not self._salvage:
                raise
            hole = Hole(
                block.offset, 0, head.raw_size - len(sound), f"{name}: unexpected end of file" if is_cut else str(error)
            )
        return _Decoded(head, bytes(sound), hole)

    def _threads_for(self, block: Block) -> AbstractContextManager[int]:
        """Return how many threads may work on a block: a model on several lanes may use a second one.

        A frame's only block has it while nothing else is to be done; of others, several are decoded at once.
        """
        head = block.head
        alone = head.last and not block.index and head.n_lanes > 1
        return self._workers.second_thread() if alone and head.uses_model else nullcontext(1)

    def _put_early(self, part: tuple[memoryview, int]) -> None:
        """Write what is checked of the block that is next in line."""
        raw, n_checked = part
        self._put(raw[self._n_early : n_checked])
        self._n_early = n_checked

    def _put(self, raw) -> None:
        self._content_hash.update(raw)
        if len(raw):
            write_all(self._write, raw)
        self.summary.raw_size += len(raw)

    def _put_block(self, decoded: _Decoded) -> None:
        """Write the rest of a block that is next in line."""
        self._put(memoryview(decoded.raw)[self._n_early :])
        self._n_early = 0
        if decoded.hole:
            self._put_hole(decoded.hole)
            return
        self.summary.n_blocks += 1
        self.summary.n_stored += decoded.head.is_stored

    def _put_hole(self, hole: Hole) -> None:
        self.summary.holes.append(Hole(hole.offset, self.summary.raw_size, hole.raw_size, hole.reason))

    def check_saved(self) -> None:
        """Raise why nothing was saved of a file that is sound, but needs what is not here."""
        if self._lacks and len(self._lacks) == len(self.summary.holes) and not self.summary.raw_size:
            raise self._lacks[0]

    def _end_frame(self, end: FrameEnd) -> None:
        digest = self._content_hash.digest()
        self._content_hash = content_hash()
        if end.trailer.content_hash not in (digest, b"") and not self._salvage:
            raise DamagedError(DAMAGED_CONTENT)
        self.summary.end_frame(digest)


def decompress_stream(
    read: Read,
    write: Write,
    *,
    registry: Registry | None = None,
    threads: int | None = None,
    memory_limit: int | None = None,
    progress: Progress | None = None,
    salvage: bool = False,
) -> Summary:
    """Decompress all frames that read(size) gives until it returns b"", to write(bytes-like); return what it came to.

    Every block is checked before it is written, so an error comes after sound bytes only; the hash of the whole is
    compared at the end of each frame.  write may take less than it is given if it returns how much (lmzip.codec.sink).
    registry: where models of frames come from; default a new one.  threads, memory_limit: as for compress_stream.  At
    most threads + 1 blocks are held at a time.  salvage: pass over what is damaged or needs what is not here, write the
    rest, and tell of it in Summary.holes.

    Raises NotLmzipError, DamagedError, TruncatedError, TrailingGarbageError, UnsupportedError, ModelMissingError,
    NumericsError, MemoryLimitError, ValueError and TypeError for bad arguments, and what read and write raise.
    """
    threads, memory_limit = arguments.n_threads(threads), arguments.memory_limit(memory_limit)
    source = SalvageSource(read) if salvage else Source(read)
    allowed = Threads(threads, memory_limit)
    with Workers(allowed.most) as workers:
        reader = FrameReader(
            write, workers, registry=registry or Registry(), threads=allowed, progress=progress, salvage=salvage
        )
        try:
            for piece in salvage_frames(source) if isinstance(source, SalvageSource) else read_frames(source):
                reader.handle(piece)
                del piece  # not to be held while the next one is read
        except LmzipError:
            workers.finish()  # the sound blocks before the fault; raises if the first fault is in one of them
            raise
        workers.finish()
    reader.check_saved()
    reader.summary.compressed_size = source.position
    reader.summary.n_threads = workers.limit
    return reader.summary


def decoded_blocks(read: Read, *, registry: Registry | None = None) -> Iterator[bytes]:
    """Yield the raw bytes of all frames, block after block, decoded in this thread when asked for.

    Raises as decompress_stream does.
    """
    registry = registry or Registry()
    hash_, model = content_hash(), None
    for piece in read_frames(Source(read)):
        if isinstance(piece, FrameStart):
            hash_, model = content_hash(), None
        elif isinstance(piece, Block):
            model = model or model_of(piece.header, registry)
            check_block(model, piece, None)
            raw = decode_block(model, piece.header, piece.head, piece.payload, block_name(piece))
            hash_.update(raw)
            yield raw
        elif piece.trailer.content_hash not in (hash_.digest(), b""):
            raise DamagedError(DAMAGED_CONTENT)

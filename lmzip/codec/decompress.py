"""From frames to a byte stream: decodes blocks in threads, writes each in order once its check has passed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from lmzip import arguments
from lmzip.codec.block import check_data, check_takes, make_raw, model_of, no_memory, substitute
from lmzip.codec.jobs import MAX_JOBS, DecodeJob, Engine
from lmzip.codec.memory import Need, Threads, check_weights, check_window, decode_need
from lmzip.codec.patch import list_spec
from lmzip.codec.salvage import SalvageSource, salvage_frames
from lmzip.codec.settings import window_log
from lmzip.codec.sink import Write, write_all
from lmzip.codec.source import Read, Source
from lmzip.codec.stripes import StripeChecker
from lmzip.codec.summary import Hole, Progress, Summary
from lmzip.codec.tables import NO_TABLES, Tables
from lmzip.codec.workers import Workers
from lmzip.dictionary import DictionarySource
from lmzip.errors import (
    DamagedError,
    DictionaryMissingError,
    LmzipError,
    ModelMissingError,
    NumericsError,
    OriginalMissingError,
    UnsupportedError,
)
from lmzip.format.block import BlockHead
from lmzip.format.frames import Block, FrameEnd, FrameStart, Piece, read_frames
from lmzip.format.trailer import content_hash
from lmzip.models.base import Model
from lmzip.models.registry import Registry
from lmzip.original import OriginalSource

if TYPE_CHECKING:
    from lmzip.codec.lossy_past import LossyPast
    from lmzip.native.copies import Past

# Why a block cannot be decoded here.
_LACKING = (DictionaryMissingError, ModelMissingError, NumericsError, OriginalMissingError, UnsupportedError)
DAMAGED_CONTENT = "damaged content: its hash is not the one in the trailer"


def block_name(block: Block) -> str:
    """Return how messages call a block."""
    return f"block {block.index + 1} at byte {block.offset}"


class _Decoded(NamedTuple):
    """What came of a block in a worker."""

    block: Block
    raw: Any  # bytes-like; of a block with copies of those before it the body
    hole: Hole | None = None  # what of it could not be saved, behind raw


def check_block(model: Model, block: Block, memory_limit: int | None) -> None:
    """Check, before its memory is known, that a model decodes a block; raises UnsupportedError, MemoryLimitError."""
    if of_list := list_spec(block.header.profile, block.head):
        check_takes(model, of_list)
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
        long: int = 0,
        dictionary: DictionarySource | None = None,
        patch_from: OriginalSource | None = None,
        engine: Engine | None = None,
    ) -> None:
        """long: blocks may refer back to 2^long bytes, or what is allowed without asking."""
        self.summary = Summary()
        self._write, self._workers = write, workers
        self._registry, self._threads, self._salvage, self._long = registry, threads, salvage, long
        self._dictionary, self._patch_from, self._engine = dictionary, patch_from, engine
        self._report = workers.report(progress and (lambda n: progress("decompress", n)))
        self._model: Model | None = None  # of the current frame
        self._missing: LmzipError | None = None  # why it has none
        self._past: Past | LossyPast | None = None  # of the current frame, where its blocks may refer to it
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
            self._model = self._missing = self._past = None
        else:
            self._submit_hole(piece)

    def _submit_hole(self, hole: Hole) -> None:
        past = self._past
        self._workers.submit(lambda: hole, lambda hole: self._put_hole(hole, past), is_work=False)

    def _handle_block(self, block: Block) -> None:
        limit = self._threads.memory_limit
        check_window(block.header, self._long, limit)
        if block.header.window and self._past is None:
            self._past = (_new_lossy_past if self._salvage else new_past)(block.header.window)
        try:
            model = self._model_for(block)
            check_block(model, block, limit)
            need = self._need(model, block)
        except (DamagedError, *_LACKING) as error:
            if not self._salvage:
                raise
            if not isinstance(error, DamagedError):
                self._lacks.append(error)
            self._submit_hole(Hole(block.offset, 0, block.head.raw_size, f"{block_name(block)}: {error}"))
            return
        most = self._engine.n_jobs if self._engine else self._workers.limit
        self._workers.limit = min(most, self._threads.that_fit(need, model))
        early_sink, past = None if self._salvage else self._put_early, self._past
        self._workers.submit(
            lambda early=None: self._decode(model, block, early),
            lambda decoded: self._put_block(decoded, past),
            early_sink=early_sink,
        )

    def _need(self, model: Model, block: Block) -> Need:
        """Return what decoding a block needs here."""
        need = decode_need(model, block.header, block.head)
        return Need(0, need.ahead + block.head.raw_size, need.ahead, need.window) if self._engine else need

    def _model_for(self, block: Block) -> Model:
        """Return the model of a block; to salvage it, any that does.  Raises as model_of does."""
        # Only now has a check covered the header.
        if self._model is None and self._missing is None:
            try:
                limit = self._threads.memory_limit
                self._model = model_of(block.header, self._registry, limit, self._dictionary, self._patch_from)
            except LmzipError as error:
                self._missing = error
        model = self._model
        if model is None and self._salvage:
            model = substitute(block.header, block.head, self._registry, self._dictionary, self._patch_from)
        if model is None:
            assert self._missing is not None
            raise self._missing
        return model

    def _decode(self, model: Model, block: Block, early: Callable[[Any], bool] | None) -> _Decoded:
        """In a worker: return what came of a block, all of it or, to salvage it, its sound beginning and a hole."""
        head = block.head
        job = DecodeJob(model, block.header, head, block.payload, block_name(block))
        if self._engine:
            return _Decoded(block, self._decoded_elsewhere(self._engine, job))
        sound: Any = b""

        def checked(raw: memoryview, checker: StripeChecker) -> bool:
            nonlocal sound
            if head.is_patched:
                return True  # what it makes of the original is known with all of it
            if self._salvage:
                sound = raw[: checker.n_checked]
            elif early and not head.has_copies:
                early((raw, checker.n_checked))
            return True

        is_cut = len(block.payload or b"") < head.payload_size
        try:
            with self._threads_for(block) as n_threads:
                return _Decoded(block, job.do(self._report, n_threads, checked))
        except DamagedError as error:
            if not self._salvage:
                raise
            if head.has_copies and len(sound):
                sound = _beginning_of(sound, head)
            reason = f"{job.name}: unexpected end of file" if is_cut else str(error)
            hole = Hole(block.offset, 0, head.raw_size - len(sound), reason)
        return _Decoded(block, bytes(sound), hole)

    def _decoded_elsewhere(self, engine: Engine, job: DecodeJob) -> Any:
        """Have a block decoded; its check is compared again, as the bytes have come a long way."""
        raw = engine.do(job, partial(self._report, 0))
        if not job.head.is_far:
            check_data(job.head, raw, job.payload, job.name)
        self._report(job.head.raw_size)
        return raw

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

    def _put_block(self, decoded: _Decoded, past: Past | LossyPast | None) -> None:
        """Write the rest of a block that is next in line; past: what stands in the frame before it, if that matters."""
        block, raw, hole = decoded
        try:
            if block.head.is_far and not hole:
                self._put_far(block, raw, past)
                return
            if past:
                past.append(raw)
        except MemoryError:
            raise no_memory(block.head.raw_size) from None
        self._put(memoryview(raw)[self._n_early :])
        self._n_early = 0
        if hole:
            self._put_hole(hole, past)
        else:
            self._count(block.head)

    def _put_far(self, block: Block, body, past: Any) -> None:
        """Make the raw bytes of a block that has copies of those before it, and write them; to salvage it, some.

        Where others are lost, these are sound as the payload is, by its own check, and as what they are copied from is.
        """
        head, name = block.head, block_name(block)
        if not self._salvage:
            self._put(make_raw(head, body, block.payload, name, past))
            self._count(head)
            return
        try:
            raw, stretches = past.make(block, body, name)
        except DamagedError as error:
            self._put_hole(Hole(block.offset, 0, head.raw_size, str(error)), past)
            return
        for stretch in stretches:
            if stretch.is_lost:
                reason = f"{name}: copies of bytes that are lost"
                self._put_hole(Hole(block.offset, 0, stretch.end - stretch.start, reason))
            else:
                self._put(raw[stretch.start : stretch.end])
        if not any(stretch.is_lost for stretch in stretches):
            self._count(head)

    def _count(self, head: BlockHead) -> None:
        self.summary.n_blocks += 1
        self.summary.n_stored += head.is_stored

    def _put_hole(self, hole: Hole, past: Any = None) -> None:
        self.summary.holes.append(Hole(hole.offset, self.summary.raw_size, hole.raw_size, hole.reason))
        if past:
            past.lose(hole.raw_size)

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


def _beginning_of(body, head: BlockHead):
    """Return the raw bytes that the beginning of a block's body makes; raises MemoryLimitError."""
    from lmzip.native.copies import put_back_beginning  # the kernel, which a list does without

    try:
        return put_back_beginning(body, head.raw_size, head.machine)
    except MemoryError:
        raise no_memory(head.raw_size) from None


def new_past(window: int) -> Past:
    from lmzip.native.copies import Past  # the kernel, which a list does without

    return Past(window)


def _new_lossy_past(window: int) -> LossyPast:
    from lmzip.codec.lossy_past import LossyPast

    return LossyPast(window)


def decompress_stream(
    read: Read,
    write: Write,
    *,
    registry: Registry | None = None,
    threads: int | None = None,
    memory_limit: int | None = None,
    progress: Progress | None = None,
    salvage: bool = False,
    long: bool | int | None = None,
    tables: Tables = NO_TABLES,
    dictionary: DictionarySource | None = None,
    patch_from: OriginalSource | None = None,
    engine: Engine | None = None,
) -> Summary:
    """Decompress all frames that read(size) gives until it returns b"", to write(bytes-like); return what it came to.

    Every block is checked before it is written, so an error comes after sound bytes only; the hash of the whole is
    compared at the end of each frame.  write may take less than it is given if it returns how much (lmzip.codec.sink).
    registry: where models of frames come from; default a new one.  threads, memory_limit: as for compress_stream.  At
    most threads + 1 blocks are held at a time.  salvage: pass over what is damaged or needs what is not here, write the
    rest, and tell of it in Summary.holes; tables: what the file says of places where heads are damaged, if it was asked
    (read_tables).  long: without a memory_limit, frames whose blocks refer back more than 128 MiB are refused, or more
    than 2^long bytes where that is more (up to 30).  dictionary, patch_from: for frames that need such.  engine: as for
    compress_stream; none salvages.

    Raises NotLmzipError, DamagedError, TruncatedError, TrailingGarbageError, UnsupportedError, ModelMissingError,
    DictionaryMissingError, OriginalMissingError, NumericsError, MemoryLimitError, ValueError and TypeError for bad
    arguments, and what read and write raise.
    """
    threads, memory_limit = arguments.n_threads(threads), arguments.memory_limit(memory_limit)
    source = SalvageSource(read) if salvage else Source(read)
    if engine and salvage:
        raise ValueError("an engine salvages nothing")
    registry = registry or Registry()
    allowed = Threads(MAX_JOBS if engine else threads, memory_limit, registry.blocks_at_once)
    with Workers(allowed.most) as workers:
        reader = FrameReader(
            write,
            workers,
            registry=registry,
            threads=allowed,
            progress=progress,
            salvage=salvage,
            long=window_log(long),
            dictionary=dictionary,
            patch_from=patch_from,
            engine=engine,
        )
        try:
            for piece in salvage_frames(source, tables) if isinstance(source, SalvageSource) else read_frames(source):
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

"""From a byte stream to frames: cuts blocks, codes them in threads, writes them in order, verifies what was written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal

from lmzip import arguments, levels
from lmzip.block import BYTES, Content
from lmzip.codec.block import check_data, record_of, tells_outside
from lmzip.codec.cutting import Cutter, take_blocks
from lmzip.codec.headers import Headers
from lmzip.codec.jobs import MAX_JOBS, NOT_THE_SAME, EncodeJob, Engine
from lmzip.codec.memory import Need, Threads, check_model, encode_need
from lmzip.codec.settings import check_combination, settings_for, window_log
from lmzip.codec.sink import Write, write_all
from lmzip.codec.source import Read, Source
from lmzip.codec.summary import Progress, Summary
from lmzip.codec.workers import Workers
from lmzip.dictionary import Dictionary
from lmzip.errors import DamagedError, MemoryLimitError, VerifyError
from lmzip.format import outside
from lmzip.format.block import (
    MAX_BLOCKS,
    MAX_LANES,
    parse_block_head,
    stripe_checks_size,
)
from lmzip.format.header import pack_header, record_of_dictionary, record_of_original
from lmzip.format.trailer import Row, Trailer, content_hash
from lmzip.models.base import Model
from lmzip.models.registry import Registry
from lmzip.original import Original
from lmzip.system import available_threads

if TYPE_CHECKING:
    from lmzip.codec.encode import Encoded
    from lmzip.codec.far import FarCopies
    from lmzip.native.copies import Body

ReadAt = Callable[[int, int], bytes]  # (size, offset in the output) -> bytes that were written there
Verify = ReadAt | Literal[True] | None


class FrameWriter:
    """Codes blocks that are pushed one after another and writes frames; output depends on blocks and settings only."""

    def __init__(
        self,
        write: Write,
        workers: Workers,
        *,
        settings: levels.LevelSettings,
        model: Model,
        encode_block: Callable[..., Encoded],
        far: FarCopies | None = None,
        n_lanes: int | None = None,
        threads: Threads | None = None,
        threads_per_block: int = 1,
        engine: Engine | None = None,
        progress: Progress | None = None,
        verify: Verify = None,
        summary: Summary | None = None,
    ) -> None:
        """encode_block: that of lmzip.codec.encode, which loads the kernel; who calls is to import it while that can be
        done, as blocks may be coded while the interpreter ends.  far: where blocks may have copies of those before.
        threads: how many the memory of a block of samples allows; None for no limit.  engine: what codes blocks in the
        place of the workers.
        """
        self.summary = summary or Summary()
        self._threads, self._encode_block, self._far = threads, encode_block, far
        self._write, self._workers, self._verify = write, workers, verify
        self._n_lanes, self._threads_per_block, self._engine = n_lanes, threads_per_block, engine
        self._settings, self._model = settings, model
        self._header = pack_header(settings.profile)
        dictionary = record_of_dictionary(model.dictionary) if model.dictionary else None
        original = record_of_original(model.original) if model.original else None
        self._headers = Headers(settings, record_of(model), dictionary, original, far.window_log if far else 0)
        self._report = workers.report(progress and (lambda n: progress("compress", n)))
        self._report_verified = workers.report(progress and (lambda n: progress("verify", n)))
        self._content_hash = content_hash()
        self._n_pushed = 0  # blocks of the current frame
        self._table: list[Row] = []  # of the blocks of the current frame that are written

    def push(self, raw, *, last: bool, content: Content = BYTES) -> None:
        """Code a block.  The bytes must not change any more.  Samples that take more memory than allowed become bytes.

        Waits while as many blocks as the workers' limit are on their way; raises what their work raised.
        """
        if content != BYTES and not self._has_memory_for(content, len(raw)):
            content = BYTES
        if self._engine:
            self._workers.limit = min(self._workers.n_threads, self._engine.n_jobs)
        self._content_hash.update(raw)
        self._n_pushed += 1
        ends_frame = last or self._n_pushed == MAX_BLOCKS
        is_only = ends_frame and self._n_pushed == 1
        is_alone = is_only or self._far is None
        job = EncodeJob(
            self._model,
            raw,
            self._settings,
            self._headers,
            ends_frame,
            content,
            self._n_lanes,
            self._headers.model_cost if is_only else 0,
            is_alone,
            None if is_alone or self._far is None else self._far_body(self._far, raw, content),
            bool(self._verify),
        )
        self._workers.submit(lambda: self._do(job), self._put_block)
        if ends_frame:
            digest = self._content_hash.digest()
            self._workers.submit(lambda: digest, self._put_trailer, is_work=False)
            self._content_hash, self._n_pushed = content_hash(), 0
            if self._far:
                self._far.restart()

    def _far_body(self, far: FarCopies, raw, content: Content) -> Body | None:
        """Return what a block is made of that may have copies of those before: found in the order of the blocks."""
        try:
            return far.body_of(raw, content)
        except DamagedError as error:
            raise VerifyError(f"{NOT_THE_SAME}: {error}") from None

    def _has_memory_for(self, content: Content, raw_size: int) -> bool:
        """Return whether a block of samples is within the limit of memory, on as many threads as are left then."""
        if self._threads is None:
            return True
        window = 1 << self._far.window_log if self._far else 0
        need = encode_need(self._model, self._settings, raw_size, self._n_lanes, content, window)
        try:
            self._workers.limit = min(self._workers.limit, self._threads.that_fit(need))
        except MemoryLimitError:
            return False
        return True

    def _do(self, job: EncodeJob) -> Encoded:
        """In a worker: have a block coded, and proven where that is wanted."""
        if self._engine is None:
            return job.do(self._encode_block, self._report, self._report_verified, self._threads_per_block)
        encoded = self._engine.do(job, partial(self._report, 0))
        _check_arrived(encoded, job.raw)
        self._report(len(job.raw))
        if job.proves:
            self._report_verified(len(job.raw))
        return encoded

    def _put_block(self, encoded: Encoded) -> None:
        """Write a block that is next in line, after the header if it is the first; have it read back."""
        head, payload, _ = encoded
        if not self._table:
            self._header = self._headers.of(head)
            self.summary.names_model |= self._header.names_model
            self._put_checked("header", self._header.packed)
        packed = head.pack(self._header)
        if self._verify and parse_block_head(self._header, packed) != head:
            raise VerifyError(f"{NOT_THE_SAME}: the head of a block")
        self._put_checked("data", packed, payload)
        self._table.append((head.raw_size, len(packed) + len(payload)))
        summary = self.summary
        summary.raw_size += head.raw_size
        summary.n_blocks += 1
        summary.n_stored += head.is_stored
        if tells_outside(self._headers.model, head):
            start = stripe_checks_size(head.coded_size, head.n_lanes)
            summary.n_outside += outside.parse(payload[start:], head.coded_size)[0]

    def _put_trailer(self, digest: bytes) -> None:
        self._put_checked("trailer", Trailer(tuple(self._table), digest).pack(self._header))
        self._table = []
        self.summary.end_frame(digest)

    def _put(self, data) -> None:
        write_all(self._write, data)
        self.summary.compressed_size += len(data)

    def _put_checked(self, what: str, *parts) -> None:
        """Write parts of a frame; have them compared with what is then in the file."""
        offset = self.summary.compressed_size
        for part in parts:
            self._put(part)
        if callable(read_at := self._verify):
            size, digest = self.summary.compressed_size - offset, _digest(*parts)
            self._workers.submit_background(lambda: _read_back(read_at, size, offset, digest, what))


def _check_arrived(encoded: Encoded, raw) -> None:
    """Raise VerifyError unless the payload that came from elsewhere is the one of these raw bytes, by its check."""
    try:
        check_data(encoded.head, raw, encoded.payload, "a block")
    except DamagedError as error:
        raise VerifyError(f"{NOT_THE_SAME}: {error}") from None


def _digest(*parts) -> bytes:
    state = hashlib.blake2b()
    for part in parts:
        state.update(part)
    return state.digest()


def _read_back(read_at: ReadAt, size: int, offset: int, digest: bytes, what: str) -> None:
    """In a worker: raises VerifyError if the file does not have what was proven."""
    if _digest(read_at(size, offset)) != digest:
        raise VerifyError(f"{NOT_THE_SAME}: the {what} differs")


def compress_stream(
    read: Read,
    write: Write,
    *,
    level: int = levels.DEFAULT_LEVEL,
    model: Model | None = None,
    registry: Registry | None = None,
    block_size: int | None = None,
    n_lanes: int | None = None,
    content: Content | None = None,
    long: bool | int | None = None,
    dictionary: Dictionary | None = None,
    patch_from: Original | None = None,
    threads: int | None = None,
    memory_limit: int | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
    verify: Verify = None,
    summary: Summary | None = None,
) -> Summary:
    """Compress what read(size) gives until it returns b"", to write(bytes-like); return what it came to.

    write may take less than it is given if it returns how much (lmzip.codec.sink).

    The bytes written depend on what is read, level, model, block_size, n_lanes, content, long, dictionary and
    patch_from only, and on memory_limit where images or sound would take more and are coded as bytes.  block_size: raw
    bytes, 1 to 2^30; n_lanes: a power of two up to 128; these and the model default to the level's.  content: what all
    of it is; default to look for images and sound in it.  long: blocks may have copies of those before, as far back as
    2^long bytes (10 to 30; True for 27); default not.  dictionary: what each block of bytes begins behind.  patch_from:
    what blocks may have copies of, wherever it stands there, without long and dictionary.  registry: where the level's
    model comes from; default a new one, which loads its weights anew.  threads: default, and 0: all processors that
    this process may use, fewer where there is no memory for them; fewer than asked for only where memory_limit (bytes)
    or a limit of the process wants it.  At most threads + 1 blocks are held at a time; write is called from one thread
    at a time, not always the same.  engine: what codes blocks elsewhere; threads then wait for it, as many as it says
    within memory_limit.  verify: True, for each block to be proven by decoding it before it is written; or a function
    (size, offset) that gives back what was written, for that to be compared with what was proven besides.
    summary: a new Summary to fill and return, for a caller who wants to see the sizes of what is written so far.

    Raises ValueError and TypeError for bad arguments, ModelMissingError, UnsupportedError and MemoryLimitError before
    any output, VerifyError, and what read and write raise.
    """
    from lmzip.codec.encode import encode_block  # the kernel, which a list does without
    from lmzip.codec.far import FarCopies

    check_combination(long, patch_from)
    settings, chosen = settings_for(level, model, registry, dictionary, patch_from)
    size = levels.check_block_size(settings.block_size if block_size is None else block_size)
    if n_lanes is not None and arguments.integer("n_lanes", n_lanes) not in (1, 2, 4, 8, 16, 32, 64, 128):
        raise ValueError(f"n_lanes must be a power of two up to {MAX_LANES}, not {n_lanes}")
    threads, memory_limit = arguments.n_threads(threads), arguments.memory_limit(memory_limit)
    log = window_log(long)
    source, cutter = Source(read), Cutter(size, min(size, settings.samples_size), content)
    blocks, rest = take_blocks(source, size, cutter, bytearray())
    raw, _, is_all = blocks[0]
    if raw:
        check_model(chosen, settings, memory_limit)
    allowed = Threads(1 if is_all else threads, memory_limit, chosen.blocks_at_once)
    far = None if is_all or not log else FarCopies(log, size, proves=verify is not None)
    need = encode_need(chosen, settings, len(raw) if is_all else size, n_lanes, window=1 << log if far else 0)
    if engine:
        allowed = Threads(1 if is_all else MAX_JOBS, memory_limit)
        need = Need(0, 2 * size, size, need.window)  # raw bytes and payload
    with Workers(allowed.that_fit(need)) as workers:
        writer = FrameWriter(
            write,
            workers,
            settings=settings,
            model=chosen,
            encode_block=encode_block,
            far=far,
            n_lanes=n_lanes,
            threads=None if engine else allowed,
            engine=engine,
            threads_per_block=2 if is_all and settings.uses_model and (threads or available_threads()) > 1 else 1,
            progress=progress,
            verify=verify,
            summary=summary,
        )
        is_last = False
        while not is_last:
            if not blocks:
                blocks, rest = take_blocks(source, size, cutter, rest)
            raw, of, is_last = blocks.pop(0)
            writer.push(raw, last=is_last, content=of)
        del raw, rest
        workers.finish()
    writer.summary.n_threads = workers.limit
    writer.summary.verified = verify is not None
    return writer.summary

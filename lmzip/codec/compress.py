"""From a byte stream to frames: cuts blocks, codes them in threads, writes them in order, verifies what was written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from lmzip import arguments, levels
from lmzip.block import BYTES, Content
from lmzip.codec.block import needs_dictionary, prove_block, record_of, tells_outside
from lmzip.codec.cutting import Cutter, take_blocks
from lmzip.codec.memory import Threads, check_model, encode_need
from lmzip.codec.settings import settings_for, window_log
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
    BlockHead,
    fits_short,
    parse_block_head,
    stripe_checks_size,
)
from lmzip.format.header import FrameHeader, pack_header, record_of_dictionary
from lmzip.format.trailer import Row, Trailer, content_hash
from lmzip.models.base import Model
from lmzip.models.registry import Registry
from lmzip.system import available_threads

if TYPE_CHECKING:
    from lmzip.codec.encode import Encoded
    from lmzip.codec.far import FarCopies
    from lmzip.native.copies import Body

ReadAt = Callable[[int, int], bytes]  # (size, offset in the output) -> bytes that were written there
Verify = ReadAt | Literal[True] | None

NOT_THE_SAME = "what was written does not decode to what was read"


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
        progress: Progress | None = None,
        verify: Verify = None,
        summary: Summary | None = None,
    ) -> None:
        """encode_block: that of lmzip.codec.encode, which loads the kernel; who calls is to import it while that can be
        done, as blocks may be coded while the interpreter ends.  far: where blocks may have copies of those before.
        threads: how many the memory of a block of samples allows; None for no limit.
        """
        self.summary = summary or Summary()
        self._threads, self._encode_block, self._far = threads, encode_block, far
        self._write, self._workers, self._verify = write, workers, verify
        self._n_lanes, self._threads_per_block = n_lanes, threads_per_block
        self._settings, self._model = settings, model
        self._header = pack_header(settings.profile)
        self._record = record_of(model)
        self._dictionary = record_of_dictionary(model.dictionary) if model.dictionary else None
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
        self._content_hash.update(raw)
        self._n_pushed += 1
        ends_frame = last or self._n_pushed == MAX_BLOCKS
        is_only = ends_frame and self._n_pushed == 1
        given: dict[str, Any] = {"model_cost": self._model_cost() if is_only else 0}
        if self._far and not is_only:
            body = self._far_body(self._far, raw, content)
            given["find_body"] = lambda *_: body
        self._workers.submit(lambda: self._encode(raw, ends_frame, content, given), self._put_block)
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

    def _model_cost(self) -> int:
        """Return the bytes by which the header of a frame of one block grows if the block needs the model."""
        sizes = (len(pack_header(self._settings.profile, record).packed) for record in (self._record, None))
        return next(sizes) - next(sizes)

    def _encode(self, raw, last: bool, content: Content, given: dict[str, Any]) -> Encoded:
        """In a worker: return head and payload of a block, decoded again where that is wanted."""
        encoded = self._encode_block(
            self._model,
            raw,
            settings=self._settings,
            last=last,
            n_lanes=self._n_lanes,
            report=self._report,
            n_threads=self._threads_per_block,
            content=content,
            **given,
        )
        if self._verify:
            self._prove(encoded, raw)
        return encoded

    def _prove(self, encoded: Encoded, raw) -> None:
        """In a worker, while the raw bytes are at hand: decode a block, with fresh state."""
        head, payload, body = encoded
        header, report = self._header_for(head), self._report_verified
        coded = body and body.coded
        try:
            prove_block(self._model, header, head, payload, raw, coded, report, self._threads_per_block)
        except DamagedError as error:
            raise VerifyError(f"{NOT_THE_SAME}: {error}") from None

    def _put_block(self, encoded: Encoded) -> None:
        """Write a block that is next in line, after the header if it is the first; have it read back."""
        head, payload, _ = encoded
        if not self._table:
            self._header = self._header_for(head)
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
        if tells_outside(self._record, head):
            start = stripe_checks_size(head.coded_size, head.n_lanes)
            summary.n_outside += outside.parse(payload[start:], head.coded_size)[0]

    def _header_for(self, head: BlockHead) -> FrameHeader:
        """Return the header of the frame that starts with this block: model and dictionary are named where needed.

        Of a frame of several blocks that is not known when the first is written.
        """
        record = self._record if head.uses_model or not head.last else None
        dictionary = self._dictionary if needs_dictionary(head) or not head.last else None
        settings, short = self._settings, fits_short(head)
        context = settings.context if record and record.is_of_tokens else 0
        if not short:
            window_log = self._far.window_log if self._far and not head.last else 0
            return pack_header(settings.profile, record, context=context, window_log=window_log, dictionary=dictionary)
        return pack_header(
            settings.profile,
            record,
            context=context,
            short=True,
            n_lanes=head.n_lanes,
            content=head.content,
            dictionary=dictionary,
        )

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
    threads: int | None = None,
    memory_limit: int | None = None,
    progress: Progress | None = None,
    verify: Verify = None,
    summary: Summary | None = None,
) -> Summary:
    """Compress what read(size) gives until it returns b"", to write(bytes-like); return what it came to.

    write may take less than it is given if it returns how much (lmzip.codec.sink).

    The bytes written depend on what is read, level, model, block_size, n_lanes, content, long and dictionary
    only, and on memory_limit where images or sound would take more and are coded as bytes.  block_size: raw bytes, 1 to
    2^30; n_lanes: a power of two up to 128; these and the model default to the level's.  content: what all of it is;
    default to look for images and sound in it.  long: blocks may have copies of those before, as far back as 2^long
    bytes (10 to 30; True for 27); default not.  dictionary: what each block of bytes begins behind.  registry: where
    the level's model comes from; default a new one, which loads its weights anew.  threads: default, and 0: all
    processors that this process may use, fewer where there is no memory for them; fewer than asked for only where
    memory_limit (bytes) or a limit of the process wants it.  At most threads + 1 blocks are held at a
    time; write is called from one thread at a time, not always the same.  verify: True, for each
    block to be proven by decoding it before it is written; or a function (size, offset) that gives back what was
    written, for that to be compared with what was proven besides.
    summary: a new Summary to fill and return, for a caller who wants to see the sizes of what is written so far.

    Raises ValueError and TypeError for bad arguments, ModelMissingError, UnsupportedError and MemoryLimitError before
    any output, VerifyError, and what read and write raise.
    """
    from lmzip.codec.encode import encode_block  # the kernel, which a list does without
    from lmzip.codec.far import FarCopies

    settings, chosen = settings_for(level, model, registry, dictionary)
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
    allowed = Threads(1 if is_all else threads, memory_limit)
    far = None if is_all or not log else FarCopies(log, size, proves=verify is not None)
    need = encode_need(chosen, settings, len(raw) if is_all else size, n_lanes, window=1 << log if far else 0)
    with Workers(allowed.that_fit(need)) as workers:
        writer = FrameWriter(
            write,
            workers,
            settings=settings,
            model=chosen,
            encode_block=encode_block,
            far=far,
            n_lanes=n_lanes,
            threads=allowed,
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

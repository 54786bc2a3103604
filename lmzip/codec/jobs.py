"""The work on one block as a record: done in a thread of this process, or by whoever takes it elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from lmzip.block import BYTES, Content
from lmzip.codec.block import Early, Report, decode_block, decode_coded, prove_block
from lmzip.codec.headers import Headers
from lmzip.codec.memory import decode_need, encode_need, window_size
from lmzip.errors import DamagedError, VerifyError
from lmzip.format.block import BlockHead
from lmzip.format.header import FrameHeader
from lmzip.levels import LevelSettings

if TYPE_CHECKING:
    from lmzip.codec.encode import Encoded
    from lmzip.native.copies import Body

NOT_THE_SAME = "what was written does not decode to what was read"


@dataclass(frozen=True)
class EncodeJob:
    """To code a block and, where that is wanted, to prove what came of it."""

    model: Any  # Model; to whoever does it elsewhere, what tells which one
    raw: Any  # bytes-like
    settings: LevelSettings
    headers: Headers
    last: bool
    content: Content = BYTES
    n_lanes: int | None = None  # as many as the level gives
    model_cost: int = 0
    is_alone: bool = True  # else its body is made of blocks before it too, and found already
    body: Body | None = None
    proves: bool = False

    def do(
        self,
        encode_block: Callable[..., Encoded],
        report: Report | None = None,
        report_proven: Report | None = None,
        n_threads: int = 1,
    ) -> Encoded:
        """Return head and payload.  encode_block: that of lmzip.codec.encode, which is not to be imported here.

        Raises VerifyError, MemoryLimitError, and what the reports raise.
        """
        given: dict[str, Any] = {} if self.is_alone else {"find_body": lambda *_: self.body}
        encoded = encode_block(
            self.model,
            self.raw,
            settings=self.settings,
            last=self.last,
            n_lanes=self.n_lanes,
            report=report,
            n_threads=n_threads,
            content=self.content,
            model_cost=self.model_cost,
            **given,
        )
        if self.proves:
            self._prove(encoded, report_proven, n_threads)
        return encoded

    def _prove(self, encoded: Encoded, report: Report | None, n_threads: int) -> None:
        """Decode a block, with fresh state, while the raw bytes are at hand."""
        head, payload, body = encoded
        coded = body and body.coded
        try:
            prove_block(self.model, self.headers.of(head), head, payload, self.raw, coded, report, n_threads)
        except DamagedError as error:
            raise VerifyError(f"{NOT_THE_SAME}: {error}") from None

    def memory(self) -> int:
        """Return the bytes that it takes, with all that blocks share but for what stands before them."""
        need = encode_need(self.model, self.settings, len(self.raw), self.n_lanes, self.content)
        return need.of_threads(1) + (len(self.body.coded) if self.body else 0)


@dataclass(frozen=True)
class DecodeJob:
    """To decode a block."""

    model: Any  # as of EncodeJob
    header: FrameHeader
    head: BlockHead
    payload: Any  # bytes-like
    name: str  # of the block, for messages

    def do(self, report: Report | None = None, n_threads: int = 1, early: Early | None = None) -> Any:
        """Return the raw bytes, or the body of a block that has copies of those before it; checks are compared.

        Raises as decode_block does.
        """
        arguments = (self.model, self.header, self.head, self.payload, self.name, report, n_threads)
        return decode_coded(*arguments)[0] if self.head.is_far else decode_block(*arguments, early)

    def memory(self) -> int:
        """Return the bytes that it takes, as for EncodeJob."""
        need = decode_need(self.model, self.header, self.head)
        return need.of_threads(1) - window_size(self.header.window, self.head.raw_size)


MAX_JOBS = 1024  # that an engine is given at once: each has a thread that waits for it


class Engine(Protocol):
    """Does jobs in the place of this process, whose threads then only wait for them."""

    @property
    def n_jobs(self) -> int:
        """How many jobs are worth to be on their way, at least 1; may change."""

    def do(self, job: EncodeJob | DecodeJob, check: Callable[[], None]) -> Any:
        """Return what came of a job: of EncodeJob head and payload, of DecodeJob bytes.

        check: to be called once in a while; what it raises ends the work.  Raises LmzipError.
        """

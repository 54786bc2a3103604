"""Copies from blocks before: what the encoder of a frame finds in them, block after block in their order."""

from __future__ import annotations

from lmzip.block import BYTES, Content
from lmzip.codec.copies import least_saved, suits_samples
from lmzip.codec.programs import machine_of
from lmzip.errors import DamagedError, MemoryLimitError
from lmzip.native.addresses import body_without_copies
from lmzip.native.copies import Body, Past


class FarCopies:
    """Bodies of the blocks of a frame, made of what stands in it before them too.

    It holds the raw bytes of a window.  A proof makes them anew from each body, so that what the next one copies from
    is what a decoder has.
    """

    def __init__(self, window_log: int, block_size: int, *, proves: bool) -> None:
        """window_log: blocks reach back 2 to this power bytes.  block_size: of the largest block."""
        self.window_log = window_log
        self._block_size, self._proves = block_size, proves
        self._past: Past | None = None

    def restart(self) -> None:
        """Begin another frame."""
        self._past = None

    def body_of(self, raw, content: Content) -> Body | None:
        """Take the raw bytes of the next block; return its body, None where it is to be coded as it is.

        Raises MemoryLimitError, DamagedError where a proof fails.
        """
        size = len(raw)
        try:
            if self._past is None:
                self._past = Past(1 << self.window_log, self._block_size, finds=True)
            self._past.append(raw)
            machine = machine_of(raw) if content == BYTES else 0
            body = self._past.take(size, least_saved(size) if content == BYTES else size, machine)
            if body is None and machine:
                body = body_without_copies(raw, machine)
        except MemoryError:
            raise MemoryLimitError(f"not enough memory for a window of {(1 << self.window_log) >> 20} MiB") from None
        if body is None or (content != BYTES and not suits_samples(len(body.coded), size)):
            return None
        if self._proves:
            self._past.drop_last(size)
            if self._past.put_back(body.coded, size, body.reach, body.machine) != raw:
                raise DamagedError("copies of other bytes")
        return body

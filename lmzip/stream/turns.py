"""One thread at a time works on an object, and what fails ends it for good."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lmzip.codec.workers import JOIN_SECONDS


class Turns:
    """Has threads wait for each other, and never for one that is no more, as after a fork."""

    def __init__(self, work: str) -> None:
        """work: what is done in a turn, for messages ("writing")."""
        self.lock = threading.RLock()
        self.error: Exception | None = None  # why there are no more turns
        self._work, self._is_busy = work, False
        self._process = os.getpid()

    @property
    def is_inherited(self) -> bool:
        """Whether this is a copy that a fork made, in the child."""
        return os.getpid() != self._process

    @contextmanager
    def take(self) -> Iterator[None]:
        """Do the work of one turn; what it raises every later turn raises too.

        Raises RuntimeError within a turn of the same thread, and in a child that was forked during a turn.
        """
        if not self.lock.acquire(timeout=JOIN_SECONDS if self.is_inherited else -1):
            raise RuntimeError(f"a thread of the parent process was {self._work} during the fork")
        try:
            if self.error:
                raise self.error
            if self._is_busy:
                raise RuntimeError(f"a signal handler or the file below came in while another call was {self._work}")
            self._is_busy = True
            try:
                yield
            except BaseException as error:
                broken = OSError(f"{self._work} was broken off earlier")
                self.error = error if isinstance(error, Exception) else broken
                raise
            finally:
                self._is_busy = False
        finally:
            self.lock.release()

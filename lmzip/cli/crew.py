"""Threads that work on several inputs at once, as many as keep an engine busy, with few of them half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

from lmzip.codec.jobs import DecodeJob, EncodeJob, Engine


class Share:
    """An engine for one input, which leaves to the others what they have."""

    def __init__(self, crew: Crew, n_blocks: int | None) -> None:
        """n_blocks: how many jobs the input may come to; None where that is not known."""
        self._crew, self._n_blocks = crew, n_blocks
        self.n_at_work = self._n_done = 0

    @property
    def n_jobs(self) -> int:
        return self._crew.jobs_left(self)

    @property
    def n_wanted(self) -> int | None:
        """How many jobs are likely to come or at work, at least 1; None where that is not known."""
        return None if self._n_blocks is None else max(1, self.n_at_work, self._n_blocks - self._n_done)

    def do(self, job: EncodeJob | DecodeJob, check: Callable[[], None]) -> Any:
        with self._crew.changed:  # threads of one input count at the same time
            self.n_at_work += 1
        try:
            return self._crew.engine.do(job, check)
        finally:
            with self._crew.changed:
                self.n_at_work -= 1
                self._n_done += 1
                self._crew.changed.notify_all()


class Crew:
    """Brings inputs to an engine: the next one as soon as those that are begun no longer fill it.

    Each has at least a job, so at most twice as many are on their way as the engine wants.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.changed = threading.Condition()  # of what shares count, too
        self._shares: list[Share] = []
        self._error: BaseException | None = None

    def submit(self, work: Callable[[Share], object], n_blocks: int | None) -> None:
        """Have work(share) done in a thread of its own; waits until it is worth to begin.

        n_blocks: as of Share.  Raises what a piece of work raised before.
        """
        with self.changed:
            self._wait(self._has_room)
            share = Share(self, n_blocks)
            self._shares.append(share)
        threading.Thread(target=self._run, args=(work, share), name="lmzip file", daemon=True).start()

    def finish(self) -> None:
        """Wait until all is done; raises what a piece of work raised."""
        with self.changed:
            self._wait(lambda: not self._shares)

    def jobs_left(self, share: Share) -> int:
        """Return how many jobs one input may have on their way, at least 1."""
        with self.changed:
            of_others = sum(other.n_at_work for other in self._shares if other is not share)
        return max(1, self.engine.n_jobs - of_others)

    def _has_room(self) -> bool:
        wanted = [share.n_wanted for share in self._shares]
        return None not in wanted and sum(filter(None, wanted)) < self.engine.n_jobs

    def _wait(self, condition: Callable[[], bool]) -> None:
        while not self._error and not condition():
            self.changed.wait()
        if self._error:
            raise self._error

    def _run(self, work: Callable[[Share], object], share: Share) -> None:
        # Signals are for the main thread, which waits and has the handlers; a broken pipe ends whoever writes to it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1})
        error = None
        try:
            work(share)
        except BaseException as failed:  # noqa: BLE001 - raised again in the thread that brings the work
            error = failed
        with self.changed:
            self._shares.remove(share)
            self._error = self._error or error
            self.changed.notify_all()

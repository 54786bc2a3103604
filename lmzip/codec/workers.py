"""Threads that run jobs at once and deliver their results in the order in which the jobs came."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

JOIN_SECONDS = 5.0
# What a thread raises itself, by writing to a closed pipe or beyond a limit, or by a fault: never to be blocked.
_OWN_SIGNALS = {
    getattr(signal, f"SIG{name}")
    for name in ("PIPE", "XFSZ", "SEGV", "BUS", "FPE", "ILL", "ABRT", "SYS", "TRAP")
    if hasattr(signal, f"SIG{name}")
}


class CancelledError(Exception):
    """Ends a job whose result nobody wants any more; never leaves this package."""


class Workers:
    """Runs jobs in threads; each result goes to its sink in order, in whichever thread finds it next in line.

    So a result is delivered as soon as it and all before it are there, even while the submitting thread waits for
    input.  The first error in that order ends everything: it is raised by the next submit() or by finish(), results
    after it are dropped.  With one thread, a limit of one job, or where none can be started, everything runs in the
    caller's own.
    The caller's waits are interruptible, so that signal handlers run; leaving the with statement cancels what is left.
    """

    _may_start = True  # of all: whether there may still be new threads

    def __init__(self, n_threads: int) -> None:
        self.n_threads = n_threads
        self.limit = n_threads  # jobs submitted and not delivered; the caller may lower it
        self._changed = threading.Condition()
        self._jobs: deque[tuple[int, Callable[[], Any], int]] = deque()  # number, job, processors it takes
        self._background: deque[Callable[[], None]] = deque()
        self._sinks: dict[int, Callable[[Any], None]] = {}
        self._outcomes: dict[int, tuple[Any, BaseException | None]] = {}
        self._n_submitted = self._n_delivered = self._n_background = 0
        self._n_busy = 0  # threads at work on jobs, those that jobs took besides their own too
        self._delivering = self._closing = False
        self._error: BaseException | None = None
        self._threads: list[threading.Thread] = []
        self._process = os.getpid()
        self._report_lock = threading.Lock()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def submit(
        self,
        job: Callable[..., Any],
        sink: Callable[[Any], None],
        *,
        early_sink: Callable[[Any], None] | None = None,
        is_work: bool = True,
    ) -> None:
        """Run job() some time and sink(its result) in order; wait first while `limit` jobs are on their way.

        With a limit of one it is delivered on return: no second block is then held while the caller reads on.
        early_sink: the job is called with a function then, which hands a part of the result to early_sink at once where
        the job is the next in line, and says whether it did.  is_work: whether the job takes a processor; if not it is
        done beside others, when its turn comes.
        """
        number = self._n_submitted
        if early_sink:
            job = partial(job, lambda part: self._deliver_early(number, part, early_sink))
        if not self._has_threads():
            self._n_submitted = self._n_delivered = number + 1
            sink(job())
            return
        with self._changed:
            self._wait(lambda: self._n_submitted - self._n_delivered < self.limit)
            self._sinks[self._n_submitted] = sink
            self._jobs.append((self._n_submitted, job, int(is_work)))
            self._n_submitted += 1
            self._changed.notify_all()
            if self.limit == 1:
                self._wait(lambda: self._n_delivered == self._n_submitted)

    def submit_background(self, job: Callable[[], None]) -> None:
        """Run job() when there is nothing else to do, at the latest in finish(); never waits."""
        with self._changed:
            self._background.append(job)
            self._changed.notify_all()

    def finish(self) -> None:
        """Wait until all jobs are done and delivered; raises the first error."""
        if not (self._threads or (self._background and self._has_threads())):
            while self._background:
                self._background.popleft()()
            return
        self._check_alive()
        with self._changed:
            for _ in self._background:
                self._start_thread()
            self._wait(self._is_idle)

    @property
    def is_own_thread(self) -> bool:
        """Whether the calling thread is one of these, which must not wait for its own work."""
        return threading.current_thread() in self._threads

    def report(self, callback: Callable[[int], None] | None) -> Callable[[int], None]:
        """Return a progress function for jobs: ends a cancelled job, else calls `callback`, one call at a time.

        With 0 it does nothing but the first.
        """

        def progress(n: int) -> None:
            if self._closing or self._error:
                raise CancelledError
            if callback and n:
                with self._report_lock:
                    callback(n)

        return progress

    @contextmanager
    def second_thread(self) -> Iterator[int]:
        """In a job: yield how many threads it may use, two if one has nothing to do; others then wait for it."""
        with self._changed:
            idle = 1 < self.n_threads > self._n_busy
            self._n_busy += idle
        try:
            yield 1 + idle
        finally:
            self._end_busy(int(idle))

    def _end_busy(self, n: int) -> None:
        with self._changed:
            self._n_busy -= n
            self._changed.notify_all()

    def _is_idle(self) -> bool:
        return self._n_delivered == self._n_submitted and not self._background and not self._n_background

    def _wait(self, condition: Callable[[], bool]) -> None:
        while not self._error and not condition():
            if self._closing:
                raise RuntimeError("the work was ended by another thread")
            self._changed.wait()
        if self._error:
            raise self._error

    def _check_alive(self) -> None:
        """Raise RuntimeError where the threads are gone, and their locks perhaps with them: nothing would ever come."""
        if self._threads and (os.getpid() != self._process or sys.is_finalizing()):
            raise RuntimeError("the threads of this work are not in this process, or stopped as the interpreter ended")

    def _has_threads(self) -> bool:
        """Start one more thread if there may be; return whether there is any."""
        if not self._threads and 1 in (self.n_threads, self.limit):
            return False
        self._check_alive()
        with self._changed:
            self._start_thread()
        return bool(self._threads)

    def _start_thread(self) -> None:
        """Start a thread unless there are enough; where none can be started, go on with what there is."""
        if len(self._threads) >= min(self.n_threads, self.limit):
            return
        thread = threading.Thread(target=self._work, name="lmzip", daemon=True)
        self._threads.append(thread)
        try:
            # While the interpreter ends, start() would fail, or with Python 3.11 wait for ever.
            if not Workers._may_start or sys.is_finalizing():
                raise RuntimeError("too late for new threads")
            thread.start()
        except (RuntimeError, MemoryError):  # for want of memory for a stack, or of what the system counts
            self._threads.pop()
            self.n_threads = max(len(self._threads), 1)
            self.limit = min(self.limit, self.n_threads)

    def _next_job(self) -> tuple[int | None, Callable[[], Any] | None, int]:
        """Wait for a job and take it: its number (None: background), itself (None: no more to come), processors."""
        with self._changed:
            while not (self._closing or self._error):
                n_free = self.n_threads - self._n_busy
                if self._jobs and self._jobs[0][2] <= n_free:
                    self._n_busy += self._jobs[0][2]
                    return self._jobs.popleft()
                if self._background and not self._jobs and n_free:
                    self._n_busy += 1
                    self._n_background += 1
                    return None, self._background.popleft(), 1
                self._changed.wait()
        return None, None, 0

    def _work(self) -> None:
        # A signal that came to this thread would not wake the main one, which waits and has the handlers.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - _OWN_SIGNALS)
        while True:
            number, job, n_busy = self._next_job()
            if job is None:
                return
            outcome: tuple[Any, BaseException | None]
            try:
                outcome = job(), None
            except BaseException as error:  # noqa: BLE001 - raised again in the submitting thread
                outcome = None, error
            job = None  # what it holds is not needed any more
            self._end_busy(n_busy)
            if number is None:
                self._end_background(outcome[1])
            else:
                self._deliver(number, outcome)
            del outcome

    def _end_background(self, error: BaseException | None) -> None:
        with self._changed:
            self._n_background -= 1
            self._error = self._error or error
            self._changed.notify_all()

    def _deliver(self, number: int, outcome: tuple[Any, BaseException | None]) -> None:
        """Put down an outcome, then hand on all that are next in line, unless another thread is doing so."""
        with self._changed:
            self._outcomes[number] = outcome
            if self._delivering:
                return
            self._delivering = True
        while True:
            with self._changed:
                number = self._n_delivered
                if self._error or self._closing or number not in self._outcomes:
                    self._delivering = False
                    return
                value, error = self._outcomes.pop(number)
                sink = self._sinks.pop(number)
            try:
                if error:
                    raise error
                sink(value)
            except BaseException as failed:  # noqa: BLE001 - raised again in the submitting thread
                error = failed
            del value, sink
            with self._changed:
                self._error = self._error or error
                self._n_delivered += 1
                self._changed.notify_all()

    def _deliver_early(self, number: int, part: Any, early_sink: Callable[[Any], None]) -> bool:
        """In a job: hand on a part of its result if no other result comes before; what that raises ends the job."""
        if not self._threads:
            early_sink(part)
            return True
        with self._changed:
            if self._delivering or self._n_delivered != number or self._error or self._closing:
                return False
            self._delivering = True
        try:
            early_sink(part)
        finally:
            with self._changed:
                self._delivering = False
        return True

    def _close(self) -> None:
        """Cancel what is left and end the threads; one that is stuck in a write is left behind as a daemon."""
        if not self._threads or os.getpid() != self._process or sys.is_finalizing():
            return
        with self._changed:
            self._closing = True
            self._jobs.clear()
            self._background.clear()
            self._changed.notify_all()
        end = time.monotonic() + JOIN_SECONDS
        for thread in filter(threading.Thread.is_alive, self._threads):
            thread.join(max(0.0, end - time.monotonic()))


@atexit.register
def _start_no_more() -> None:
    """The interpreter begins to end, and will stop threads wherever they are."""
    Workers._may_start = False

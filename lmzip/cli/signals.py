"""Descriptors and signals: the only place of lmzip that sets handlers.

A handler for an ending signal removes what is unfinished, then dies by that signal, so that the parent sees the truth.
It does so at once, from the main thread, without unwinding the stack: worker threads die with the process.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_ENDING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU]

_on_end: list[Callable[[], None]] = []
_on_report: list[Callable[[], None]] = []
_lock = threading.Lock()
_n_deferring = 0  # threads in which ending is deferred
_deferred: list[int] = []  # signals that came meanwhile


def prepare() -> None:
    """Do what must precede all else: no closed standard descriptors, quiet death by SIGPIPE, no traceback on SIGINT."""
    _open_standard_descriptors()
    # Python ignores SIGPIPE and so hides whether the parent did; a filter that nobody reads should end silently.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for number in _ENDING:
        # nohup and `command &` ignore signals on purpose.  A Python that inherits SIGINT ignored leaves it so.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    if signal.getsignal(signal.SIGUSR1) is not signal.SIG_IGN:
        signal.signal(signal.SIGUSR1, _report)


def _open_standard_descriptors() -> None:
    """Occupy closed descriptors 0 to 2, lest a data file gets their number and is written into.

    Each gets the end of a pipe that fails for what the descriptor is used for, so a closed one still gives an error.
    """
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            _reading, writing = os.pipe()  # the lowest free numbers, so the end to read from is fd
            if fd == 0:
                os.dup2(writing, fd)
            os.close(writing)


def _end(number: int, _frame: object) -> None:
    if _n_deferring:
        _deferred.append(number)
        return
    for action in _on_end:
        action()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _report(_number: int, _frame: object) -> None:
    for action in _on_report:
        action()


def on_end(action: Callable[[], None], *, first: bool = False) -> None:
    """Have something done before the process dies by a signal; first: before what was registered until now."""
    if action not in _on_end:
        _on_end.insert(0 if first else len(_on_end), action)


@contextmanager
def reporting(action: Callable[[], None]) -> Iterator[None]:
    """Have something done at each SIGUSR1 while the context lasts."""
    _on_report.append(action)
    try:
        yield
    finally:
        _on_report.remove(action)


@contextmanager
def kept() -> Iterator[None]:
    """Have the handlers be what they were when the context ends: some libraries set their own."""
    handlers = {number: signal.getsignal(number) for number in (*_ENDING, signal.SIGUSR1)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def deferred() -> Iterator[None]:
    """Put ending signals off while the context lasts: from naming the output to removing the input is one step.

    Several threads may do so at a time; the handler runs in the main one all the same.
    """
    global _n_deferring
    with _lock:
        _n_deferring += 1
    try:
        yield
    finally:
        with _lock:
            _n_deferring -= 1
            came = _deferred[:] if not _n_deferring else []
        if came:
            os.kill(os.getpid(), came[0])

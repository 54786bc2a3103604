"""How far the work on one file is: a bar on a terminal, one line for whoever asks by SIGUSR1."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lmzip.cli.messages import Reporter, printable, put
from lmzip.fileio import Closing

if TYPE_CHECKING:
    from lmzip.codec import Summary

TellEvent = Callable[[str, dict[str, object]], None]  # with the name of an event and what belongs to it

_BAR_DELAY = 0.5  # seconds; what takes less is not worth a bar
_LINE_INTERVAL = 10.0  # seconds between lines of progress where there is no terminal
_EVENT_INTERVAL = 1.0  # seconds between objects


def duration(seconds: float) -> str:
    """Return a time as people read it: 0.42 s, 7:05, 1:02:03."""
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def speed(n_bytes: int, seconds: float) -> str:
    """Return a rate in kB/s (1 kB = 1000 bytes)."""
    return f"{n_bytes / max(seconds, 1e-6) / 1000:.0f} kB/s"


class _TerminalWriter:
    """What tqdm writes to: standard error without Python's buffers, and without failing when it is gone."""

    def write(self, text: str) -> None:
        try:
            put(2, text)
        except OSError:
            return

    def flush(self) -> None:
        """Nothing is held back."""


class Meter(Closing):
    """Counts the bytes of each phase of the work on one file.

    phases: names in their order, e.g. ("compress", "verify"); total: raw bytes of one phase, None if not known; tell:
    gets what there is to tell a program, in the beginning and each second.  is_shown: whether people see it, of which
    there is one at a time.  advance() may be called from any thread.
    """

    def __init__(
        self,
        reporter: Reporter,
        name: str,
        phases: tuple[str, ...],
        total: int | None,
        tell: TellEvent | None = None,
        *,
        is_shown: bool = True,
    ) -> None:
        self.reporter = reporter
        self.name = name
        self.total = total
        self.done = dict.fromkeys(phases, 0)
        self.start = time.monotonic()
        self.summary: Summary | None = None  # of what is written so far, when compressing
        self.note = ""  # what else is to be told
        self._lock = threading.RLock()  # a signal handler may come while it is held by the same thread
        self._bar: Any = None  # tqdm, loaded when the work turns out to take time
        terminal, wanted = os.isatty(2), reporter.progress
        self._is_shown = is_shown
        self._shows_bar = is_shown and terminal and wanted != "off" and (wanted == "on" or not reporter.quiet)
        self._shows_lines = is_shown and wanted == "on" and not terminal
        self._next_line = self.start + _LINE_INTERVAL
        if is_shown:
            reporter.before_line = self._wipe
        self._tell = tell
        self._next_event = self.start + _EVENT_INTERVAL
        if tell:
            tell("begin", {"total": total, "phases": list(phases)})

    def advance(self, phase: str, n_bytes: int) -> None:
        """Note that n_bytes more raw bytes have passed a phase."""
        with self._lock:
            self.done[phase] += n_bytes
            if self._tell and time.monotonic() >= self._next_event:
                self._next_event = time.monotonic() + _EVENT_INTERVAL
                seconds = round(time.monotonic() - self.start, 3)
                self._tell("progress", {"total": self.total, "done": dict(self.done), "seconds": seconds})
            if self._shows_bar:
                self._draw(n_bytes)
            elif self._shows_lines and time.monotonic() >= self._next_line:
                self._next_line = time.monotonic() + _LINE_INTERVAL
                self.report()

    def _draw(self, n_bytes: int) -> None:
        if self._bar is None:
            if time.monotonic() - self.start < _BAR_DELAY:
                return
            self._bar = self._make_bar()
            n_bytes = sum(self.done.values())
        bar = self._bar
        if len(self.done) > 1:
            shares = [f"{phase} {self._percent(n)}" for phase, n in self.done.items()]
            bar.set_description_str(f"{self._short_name()}: {', '.join(shares)}", refresh=False)
        bar.total = self.total  # which may only turn out
        if bits := self.bits_per_byte() or self.note:
            bar.set_postfix_str(bits, refresh=False)
        bar.update(n_bytes / len(self.done))

    def _make_bar(self):
        from tqdm import tqdm

        tqdm.monitor_interval = 0  # no thread that watches over a bar
        tqdm.set_lock(threading.RLock())
        return tqdm(
            desc=f"{self._short_name()}: {next(iter(self.done))}",
            total=self.total,
            unit="B",
            unit_scale=True,
            leave=False,
            dynamic_ncols=True,
            file=_TerminalWriter(),
            bar_format=None
            if self.total is None
            else "{desc}: {percentage:3.0f}% {n_fmt}/{total_fmt}, {rate_fmt}, {remaining} left{postfix}",
        )

    def _short_name(self) -> str:
        name = printable(self.name)
        return name if len(name) <= 32 else "..." + name[-29:]

    def _percent(self, n_bytes: int) -> str:
        return f"{100 * n_bytes / self.total:.0f} %" if self.total else f"{n_bytes} bytes"

    def bits_per_byte(self) -> str:
        """Return the bits per byte of the blocks written so far as text, nothing before there is one."""
        if self.summary is None or not self.summary.raw_size:
            return ""
        return f"{self.summary.bits_per_byte:.3f} bits/byte"

    def line(self) -> str:
        """Return how far it is: percent of each phase, bytes, rate, time left."""
        with self._lock:
            seconds = time.monotonic() - self.start
            work = sum(self.done.values())
            parts = [f"{phase} {self._percent(n)}" for phase, n in self.done.items()]
            parts += [f"{max(self.done.values())} bytes", duration(seconds), speed(max(self.done.values()), seconds)]
            if bits := self.bits_per_byte() or self.note:
                parts.append(bits)
            if self.total and work:
                left = seconds * (self.total * len(self.done) - work) / work
                parts.append(f"{duration(max(0.0, left))} left")
            return ", ".join(parts)

    def report(self) -> None:
        """Print line() now; safe in a signal handler."""
        self.reporter.notice(self.name, self.line())

    def _wipe(self) -> None:
        if self._bar is not None:
            self._bar.clear()

    def close(self) -> None:
        """Wipe the bar."""
        with self._lock:
            self._shows_bar = False
            if self._bar is not None:
                self._bar.close()
                self._bar = None
            if self._is_shown:
                self.reporter.before_line = None

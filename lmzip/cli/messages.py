"""What the user is told: one line a message, on standard error, and the exit status that comes of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from lmzip.errors import LmzipError, Skipped
from lmzip.fileio import Sink, write_all

ERROR = 1
WARNING = 2
UNSUPPORTED = 3  # the file is sound, but model or arithmetic here is not its own

# How much worse one status is than another when several files end differently.
_RANK = {0: 0, WARNING: 1, UNSUPPORTED: 2, ERROR: 3}


def printable(text: str) -> str:
    r"""Return text with everything that could steer a terminal or break a line as \x1b, \u202e, \n ...

    Bytes of a file name that are not valid in the locale (surrogates in Python) become \xNN.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")


def put(fd: int, text: str) -> None:
    """Write text, in the encoding of file names with what it lacks replaced; raises OSError."""
    try:
        data = os.fsencode(text)
    except UnicodeEncodeError:
        data = text.encode("ascii", "backslashreplace")
    write_all(fd, data)


def print_text(text: str | bytes) -> None:
    """Write what was asked for to standard output; raises OSError also where it does not get there later."""
    if isinstance(text, bytes):
        write_all(1, text)
    else:
        put(1, text)
    Sink(1).finish()


def reason(error: BaseException) -> str:
    """Return one printable line that says what went wrong."""
    if isinstance(error, OSError) and error.strerror:
        return printable(error.strerror)
    if isinstance(error, MemoryError):
        return "not enough memory"
    return printable(str(error)) or type(error).__name__


class CallError(LmzipError):
    """The call as a whole is refused: no file is touched any more."""

    def __init__(self, message: str, exit_status: int = ERROR) -> None:
        super().__init__(message)
        self.exit_status = exit_status


class Reporter:
    """Prints messages as loud as wanted and keeps the worst status.

    quiet: 1 hides warnings, 2 errors too (the status stays); verbose: 1 or more shows what was done; progress: "on",
    "off", None where that was not said.
    """

    def __init__(self, program: str) -> None:
        self.program = program
        self.quiet = self.verbose = 0
        self.progress: str | None = None
        self.status = 0
        # What is drawn on the terminal at the moment has to be wiped before a line is written.
        self.before_line: Callable[[], None] | None = None

    def _line(self, text: str) -> None:
        if self.before_line:
            self.before_line()
        with contextlib.suppress(OSError):  # nowhere left to complain
            put(2, text + "\n")

    def fail(self, status: int) -> None:
        """Note an exit status; the worst one of a call is its own."""
        if _RANK[status] > _RANK[self.status]:
            self.status = status

    def error(self, name: str | None, text: str, status: int = ERROR) -> None:
        """Tell of an error; name: of the file, None for none."""
        self.fail(status)
        if self.quiet < 2:
            self._line(self._prefix(name) + text)

    def warning(self, name: str | None, text: str, status: int = WARNING) -> None:
        """Tell of a file left alone; status 0 for a warning that changes no status."""
        self.fail(status)
        if self.quiet < 1:
            self._line(self._prefix(name) + text)

    def failure(self, name: str | None, error: BaseException) -> None:
        """Tell of what ended the work on a file, as a warning or as an error."""
        if isinstance(error, Skipped):
            self.warning(name, reason(error))
        elif isinstance(error, (LmzipError, OSError, MemoryError)):
            self.error(name, reason(error), getattr(error, "exit_status", 1))
        else:
            self.error(name, f"internal error: {type(error).__name__}: {reason(error)}")

    def info(self, name: str, text: str, level: int = 1) -> None:
        """Tell what was done, with -v."""
        if self.verbose >= level and not self.quiet:
            self._line(f"{printable(name)}: {text}")

    def notice(self, name: str, text: str) -> None:
        """Say what was asked for by a signal, however quiet."""
        self._line(self._prefix(name) + text)

    def _prefix(self, name: str | None) -> str:
        return f"{self.program}: " + (f"{printable(name)}: " if name is not None else "")

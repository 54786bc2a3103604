"""What can go wrong, one class per way to fail; imports nothing.

Messages are one line, without the name of the file and without a program prefix: the command line adds both.
``exit_status`` is the status of the command line (README, "Exit status").
"""


class LmzipError(Exception):
    """Base of everything that lmzip raises about data, models and limits."""

    exit_status = 1


class NotLmzipError(LmzipError):
    """The input does not start with the magic bytes (FORMAT 3)."""


class DamagedError(LmzipError):
    """A check fails or fields contradict each other."""


class TruncatedError(DamagedError):
    """The input ends inside a frame."""


class TrailingGarbageError(DamagedError):
    """Bytes that are neither a frame nor NUL padding follow a complete frame.

    ``offset`` is where they start, in bytes from the start of the input.
    """

    def __init__(self, message: str, offset: int = 0) -> None:
        super().__init__(message)
        self.offset = offset


class UnsupportedError(LmzipError):
    """The input is sound as far as can be told, but needs a newer lmzip."""

    exit_status = 3


class ModelMissingError(LmzipError):
    """The input names a model that is not here."""

    exit_status = 3


class DictionaryMissingError(LmzipError):
    """The input needs a dictionary that was not given, or another one."""

    exit_status = 3


class OriginalMissingError(LmzipError):
    """The input is a patch of a file that was not given, or of another one."""

    exit_status = 3


class NumericsError(LmzipError):
    """The input is bound to an arithmetic that this machine does not have."""

    exit_status = 3


class MemoryLimitError(LmzipError):
    """The work needs more memory than the limit allows; raised before work."""


class InputChangedError(LmzipError):
    """The input changed while it was read."""


class VerifyError(LmzipError):
    """What was written does not decode to what was read."""


class Skipped(LmzipError):  # noqa: N818 - a warning about a file left alone, not an error
    """A file was refused with a warning and left alone."""

    exit_status = 2

"""Outputs that are not ours to publish or remove: standard output and other descriptors, devices, named pipes."""

from __future__ import annotations

import errno
import os
import re
import stat

from lmzip.errors import LmzipError
from lmzip.fileio.source import Source
from lmzip.fileio.streams import write_all

_STANDARD_NAMES = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_DESCRIPTOR_NAME = re.compile(r"/(?:dev|proc/self)/fd/([0-9]{1,9})")


class Sink:
    """A descriptor that the caller has opened."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def is_input(self, source: Source) -> bool:
        """Tell whether this is the regular file that is read."""
        try:
            own = os.fstat(self.fd)
        except OSError:
            return False
        return stat.S_ISREG(own.st_mode) and source.is_file(own)

    def create(self) -> None:
        """Make ready for write(); raises OSError, LmzipError."""

    def write(self, data) -> None:
        """Write all of data; raises OSError."""
        write_all(self.fd, data)

    write_sparse = write  # no holes: it may be something else than a file

    def finish(self) -> None:
        """Learn of errors that some file systems tell only at close; raises OSError."""
        os.close(os.dup(self.fd))

    def close(self) -> None:
        """Close what create() opened."""


class NodeSink(Sink):
    """A character device or named pipe, opened only when there is something to write: to open it may do something."""

    def __init__(self, path: str, status: os.stat_result) -> None:
        super().__init__(-1)
        self._path = path
        self._status = status

    def create(self) -> None:
        """Open it, a pipe as soon as it has a reader; raises OSError, LmzipError when it is another file by now."""
        flags = os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC
        if stat.S_ISCHR(self._status.st_mode):
            flags |= os.O_NONBLOCK  # a serial line would wait for its carrier
        self.fd = os.open(self._path, flags)
        if _identity(os.fstat(self.fd)) != _identity(self._status):
            raise LmzipError("was replaced while it was opened")
        os.set_blocking(self.fd, True)

    def close(self) -> None:
        """Close it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _identity(status: os.stat_result) -> tuple[int, ...]:
    """Return what tells a node from another, which may have got the same inode after it."""
    return status.st_dev, status.st_ino, stat.S_IFMT(status.st_mode), status.st_rdev


def named_sink(path: str) -> Sink | None:
    """Return what a name of a descriptor, device or pipe stands for, None for names of files, also of files to be made.

    Opens nothing.  Raises LmzipError for block devices, where data would take the place of a file system; OSError for
    a descriptor that is not open.
    """
    fd = _named_descriptor(path)
    if fd is not None:
        if fd > 2 and not os.get_inheritable(fd):  # not the caller's, but one of our own
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return Sink(fd)
    try:
        status = os.stat(path)
    except OSError:
        return None
    if stat.S_ISBLK(status.st_mode):
        raise LmzipError("is a block device")
    if stat.S_ISCHR(status.st_mode) or stat.S_ISFIFO(status.st_mode):
        return NodeSink(path, status)
    return None


def _named_descriptor(path: str) -> int | None:
    """Return the number of the descriptor that a path is the usual name of.

    Opened by its name a file would be written from its start, where the caller may have meant its end.
    """
    match = _DESCRIPTOR_NAME.fullmatch(path)
    return int(match[1]) if match else _STANDARD_NAMES.get(path)

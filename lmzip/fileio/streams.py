"""Raw reading and writing of descriptors, with every count checked.

Python's buffered streams are not used for data: with PYTHONUNBUFFERED=1 they may write a part and only tell the count,
and they flush after main() where an error can no longer change the exit status.
"""

from __future__ import annotations

import errno
import os
import select
from typing import TypeVar

READ_SIZE = 1 << 20

# To open a folder as a place only, which needs no permission to read it where the system knows that.
FOLDER_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC

# Answers of file systems that know no fsync, of special files and of some folders.
_NO_FSYNC = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EROFS}

_Self = TypeVar("_Self", bound="Closing")


class Closing:
    """What a with statement closes."""

    def close(self) -> None:
        """Give back what is held; does nothing the second time."""
        raise NotImplementedError

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _wait(fd: int, event: int) -> None:
    """Wait until a descriptor that someone else made non-blocking is ready."""
    poller = select.poll()
    poller.register(fd, event)
    poller.poll()


def read_some(fd: int, size: int) -> bytes:
    """Return 1 to size bytes, or b"" at the end; raises OSError."""
    while True:
        try:
            return os.read(fd, min(size, READ_SIZE))
        except BlockingIOError:
            _wait(fd, select.POLLIN)


def write_all(fd: int, data) -> None:
    """Write all of a bytes-like object; raises OSError."""
    left = memoryview(data).cast("B") if data else memoryview(b"")
    while left:
        try:
            left = left[os.write(fd, left) :]
        except BlockingIOError:
            _wait(fd, select.POLLOUT)


def bring_to_disk(fd: int) -> None:
    """Wait until a file or folder is on the disk; raises OSError when it does not get there.

    Where a file system has no such thing, there is nothing to wait for.
    """
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _NO_FSYNC:
            raise

"""What an input is to the programs, wherever it lies: read once from its beginning, looked into, checked, removed."""

from __future__ import annotations

import os
from abc import abstractmethod
from contextlib import AbstractContextManager
from typing import BinaryIO

from lmzip.errors import InputChangedError, Skipped
from lmzip.fileio.streams import READ_SIZE, Closing


class Source(Closing):
    """An opened input.  name: as given, None for standard input."""

    is_local = True  # else a URL, whose object is removed only where that was asked for
    is_made_up = False  # a file of the system's own, /proc/cpuinfo for instance, whose size and times say nothing

    def __init__(self, name: str | None) -> None:
        self.name = name
        self.read_size = 0  # bytes read so far
        self._head = b""

    @property
    @abstractmethod
    def whole_size(self) -> int | None:
        """Bytes from the first to the last, None where that is not known, as of a pipe, or positions mean nothing."""

    @property
    @abstractmethod
    def size(self) -> int | None:
        """Bytes left from here to the end, None where that is not known."""

    @abstractmethod
    def _read_some(self, size: int) -> bytes:
        """Return 1 to size bytes, b"" at the end; raises OSError, LmzipError."""

    def read(self, size: int) -> bytes:
        """Return 1 to size bytes, b"" at the end; raises OSError, LmzipError."""
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
        else:
            data = self._read_some(size)
        self.read_size += len(data)
        return data

    def read_all(self) -> bytes:
        """Return all that is left; raises OSError, LmzipError."""
        return b"".join(iter(lambda: self.read(READ_SIZE), b""))

    def peek(self, size: int) -> bytes:
        """Return the next size bytes (fewer only at the end) without consuming them; raises OSError, LmzipError."""
        while len(self._head) < size:
            data = self._read_some(size - len(self._head))
            if not data:
                break
            self._head += data
        return self._head[:size]

    @abstractmethod
    def file(self) -> AbstractContextManager[BinaryIO]:
        """Return a context with a seekable file over the whole input, of which read() knows nothing.

        Only where whole_size is known; raises OSError, LmzipError.
        """

    @abstractmethod
    def read_at(self, size: int, offset: int) -> bytes:
        """Return size bytes from offset, fewer only at the end; moves nothing.  Raises OSError, LmzipError."""

    def is_file(self, status: os.stat_result) -> bool:
        """Tell whether this is the local file that status describes."""
        return False

    @property
    @abstractmethod
    def has_changed(self) -> bool:
        """Whether the input is not what it was at opening; raises OSError, LmzipError."""

    def check_unchanged(self) -> None:
        """Raise InputChangedError if the input is not what it was at opening."""
        if self.has_changed:
            raise InputChangedError("changed while it was read, left alone")

    def check_size(self) -> None:
        """Raise Skipped if more or less was read than there should be, as of files whose size is not known before."""
        size = self.whole_size
        if size is not None and self.read_size != size:
            raise Skipped(f"{self.read_size} bytes were read where its size is {size}, left alone; -k compresses it")

    @abstractmethod
    def remove(self) -> None:
        """Remove what was opened; raises Skipped when it is gone or another one by now, OSError, LmzipError."""

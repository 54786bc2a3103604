"""Reading a frame's pieces off a byte stream or a file: exact sizes, position, look-ahead; no parsing."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import BinaryIO

from lmzip import arguments

Read = Callable[[int], bytes]
_PIECE_SIZE = 1 << 20


class Source:
    """A stream behind a read(size) function that may return less than asked and returns b"" once, at the end."""

    def __init__(self, read: Read) -> None:
        self.position = 0  # bytes taken so far
        self._read = read
        self._ahead = b""
        self._end = False

    def _more(self, size: int) -> bytes:
        if self._end:
            return b""
        size = min(size, _PIECE_SIZE)
        piece = self._read(size)
        if piece is None:
            raise BlockingIOError(errno.EAGAIN, "read() would block, and only what blocks can be read")
        if not isinstance(piece, bytes):
            piece = bytes(arguments.view_of_bytes("what read() returns", piece))
        if len(piece) > size:
            raise OSError(f"read() returned {len(piece)} bytes where {size} were asked for")
        self._end = not piece
        return piece

    def take(self, size: int) -> bytearray:
        """Return the next size bytes, fewer only at the end.  Memory grows as bytes arrive, not as promised."""
        taken = bytearray(self._ahead[:size])
        self._ahead = self._ahead[size:]
        while len(taken) < size and (piece := self._more(size - len(taken))):
            taken += piece
        self.position += len(taken)
        return taken

    def peek(self, size: int) -> bytes:
        """Return the next size bytes, fewer only at the end, without taking them."""
        while len(self._ahead) < size and (piece := self._more(size - len(self._ahead))):
            self._ahead += piece
        return self._ahead[:size]

    def skip(self, size: int) -> int:
        """Pass over size bytes; return how many there were, fewer only at the end."""
        left = size
        while left and (piece := self.take(min(left, _PIECE_SIZE))):
            left -= len(piece)
        return size - left


class FileSource(Source):
    """A source over a seekable file from byte `start` on, which skips without reading; positions count from there."""

    def __init__(self, file: BinaryIO, start: int = 0) -> None:
        self._file, self._start = file, start
        file.seek(0, os.SEEK_END)
        self._size = max(0, file.tell() - start)  # tell, since seek() of some file objects returns nothing
        file.seek(start)
        super().__init__(file.read)

    def skip(self, size: int) -> int:
        size = min(size, self._size - self.position)
        self.position += size
        self._ahead = b""
        self._file.seek(self._start + self.position)
        return size


class StarvedError(Exception):
    """Not enough has been fed to a FedSource; never leaves this package and what parses for it."""


class FedSource:
    """A source that is fed: where there is not enough, it puts back what was taken since mark() and raises."""

    def __init__(self) -> None:
        self._data = bytearray()  # from the mark on
        self._marked = 0  # bytes before that
        self._taken = 0  # bytes behind it
        self._needed = 0  # bytes from the mark on without which there is no use in trying again

    @property
    def position(self) -> int:
        """How many bytes were taken."""
        return self._marked + self._taken

    @property
    def is_starved(self) -> bool:
        """Whether what would be tried again is known to want more bytes."""
        return len(self._data) < self._needed

    @property
    def rest(self) -> bytes:
        """The bytes from the mark on."""
        return bytes(self._data)

    def feed(self, data: memoryview) -> None:
        self._data += data

    def mark(self) -> None:
        """Have what was taken so far be gone."""
        del self._data[: self._taken]
        self._marked += self._taken
        self._taken, self._needed = 0, 0

    def take(self, size: int) -> bytearray:
        """Return the next size bytes; raises StarvedError."""
        taken = self._ahead(size)
        self._taken += size
        return taken

    def peek(self, size: int) -> bytes:
        """Return the next size bytes without taking them; raises StarvedError."""
        return bytes(self._ahead(size))

    def skip(self, size: int) -> int:
        """Pass over size bytes; raises StarvedError."""
        return len(self.take(size))

    def _ahead(self, size: int) -> bytearray:
        end = self._taken + size
        if end > len(self._data):
            self._needed, self._taken = end, 0
            raise StarvedError
        return self._data[self._taken : end]

"""An original: the bytes that whoever compresses and whoever decompresses have, and that blocks have copies of."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from typing import Any, Protocol

from lmzip.errors import InputChangedError, MemoryLimitError

MAX_SIZE_LOG = 30
MAX_SIZE = 1 << MAX_SIZE_LOG
_PIECE_SIZE = 1 << 20


class OriginalSource(Protocol):
    """What frames get their original from."""

    def original(self) -> Original:
        """Return it, read when it is first asked for."""


class Original:
    """Bytes that blocks have copies of, and an index of them that takes time only once.

    May be used by several threads.
    """

    def __init__(self, data) -> None:
        """data: bytes-like, at most 2^30 bytes, which may be none; bytes are held, others copied.

        Raises TypeError, ValueError for more.
        """
        if isinstance(data, str):
            raise TypeError("an original is made of bytes, not of str")
        view = memoryview(data).cast("B")
        check_original_size(view.nbytes)
        self._take(data if isinstance(data, bytes) else bytes(view))

    def _take(self, data: bytes | bytearray) -> None:
        self.data = data
        self.digest = hashlib.sha256(data).digest()
        # As little as says what memory it takes.
        self.size_log = max(0, len(data) - 1).bit_length()
        self._lock = threading.Lock()
        self._index: Any = None

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], memory_limit: int | None = None) -> Original:
        """Return what a file or pipe has, all of it.

        Raises OSError, InputChangedError for a file that changes meanwhile, ValueError for one of more than 2^30 bytes,
        MemoryLimitError for one of more than memory_limit bytes.
        """
        made = cls.__new__(cls)
        made._take(_read_whole(path, memory_limit))
        return made

    def original(self) -> Original:
        """Return itself: whoever has one needs no other source."""
        return self

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        return f"<Original of {len(self.data)} bytes, sha256 {self.digest.hex()}>"

    def index(self, make: Callable[[Any], Any]) -> Any:
        """Return what make(data) returned, now or earlier; other threads wait meanwhile."""
        with self._lock:
            if self._index is None:
                self._index = make(self.data)
            return self._index


def check_original_size(size: int, memory_limit: int | None = None) -> None:
    """Raise ValueError for more bytes than an original may have, MemoryLimitError for more than memory_limit."""
    if size > MAX_SIZE:
        raise ValueError("has more than 1 GiB")
    if memory_limit is not None and size > memory_limit:
        raise MemoryLimitError(f"takes {-(-size >> 20)} MiB of memory, the limit is {memory_limit >> 20} MiB")


def _read_whole(path: str | os.PathLike[str], memory_limit: int | None) -> bytearray:
    """Return the bytes of a file or pipe in memory that is taken once, where the size is known."""
    with open(path, "rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        check_original_size(before.st_size, memory_limit)
        data, size = bytearray(before.st_size + 1), 0
        while n := file.readinto(memoryview(data)[size:]):
            size += n
            check_original_size(size, memory_limit)
            if size == len(data):
                data += bytes(max(_PIECE_SIZE, size >> 2))
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise InputChangedError("changed while it was read")
    del data[size:]
    return data

"""A dictionary: bytes that whoever compresses and whoever decompresses have, and that blocks begin behind."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Protocol

from lmzip.errors import InputChangedError

MIN_SIZE_LOG, MAX_SIZE_LOG, DEFAULT_SIZE_LOG = 10, 27, 23
_PIECE_SIZE = 1 << 20
MAX_STATES = 2  # that are kept: of blocks with the model and without


class DictionarySource(Protocol):
    """What frames get their dictionaries from."""

    def of_size(self, size_log: int) -> Dictionary:
        """Return its last 2^size_log bytes as a dictionary, or all if there are fewer."""


class Dictionary:
    """Bytes that blocks begin behind, and what predictors have learned of them, which takes time only once.

    May be used by several threads.
    """

    def __init__(self, data, max_size: int = 1 << DEFAULT_SIZE_LOG) -> None:
        """data: bytes-like, of which the last max_size bytes count: a power of two, 2^10 to 2^27.

        Raises TypeError, ValueError for what is empty.
        """
        check_size(max_size)
        if isinstance(data, str):
            raise TypeError("a dictionary is made of bytes, not of str")
        self.data = bytes(memoryview(data).cast("B")[-max_size:])
        if not self.data:
            raise ValueError("the dictionary is empty")
        self.digest = hashlib.sha256(self.data).digest()
        # As little as says which part of a longer file this is, which is as long as a power of two then.
        self.size_log = max(MIN_SIZE_LOG, (len(self.data) - 1).bit_length())
        self._lock = threading.Lock()
        self._states: OrderedDict[Hashable, Any] = OrderedDict()
        self._shorter: dict[int, Dictionary] = {}

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], max_size: int = 1 << DEFAULT_SIZE_LOG) -> Dictionary:
        """Return the end of a file or pipe, of which no more is read if it can seek.

        Raises OSError, InputChangedError for a file that changes meanwhile, and as Dictionary() does.
        """
        return cls(read_tail(path, check_size(max_size)), max_size)

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        return f"<Dictionary of {len(self.data)} bytes, sha256 {self.digest.hex()}>"

    def of_size(self, size_log: int) -> Dictionary:
        """Return the last 2^size_log bytes as a dictionary, this one if it has no more."""
        if len(self.data) <= 1 << size_log:
            return self
        if size_log not in self._shorter:
            self._shorter[size_log] = Dictionary(self.data, 1 << size_log)
        return self._shorter[size_log]

    def state(self, key: Hashable, learn: Callable[[], Any]) -> Any:
        """Return what learn() returned for this key, now or earlier; the last two are kept.

        Other threads wait meanwhile, so that there is no more than one besides.
        """
        with self._lock:
            if key not in self._states:
                while len(self._states) >= MAX_STATES:
                    self._states.popitem(last=False)
                self._states[key] = learn()
            self._states.move_to_end(key)
            return self._states[key]


def check_size(max_size: int) -> int:
    """Return how many bytes a dictionary may have at most; raises ValueError unless it is such a power of two."""
    sizes = [1 << log for log in range(MIN_SIZE_LOG, MAX_SIZE_LOG + 1)]
    if max_size not in sizes:
        raise ValueError(f"the size of a dictionary must be a power of two from {sizes[0]} to {sizes[-1]}")
    return max_size


def read_tail(path: str | os.PathLike[str], size: int) -> bytes:
    """Return the last `size` bytes of a file or pipe, all if there are fewer.

    Raises OSError, InputChangedError for a file that changes meanwhile.
    """
    with open(path, "rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        if file.seekable():
            file.seek(max(0, before.st_size - size))
        tail = bytearray()
        while piece := file.read(_PIECE_SIZE):
            tail += piece
            del tail[: max(0, len(tail) - size)]
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise InputChangedError("changed while it was read")
    return bytes(tail)

"""The end of a file that is used beside the one that is worked on, such as a dictionary."""

from __future__ import annotations

import os

from lmzip.errors import InputChangedError

_PIECE_SIZE = 1 << 20


def read_tail(path: str, size: int) -> bytes:
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

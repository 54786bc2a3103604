"""Writing to a function of the caller's, which may take less than it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Write = Callable[[Any], object]


def write_all(write: Write, data) -> None:
    """Write all of bytes-like data.

    write takes the data and returns how many bytes it took, as raw file objects do, or anything but an integer for all
    of them.  Raises OSError for a number that cannot be, and what write raises.
    """
    taken = _taken(write(data), len(data))
    if taken == len(data):
        return
    left = memoryview(data).cast("B")[taken:]
    while left:
        left = left[_taken(write(left), len(left)) :]


def _taken(count: object, size: int) -> int:
    """Return the bytes that write took of `size`, 1 at least, so that there is an end."""
    if not isinstance(count, int) or isinstance(count, bool):
        return size
    if not min(size, 1) <= count <= size:
        raise OSError(f"write() returned {count} for {size} bytes")
    return count

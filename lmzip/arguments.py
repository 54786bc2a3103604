"""Arguments that callers in Python give: what is no integer or no bytes becomes an error that names the argument."""

from __future__ import annotations

import operator
from typing import Any

MAX_THREADS = 4096  # more are taken for that many; the command line has the same limit


def integer(name: str, value: Any) -> int:
    """Return an integer, as the standard library takes them: bool and numbers of NumPy too.  Raises TypeError."""
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {type(value).__name__}") from None


def n_threads(threads: Any) -> int:
    """Return a number of threads, 0 for all that are available, as is None.  Raises TypeError, ValueError."""
    n = 0 if threads is None else integer("threads", threads)
    if n < 0:
        raise ValueError(f"threads must be at least 1, or 0 for all that are available, not {n}")
    return min(n, MAX_THREADS)


def memory_limit(limit: Any) -> int | None:
    """Return a limit in bytes, None for none.  Raises TypeError, ValueError."""
    if limit is None:
        return None
    size = integer("memory_limit", limit)
    if size < 0:
        raise ValueError(f"memory_limit must not be negative, but is {size}")
    return size


def view_of_bytes(name: str, data: Any) -> memoryview:
    """Return the bytes of anything with a buffer, of any shape and format.

    Raises TypeError if it has none, ValueError if its bytes do not lie one after another.
    """
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError(f"{name} must be bytes-like, not {type(data).__name__}") from None
    except (ValueError, BufferError) as error:
        raise ValueError(f"{name} has no bytes that can be read: {error}") from None
    if not view.nbytes:
        return memoryview(b"")  # a view with a zero in its shape cannot be cast
    if not view.c_contiguous:
        raise ValueError(f"{name} must be contiguous in memory, in C order")
    return view.cast("B")

"""Binding of what takes long repeats out of a block before it is coded, and puts them back (FORMAT 4.6)."""

from __future__ import annotations

from typing import Any, NamedTuple

from lmzip.errors import DamagedError
from lmzip.native._kernel import ffi, lib

_new_bytes = ffi.new_allocator(should_clear_after_alloc=False)


class Body(NamedTuple):
    """What the raw bytes of a block are made of."""

    # List of copies and rest.  A buffer, no view: CPython's collector crashes on one that cffi holds, as a coder will.
    coded: Any
    reach: int = 0  # how far before the block its copies begin, in bytes
    machine: int = 0  # what the rest is converted for (lmzip.block.X86 ...)


def take_copies(raw, most: int, machine: int = 0) -> Body | None:
    """Return the body of a block that refers to nothing before it; None where it would be larger than `most` bytes.

    raw: contiguous bytes-like object, larger than `most`.  machine: what the rest is to be converted for.  Raises
    MemoryError.
    """
    with ffi.from_buffer("uint8_t[]", raw) as source:
        size = len(source)
        if most > size:
            raise ValueError(f"a body of {most} bytes is not smaller than {size}")
        return _take(_new_finder(size), source, size, size, 0, size - most, machine, most)


def put_back_copies(body, raw_size: int, machine: int = 0) -> memoryview:
    """Return the raw_size bytes that a body makes; raises DamagedError where it does not, MemoryError."""
    raw = _new_bytes("uint8_t[]", max(1, raw_size))
    _put_back(body, raw, raw_size, 0, machine)
    return memoryview(ffi.buffer(raw, raw_size))


def put_back_beginning(body, raw_size: int, machine: int = 0) -> memoryview:
    """Return the raw bytes that the beginning of a body makes, of raw_size that the whole does; raises MemoryError."""
    raw = _new_bytes("uint8_t[]", max(1, raw_size))
    return memoryview(ffi.buffer(raw, raw_size))[: _made(body, raw, raw_size, 0, machine)[1]]


class Past:
    """The last raw bytes of a frame, which the next block may refer to: those of a window, and some before it.

    Views of its bytes are good until the next call.  Its memory is taken by the system as bytes arrive.
    """

    def __init__(self, window: int, block_size: int = 0, *, finds: bool = False) -> None:
        """window: bytes that a block may reach back, up to 2^30.  block_size: of the largest block, where it is known.

        finds: whether take() is to be called, on blocks of at most block_size.  Raises MemoryError.
        """
        self._window = window
        self._size = 0  # bytes that are there
        self._capacity = window + max(block_size, window >> 3)  # bytes are moved once in a while only
        self._bytes = _new_bytes("uint8_t[]", self._capacity)
        self._finder = _new_finder(self._capacity) if finds else None

    @property
    def reach(self) -> int:
        """How far the next block may reach back, in bytes."""
        return min(self._size, self._window)

    def append(self, raw) -> None:
        """Take the raw bytes of the next block; raises MemoryError."""
        size = memoryview(raw).nbytes
        self._make_room(size)
        ffi.memmove(self._bytes + self._size, raw, size)
        self._size += size

    def put_back(self, body, raw_size: int, reach: int, machine: int = 0) -> memoryview:
        """Make the next block of its body, and take it; return its raw bytes.

        reach: how far before it its copies may begin.  machine: what its rest is converted for.  Raises DamagedError
        where the body does not make raw_size bytes, and takes nothing then; MemoryError.
        """
        if reach > self.reach:
            raise DamagedError("damaged copies: of bytes that are not there")
        self._make_room(raw_size)
        _put_back(body, self._bytes + self._size, raw_size, reach, machine)
        self._size += raw_size
        return self.last(raw_size)

    def last(self, size: int) -> memoryview:
        """Return the last bytes that were taken."""
        return memoryview(ffi.buffer(self._bytes, self._size))[self._size - size :]

    def drop_last(self, size: int) -> None:
        """Give up the last bytes that were taken, which take() has not seen."""
        self._size -= size

    def take(self, size: int, least: int, machine: int = 0) -> Body | None:
        """Return the body of the last block, of `size` bytes, None where it would not be smaller.

        least: bytes in copies from which on those of the block itself count too.  machine: what the rest is to be
        converted for.  Raises MemoryError.
        """
        window = min(self._window, self._size - size)
        return _take(self._finder, self._bytes, self._size, size, window, least, machine, max(0, size - 1))

    def _make_room(self, size: int) -> None:
        """Have room for so many bytes more, and keep those of the window."""
        if self._size + size <= self._capacity:
            return
        kept = self.reach
        first = self._bytes + (self._size - kept)
        if self._finder is not None:
            _check(lib.lmz_finder_forget(self._finder, self._bytes, self._size, self._size - kept))
        if self._window + size > self._capacity:
            self._capacity = self._window + size
            larger = _new_bytes("uint8_t[]", self._capacity)
            ffi.memmove(larger, first, kept)
            self._bytes = larger
        else:
            ffi.memmove(self._bytes, first, kept)
        self._size = kept


def _new_finder(most: int):
    finder = lib.lmz_finder_new(most)
    if finder == ffi.NULL:
        raise MemoryError("not enough memory to look for repeats")
    return ffi.gc(finder, lib.lmz_finder_free)


def _check(status: int) -> None:
    if status == lib.LMZ_E_MEMORY:
        raise MemoryError("not enough memory to look for repeats")


def _take(finder, source, size: int, raw_size: int, window: int, least: int, machine: int, most: int) -> Body | None:
    """Return the body of the last raw_size of `size` bytes, of at most `most` bytes."""
    coded, body_size, reach = _new_bytes("uint8_t[]", max(1, most)), ffi.new("size_t *"), ffi.new("size_t *")
    arguments = (finder, source, size, raw_size, window, least, machine)
    status = lib.lmz_copies_take(*arguments, coded, most, body_size, reach)
    _check(status)
    return Body(ffi.buffer(coded, body_size[0]), reach[0], machine) if status == lib.LMZ_DONE else None


def _put_back(body, raw, raw_size: int, reach: int, machine: int) -> None:
    if _made(body, raw, raw_size, reach, machine)[0] != lib.LMZ_DONE:
        raise DamagedError("damaged copies")


def _made(body, raw, raw_size: int, reach: int, machine: int) -> tuple[int, int]:
    """Write what a body makes to `raw`; return the kernel's status and how many bytes that is."""
    made = ffi.new("size_t *")
    with ffi.from_buffer("uint8_t[]", body) as source:  # let go of at once: a view may lie behind it
        status = lib.lmz_copies_put_back(source, len(source), machine, raw, raw_size, reach, made)
    return status, made[0]

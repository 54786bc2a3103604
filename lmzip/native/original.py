"""Binding of what makes a block of copies of an original and a rest, and back (FORMAT 4.8)."""

from __future__ import annotations

from typing import Any, NamedTuple

from lmzip.errors import DamagedError
from lmzip.native._kernel import ffi, lib

_new_bytes = ffi.new_allocator(should_clear_after_alloc=False)


class PatchedBody(NamedTuple):
    """What the raw bytes of a block are made of, besides the original."""

    coded: Any  # list of copies and rest; a buffer, no view (lmzip.native.copies.Body)
    list_size: int  # bytes of the list


class Index:
    """Where bytes of an original stand.  Any number of threads may use it."""

    def __init__(self, data) -> None:
        """data: contiguous bytes-like object, at most 2^30 bytes; held as long.  Raises MemoryError."""
        self._data = ffi.from_buffer("uint8_t[]", data)
        handle = lib.lmz_original_new(self._data, len(self._data))
        if handle == ffi.NULL:
            raise MemoryError("not enough memory to look through an original")
        self._handle = ffi.gc(handle, lib.lmz_original_free)

    def body_of(self, raw) -> PatchedBody | None:
        """Return the body of a block; None where it has no copies.  Raises MemoryError."""
        with ffi.from_buffer("uint8_t[]", raw) as source:
            most = max(0, len(source) - 1)  # a body is smaller than its block
            coded, sizes = _new_bytes("uint8_t[]", max(1, most)), ffi.new("size_t[2]")
            status = lib.lmz_original_take(self._handle, source, len(source), coded, most, sizes, sizes + 1)
        if status == lib.LMZ_E_MEMORY:
            raise MemoryError("not enough memory to look for copies")
        return PatchedBody(ffi.buffer(coded, sizes[1]), sizes[0]) if status == lib.LMZ_DONE else None


def index_size(size: int) -> int:
    """Return the bytes of memory that the index of an original of so many bytes takes."""
    return lib.lmz_original_memory(size)


def near_rest(data, listed: bytes, rest_size: int, most: int) -> bytes:
    """Return what of an original stands near the rest that a list of copies leaves, the last `most` bytes of that.

    Raises DamagedError for what is no list of copies of it, MemoryError.
    """
    with ffi.from_buffer("uint8_t[]", data) as source:
        near, size = _new_bytes("uint8_t[]", most), ffi.new("size_t *")
        if lib.lmz_original_near(source, len(source), listed, len(listed), rest_size, near, most, size) != lib.LMZ_DONE:
            raise DamagedError("damaged copies")
    return bytes(ffi.buffer(near, size[0]))


def put_back_patched(data, body, list_size: int, raw_size: int) -> memoryview:
    """Return the raw_size bytes that a body makes of an original.

    Raises DamagedError where it does not, MemoryError.
    """
    raw = _new_bytes("uint8_t[]", max(1, raw_size))
    with ffi.from_buffer("uint8_t[]", data) as source, ffi.from_buffer("uint8_t[]", body) as coded:
        rest_size = len(coded) - list_size
        status = lib.lmz_original_put_back(
            source, len(source), coded, list_size, coded + list_size, rest_size, raw, raw_size
        )
    if status != lib.LMZ_DONE:
        raise DamagedError("damaged copies")
    return memoryview(ffi.buffer(raw, raw_size))

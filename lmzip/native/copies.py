"""Binding of what takes long repeats out of a block before it is coded, and puts them back (FORMAT 4.6)."""

from __future__ import annotations

from lmzip.errors import DamagedError
from lmzip.native._kernel import ffi, lib

_new_bytes = ffi.new_allocator(should_clear_after_alloc=False)


def take_copies(raw, most: int):
    """Return the body of a block: list of copies and rest, at most `most` bytes; None where it would be larger.

    It is a buffer, no view: CPython's collector crashes on one that cffi holds, as the coder will.

    raw: contiguous bytes-like object, larger than `most`.  Raises MemoryError.
    """
    body, size = _new_bytes("uint8_t[]", max(1, most)), ffi.new("size_t *")
    with ffi.from_buffer("uint8_t[]", raw) as source:
        n = len(source)
        status = lib.lmz_copies_take(source, n, body, most, size)
    if status == lib.LMZ_E_MEMORY:
        raise MemoryError("not enough memory to look for repeats")
    if status == lib.LMZ_E_ARGUMENT:
        raise ValueError(f"a body of {most} bytes is not smaller than {n}")
    return ffi.buffer(body, size[0]) if status == lib.LMZ_DONE else None


def put_back_copies(body, raw_size: int) -> memoryview:
    """Return the raw_size bytes that a body makes; raises DamagedError where it does not, MemoryError."""
    raw = _new_bytes("uint8_t[]", max(1, raw_size))
    with ffi.from_buffer("uint8_t[]", body) as source:  # let go of at once: a view may lie behind it
        status = lib.lmz_copies_put_back(source, len(source), raw, raw_size)
    if status != lib.LMZ_DONE:
        raise DamagedError("damaged copies")
    return memoryview(ffi.buffer(raw, raw_size))

"""The kernel's tables, for those who compute as its experts do, but elsewhere."""

from __future__ import annotations

from lmzip.native._kernel import ffi, lib


def rsqrt_table() -> list[int]:
    """Return (193) numbers of ARITHMETIC 10.4."""
    return ffi.unpack(lib.lmz_rsqrt_numbers(), 193)


def sigmoid_table() -> list[int]:
    """Return (1025) numbers of TRANSFORMER 8."""
    return ffi.unpack(lib.lmz_sigmoid_numbers(), 1025)


def cosine_table() -> list[int]:
    """Return (1025) numbers of TRANSFORMER 5."""
    return ffi.unpack(lib.lmz_cosine_numbers(), 1025)

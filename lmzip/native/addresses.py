"""Binding of what writes operands of machine code as the addresses that they lead to (FORMAT 4.9)."""

from __future__ import annotations

from typing import NamedTuple

from lmzip.native._kernel import ffi, lib
from lmzip.native.copies import Body


class Repeats(NamedTuple):
    """How many operands of one kind say what another one of the kind did before them."""

    distances: int  # as they are
    addresses: int  # as they would be written


class Counts(NamedTuple):
    """The repeats in a block, by kinds of operands."""

    x86_branches: Repeats
    x86_64_data: Repeats
    arm64_branches: Repeats


def count_repeats(raw) -> Counts:
    """Look for machine code in bytes (bytes-like, contiguous); raises MemoryError."""
    repeats = ffi.new("uint32_t[6]")
    with ffi.from_buffer("uint8_t[]", raw) as source:
        if lib.lmz_addresses_count(source, len(source), repeats) != lib.LMZ_DONE:
            raise MemoryError("not enough memory to look for machine code")
    return Counts(*(Repeats(repeats[i], repeats[i + 1]) for i in (0, 2, 4)))


def body_without_copies(raw, machine: int) -> Body:
    """Return the body of a block of machine code that has no copies (bytes-like, contiguous); raises MemoryError."""
    coded = bytearray(b"\0")
    coded += raw
    with ffi.from_buffer("uint8_t[]", coded, require_writable=True) as body:
        if lib.lmz_addresses_write(body + 1, len(coded) - 1, machine) != lib.LMZ_DONE:
            raise ValueError(f"no machine {machine}, or {len(coded)} bytes")
    return Body(coded, machine=machine)

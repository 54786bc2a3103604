"""The kernel's variants for processors; all give the same bytes (native/src/cpu.c has the table)."""

from __future__ import annotations

import os
from itertools import count, takewhile

from lmzip.errors import UnsupportedError
from lmzip.native._kernel import ffi, lib

_NAMES = [
    ffi.string(name).decode() for name in takewhile(lambda name: name != ffi.NULL, map(lib.lmz_simd_name, count()))
]


def simd_variants() -> list[str]:
    """Return the names of the variants that this processor runs, the best for experts last."""
    return [name for number, name in enumerate(_NAMES) if lib.lmz_simd_available(number)]


def simd_number(name: str | None = None, *, for_experts: bool = False) -> int:
    """Return the variant to use: the one called `name`, or that LMZIP_SIMD names, or else the best.

    for_experts: for the steps of a model, not for blocks.  Raises UnsupportedError for a variant that this processor
    does not have.
    """
    where, wanted = ("simd", name) if name else ("LMZIP_SIMD", os.environ.get("LMZIP_SIMD"))
    if not wanted:
        return lib.lmz_simd_best(for_experts)
    if wanted not in simd_variants():
        raise UnsupportedError(f"{where}={wanted}: this processor has {', '.join(simd_variants())}")
    return _NAMES.index(wanted)

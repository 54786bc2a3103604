"""Binding of the native kernel: one block of bytes <-> one arithmetic-coded payload.

Knows nothing of files or containers.  The kernel has no globals and runs without the GIL, so blocks may be coded in
any number of threads at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from lmzip.errors import DamagedError
from lmzip.native._kernel import ffi, lib

METHODS: dict[int, str] = {1: "fast", 2: "quick", 3: "full", 4: "max"}
MAX_LANES: int = lib.LMZ_MAX_LANES

_SIMD_NAMES = ["portable", "avx2", "avx512"]
_AVX2 = 1
_PROGRESS_BYTES = 1 << 16
_new_bytes = ffi.new_allocator(should_clear_after_alloc=False)

Progress = Callable[[int], None]


def simd_variants() -> list[str]:
    """Return the names of the kernel's variants that this processor runs, the best last."""
    return _SIMD_NAMES[: lib.lmz_simd_best() + 1]


def _simd() -> int:
    """Return the variant to use: the fastest, or the one that LMZIP_SIMD names (all give the same bytes).

    Rows of 48 inputs fill AVX-512 too badly to pay for it: AVX2 measured 2 % faster where both are there.

    Raises ValueError if LMZIP_SIMD names one that this processor does not have.
    """
    name = os.environ.get("LMZIP_SIMD")
    if not name:
        return min(lib.lmz_simd_best(), _AVX2)
    variants = simd_variants()
    if name not in variants:
        raise ValueError(f"LMZIP_SIMD={name}: this processor has {', '.join(variants)}")
    return variants.index(name)


def _check(method: int, n_lanes: int) -> None:
    if method not in METHODS:
        raise ValueError(f"no such method: {method}")
    if not 1 <= n_lanes <= MAX_LANES:
        raise ValueError(f"lanes must be 1 to {MAX_LANES}, not {n_lanes}")


def memory_size(method: int, raw_size: int, n_lanes: int = 1) -> int:
    """Return the bytes of state that coding one block needs, its raw and payload buffers not counted."""
    _check(method, n_lanes)
    size = lib.lmz_memory_size(method, raw_size, n_lanes)
    if not size:
        raise ValueError(f"block too large: {raw_size}")
    return size


def _run(coder, raw_size: int, n_lanes: int, progress: Progress | None) -> int:
    """Run a coder to its end, reporting progress; return the kernel's last status."""
    n_steps = max(1, _PROGRESS_BYTES // n_lanes)
    done = 0
    while (status := lib.lmz_coder_run(coder, n_steps)) == lib.LMZ_MORE:
        if progress:
            progress(n_steps * n_lanes)
            done += n_steps * n_lanes
    if progress and status == lib.LMZ_DONE:
        progress(raw_size - done)
    return status


def encode_block(raw, method: int, n_lanes: int = 1, progress: Progress | None = None) -> bytes | None:
    """Return the payload of a block, or None when it would not be smaller than the block itself.

    raw: contiguous bytes-like object, not empty.  progress is called with the number of raw bytes done since its last
    call; what it raises abandons the block.  Raises ValueError for bad arguments, MemoryError.
    """
    _check(method, n_lanes)
    source = ffi.from_buffer("uint8_t[]", raw)
    if not len(source):
        raise ValueError("an empty block has no payload")
    capacity = len(source) - 1
    payload = _new_bytes("uint8_t[]", capacity + 1)
    coder = lib.lmz_encoder_new(method, n_lanes, _simd(), source, len(source), payload, capacity)
    if coder == ffi.NULL:
        raise MemoryError("not enough memory for a block")
    try:
        status = _run(coder, len(source), n_lanes, progress)
        return bytes(ffi.buffer(payload, lib.lmz_coder_payload_size(coder))) if status == lib.LMZ_DONE else None
    finally:
        lib.lmz_coder_free(coder)


def decode_block(payload, raw_size: int, method: int, n_lanes: int = 1, progress: Progress | None = None) -> memoryview:
    """Return the raw_size bytes that a payload stands for.

    Memory for them is touched only as they are decoded, so a payload that ends early costs little whatever it claims.

    A payload damaged in the middle usually gives wrong bytes, not an error: the caller compares a check of the data.
    Raises DamagedError when the payload is too short or too long for its block, ValueError, MemoryError.
    """
    _check(method, n_lanes)
    source = ffi.from_buffer("uint8_t[]", payload)
    raw = _new_bytes("uint8_t[]", raw_size)
    coder = lib.lmz_decoder_new(method, n_lanes, _simd(), source, len(source), raw, raw_size)
    if coder == ffi.NULL:
        if not raw_size:
            raise ValueError("an empty block has no payload")
        raise MemoryError("not enough memory for a block")
    try:
        if _run(coder, raw_size, n_lanes, progress) != lib.LMZ_DONE:
            raise DamagedError("damaged payload")
    finally:
        lib.lmz_coder_free(coder)
    return memoryview(ffi.buffer(raw))

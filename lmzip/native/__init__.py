"""Binding of the native kernel: one block of bytes <-> one arithmetic-coded payload.

Knows nothing of files or containers.  The kernel has no globals and runs without the GIL, so blocks may be coded in
any number of threads at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from lmzip.block import DEFAULT_RUN, BlockSpec, Run
from lmzip.errors import DamagedError
from lmzip.native._kernel import ffi, lib
from lmzip.native.cpu import simd_number, simd_variants
from lmzip.native.dictionary import begin_behind, coder_of_small, is_small
from lmzip.native.expert import Expert

__all__ = [
    "ALONE",
    "BYTES",
    "MAX_LANES",
    "N_PROFILES",
    "TOKENS",
    "Expert",
    "Predict",
    "decode_block",
    "encode_block",
    "is_block",
    "learner_size",
    "max_lanes",
    "memory_size",
    "profile_takes",
    "simd_variants",
]

MAX_LANES: int = lib.LMZ_MAX_LANES
ALONE, BYTES, TOKENS = lib.LMZ_ALONE, lib.LMZ_BYTES, lib.LMZ_TOKENS  # what a step of a block is of
N_PROFILES: int = lib.lmz_n_profiles()
_FIRST_RUN, _MAX_RUN = 1 << 7, 1 << 14  # bytes or tokens between two calls of progress, which acts on signals
_RUN_TIME = 0.06  # seconds that a run may take; a net on an old processor is 500 times as slow as -1 on a new one
_new_bytes = ffi.new_allocator(should_clear_after_alloc=False)

# predict(lanes, symbols), for an external expert: lanes (n) are the numbers of those that have not ended, rising;
# symbols (n) the last byte or token of each, expert.start at first.  Returns a contiguous buffer (n, n_symbols) uint32:
# weights of their next symbols, in proportion to their probabilities.
Predict = Callable[[list[int], list[int]], Any]


def profile_takes(profile: int, unit: int) -> bool:
    """Return whether there are blocks of a profile and a unit: ALONE, or with an expert of BYTES or TOKENS."""
    return bool(lib.lmz_profile_takes(profile, unit))


def max_lanes(unit: int) -> int:
    """Return how many lanes blocks of a unit may have."""
    return lib.lmz_max_lanes(unit)


def is_block(spec: BlockSpec) -> bool:
    """Return whether a base alone codes such blocks."""
    try:
        return not spec.uses_model and memory_size(spec) > 0
    except ValueError:
        return False


def memory_size(spec: BlockSpec, expert: Expert | None = None) -> int:
    """Return the bytes of state that coding one block needs, its raw and payload buffers not counted.

    Raises ValueError for a block that there cannot be.
    """
    return lib.lmz_memory_size(_c_spec(spec, expert), _handle(expert))


def learner_size(spec: BlockSpec, expert: Expert | None = None) -> int:
    """Return the bytes that what is learned of the block's dictionary takes, 0 without one; ValueError as above."""
    size = lib.lmz_learner_size(_c_spec(spec, expert), _handle(expert))
    return size + (memory_size(spec) + spec.dictionary_size if is_small(spec, expert) else 0)


def encode_block(
    raw,
    spec: BlockSpec,
    expert: Expert | None = None,
    run: Run = DEFAULT_RUN,
    *,
    token_sizes: bytes = b"",
    predict: Predict | None = None,
) -> bytes | None:
    """Return the payload of a block, or None when it would not be smaller than the block itself.

    raw: contiguous bytes-like object of spec.raw_size bytes, not empty.  expert: for blocks with one.  token_sizes: for
    an expert of tokens, how each lane's chunk is cut into tokens.  predict: of an external expert.  The payload does
    not depend on run.  Raises ValueError for bad arguments, MemoryError, and what run.progress and predict raise.
    """
    if not len(raw) or memoryview(raw).nbytes != spec.raw_size:
        raise ValueError(f"a block of {spec.raw_size} bytes cannot be made of {len(raw)}")
    capacity = spec.raw_size - 1
    payload = _new_bytes("uint8_t[]", capacity + 1)
    c_spec = _c_spec(spec, expert)
    if is_small(spec, expert):
        with coder_of_small(c_spec, spec, run) as (coder, first, _):
            ffi.memmove(first, raw, spec.raw_size)
            lib.lmz_coder_encode(coder, payload, capacity)
            return _payload_of(coder, payload, _run(coder, spec, None, run, None, None))
    source = ffi.from_buffer("uint8_t[]", b"".join((spec.dictionary.data, raw)) if spec.dictionary else raw)
    first = source + spec.dictionary_size
    coder = lib.lmz_encoder_new(c_spec, _handle(expert), simd_number(), first, payload, capacity)
    if coder == ffi.NULL:
        raise MemoryError("not enough memory for a block")
    try:
        if spec.dictionary:
            begin_behind(coder, c_spec, spec, expert, run)
        if token_sizes or (expert and expert.unit == TOKENS):
            _set_tokens(coder, token_sizes)
        return _payload_of(coder, payload, _run(coder, spec, expert, run, predict, None))
    finally:
        lib.lmz_coder_free(coder)


def _payload_of(coder, payload, status: int) -> bytes | None:
    return bytes(ffi.buffer(payload, lib.lmz_coder_payload_size(coder))) if status == lib.LMZ_DONE else None


def decode_block(
    payload,
    spec: BlockSpec,
    expert: Expert | None = None,
    run: Run = DEFAULT_RUN,
    *,
    token_sizes: bytes = b"",
    predict: Predict | None = None,
) -> memoryview:
    """Return the spec.raw_size bytes that a payload stands for; the rest are arbitrary where run.reached ends it early.

    Memory for them is touched only as they are decoded, so a payload that ends early costs little whatever it claims.

    A payload damaged in the middle usually gives wrong bytes, not an error: the caller compares a check of the data.
    token_sizes: for an expert of tokens, how run.expected was cut.  Raises DamagedError when the payload is too short
    or too long for its block, or something else than run.expected comes out, ValueError, MemoryError, and what
    run.progress, run.reached and predict raise.
    """
    c_spec = _c_spec(spec, expert)
    if not spec.raw_size:
        raise ValueError("an empty block has no payload")
    source = ffi.from_buffer("uint8_t[]", payload)
    if is_small(spec, expert):
        return _decode_small(c_spec, payload, spec, run)
    before = spec.dictionary_size
    raw = _new_bytes("uint8_t[]", before + spec.raw_size)
    if spec.dictionary:
        ffi.memmove(raw, spec.dictionary.data, before)
    expected = ffi.NULL if run.expected is None else ffi.from_buffer("uint8_t[]", run.expected)
    if expected != ffi.NULL and len(expected) != spec.raw_size:
        raise ValueError(f"a block of {spec.raw_size} bytes cannot be {len(expected)}")
    coder = lib.lmz_verifier_new(c_spec, _handle(expert), simd_number(), source, len(source), raw + before, expected)
    if coder == ffi.NULL:
        raise MemoryError("not enough memory for a block")
    view = memoryview(ffi.buffer(raw))[before:]
    try:
        if spec.dictionary:
            begin_behind(coder, c_spec, spec, expert, run)
        if token_sizes:
            _set_tokens(coder, token_sizes)
        if _run(coder, spec, expert, run, predict, view) not in (lib.LMZ_DONE, lib.LMZ_MORE):
            raise DamagedError("damaged payload")
    finally:
        lib.lmz_coder_free(coder)
    return view


def _decode_small(c_spec, payload, spec: BlockSpec, run: Run) -> memoryview:
    """Do as decode_block() does with a coder that is ready; what comes out has to be copied, as that one goes on."""
    source = ffi.from_buffer("uint8_t[]", payload)
    with coder_of_small(c_spec, spec, run) as (coder, first, _):
        lib.lmz_coder_decode(coder, source, len(source))
        view = memoryview(ffi.buffer(first, spec.raw_size))
        if _run(coder, spec, None, run, None, view) not in (lib.LMZ_DONE, lib.LMZ_MORE):
            raise DamagedError("damaged payload")
        return memoryview(bytes(view))


def _set_tokens(coder, token_sizes: bytes) -> None:
    # The kernel keeps a pointer to them: they are the caller's, who waits.
    if lib.lmz_coder_set_tokens(coder, ffi.from_buffer("uint8_t[]", token_sizes), len(token_sizes)) != lib.LMZ_DONE:
        raise ValueError("these are not the sizes of tokens")


def _handle(expert: Expert | None):
    return expert.handle if expert else ffi.NULL


def _c_spec(spec: BlockSpec, expert: Expert | None):
    """Return the kernel's record of a block; raises ValueError for one that there cannot be."""
    if spec.uses_model != (expert is not None):
        raise ValueError("a block with a model needs one, and another none")
    unit = expert.unit if expert else ALONE
    if not profile_takes(spec.profile, unit):
        raise ValueError(f"no such profile: {spec.profile}")
    if not 1 <= spec.n_lanes <= max_lanes(unit):
        raise ValueError(f"lanes must be 1 to {max_lanes(unit)}, not {spec.n_lanes}")
    if not 0 <= spec.raw_size <= lib.LMZ_MAX_RAW_SIZE:
        raise ValueError(f"block too large: {spec.raw_size}")
    of = spec.content
    content = [of.kind, of.channels, of.depth, of.flags, of.offset, of.width]
    start = spec.raw_size, spec.profile, spec.n_lanes, spec.context
    c_spec = ffi.new("lmz_block_spec *", [*start, content, spec.dictionary_size, spec.machine])
    if not lib.lmz_memory_size(c_spec, _handle(expert)):
        raise ValueError(f"no such block: {spec}")
    return c_spec


def _run(coder, spec: BlockSpec, expert: Expert | None, run: Run, predict: Predict | None, view: memoryview | None):
    """Run a coder to its end, reporting progress; return the kernel's last status, LMZ_MORE if run.reached ended it.

    view: the raw buffer that a decoder fills.
    """
    lib.lmz_coder_set_threads(coder, run.n_threads)
    advance = _external_steps(coder, spec.n_lanes, expert, predict) if predict else _timed_steps(coder, spec.n_lanes)
    done = reached = 0
    while True:
        status = advance()
        if run.progress and status in (lib.LMZ_MORE, lib.LMZ_DONE):
            position = lib.lmz_coder_position(coder)
            run.progress(position - done)
            done = position
        # Of a damaged payload too: what is sound of it does not depend on where the calls divide it.
        if run.reached and view is not None and status in (lib.LMZ_MORE, lib.LMZ_E_DAMAGED):
            before, reached = reached, lib.lmz_coder_reached(coder)
            if reached > before and not run.reached(view, reached):
                break
        if status != lib.LMZ_MORE:
            break
    if status == lib.LMZ_E_ARGUMENT:
        raise ValueError("weights of an external expert are missing or out of range")
    return status


def _timed_steps(coder, n_lanes: int) -> Callable[[], int]:
    """Return what advances a coder for some hundredths of a second."""
    size = _FIRST_RUN

    def advance() -> int:
        nonlocal size
        started = time.monotonic()
        status = lib.lmz_coder_run(coder, max(1, size // n_lanes))
        spent = time.monotonic() - started
        if spent > _RUN_TIME:
            size = max(n_lanes, size // 2)
        elif spent < _RUN_TIME / 2:
            size = min(_MAX_RUN, size * 2)
        return status

    return advance


def _external_steps(coder, n_lanes: int, expert, predict: Predict) -> Callable[[], int]:
    """Return what advances a coder by one step, with weights that the caller computes."""
    lanes, coded = ffi.new("uint32_t[]", n_lanes), ffi.new("uint32_t[]", n_lanes)
    last = [expert.start] * n_lanes

    def advance() -> int:
        active = ffi.unpack(lanes, lib.lmz_coder_lanes(coder, lanes))
        weights = ffi.from_buffer("uint32_t[]", predict(active, [last[lane] for lane in active]))
        if len(weights) != len(active) * expert.n_symbols:
            raise ValueError("weights of another shape")
        status = lib.lmz_coder_run_external(coder, weights, coded)
        for lane, symbol in zip(active, ffi.unpack(coded, len(active)), strict=True):
            last[lane] = symbol
        return status

    return advance

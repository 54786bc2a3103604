"""What bytes cost: the information that an encoder finds in each step, by how much it narrows its interval."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from contextlib import contextmanager

from lmzip.block import DEFAULT_RUN, BlockSpec, Run
from lmzip.native import TOKENS, _c_spec, _handle, _new_bytes, _set_tokens
from lmzip.native._kernel import ffi, lib
from lmzip.native.cpu import simd_number
from lmzip.native.dictionary import begin_behind
from lmzip.native.expert import Expert

_LEAST_CAPACITY = 64
_STEPS = 256  # between two calls of progress


@contextmanager
def encoder_of(raw, spec: BlockSpec, expert: Expert | None, run: Run, token_sizes: bytes) -> Iterator:
    """Within: an encoder of a block of one lane, whose payload nobody wants; the arguments are those of
    encode_block().  Raises ValueError for bad ones, MemoryError, and what run.progress raises."""
    c_spec = _c_spec(spec, expert)
    if spec.n_lanes != 1 or not len(raw) or memoryview(raw).nbytes != spec.raw_size:
        raise ValueError(f"these are not the {spec.raw_size} bytes of a block of one lane")
    # More than anything comes to, so that what does not get smaller has costs too; it is hardly touched.
    capacity = lib.LMZ_SCRATCH_RATE * spec.raw_size + _LEAST_CAPACITY
    payload = _new_bytes("uint8_t[]", capacity)
    source = ffi.from_buffer("uint8_t[]", b"".join((spec.dictionary.data, raw)) if spec.dictionary else raw)
    first = source + spec.dictionary_size
    coder = lib.lmz_encoder_new(c_spec, _handle(expert), simd_number(), first, payload, capacity)
    if coder == ffi.NULL:
        raise MemoryError("not enough memory for a block")
    try:
        if spec.dictionary:
            begin_behind(coder, c_spec, spec, expert, run)
        if expert and expert.unit == TOKENS:
            _set_tokens(coder, token_sizes)
        lib.lmz_coder_set_threads(coder, run.n_threads)
        yield coder
    finally:
        lib.lmz_coder_free(coder)


def step_costs(
    raw, spec: BlockSpec, expert: Expert | None = None, run: Run = DEFAULT_RUN, *, token_sizes: bytes = b""
) -> tuple[array[int], array[float]]:
    """Return where each step of coding a block of one lane ends in its raw bytes, and the bits of information in it.

    A step is a byte, a sample or a token.  The arguments are those of encode_block(); the bits of all steps come to its
    payload within a byte.  Raises ValueError for bad arguments, MemoryError, and what run.progress raises.
    """
    with encoder_of(raw, spec, expert, run, token_sizes) as coder:
        return _step_by_step(coder, run)


def _step_by_step(coder, run: Run) -> tuple[array[int], array[float]]:
    ends, bits = array("Q"), array("d")
    done = reported = 0
    before = 0.0
    status, width = lib.LMZ_MORE, ffi.new("uint64_t *")
    while status == lib.LMZ_MORE:
        status = lib.lmz_coder_run(coder, 1)
        done = lib.lmz_coder_position(coder)
        written = 8 * lib.lmz_coder_interval(coder, width) + 64 - math.log2(width[0])
        ends.append(done)
        bits.append(written - before)
        before = written
        if run.progress and (status != lib.LMZ_MORE or not len(ends) % _STEPS):
            run.progress(done - reported)
            reported = done
    if status != lib.LMZ_DONE:
        raise ValueError("what is coded does not fit")
    return ends, bits

"""Sampling: what a decoder makes of random bits is drawn from what it predicts."""

from __future__ import annotations

from collections.abc import Callable

from lmzip.block import BlockSpec, Run
from lmzip.native import TOKENS, _c_spec, _handle, _new_bytes, _set_tokens
from lmzip.native._kernel import ffi, lib
from lmzip.native.cpu import simd_number
from lmzip.native.dictionary import begin_behind
from lmzip.native.expert import Expert

_LEAST_SCRATCH = 64
_STEPS = 64  # bytes, samples or tokens between two calls of progress


def sample_block(
    given,
    bits: bytes,
    spec: BlockSpec,
    expert: Expert | None = None,
    *,
    token_sizes: bytes = b"",
    progress: Callable[[int], None] | None = None,
) -> bytes:
    """Return a block of spec.raw_size bytes that begins with `given`, the rest drawn from what a coder predicts there.

    bits: what it is drawn by, random bytes; about as many as a payload of what is drawn would have are used. spec: of
    one lane. token_sizes: for an expert of tokens, how `given` is cut. progress: called with bytes done, and with 0
    while a dictionary is learned. The result depends on all but progress, and on nothing else. Raises ValueError for
    bad arguments, among them samples of which only a part is given, and bits that are used up; MemoryError, and what
    progress raises.
    """
    c_spec = _c_spec(spec, expert)
    n_given = len(given)
    if n_given >= spec.raw_size or spec.n_lanes != 1:
        raise ValueError("a sample is of one lane, and longer than what is given")
    before = spec.dictionary.data if spec.dictionary else b""
    buffer = ffi.new("uint8_t[]", len(before) + spec.raw_size)
    buffer[0 : len(before) + n_given] = before + bytes(given)
    raw = buffer + len(before)
    capacity = lib.LMZ_SCRATCH_RATE * n_given + _LEAST_SCRATCH
    scratch, random = _new_bytes("uint8_t[]", capacity), ffi.from_buffer("uint8_t[]", bits)
    coder = lib.lmz_sampler_new(c_spec, _handle(expert), simd_number(), raw, n_given, scratch, capacity)
    if coder == ffi.NULL:
        raise MemoryError("not enough memory for a block")
    try:
        if spec.dictionary:
            begin_behind(coder, c_spec, spec, expert, Run(progress))
        if expert and expert.unit == TOKENS:
            _set_tokens(coder, token_sizes)
        _advance(coder, n_given, 1, progress)
        if lib.lmz_coder_position(coder) != n_given:
            raise ValueError("what is given ends within a sample")
        lib.lmz_coder_draw(coder, random, len(random))
        _advance(coder, spec.raw_size, _STEPS, progress)
    finally:
        lib.lmz_coder_free(coder)
    return bytes(ffi.buffer(raw, spec.raw_size))


def _advance(coder, end: int, n_steps: int, progress: Callable[[int], None] | None) -> None:
    """Run a sampler up to a position; raises ValueError where its bits are used up."""
    done = lib.lmz_coder_position(coder)
    while done < end:
        if lib.lmz_coder_run(coder, n_steps) not in (lib.LMZ_MORE, lib.LMZ_DONE):
            raise ValueError("the bits to draw by are used up")
        position = lib.lmz_coder_position(coder)
        if progress:
            progress(position - done)
        done = position

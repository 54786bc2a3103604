"""Dictionaries in the kernel: what a coder has learned of one, once for all blocks that begin behind it.

For small blocks by the base alone a coder stays ready: to undo what the last one changed is far sooner than to copy all
that was learned.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from lmzip.block import BlockSpec, Run
from lmzip.native._kernel import ffi, lib
from lmzip.native.cpu import simd_number
from lmzip.native.expert import Expert

_STEPS, _STEPS_OF_TOKENS = 1 << 13, 1 << 8  # bytes or tokens between two calls of progress
_new_bytes = ffi.new_allocator(should_clear_after_alloc=False)


class Coder(NamedTuple):
    """A coder that is ready for a small block, and the place of the raw bytes, behind the dictionary."""

    handle: Any
    raw: Any
    buffer: Any  # what that is a place in, and must live as long


class Learned:
    """A coder that has learned a dictionary, and one that is ready to begin behind it."""

    def __init__(self, handle: Any, *needed: Any) -> None:
        """needed: what must live as long as the coder."""
        self.handle = handle
        self.ready: list[Coder] = []  # one, while nobody uses it
        self._needed = needed


def is_small(spec: BlockSpec, expert: Expert | None) -> bool:
    """Return whether a coder stays ready for blocks like this."""
    return bool(spec.dictionary) and not expert and spec.n_lanes == 1 and spec.raw_size <= lib.LMZ_NOTED_SIZE


def begin_behind(coder, c_spec, spec: BlockSpec, expert: Expert | None, run: Run) -> None:
    """Let a new coder of a block with a dictionary begin with what is learned of it.

    run.progress is called with 0 meanwhile.  Raises MemoryError and what that raises.
    """
    _set(coder, _learned(c_spec, spec, expert, run))


@contextmanager
def coder_of_small(c_spec, spec: BlockSpec, run: Run) -> Iterator[Coder]:
    """Within: a coder of a small block that begins behind its dictionary, still to be told what to do.

    Raises as begin_behind() does.
    """
    assert spec.dictionary
    learned = _learned(c_spec, spec, None, run)
    try:
        coder = learned.ready.pop()  # another thread may have taken it
    except IndexError:
        coder = _new_coder(c_spec, spec.dictionary.data)
        _set(coder.handle, learned)
    else:
        if lib.lmz_coder_restart(coder.handle, learned.handle, spec.raw_size, coder.raw) != lib.LMZ_DONE:
            raise ValueError("a coder that is ready for other blocks")
    try:
        yield coder
    finally:
        learned.ready[:] = [coder]


def _learned(c_spec, spec: BlockSpec, expert: Expert | None, run: Run) -> Learned:
    """Return what is learned of a block's dictionary."""
    assert spec.dictionary
    handle, data = expert.handle if expert else ffi.NULL, spec.dictionary.data
    key = (spec.profile, spec.context, expert, spec.n_lanes > 1, lib.lmz_learner_size(c_spec, handle))
    return spec.dictionary.state(key, lambda: _learn(c_spec, data, expert, run))


def _learn(c_spec, data: bytes, expert: Expert | None, run: Run) -> Learned:
    source = ffi.from_buffer("uint8_t[]", data)
    coder = lib.lmz_learner_new(c_spec, expert.handle if expert else ffi.NULL, simd_number(), source)
    if coder == ffi.NULL:
        raise MemoryError("not enough memory for a dictionary")
    coder = ffi.gc(coder, lib.lmz_coder_free)
    lib.lmz_coder_set_threads(coder, run.n_threads)
    n_steps = _STEPS_OF_TOKENS if expert and expert.unit == lib.LMZ_TOKENS else _STEPS
    while lib.lmz_coder_run(coder, n_steps) == lib.LMZ_MORE:
        if run.progress:
            run.progress(0)
    return Learned(coder, source, expert)


def _set(coder, learned: Learned) -> None:
    if lib.lmz_coder_set_dictionary(coder, learned.handle) != lib.LMZ_DONE:
        raise ValueError("what was learned is of other blocks")


def _new_coder(c_spec, data: bytes) -> Coder:
    buffer = _new_bytes("uint8_t[]", len(data) + lib.LMZ_NOTED_SIZE)
    ffi.memmove(buffer, data, len(data))
    raw = buffer + len(data)
    handle = lib.lmz_encoder_new(c_spec, ffi.NULL, simd_number(), raw, ffi.NULL, 0)
    if handle == ffi.NULL:
        raise MemoryError("not enough memory for a block")
    return Coder(ffi.gc(handle, lib.lmz_coder_free), raw, buffer)

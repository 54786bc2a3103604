"""What predicts beside the base of a block, in the kernel: read only, so that any number of blocks share one."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from typing import Any

from lmzip.native._kernel import ffi, lib


def check(status: int, complaint: str) -> None:
    """Raise MemoryError or ValueError unless the kernel's status says that all went well."""
    if status == lib.LMZ_E_MEMORY:
        raise MemoryError("not enough memory for a model")
    if status != lib.LMZ_DONE:
        raise ValueError(complaint)


class Expert:
    """An expert of the kernel; freed with this object."""

    n_predicted = 512  # numbers that run() returns for each byte or token

    def __init__(self, complaint: str, make: Callable[..., Any], *arguments: Any) -> None:
        """make: the kernel's function.  Raises MemoryError, ValueError if it refuses the arguments."""
        ffi.errno = 0
        handle = make(*arguments)
        if handle == ffi.NULL:
            check(lib.LMZ_E_MEMORY if ffi.errno == errno.ENOMEM else lib.LMZ_E_ARGUMENT, complaint)
        self.handle = ffi.gc(handle, lib.lmz_expert_free)

    @property
    def unit(self) -> int:
        """What a step of a block with it is of: native.BYTES or native.TOKENS."""
        return lib.lmz_expert_unit(self.handle)

    def run(self, symbols: Iterable[int], n_lanes: int = 1, n_threads: int = 1) -> memoryview:
        """Return what it predicts, by itself, before each byte or token: (n_steps, n_lanes, n_predicted) uint32.

        symbols: (n_steps, n_lanes), one lane behind the other in every step.  Raises ValueError, MemoryError.
        """
        source = ffi.new("uint32_t[]", list(symbols))
        if n_lanes < 1 or len(source) % n_lanes:
            raise ValueError("bytes or tokens must come in whole steps")
        size = len(source) * self.n_predicted
        predicted = ffi.new_allocator(should_clear_after_alloc=False)("uint32_t[]", max(1, size))
        n_steps = len(source) // n_lanes
        status = lib.lmz_expert_run(self.handle, n_lanes, n_threads, source, n_steps, predicted)
        check(status, "no such token or number of lanes, or the model lacks a matrix")
        return memoryview(ffi.buffer(predicted, size * 4)).cast("I")

    def walk(self, n_lanes: int = 1, n_threads: int = 1) -> Walk:
        """Return what runs it step by step, from the start; raises ValueError, MemoryError."""
        return Walk(self, n_lanes, n_threads)


class Walk:
    """An expert that is run by itself over bytes or tokens of which each is only known once it is predicted."""

    def __init__(self, expert: Expert, n_lanes: int, n_threads: int) -> None:
        ffi.errno = 0
        handle = lib.lmz_walk_new(expert.handle, n_lanes, n_threads)
        if handle == ffi.NULL:
            is_memory = ffi.errno == errno.ENOMEM
            check(lib.LMZ_E_MEMORY if is_memory else lib.LMZ_E_ARGUMENT, "no such lanes, or the model lacks a matrix")
        self._handle = ffi.gc(handle, lib.lmz_coder_free)
        self._expert, self._n_lanes = expert, n_lanes  # the kernel keeps a pointer to the expert

    def predict(self) -> memoryview:
        """Return what it predicts of each lane's next byte or token: (n_lanes, n_predicted) uint32.

        To be called once for each step.
        """
        size = self._n_lanes * self._expert.n_predicted
        predicted = ffi.new_allocator(should_clear_after_alloc=False)("uint32_t[]", size)
        lib.lmz_walk_predict(self._handle, predicted)
        return memoryview(ffi.buffer(predicted)).cast("I")

    def learn(self, symbols: Iterable[int]) -> None:
        """Tell each lane's byte or token; raises ValueError for what is none."""
        source = ffi.new("uint32_t[]", list(symbols))
        if len(source) != self._n_lanes or lib.lmz_walk_learn(self._handle, source) != lib.LMZ_DONE:
            raise ValueError("no such token, or not one for each lane")

"""What predicts beside the base of a block, in the kernel: read only, so that any number of blocks share one."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

from lmzip.native._kernel import ffi, lib


class Expert:
    """An expert of the kernel; freed with this object."""

    def __init__(self, refused: str, new: Callable[..., Any], *arguments: Any) -> None:
        """new(*arguments) makes it.  Raises ValueError(refused) where that makes none, MemoryError."""
        ffi.errno = 0
        handle = new(*arguments)
        if handle == ffi.NULL:
            check(lib.LMZ_E_MEMORY if ffi.errno == errno.ENOMEM else lib.LMZ_E_ARGUMENT, refused)
        self.handle = ffi.gc(handle, lib.lmz_expert_free)

    @property
    def unit(self) -> int:
        """What a step of a block with it is of: native.BYTES or native.TOKENS."""
        return lib.lmz_expert_unit(self.handle)


def check(status: int, refused: str) -> None:
    """Raise MemoryError, or ValueError(refused), for a status of the kernel that is not LMZ_DONE."""
    if status == lib.LMZ_E_MEMORY:
        raise MemoryError("not enough memory for a model")
    if status != lib.LMZ_DONE:
        raise ValueError(refused)

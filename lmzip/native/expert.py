"""What predicts beside the base of a block, in the kernel: read only, so that any number of blocks share one."""

from __future__ import annotations

from typing import Any

from lmzip.native._kernel import ffi, lib


class Expert:
    """An expert of the kernel; freed with this object."""

    def __init__(self, handle: Any) -> None:
        self.handle = ffi.gc(handle, lib.lmz_expert_free)

    @property
    def unit(self) -> int:
        """What a step of a block with it is of: native.BYTES or native.TOKENS."""
        return lib.lmz_expert_unit(self.handle)

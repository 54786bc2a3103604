"""The twins' passes over elements fused into kernels of our own in Triton, with the same integers in and out.

A twin reads and writes a tensor for each small operation; on a GPU that traffic, not arithmetic, is what takes the
time.  Here one kernel does in registers what stands between two products.  Products stay torch's.  Triton's interpreter
runs the same kernels on the CPU device, which is how they are tested.
"""

from __future__ import annotations

import os
from importlib.util import find_spec


def is_usable(device: str) -> bool:
    """Return whether Triton is installed and runs on a device: CUDA, or the CPU where its interpreter is asked for, by
    TRITON_INTERPRET=1 in the environment before anything imports it.  Loads nothing.
    """
    runs = device.startswith("cuda") or os.environ.get("TRITON_INTERPRET") == "1"
    return runs and find_spec("triton") is not None

"""Which device there is to compute on, found without torch where there can be none."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

from lmzip.errors import UnsupportedError
from lmzip.packages import needed

PROCESSOR = "cpu"  # the kernel, not torch
TORCH_CPU = "torch-cpu"  # for developers: what runs on a GPU, in torch on the processor
_SIGNS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/proc/driver/nvidia/version")  # of a GPU and its driver
_BLOCKS_OF_A_GPU = 128  # that are coded together, where memory and threads allow
_BLOCKS_OF_TORCH_CPU = 4
_NEEDED_BY = "--device needs"


def may_have_gpu() -> bool:
    """Return whether torch is installed and there are signs of a GPU; loads nothing."""
    return any(map(os.path.exists, _SIGNS)) and find_spec("torch") is not None


def may_be_device(wanted: str) -> bool:
    """Return whether there may be something to compute on besides the kernel; loads nothing.  wanted: see below."""
    return may_have_gpu() if wanted == "auto" else wanted != PROCESSOR


def blocks_at_once(wanted: str) -> int:
    """Return how many blocks are worth to be coded together; 0 where the kernel codes each by itself."""
    if wanted == TORCH_CPU:
        return _BLOCKS_OF_TORCH_CPU
    return _BLOCKS_OF_A_GPU if may_be_device(wanted) else 0


def check_device(wanted: str) -> None:
    """Raise UnsupportedError where a device that is wanted by name is not here; loads torch for such."""
    if wanted != "auto":
        torch_device(wanted)


def torch_device(wanted: str) -> str | None:
    """Return the device to compute on by its name in torch; None: the kernel computes.

    wanted: auto, cpu, cuda, cuda:N, or torch-cpu.  Loads torch unless that is out of the question.  Raises
    UnsupportedError where what is wanted by name is not here.
    """
    if not may_be_device(wanted):
        return None
    try:
        torch = load_torch()
    except UnsupportedError:
        if wanted == "auto":
            return None
        raise
    if wanted == TORCH_CPU:
        return "cpu"
    n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not n_devices:
        if wanted == "auto":
            return None
        raise UnsupportedError("no CUDA device that torch can use is here; --device cpu does without")
    number = int(wanted.partition(":")[2] or 0)
    if number >= n_devices:
        raise UnsupportedError(f"there is no CUDA device {number} here, only {n_devices}")
    return f"cuda:{number}"


def load_torch() -> Any:
    """Return torch; raises UnsupportedError where it is missing or of another version."""
    with needed(_NEEDED_BY, "torch"):
        import torch
    return torch


def free_memory(device: str) -> int | None:
    """Return the bytes of memory that a GPU has left; None for the CPU device."""
    if device == "cpu":
        return None
    cuda = load_torch().cuda
    cuda.empty_cache()  # what a twin before held is not free by itself
    return cuda.mem_get_info(device)[0]

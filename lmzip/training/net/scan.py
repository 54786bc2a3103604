"""The gated linear recurrence h_t = h_{t-1} + g_t (z_t - h_{t-1}) as one torch operator: C on CPUs, Triton on CUDA.

Neither loops over time in Python.  `scan` is differentiable in z and g; the state h0 that a window starts from is not
(truncated back-propagation through time).
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from lmzip.errors import UnsupportedError

SOURCE = Path(__file__).with_name("scan.c")


@cache
def _library() -> ctypes.CDLL:
    """Compile scan.c for this processor, once for each version of it, and load it.

    Raises UnsupportedError without a compiler, or if it fails; OSError where nothing can be written.
    """
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"lmzip-scan-{os.getuid()}-{digest}.so"
    if not path.exists() or path.lstat().st_uid != os.getuid():  # everybody may write to the folder
        scratch = path.with_suffix(f".{os.getpid()}")
        flags = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC"]
        compiler = os.environ.get("CC", "cc")
        try:
            subprocess.run([compiler, *flags, "-o", scratch, SOURCE], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            raise UnsupportedError(f"training on a CPU takes a C compiler, and {compiler} is none (CC=...)") from None
        scratch.rename(path)
    return ctypes.CDLL(str(path))


def _call(name: str, *arguments: Tensor | int) -> None:
    """Call a function of scan.c with the addresses of contiguous tensors, and sizes."""

    def convert(x):
        return ctypes.c_void_p(x.data_ptr()) if isinstance(x, Tensor) else ctypes.c_int64(x)

    getattr(_library(), name)(*map(convert, arguments))


@torch.library.custom_op("lmzip::scan_forward", mutates_args=())
def scan_forward(z: Tensor, g: Tensor, h0: Tensor, reset: Tensor) -> Tensor:
    z, g, h0, reset = (x.contiguous() for x in (z, g, h0, reset))
    h = torch.empty_like(z)
    if z.is_cuda:
        from lmzip.training.net.scan_triton import forward

        forward(z, g, h0, reset, h)
    else:
        _call("scan_forward", z, g, h0, reset, h, *z.shape)
    return h


@torch.library.custom_op("lmzip::scan_backward", mutates_args=())
def scan_backward(z: Tensor, g: Tensor, h0: Tensor, reset: Tensor, h: Tensor, dh: Tensor) -> tuple[Tensor, Tensor]:
    z, g, h0, reset, h, dh = (x.contiguous() for x in (z, g, h0, reset, h, dh))
    dz, dg = torch.empty_like(z), torch.empty_like(z)
    if z.is_cuda:
        from lmzip.training.net.scan_triton import backward

        backward(z, g, h0, reset, h, dh, dz, dg)
    else:
        _call("scan_backward", z, g, h0, reset, h, dh, dz, dg, torch.empty_like(h0), *z.shape)
    return dz, dg


@scan_forward.register_fake
def _(z, g, h0, reset):
    return torch.empty_like(z)


@scan_backward.register_fake
def _(z, g, h0, reset, h, dh):
    return torch.empty_like(z), torch.empty_like(z)


def _setup(ctx, inputs, output):
    ctx.save_for_backward(*inputs, output)


def _backward(ctx, dh):
    dz, dg = scan_backward(*ctx.saved_tensors, dh)
    return dz, dg, None, None


scan_forward.register_autograd(_backward, setup_context=_setup)


def scan(z: Tensor, g: Tensor, h0: Tensor, reset: Tensor) -> Tensor:
    """Return the states (B, T, D) after each step, float32.

    z: candidates, g: update gates in [0, 1], both (B, T, D) float32; h0: (B, D) states before the window; reset:
    (B, T) uint8, set where the step starts from a zero state.
    """
    return scan_forward(z, g, h0, reset)

"""How torch computes while a block is coded: the same each time, and as it was before once that is over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Whether keys that several heads share are shared in masked attention too, which transformers looks up there each time.
# Kernels of CPUs can; those of CUDA would be slow ones.
_SHARED_KEYS = "TRANSFORMERS_SDPA_FORCE_GQA"


@contextmanager
def fixed(threads: int, device: str) -> Iterator[None]:
    """Within: so many threads, deterministic algorithms only, no TF32 and no sums in fewer bits, no gradients.

    device: that computes, by its name in torch.

    These are settings of the process: one block at a time.
    """
    import torch

    before = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    warns_only = torch.is_deterministic_algorithms_warn_only_enabled()
    places: list[tuple[Any, str, bool]] = [
        (torch.backends.cudnn, "benchmark", False),
        (torch.backends.cudnn, "deterministic", True),
        (torch.backends.cudnn, "allow_tf32", False),
        (torch.backends.cuda.matmul, "allow_tf32", False),
        (torch.backends.cuda.matmul, "allow_fp16_reduced_precision_reduction", False),
        (torch.backends.cuda.matmul, "allow_bf16_reduced_precision_reduction", False),
        # What finds programs that read memory before they write it: it costs as much as the attention.
        (torch.utils.deterministic, "fill_uninitialized_memory", False),
    ]
    kept = [getattr(place, name) for place, name, _ in places]
    shared_keys = os.environ.get(_SHARED_KEYS)
    os.environ[_SHARED_KEYS] = str(int(device == "cpu"))
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    for place, name, value in places:
        setattr(place, name, value)
    try:
        with torch.inference_mode():
            yield
    finally:
        if shared_keys is None:
            del os.environ[_SHARED_KEYS]
        else:
            os.environ[_SHARED_KEYS] = shared_keys
        for (place, name, _), value in zip(places, kept, strict=True):
            setattr(place, name, value)
        torch.use_deterministic_algorithms(deterministic, warn_only=warns_only)
        torch.set_num_threads(before)

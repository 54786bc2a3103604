"""How torch computes while a block is coded: the same each time, and as it was before once that is over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def fixed(threads: int) -> Iterator[None]:
    """Within: so many threads, deterministic algorithms only, no TF32 and no sums in fewer bits, no gradients.

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
    ]
    kept = [getattr(place, name) for place, name, _ in places]
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    for place, name, value in places:
        setattr(place, name, value)
    try:
        with torch.inference_mode():
            yield
    finally:
        for (place, name, _), value in zip(places, kept, strict=True):
            setattr(place, name, value)
        torch.use_deterministic_algorithms(deterministic, warn_only=warns_only)
        torch.set_num_threads(before)

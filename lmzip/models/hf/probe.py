"""Arithmetic that is the same each time, and what is found out within it of a model: fingerprint and footprint."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lmzip.models.hf.stepping import Lanes, Runner

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


FINGERPRINT_SIZE = 16
# (lanes, steps, window, full): one token at a time for one lane and for many, windows that slide, full from the start
# or not.
_PARTS = ((4, 24, 16, False), (1, 6, 16, False), (16, 4, 16, False), (2, 3, 256, True))
_LABEL = b"lmzip-hf-probe-1\0"  # another number for any change of the procedure of coding
_STATIC = b"static\0"


def fingerprint_of(runner: Runner) -> bytes:
    """Return the first 16 bytes of SHA-256 over the weights of tokens in the probe; to be called within fixed()."""
    label = _LABEL + (_STATIC if runner.is_static else b"")
    digest = hashlib.sha256(label + runner.window.to_bytes(4, "little"))
    for n_lanes, n_steps, window, is_full in _PARTS:
        probe = Lanes(runner, n_lanes, window)
        if is_full:
            probe.fill(lambda place: _token(place, runner.n_vocab))
        lanes, tokens = list(range(n_lanes)), [runner.n_vocab] * n_lanes
        for step in range(n_steps):
            digest.update(probe.predict(lanes, tokens).astype("<u4").tobytes())
            if step == n_steps // 2 and n_lanes > 1:
                lanes.pop(1)  # it has ended
            tokens = [_token(step * 64 + lane, runner.n_vocab) for lane in lanes]
    return digest.digest()[:FINGERPRINT_SIZE]


def _token(number: int, n_vocab: int) -> int:
    return (number * 2654435761 + 40503) % (1 << 32) % n_vocab


_N_TOKENS = 16


@dataclass(frozen=True)
class Footprint:
    """Bytes that a lane keeps, whatever it has seen, and for each token of its window."""

    constant: int
    per_token: int

    def of_window(self, window: int) -> int:
        return self.constant + window * self.per_token


def footprint_of(runner: Runner) -> Footprint:
    """Return what a lane of these takes; to be called within fixed()."""
    more = min(_N_TOKENS, runner.window)
    less = more // 2
    size = _state_size(runner, less)
    per_token = max(0, _state_size(runner, more) - size) // (more - less)
    return Footprint(max(0, size - less * per_token), per_token)


def _state_size(runner: Runner, n_tokens: int) -> int:
    """Return the bytes that one lane keeps with room for so many tokens, all taken."""
    import torch

    cache, is_endless = runner.new_cache(n_tokens)
    tokens = torch.full((1, 1 if is_endless else n_tokens), runner.bos_id, device=runner.device)
    storages: dict[int, int] = {}
    _collect(runner.forward(tokens, cache)[1], storages, set())
    return sum(storages.values())


def _collect(value: Any, storages: dict[int, int], seen: set[int]) -> None:
    """Add the sizes of all memory that tensors within value lie in, by its address."""
    import torch

    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, torch.Tensor):
        storage = value.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return
    if isinstance(value, dict):
        members = list(value.values())
    elif isinstance(value, (list, tuple)):
        members = list(value)
    elif type(value).__module__.partition(".")[0] in ("transformers", "lmzip"):
        members = list(vars(value).values())
    else:
        return
    for member in members:
        _collect(member, storages, seen)

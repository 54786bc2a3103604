"""How much memory a lane's state takes: counted in what a model keeps of a few tokens, since each has its own way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lmzip.models.hf.stepping import Runner

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
    tokens = torch.full((1, 1 if is_endless else n_tokens), runner.start, device=runner.device)
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

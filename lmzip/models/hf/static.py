"""Steps of constant shape: keys and values stay where they are, and on CUDA a step is recorded as a graph.

A step of a small model is hundreds of small kernels, which a GPU does sooner than Python starts them; a graph starts at
once.  Attention then goes over the whole window, with what is not taken in yet masked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from transformers import cache_utils

_WARM_UPS = 2  # before a step is recorded, so that what torch chooses at first is chosen


def new_static_cache(config: Any, room: int) -> Any:
    """Return an empty cache of constant shape; None where a layer has none, or counts its tokens outside of tensors."""
    try:
        cache = cache_utils.StaticCache(config=config, max_cache_len=room)
    except (AttributeError, KeyError, TypeError, ValueError, NotImplementedError):  # by version and kind of layer
        return None
    layers = cache.layers
    is_plain = all(
        type(layer) is cache_utils.StaticLayer and isinstance(getattr(layer, "cumulative_length", None), torch.Tensor)
        for layer in layers
    )
    return cache if layers and is_plain else None


def recorded(step: Callable[[], Any], device: Any) -> Callable[[], None] | None:
    """Return what does a step again, with what its tensors hold then, into the tensors that it returned; None where it
    cannot be recorded, as it waits for the device.
    """
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.device(device), torch.cuda.graph(graph, capture_error_mode="thread_local"):
            step()
    except RuntimeError:
        torch.cuda.synchronize(device)
        return None
    return graph.replay


class StaticSteps:
    """The steps of a number of lanes."""

    is_endless = False

    def __init__(self, forward: Callable[[Any, Any], tuple[Any, Any]], cache: Any, n_lanes: int, device: str) -> None:
        """forward: as Interface.forward; cache: an empty one of constant shape."""
        self._forward, self.cache = forward, cache
        self._tokens = torch.zeros((n_lanes, 1), dtype=torch.int64, device=device)
        self._logits: Any = None
        self._replay: Callable[[], None] | None = None
        if torch.device(device).type == "cuda":
            self._record(device)

    def _record(self, device: str) -> None:
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                self._step()
        torch.cuda.current_stream(device).wait_stream(stream)
        self._replay = recorded(self._step, device)
        self.restart()

    def _step(self) -> None:
        self._logits, _ = self._forward(self._tokens, self.cache)

    def restart(self) -> None:
        """Forget all tokens."""
        self.cache.reset()

    def take_in(self, tokens: Any) -> Any:
        """Take in tokens (n_lanes, n) int64; return the logits behind the last, which stay until the next call."""
        if tokens.shape[1] > 1 or self._replay is None:
            return self._forward(tokens, self.cache)[0]
        self._tokens.copy_(tokens)
        self._replay()
        return self._logits

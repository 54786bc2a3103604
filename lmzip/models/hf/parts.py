"""Parts that take the place of those of torch and transformers: the same arithmetic, in less time.

Keys and values lie in memory that is there from the start; products of a few rows with large matrices, which nearly
all time of a step on a CPU goes into, have the larger one first.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import cache_utils


class RoomyLayer(cache_utils.DynamicLayer):
    """Keys and values of one layer with room for all that come: adding to them copies nothing that is there.

    What it returns has the shapes that transformers' own growing layer returns, so the arithmetic is the same.
    """

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room, self._size = room, 0
        self._buffers: tuple[Any, Any] | None = None

    def update(self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Add keys and values (n_lanes, n_heads, n_tokens, head_dim); return all."""
        if self._buffers is None:
            self.lazy_initialization(key_states, value_states)
            self._buffers = self._empty(key_states), self._empty(value_states)
        end = self._size + key_states.shape[-2]
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, self._size : end] = states
        self._size = end
        self.keys, self.values = (buffer[:, :, :end] for buffer in self._buffers)
        return self.keys, self.values

    def _empty(self, states: Any) -> Any:
        n_lanes, n_heads, _, head_dim = states.shape
        return states.new_zeros((n_lanes, n_heads, self._room, head_dim))


def new_cache(config: Any, room: int) -> Any:
    """Return an empty cache for at most `room` tokens, of whatever kinds of layers a model has."""
    cache = cache_utils.DynamicCache(config=config)
    cache.layers = [RoomyLayer(room) if type(layer) is cache_utils.DynamicLayer else layer for layer in cache.layers]
    return cache


def is_recurrent(cache: Any) -> bool:
    """Return whether what it takes for a token does not grow with those before: then there is no window."""
    states = getattr(cache_utils, "LinearAttentionCacheLayerMixin", None)  # of transformers 5.5 on
    if states is None or not cache.layers:
        return False
    return all(
        isinstance(layer, states) and not isinstance(layer, cache_utils.CacheLayerMixin) for layer in cache.layers
    )


# From here on the libraries' usual order is the faster one in float32.
_MANY_ROWS = 32


class WeightsFirst(torch.nn.Linear):
    """A linear layer that multiplies its weights with its input, not the other way round.

    The libraries copy the second matrix of a product into an order of their own each time; the input is the smaller.
    """

    def forward(self, given: Any) -> Any:
        """given (..., n_in); return (..., n_out)."""
        rows = given.reshape(-1, given.shape[-1])
        if given.dtype == torch.float32 and len(rows) >= _MANY_ROWS:
            return super().forward(given)
        found = torch.mm(self.weight, rows.t())
        if self.bias is not None:
            found += self.bias[:, None]
        return found.t().contiguous().view(*given.shape[:-1], -1)


def put_weights_first(module: torch.nn.Module) -> None:
    """Change all linear layers of a module; those of classes derived from them stay as they are."""
    for part in module.modules():
        if type(part) is torch.nn.Linear:
            part.__class__ = WeightsFirst

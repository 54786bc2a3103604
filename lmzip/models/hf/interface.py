"""How a module of transformers is run step by step, whatever its version calls things: the one place that knows.

Nothing asks for a version: the module tells what it takes and hands back.
"""

from __future__ import annotations

import inspect
from typing import Any

from lmzip.errors import UnsupportedError

# What a step hands to the next, as an argument and in the output: `cache` since transformers 5.24, before that the
# second for keys and values, the third for states of recurrent layers; the last is RWKV's.
_KEPT = ("cache", "past_key_values", "cache_params", "state")
_RECURRENT = ("cache_params", "state")  # of modules that make what they keep themselves: those without a window
_LATER = 1 << 16  # a place behind any convolution's: that, and no more, is what such modules ask of it


class Interface:
    """A module's forward under one name for all; holds no state."""

    def __init__(self, module: Any) -> None:
        """Raises UnsupportedError for a module that keeps nothing between steps."""
        self._module = module
        self._config = module.config.get_text_config(decoder=True)
        taken = inspect.signature(module.forward).parameters
        names = [name for name in _KEPT if name in taken]
        if not names:
            raise _keeps_nothing()
        self._name = names[0]
        self._options: dict[str, Any] = {"use_cache": True}
        if "logits_to_keep" in taken:
            self._options["logits_to_keep"] = 1
        takes_ours = getattr(module, "_supports_default_dynamic_cache", lambda: True)
        self._makes_its_own = self._name == "state" or not takes_ours()
        # Mamba before transformers 5.4 does not count the steps itself.
        self._wants_place = self._makes_its_own and self._name == "cache_params" and "cache_position" in taken

    def new_cache(self, room: int) -> tuple[Any, bool]:
        """Return what a module is given before the first of at most `room` tokens, and whether it never gets full."""
        from lmzip.models.hf.caches import is_recurrent, new_cache

        if self._makes_its_own:
            return None, self._name in _RECURRENT
        cache = new_cache(self._config, room)
        return cache, is_recurrent(cache)

    def forward(self, tokens: Any, cache: Any) -> tuple[Any, Any]:
        """Take in tokens (n_lanes, n) int64; return logits (n_lanes, n_logits) behind the last, and the cache."""
        options = self._options | {self._name: cache}
        if self._wants_place and cache is not None:
            options["cache_position"] = tokens.new_full((1,), _LATER)
        output = self._module(input_ids=tokens, **options)
        kept = next((value for name, value in output.items() if name in _KEPT), None)
        if kept is None:
            raise _keeps_nothing()
        return output.logits[:, -1], kept


def _keeps_nothing() -> UnsupportedError:
    return UnsupportedError("the model keeps nothing between steps, so it would be far too slow")

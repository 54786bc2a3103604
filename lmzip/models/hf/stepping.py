"""Running a module of transformers: the lanes of a block are one batch of constant size, a token each at a time.

The same for both directions.  A model's context is a window.  When it is full, the start and the last half of it are
run again into an empty cache, so that the window slides by halves; recurrent models keep their state instead.  What
versions of transformers call differently, the module is asked for: nothing asks for a version.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lmzip.errors import UnsupportedError

if TYPE_CHECKING:
    from lmzip.models.hf.static import StaticSteps

# The largest float32 below 2^31, so that the conversion to 32-bit integers holds it.
_TOP = float(2**31 - 128)


def token_weights_of(logits: Any, kept: Any) -> np.ndarray:
    """Return floor(2^31 exp(logit - the largest)), within 1 .. 2^31 - 128: (n, n_kept) uint32.

    logits: tensor (n, n_logits) of any dtype and device; kept: (n_kept) int64, the columns wanted, some perhaps
    twice.  The softmax is over those alone.  What is no number counts as impossible, what is infinite as the largest
    number.
    """
    import torch

    # In place: each new array of this size would cost as much as what is computed.
    chosen = logits.index_select(1, kept).float().nan_to_num_(nan=-1e30, posinf=1e30, neginf=-1e30)
    chosen.sub_(chosen.amax(1, keepdim=True)).exp_().mul_(2.0**31).clamp_(1.0, _TOP)
    return chosen.to(torch.int32).cpu().numpy().view(np.uint32)


# What a step hands to the next, as an argument and in the output: `cache` since transformers 5.24, before that the
# second for keys and values, the third for states of recurrent layers; the last is RWKV's.
_KEPT = ("cache", "past_key_values", "cache_params", "state")
_RECURRENT = ("cache_params", "state")  # of modules that make what they keep themselves: those without a window
_LATER = 1 << 16  # a place behind any convolution's: that, and no more, is what such modules ask of it


class Interface:
    """A module's forward under one name for all; holds no state."""

    def __init__(self, module: Any) -> None:
        """Raises UnsupportedError for a module that keeps nothing between steps."""
        self.module = module
        self.config = module.config.get_text_config(decoder=True)
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
        from lmzip.models.hf.parts import is_recurrent, new_cache

        if self._makes_its_own:
            return None, self._name in _RECURRENT
        cache = new_cache(self.config, room)
        return cache, is_recurrent(cache)

    def forward(self, tokens: Any, cache: Any) -> tuple[Any, Any]:
        """Take in tokens (n_lanes, n) int64; return logits (n_lanes, n_logits) behind the last, and the cache."""
        options = self._options | {self._name: cache}
        if self._wants_place and cache is not None:
            options["cache_position"] = tokens.new_full((1,), _LATER)
        output = self.module(input_ids=tokens, **options)
        kept = next((value for name, value in output.items() if name in _KEPT), None)
        if kept is None:
            raise _keeps_nothing()
        return output.logits[:, -1], kept


def _keeps_nothing() -> UnsupportedError:
    return UnsupportedError("the model keeps nothing between steps, so it would be far too slow")


class GrowingSteps:
    """The steps of a number of lanes, in a cache that grows, or in a state."""

    def __init__(self, interface: Interface, room: int) -> None:
        self._interface, self._room = interface, room
        self.restart()

    def restart(self) -> None:
        """Forget all tokens."""
        self.cache, self.is_endless = self._interface.new_cache(self._room)

    def take_in(self, tokens: Any) -> Any:
        """Take in tokens (n_lanes, n) int64; return the logits behind the last."""
        logits, self.cache = self._interface.forward(tokens, self.cache)
        return logits


MAX_WINDOW = 1024  # tokens: beyond, little is gained, while memory and time grow
_MAX_PIECE = 512  # tokens of all lanes together that are run at once when a window slides
_MIN_WINDOW = 8
_LEAST_HALVED = 128  # as of the exact transformers (TRANSFORMER 10)
_POSITIONS = ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len", "seq_length", "n_ctx")


def window_of(config: Any) -> int:
    """Return how many tokens a model is given at once: those that it has positions for, at most MAX_WINDOW."""
    limits = [getattr(config, name, None) for name in _POSITIONS]
    known = [limit for limit in limits if type(limit) is int and limit > 0]
    return max(_MIN_WINDOW, min([MAX_WINDOW, *known[:1]]) // 2 * 2)


def halved(window: int, n_halvings: int) -> int:
    """Return what a window is halved to for speed: an even number of tokens, as the window itself."""
    return max(min(window, _LEAST_HALVED), (window >> n_halvings) // 2 * 2)


class Runner(Interface):
    """A loaded module with the numbers of its tokens: makes lanes; holds no state of its own."""

    def __init__(self, module: Any, device: str, numbers: list[int | None], bos_id: int) -> None:
        """numbers: the module's own number of each token of the vocabulary, None where it has none for a single byte,
        in whose place it is fed `bos_id`, the token that every text begins with.

        Raises UnsupportedError for a module that keeps nothing between steps.
        """
        import torch

        super().__init__(module)
        self.device, self.window = device, window_of(self.config)
        self.n_vocab, self.bos_id = len(numbers), bos_id
        self.fed = np.array([*(bos_id if n is None else n for n in numbers), bos_id], np.int64)  # (n_vocab + 1)
        # The module's number of each token, (n_vocab); any of them for the missing.
        some = next((n for n in numbers if n is not None), 0)
        self.kept = torch.tensor([some if n is None else n for n in numbers], dtype=torch.int64, device=device)
        self.missing = [token for token, n in enumerate(numbers) if n is None]
        self.is_static = torch.device(device).type == "cuda"  # whether steps are to have constant shapes

    def new_steps(self, n_lanes: int, room: int) -> GrowingSteps | StaticSteps:
        """Return what takes in up to `room` tokens of each lane at a time."""
        from lmzip.models.hf.static import StaticSteps, new_static_cache

        if self.is_static and not self._makes_its_own and (cache := new_static_cache(self.config, room)) is not None:
            return StaticSteps(self.forward, cache, n_lanes, self.device)
        return GrowingSteps(self, room)


class Lanes:
    """The lanes of one block, all at the same place in their windows; ended ones are fed what is not looked at."""

    def __init__(self, runner: Runner, n_lanes: int, window: int) -> None:
        """window: tokens, an even number; no more than the model's own are used."""
        self._runner = runner
        self._window = min(window, runner.window)
        self._tokens = np.full((n_lanes, self._window), runner.bos_id, np.int64)  # taken in since the start
        self._n_tokens = 0
        self.steps = runner.new_steps(n_lanes, self._window)
        self._last = np.full(n_lanes, runner.bos_id, np.int64)

    def fill(self, token_at: Callable[[int], int]) -> None:
        """Make the window full of tokens that are told by their places, the same in all lanes; for the probe."""
        if not self.steps.is_endless:
            self._tokens[:] = self._runner.fed[[token_at(place) for place in range(self._window)]]
            self._n_tokens = self._window

    def predict(self, lanes: list[int], tokens: list[int]) -> np.ndarray:
        """Return weights (n, n_vocab) uint32 of the next tokens of some lanes, given the last of each.

        As native.Predict; the lanes of a call are among those of the one before.
        """
        runner = self._runner
        self._last[lanes] = runner.fed[tokens]
        if self._n_tokens == self._window:
            self._slide()
        if not self.steps.is_endless:
            self._tokens[:, self._n_tokens] = self._last
            self._n_tokens += 1
        found = token_weights_of(self._take_in(self._last[:, None]), runner.kept)
        found[:, runner.missing] = 1
        return found if len(lanes) == len(found) else found[lanes]

    def _slide(self) -> None:
        """Make room: begin anew with the start and the tokens of the last half of the window but one."""
        n_lanes, half = len(self._tokens), self._window // 2
        self._tokens[:, 1:half] = self._tokens[:, half + 1 :]
        self._tokens[:, 0] = self._runner.bos_id
        self._n_tokens = half
        self.steps.restart()
        size = max(1, _MAX_PIECE // n_lanes)
        for at in range(0, half, size):
            self._take_in(self._tokens[:, at : min(at + size, half)])

    def _take_in(self, tokens: np.ndarray) -> Any:
        """Take in tokens (n_lanes, n); return the logits behind the last."""
        import torch

        taken = torch.from_numpy(np.ascontiguousarray(tokens)).to(self._runner.device)
        return self.steps.take_in(taken)

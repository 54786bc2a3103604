"""One procedure for both directions: the lanes of a block are one batch of constant size, a token each at a time.

A model's context is a window.  When it is full, the start and the last half of it are run again into an empty cache, so
that the window slides by halves; recurrent models keep their state instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lmzip.models.hf.exponentials import exponentials_of
from lmzip.models.hf.interface import Interface

MAX_WINDOW = 1024  # tokens: beyond, little is gained, while memory and time grow
_MAX_PIECE = 512  # tokens of all lanes together that are run at once when a window slides
_MIN_WINDOW = 8
_LEAST_HALVED = 128  # as of the exact transformers (ARITHMETIC 9.6)
_POSITIONS = ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len", "seq_length", "n_ctx")


def window_of(config: Any) -> int:
    """Return how many tokens a model is given at once: those that it has positions for, at most MAX_WINDOW."""
    limits = [getattr(config, name, None) for name in _POSITIONS]
    known = [limit for limit in limits if type(limit) is int and limit > 0]
    return max(_MIN_WINDOW, min([MAX_WINDOW, *known[:1]]) // 2 * 2)


def halved(window: int, n_halvings: int) -> int:
    """Return what a window is halved to for speed: an even number of tokens, as the window itself."""
    return max(min(window, _LEAST_HALVED), (window >> n_halvings) // 2 * 2)


class Runner:
    """A loaded module with the numbers of its tokens: makes lanes; holds no state of its own."""

    def __init__(self, module: Any, device: str, numbers: list[int | None], start: int) -> None:
        """numbers: the module's own number of each token of the vocabulary, None where it has none for a single byte,
        in whose place it is fed `start`, the number of the token that every text begins with.

        Raises UnsupportedError for a module that keeps nothing between steps.
        """
        import torch

        self.module, self.device = module, device
        self.config = module.config.get_text_config(decoder=True)
        self.window = window_of(self.config)
        self.n_vocab, self.start = len(numbers), start
        self.fed = np.array([*(start if n is None else n for n in numbers), start], np.int64)  # (n_vocab + 1)
        # The module's number of each token, (n_vocab); any of them for the missing.
        some = next((n for n in numbers if n is not None), 0)
        self.kept = torch.tensor([some if n is None else n for n in numbers], dtype=torch.int64, device=device)
        self.missing = [token for token, n in enumerate(numbers) if n is None]
        self._interface = Interface(module)

    def new_cache(self, room: int) -> tuple[Any, bool]:
        """Return what a module is given before the first token, and whether it never gets full."""
        return self._interface.new_cache(room)

    def forward(self, tokens: Any, cache: Any) -> tuple[Any, Any]:
        """Take in tokens (n_lanes, n) int64; return logits (n_lanes, n_logits) behind the last, and the cache."""
        return self._interface.forward(tokens, cache)


class Lanes:
    """The lanes of one block, all at the same place in their windows; ended ones are fed what is not looked at."""

    def __init__(self, runner: Runner, n_lanes: int, window: int) -> None:
        """window: tokens, an even number; no more than the model's own are used."""
        self._runner = runner
        self._window = min(window, runner.window)
        self._tokens = np.full((n_lanes, self._window), runner.start, np.int64)  # taken in since the start
        self._n_tokens = 0
        self._cache, self._is_endless = runner.new_cache(self._window)
        self._last = np.full(n_lanes, runner.start, np.int64)

    def fill(self, token_at: Callable[[int], int]) -> None:
        """Make the window full of tokens that are told by their places, the same in all lanes; for the probe."""
        if not self._is_endless:
            self._tokens[:] = self._runner.fed[[token_at(place) for place in range(self._window)]]
            self._n_tokens = self._window

    def predict(self, lanes: list[int], tokens: list[int]) -> np.ndarray:
        """Return exponentials (n, n_vocab) uint32 of the next tokens of some lanes, given the last of each.

        As native.outside.Predict; the lanes of a call are among those of the one before.
        """
        runner = self._runner
        self._last[lanes] = runner.fed[tokens]
        if self._n_tokens == self._window:
            self._slide()
        if not self._is_endless:
            self._tokens[:, self._n_tokens] = self._last
            self._n_tokens += 1
        found = self._run(self._last[:, None])
        found[:, runner.missing] = 1
        return found if len(lanes) == len(found) else found[lanes]

    def _run(self, tokens: np.ndarray) -> np.ndarray:
        """Take in tokens (n_lanes, n); return exponentials (n_lanes, n_vocab), of no meaning for missing tokens."""
        import torch

        taken = torch.from_numpy(tokens).to(self._runner.device)
        logits, self._cache = self._runner.forward(taken, self._cache)
        return exponentials_of(logits, self._runner.kept)

    def _slide(self) -> None:
        """Make room: begin anew with the start and the tokens of the last half of the window but one."""
        n_lanes, half = len(self._tokens), self._window // 2
        self._tokens[:, 1:half] = self._tokens[:, half + 1 :]
        self._tokens[:, 0] = self._runner.start
        self._n_tokens = half
        self._cache, _ = self._runner.new_cache(self._window)
        size = max(1, _MAX_PIECE // n_lanes)
        for at in range(0, half, size):
            self._take_in(self._tokens[:, at : min(at + size, half)])

    def _take_in(self, tokens: np.ndarray) -> None:
        import torch

        taken = torch.from_numpy(np.ascontiguousarray(tokens)).to(self._runner.device)
        _, self._cache = self._runner.forward(taken, self._cache)

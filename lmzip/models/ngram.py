"""The built-in model: the adaptive n-gram predictor of the native kernel, without trained weights."""

from __future__ import annotations

from lmzip import native
from lmzip.models.base import Model, Progress


class NgramModel(Model):
    """The methods of the kernel's table of predictors (ARITHMETIC) without a net; a plain header means this model."""

    name = "ngram"
    methods = frozenset(range(1, native.NET_METHOD))

    @property
    def digest(self) -> bytes:
        return b""

    def _net_for(self, method: int) -> native.Net | None:
        """Return the net that the kernel needs for a method: none here, other models have one."""
        return None

    def encode_block(
        self, raw, method: int, n_lanes: int = 1, progress: Progress | None = None, n_threads: int = 1
    ) -> bytes | None:
        return native.encode_block(raw, method, n_lanes, progress, self._net_for(method), n_threads)

    def decode_block(
        self,
        payload,
        raw_size: int,
        method: int,
        n_lanes: int = 1,
        progress: Progress | None = None,
        n_threads: int = 1,
    ):
        return native.decode_block(payload, raw_size, method, n_lanes, progress, self._net_for(method), n_threads)

    def memory_size(self, method: int, raw_size: int, n_lanes: int = 1) -> int:
        return native.memory_size(method, raw_size, n_lanes, self._net_for(method))

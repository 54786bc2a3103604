"""The built-in model: the adaptive n-gram predictor of the native kernel, without trained weights."""

from __future__ import annotations

from lmzip import native
from lmzip.models.base import Model, Progress


class NgramModel(Model):
    """Every method of the kernel's table of predictors (ARITHMETIC); a frame's plain header means this model."""

    name = "ngram"
    digest = b""
    methods = frozenset(range(1, native.NET_METHOD))

    def encode_block(
        self, raw, method: int, n_lanes: int = 1, progress: Progress | None = None, n_threads: int = 1
    ) -> bytes | None:
        return native.encode_block(raw, method, n_lanes, progress)

    def decode_block(
        self,
        payload,
        raw_size: int,
        method: int,
        n_lanes: int = 1,
        progress: Progress | None = None,
        n_threads: int = 1,
    ):
        return native.decode_block(payload, raw_size, method, n_lanes, progress)

    def memory_size(self, method: int, raw_size: int, n_lanes: int = 1) -> int:
        return native.memory_size(method, raw_size, n_lanes)

"""Byte-level nets mixed with the n-gram predictor, exact on every machine: one instance per weight file."""

from __future__ import annotations

import threading
from pathlib import Path

from lmzip import native
from lmzip.models import weights
from lmzip.models.base import Model, Progress


class ByteLmModel(Model):
    """The kernel's methods with a net (ARITHMETIC 8), and those without for blocks where the net does not pay."""

    methods = frozenset(range(1, native.N_METHODS + 1))

    def __init__(self, path: Path) -> None:
        """Read a weight file; raises OSError, UnsupportedError if it is not one of a net."""
        self.path = path
        self._data: bytes | None = weights.read(path)
        self.config = weights.metadata(self._data, path)
        self.name = self.config["name"]
        self.size = len(self._data)
        self.digest = weights.digest_of(self._data)
        self._net: native.Net | None = None
        self._lock = threading.Lock()

    @property
    def net(self) -> native.Net:
        """The net in the kernel, unpacked when first asked for; raises UnsupportedError."""
        with self._lock:
            if self._net is None:
                assert self._data is not None
                self._net = weights.load_net(self._data, self.path)
                self._data = None
            return self._net

    def _net_for(self, method: int) -> native.Net | None:
        return self.net if method >= native.NET_METHOD else None

    def needs_weights(self, method: int) -> bool:
        return method >= native.NET_METHOD

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

"""Byte-level nets mixed with the n-gram predictor, exact on every machine: one instance per weight file."""

from __future__ import annotations

import threading
from pathlib import Path

from lmzip import native
from lmzip.models import weights
from lmzip.models.ngram import NgramModel


class ByteLmModel(NgramModel):
    """The built-in model with a net: adds the kernel's methods with one (ARITHMETIC 8), keeps all those without."""

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
        return self.net if self.needs_weights(method) else None

    def needs_weights(self, method: int) -> bool:
        return method >= native.NET_METHOD

    def shared_size(self, method: int) -> int:
        # The file is kept until the net is unpacked, and both are there while it is.
        return 2 * self.size if self.needs_weights(method) else self.size

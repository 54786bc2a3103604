"""Byte-level nets mixed with the n-gram predictor, exact on every machine: one instance per weight file."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from lmzip import native
from lmzip.errors import ModelMissingError
from lmzip.models import weights
from lmzip.models.ngram import NgramModel

_PARSER_SIZE = 8 << 20  # address space of safetensors, which comes with the weights


class ByteLmModel(NgramModel):
    """The built-in model with a net: adds the kernel's methods with one (ARITHMETIC 8), keeps all those without."""

    methods = frozenset(range(1, native.TOKEN_METHOD))

    def __init__(self, path: Path) -> None:
        """Read the header of a weight file; raises OSError, UnsupportedError if it is not one of a net."""
        self.path = path
        self.config, self.size = weights.inspect(path)
        self.name = self.config["name"]
        self._net: native.Net | None = None
        self._lock = threading.Lock()

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the weight file, read when first asked for; raises ModelMissingError, UnsupportedError."""
        return self._read(weights.digest_of_file)

    @property
    def net(self) -> native.Net:
        """The net in the kernel, unpacked when first asked for; raises ModelMissingError, UnsupportedError."""
        with self._lock:
            if self._net is None:
                data = self._read(weights.read)
                digest = weights.digest_of(data)
                # What was asked for by its digest is not to be another file by now; where nobody asked, this is it.
                if vars(self).setdefault("digest", digest) != digest:
                    raise ModelMissingError(f"the model {self.path} changed meanwhile")
                self._net = weights.load_net(data, self.path)
            return self._net

    def _read(self, read: Callable[[Path], bytes]) -> bytes:
        try:
            return read(self.path)
        except OSError as error:
            raise ModelMissingError(f"cannot read the model {self.path}: {error.strerror}") from None

    def _net_for(self, method: int) -> native.Net | None:
        return self.net if self.needs_weights(method) else None

    def needs_weights(self, method: int) -> bool:
        return method >= native.NET_METHOD

    def shared_size(self, method: int) -> int:
        # The file and the net are both there while it is unpacked.
        return 2 * self.size if self.needs_weights(method) else 0

    def loading_size(self, method: int) -> int:
        # The file, its tensors and the net.  What is written in Rust panics, or even hangs, where memory ends.
        is_loaded = self._net is not None or not self.needs_weights(method)
        return 0 if is_loaded else 3 * self.size + self.size // 8 + _PARSER_SIZE

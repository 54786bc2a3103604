"""Byte-level nets mixed with the n-gram predictor, exact on every machine: one instance per weight file."""

from __future__ import annotations

import threading
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from lmzip import native
from lmzip.errors import ModelMissingError
from lmzip.models import weights
from lmzip.models.base import readable
from lmzip.models.ngram import NgramModel
from lmzip.native.bytelm import Net


class ByteLmModel(NgramModel):
    """The built-in model with a net (ARITHMETIC 10)."""

    kind = 1
    unit = native.BYTES

    def __init__(self, path: Path) -> None:
        """Read the header of a weight file; raises OSError, UnsupportedError if it is not one of a net."""
        self.path = path
        self.config, self.size = weights.inspect(path)
        self.name = self.config["name"]
        self._net: Net | None = None
        self._lock = threading.Lock()

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the weight file, read when first asked for; raises ModelMissingError, UnsupportedError."""
        with readable(self.path):
            return weights.digest_of_file(self.path)

    def expert(self) -> Net:
        """Return the net in the kernel, unpacked when first asked for; raises ModelMissingError, UnsupportedError."""
        with self._lock:
            if self._net is None:
                with readable(self.path):
                    data = weights.read(self.path)
                digest = sha256(data).digest()
                # What was asked for by its digest is not to be another file by now; where nobody asked, this is it.
                if vars(self).setdefault("digest", digest) != digest:
                    raise ModelMissingError(f"the model {self.path} changed meanwhile")
                self._net = weights.load_net(data, self.path)
            return self._net

    def weights_size(self) -> int:
        return 2 * self.size  # the file and the net are both there while it is unpacked

    def loading_size(self) -> int:
        # The file, its matrices in a row, the net, and what packs it.
        return 0 if self._net is not None else 3 * self.size + self.size // 8

"""Transformers mixed with the n-gram predictor, exact on every machine: one instance per weight file."""

from __future__ import annotations

import os
import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmzip import native
from lmzip.errors import ModelMissingError, UnsupportedError
from lmzip.models import weights
from lmzip.models.ngram import NgramModel

if TYPE_CHECKING:
    from lmzip.models.base import Progress
    from lmzip.models.cutting import Cutter
    from lmzip.native.transformer import Transformer


_MODULES_SIZE = 64 << 20  # address space of NumPy, safetensors and tokenizers, which come with the weights
MAX_LANES = 64  # of a block (ARITHMETIC 9.10), as lmzip.native.transformer.MAX_LANES


class TransformerModel(NgramModel):
    """The built-in model with a transformer: adds the kernel's methods of tokens, keeps those without a net."""

    methods = frozenset([*range(1, native.NET_METHOD), *range(native.TOKEN_METHOD, native.N_METHODS + 1)])

    def __init__(self, path: Path) -> None:
        """Read the header of a weight file; raises OSError, UnsupportedError if it is not one of a transformer."""
        self.path = path
        self.config, self.size = weights.inspect(path)
        self.name = self.config["name"]
        self._loaded: Transformer | None = None
        self._cutter: Cutter | None = None
        self._lock = threading.Lock()

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the weight file, read when first asked for; raises ModelMissingError, UnsupportedError."""
        self._identity = self._identify()
        try:
            return weights.digest_of_file(self.path)
        except OSError as error:
            raise self._missing(error) from None

    @property
    def transformer(self) -> Transformer:
        """The transformer in the kernel, loaded when first asked for; raises ModelMissingError, UnsupportedError."""
        with self._lock:
            if self._loaded is None:
                self._loaded = self._read("load")
            return self._loaded

    @property
    def cutter(self) -> Cutter:
        """What cuts text for the encoder; raises as `transformer` does."""
        with self._lock:
            if self._cutter is None:
                self._cutter = self._read("cutter")
            return self._cutter

    def _read(self, what: str) -> Any:
        """Read a part of the file, which is still to be the one whose digest is known."""
        from lmzip.models import transformer_file

        assert self.digest
        try:
            part = getattr(transformer_file, what)(self.path, self.config)
        except OSError as error:
            raise self._missing(error) from None
        except UnsupportedError:
            self._check_unchanged()
            raise
        self._check_unchanged()
        return part

    def _check_unchanged(self) -> None:
        if self._identify() != self._identity:
            raise ModelMissingError(f"the model {self.path} changed meanwhile")

    def _transformer_for(self, method: int, n_lanes: int) -> Transformer | None:
        """Return what the kernel needs for a method; raises as `transformer`, UnsupportedError for too many lanes."""
        if not self.needs_weights(method):
            return None
        if n_lanes > MAX_LANES:
            raise UnsupportedError(f"needs a newer lmzip: {n_lanes} lanes with a transformer")
        return self.transformer

    def _identify(self) -> tuple[int, ...]:
        try:
            status = os.stat(self.path)
        except OSError as error:
            raise self._missing(error) from None
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns

    def _missing(self, error: OSError) -> ModelMissingError:
        return ModelMissingError(f"cannot read the model {self.path}: {error.strerror}")

    def encode_block(
        self, raw, method: int, n_lanes: int = 1, progress: Progress | None = None, n_threads: int = 1
    ) -> bytes | None:
        if not self.needs_weights(method):
            return super().encode_block(raw, method, n_lanes, progress, n_threads)
        transformer = self._transformer_for(method, n_lanes)
        chunk_size = -(-len(raw) // n_lanes)
        chunks = [bytes(raw[at : at + chunk_size]) for at in range(0, len(raw), chunk_size)]
        sizes = b"".join(map(self.cutter.sizes, chunks))
        return native.encode_block(raw, method, n_lanes, progress, None, n_threads, transformer, sizes)

    def decode_block(
        self,
        payload,
        raw_size: int,
        method: int,
        n_lanes: int = 1,
        progress: Progress | None = None,
        n_threads: int = 1,
    ):
        transformer = self._transformer_for(method, n_lanes)
        return native.decode_block(payload, raw_size, method, n_lanes, progress, None, n_threads, transformer)

    def memory_size(self, method: int, raw_size: int, n_lanes: int = 1) -> int:
        transformer = self._transformer_for(method, n_lanes)
        return native.memory_size(method, raw_size, n_lanes, None, transformer)

    def needs_weights(self, method: int) -> bool:
        return method >= native.TOKEN_METHOD

    def shared_size(self, method: int) -> int:
        # The embeddings are there twice: as rows to take in and as the matrix of the last product.
        return self.size + self.size // 2 if self.needs_weights(method) else 0

    def loading_size(self, method: int) -> int:
        # While it is unpacked the file is mapped, and one of its tensors copied.  Rather too much than too little: what
        # is written in Rust panics, or even hangs, where memory ends meanwhile.
        is_loaded = self._loaded is not None or not self.needs_weights(method)
        return 0 if is_loaded else self.shared_size(method) + self.size + self.size // 4 + _MODULES_SIZE

"""Transformers mixed with the n-gram predictor, exact on every machine: one instance per weight file."""

from __future__ import annotations

import os
import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmzip import native
from lmzip.block import DEFAULT_RUN, BlockSpec, Run
from lmzip.errors import ModelMissingError, UnsupportedError
from lmzip.models import weights
from lmzip.models.ngram import NgramModel

if TYPE_CHECKING:
    from lmzip.native.llama import Transformer
    from lmzip.tokenizers.tokenizer import Tokenizer


_MODULES_SIZE = 64 << 20  # address space of NumPy and tokenizers, which come with the weights


class LlamaModel(NgramModel):
    """The built-in model with a transformer (TRANSFORMER)."""

    kind = 2
    has_tokens = True
    unit = native.TOKENS

    def __init__(self, path: Path) -> None:
        """Read the header of a weight file; raises OSError, UnsupportedError if it is not one of a transformer."""
        self.path = path
        self.config, self.size = weights.inspect(path)
        self.name = self.config["name"]
        self._loaded: Transformer | None = None
        self._tokenizer: Tokenizer | None = None
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
    def tokenizer(self) -> Tokenizer:
        """What cuts text for the encoder; raises as `transformer` does."""
        with self._lock:
            if self._tokenizer is None:
                self._tokenizer = self._read("tokenizer")
            return self._tokenizer

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

    def expert(self) -> Transformer:
        return self.transformer

    def _identify(self) -> tuple[int, ...]:
        try:
            status = os.stat(self.path)
        except OSError as error:
            raise self._missing(error) from None
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns

    def _missing(self, error: OSError) -> ModelMissingError:
        return ModelMissingError(f"cannot read the model {self.path}: {error.strerror}")

    def encode(self, raw, spec: BlockSpec, run: Run = DEFAULT_RUN) -> bytes | None:
        if not spec.uses_model:
            return super().encode(raw, spec, run)
        chunks = [bytes(raw[start:end]) for start, end in spec.chunks()]
        sizes = b"".join(map(self.tokenizer.sizes, chunks))
        return native.encode_block(raw, spec, self.transformer, run, token_sizes=sizes)

    def weights_size(self) -> int:
        # The embeddings are there twice: as rows to take in and as the matrix of the last product.
        return self.size + self.size // 2

    def loading_size(self) -> int:
        # While it is unpacked the file is mapped, and one of its tensors copied.  Rather too much than too little: what
        # is written in Rust panics, or even hangs, where memory ends meanwhile.
        if self._loaded is not None:
            return 0
        return self.weights_size() + self.size + self.size // 4 + _MODULES_SIZE

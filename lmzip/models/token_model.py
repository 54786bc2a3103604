"""Models that predict tokens: their files are those of the digest, and text is cut as their tokenizers do."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lmzip import native
from lmzip.block import BlockSpec
from lmzip.errors import ModelMissingError
from lmzip.models.base import readable
from lmzip.models.ngram import NgramModel
from lmzip.weights.files import identity_of

if TYPE_CHECKING:
    from lmzip.tokenizers.tokenizer import Tokenizer


class TokenModel(NgramModel):
    """The built-in model with one of tokens."""

    has_tokens = True
    unit = native.TOKENS

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self._lock = threading.RLock()
        self._tokenizer: Tokenizer | None = None

    @abstractmethod
    def _files(self) -> Iterable[Path]:
        """Return the files that must not change behind the digest."""

    @abstractmethod
    def _hash(self) -> bytes:
        """Return SHA-256 of the files; raises OSError, UnsupportedError."""

    @abstractmethod
    def _load_tokenizer(self) -> Tokenizer:
        """Raises ModelMissingError, UnsupportedError without the package `tokenizers`."""

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the files, read when first asked for; raises ModelMissingError, UnsupportedError."""
        with readable(self.path):
            self._identity = identity_of(self._files())
            return self._hash()

    @contextmanager
    def _unchanged(self) -> Iterator[None]:
        """Within: files are read, which are to be those of the digest; raises ModelMissingError, UnsupportedError."""
        assert self.digest
        with readable(self.path):
            try:
                yield
            finally:
                if identity_of(self._files()) != self._identity:
                    raise ModelMissingError(f"the model {self.path} changed meanwhile")

    @property
    def tokenizer(self) -> Tokenizer:
        """What cuts text for the encoder, loaded when first asked for."""
        with self._lock:
            if self._tokenizer is None:
                self._tokenizer = self._load_tokenizer()
            return self._tokenizer

    def token_sizes(self, raw, spec: BlockSpec) -> bytes:
        """Return the sizes of the tokens of a block, a byte each."""
        return b"".join(self.tokenizer.sizes(bytes(raw[start:end])) for start, end in spec.chunks())

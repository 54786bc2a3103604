"""A model whose blocks of bytes begin behind a dictionary: any other but those of tokens, told so block by block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lmzip.block import BYTES, DEFAULT_RUN, BlockSpec, Run
from lmzip.dictionary import Dictionary
from lmzip.errors import UnsupportedError
from lmzip.models.base import Model, Steps


def behind(model: Model, dictionary: Dictionary | None) -> Model:
    """Return the model behind a dictionary, itself where there is none; raises UnsupportedError for one of tokens."""
    if dictionary is None:
        return model
    if model.has_tokens:
        raise UnsupportedError(f"the model {model.name} takes no dictionary, as models of tokens do not")
    return _WithDictionary(model, dictionary)


class _WithDictionary(Model):
    """Passes all on; what is no sample of an image or sound begins behind the dictionary."""

    def __init__(self, model: Model, dictionary: Dictionary) -> None:
        self.name, self.kind = model.name, model.kind
        self.prefers_batching, self.numerics = model.prefers_batching, model.numerics
        self.dictionary = dictionary
        self._model = model

    @property
    def plain(self) -> Model:
        return self._model

    @property
    def digest(self) -> bytes:
        return self._model.digest

    @property
    def fingerprint(self) -> bytes:
        return self._model.fingerprint

    def _behind(self, spec: BlockSpec) -> BlockSpec:
        return replace(spec, dictionary=self.dictionary) if spec.content == BYTES else spec

    def takes(self, spec: BlockSpec) -> bool:
        return self._model.takes(spec)

    def encode(self, raw, spec: BlockSpec, run: Run = DEFAULT_RUN) -> bytes | None:
        return self._model.encode(raw, self._behind(spec), run)

    def decode(self, payload, spec: BlockSpec, run: Run = DEFAULT_RUN) -> memoryview:
        return self._model.decode(payload, self._behind(spec), run)

    def sample(self, given, bits: bytes, spec: BlockSpec, progress: Callable[[int], None] | None = None) -> bytes:
        return self._model.sample(given, bits, self._behind(spec), progress)

    def costs(self, raw, spec: BlockSpec, run: Run = DEFAULT_RUN) -> Steps:
        return self._model.costs(raw, self._behind(spec), run)

    def load(self) -> None:
        self._model.load()

    def memory_size(self, spec: BlockSpec) -> int:
        spec = self._behind(spec)
        # The dictionary stands before the raw bytes, in memory of its own.
        return self._model.memory_size(spec) + (spec.dictionary_size + spec.raw_size if spec.dictionary else 0)

    def learned_size(self, spec: BlockSpec) -> int:
        return self._model.learned_size(self._behind(spec))

    def weights_size(self) -> int:
        return self._model.weights_size()

    def loading_size(self) -> int:
        return self._model.loading_size()

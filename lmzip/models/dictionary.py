"""A model whose blocks of bytes begin behind a dictionary: any but those in floating point, told so block by block."""

from __future__ import annotations

from dataclasses import replace

from lmzip.block import BYTES, BlockSpec
from lmzip.dictionary import Dictionary
from lmzip.errors import UnsupportedError
from lmzip.models.base import Model
from lmzip.models.wrapped import WrappedModel


def behind(model: Model, dictionary: Dictionary | None) -> Model:
    """Return the model behind a dictionary, itself where there is none; raises UnsupportedError for one without."""
    if dictionary is None:
        return model
    if not model.takes_dictionary:
        raise UnsupportedError(f"the model {model.name} takes no dictionary, as models in floating point do not")
    return _WithDictionary(model, dictionary)


class _WithDictionary(WrappedModel):
    """What is no sample of an image or sound begins behind the dictionary."""

    def __init__(self, model: Model, dictionary: Dictionary) -> None:
        super().__init__(model)
        self.dictionary = dictionary

    def _spec(self, spec: BlockSpec) -> BlockSpec:
        return replace(spec, dictionary=self.dictionary) if spec.content == BYTES else spec

    def memory_size(self, spec: BlockSpec) -> int:
        spec = self._spec(spec)
        # The dictionary stands before the raw bytes, in memory of its own.
        return self._model.memory_size(spec) + (spec.dictionary_size + spec.raw_size if spec.dictionary else 0)

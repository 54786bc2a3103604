"""A model whose blocks have copies of an original: any but those of tokens, told so for whoever makes the blocks."""

from __future__ import annotations

from lmzip.errors import UnsupportedError
from lmzip.models.base import Model
from lmzip.models.wrapped import WrappedModel
from lmzip.original import Original


def patching(model: Model, original: Original | None) -> Model:
    """Return the model with an original, itself where there is none; raises UnsupportedError for one of tokens."""
    if original is None:
        return model
    if model.has_tokens:
        raise UnsupportedError(f"the model {model.name} takes no original, as models of tokens do not")
    return _WithOriginal(model, original)


class _WithOriginal(WrappedModel):
    """What is coded of a block is the same as without."""

    def __init__(self, model: Model, original: Original) -> None:
        super().__init__(model)
        self.original = original

    @property
    def unpatched(self) -> Model:
        return self._model

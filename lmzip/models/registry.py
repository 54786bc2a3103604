"""Which models there are: from a name or a digest to a model, loaded when first asked for."""

from __future__ import annotations

from functools import cache

from lmzip.errors import ModelMissingError
from lmzip.models.base import Model

BUILT_IN = "ngram"


def names() -> list[str]:
    """Return the names of the models that are here; loads none."""
    return [BUILT_IN]


@cache
def by_name(name: str = BUILT_IN) -> Model:
    """Return the model of that name; raises ModelMissingError."""
    if name != BUILT_IN:
        raise ModelMissingError(f"no model {name} here; there is {', '.join(names())}")
    from lmzip.models.ngram import NgramModel  # loads the kernel

    return NgramModel()


def by_digest(digest: bytes, name: str) -> Model:
    """Return the model with these weights; `name` only serves the message.  Raises ModelMissingError.

    The built-in model has no weights, hence no digest: no model that is here can be asked for by one.
    """
    raise ModelMissingError(f"needs the model {name} (sha256 {digest.hex()}), which is not here")

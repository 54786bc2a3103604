"""The registry of the library: the models that its functions and file objects share, so that each is loaded once.

Whoever wants other settings, or a place of search of their own, puts another Registry here.
"""

from __future__ import annotations

from typing import Any

from lmzip.dictionary import Dictionary
from lmzip.models.base import Model
from lmzip.models.registry import Registry
from lmzip.original import Original

registry = Registry()


def find_model(model: str | Model | None) -> Model | None:
    """Return the model of that name or path, or the model itself; None for the level's own.

    Raises TypeError, ModelMissingError, UnsupportedError for a file that holds no model.
    """
    if model is None or isinstance(model, Model):
        return model
    if not isinstance(model, str):
        raise TypeError(f"model must be a name, a path or a Model, not {type(model).__name__}")
    return registry.model(model)


def find_dictionary(dictionary: Any) -> Dictionary | None:
    """Return what bytes-like data are as a dictionary, or the dictionary itself; None for none.

    Raises TypeError, ValueError for no bytes.
    """
    return dictionary if dictionary is None or isinstance(dictionary, Dictionary) else Dictionary(dictionary)


def find_original(patch_from: Any) -> Original | None:
    """Return what bytes-like data are as an original, or the original itself; None for none.

    Raises TypeError, ValueError for no bytes.
    """
    return patch_from if patch_from is None or isinstance(patch_from, Original) else Original(patch_from)

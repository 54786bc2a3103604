"""The kinds of models, a row each: what a frame's header calls them (FORMAT 3.2) and which module has them."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

from lmzip.format.header import FLOAT_KIND, NET_KIND, TRANSFORMER_KIND


class Kind(NamedTuple):
    """A kind of models that have weights."""

    number: int  # in the format
    name: str  # in metadata of weight files; "" for models that have none
    module: str  # loaded when the first such model is opened
    opener: str  # in it: takes the path of a weight file and returns a Model; or FloatModels
    exact: bool  # its arithmetic is of integers, the same on every machine

    def load_opener(self) -> Any:
        """Import the module and return what opens such models."""
        return getattr(import_module(self.module), self.opener)


KINDS = (
    Kind(NET_KIND, "bytelm-1", "lmzip.models.bytelm", "ByteLmModel", True),
    Kind(TRANSFORMER_KIND, "transformer-1", "lmzip.models.llama", "LlamaModel", True),
    Kind(FLOAT_KIND, "", "lmzip.models.hf.opening", "FloatModels", False),
)


def by_name(name: str) -> Kind:
    """Return the kind of weight files with this format in their metadata."""
    return next(kind for kind in KINDS if kind.name == name)


def by_number(number: int) -> Kind:
    """Return the kind of models with this number in the format."""
    return next(kind for kind in KINDS if kind.number == number)

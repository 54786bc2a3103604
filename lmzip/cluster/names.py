"""What tells a node which model and which dictionary a job needs; the bytes come from the object store, once a node."""

from __future__ import annotations

from typing import Any, NamedTuple


class DictionaryName(NamedTuple):
    """A dictionary."""

    digest: bytes
    max_size: int  # a power of two
    stored: Any  # reference to its bytes in the object store


class ModelName(NamedTuple):
    """A model that ships with lmzip, or one whose weight file is in the object store."""

    kind: int  # as in a frame's header, 0 for the built-in one
    name: str
    digest: bytes
    stored: Any = None  # reference to the weight file in the object store; None for what ships
    dictionary: DictionaryName | None = None

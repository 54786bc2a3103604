"""What tells a node which model, dictionary and original a job needs; their bytes are in the object store."""

from __future__ import annotations

from typing import Any, NamedTuple


class DictionaryName(NamedTuple):
    """A dictionary."""

    digest: bytes
    max_size: int  # a power of two
    stored: Any  # reference to its bytes in the object store


class OriginalName(NamedTuple):
    """An original of patches."""

    digest: bytes
    stored: Any  # reference to its bytes in the object store


class ModelName(NamedTuple):
    """A model that ships with lmzip, or one whose weight file is in the object store."""

    kind: int  # as in a frame's header, 0 for the built-in one
    name: str
    digest: bytes
    stored: Any = None  # reference to the weight file in the object store; None for what ships
    dictionary: DictionaryName | None = None
    original: OriginalName | None = None

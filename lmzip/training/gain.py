"""What a tuned model is worth: documents compressed whole with it and with the default one, and decompressed again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lmzip.errors import LmzipError
from lmzip.stream import compress, decompress, shared
from lmzip.training.documents import Document


@dataclass
class Gain:
    """Of the documents of a kind: their bytes, and those of the files made of them."""

    raw_size: int = 0
    default_size: int = 0
    tuned_size: int = 0

    def __add__(self, other: Gain) -> Gain:
        return Gain(
            self.raw_size + other.raw_size,
            self.default_size + other.default_size,
            self.tuned_size + other.tuned_size,
        )

    @property
    def share(self) -> float:
        """What the tuned model takes off, as a share of what the default one leaves."""
        return 1 - self.tuned_size / self.default_size


def sizes(
    documents: Sequence[Document],
    level: int,
    weights: Path | None,
    threads: int,
    progress: Callable[[int], None] = lambda n_bytes: None,
) -> list[int]:
    """Return the bytes of each document compressed by itself at a level, with the level's model or a weight file's.

    What the latter makes is decompressed, too, and compared.  progress gets the raw bytes as they are compressed.
    Raises an LmzipError for a document that comes back as another, and as compress() does.
    """
    model = shared.find_model(str(weights.absolute()) if weights else None)
    found = []
    for document in documents:
        packed = compress(document.data, level, model=model, threads=threads)
        if model is not None and decompress(packed, threads=threads) != document.data:
            raise LmzipError(f"{document.name}: decompressed with the tuned model it is another; please report this")
        found.append(len(packed))
        progress(len(document.data))
    return found


def by_kind(documents: Sequence[Document], default: Sequence[int], tuned: Sequence[int]) -> dict[str, Gain]:
    """Return what comes of the documents of each kind in the order of their names, and of "all"."""
    found: dict[str, Gain] = {}
    for document, default_size, tuned_size in zip(documents, default, tuned, strict=True):
        one = Gain(len(document.data), default_size, tuned_size)
        found[document.kind] = found.get(document.kind, Gain()) + one
    return {kind: found[kind] for kind in sorted(found)} | {"all": sum(found.values(), Gain())}

"""A directory of a model's files alone: transformers sees what the digest counts, and nothing that lies beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_pending: set[str] = set()


def discard_pending() -> None:
    """Remove all such directories; safe to call from a signal handler at any time."""
    for folder in tuple(_pending):
        _remove(folder)


@contextmanager
def staged(links: dict[str, Path]) -> Iterator[str]:
    """Give a directory of links by these names to absolute paths; raises OSError.

    Whatever else lies beside them (adapters, code, other weights) changes what transformers does with a directory.
    """
    import secrets
    import tempfile

    folder = os.path.join(tempfile.gettempdir(), f"lmzip-{secrets.token_hex(8)}")
    _pending.add(folder)
    try:
        os.mkdir(folder, 0o700)
        for name, file in links.items():
            os.symlink(file, os.path.join(folder, name))
        yield folder
    finally:
        _remove(folder)


def _remove(folder: str) -> None:
    with suppress(OSError):
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)
    _pending.discard(folder)


def without_folder(text: str, folder: str) -> str:
    """Return a message of transformers about a file without where its link lay."""
    return text.replace(folder + os.sep, "").replace(folder, "the model")

"""The file that the user patches from: read when it is needed, once."""

from __future__ import annotations

import os
from contextlib import suppress

from lmzip.cli.messages import printable, reason
from lmzip.errors import InputChangedError, LmzipError, OriginalMissingError
from lmzip.original import Original


class ChosenOriginal:
    """A file that blocks have copies of."""

    def __init__(self, path: str, memory_limit: int | None) -> None:
        """memory_limit: most bytes that are read; None for as many as an original may have."""
        self._path, self._memory_limit = path, memory_limit
        self._found: Original | None = None

    def original(self) -> Original:
        """Return it; raises OriginalMissingError where it cannot be read, MemoryLimitError."""
        if self._found is None:
            try:
                self._found = Original.from_file(self._path, self._memory_limit)
            except (OSError, ValueError, InputChangedError) as error:
                raise OriginalMissingError(f"cannot patch from {printable(self._path)}: {reason(error)}") from None
            except MemoryError:
                raise OriginalMissingError(f"cannot patch from {printable(self._path)}: not enough memory") from None
        return self._found

    def refuse_removal(self, path: str) -> None:
        """Raise LmzipError for an input, to be removed, that is this very file: its output would be lost without it."""
        with suppress(OSError, ValueError):
            if os.path.samefile(path, self._path):
                raise LmzipError("is the file to patch from, which must stay; -k keeps it")

"""The file that the user patches from: read when it is needed, once."""

from __future__ import annotations

import os
import threading
from contextlib import suppress

from lmzip.cli.inputs import open_input
from lmzip.cli.messages import printable, reason
from lmzip.errors import InputChangedError, LmzipError, OriginalMissingError
from lmzip.fileio import is_url
from lmzip.original import Original, check_original_size


class ChosenOriginal:
    """A file that blocks have copies of."""

    def __init__(self, path: str, memory_limit: int | None) -> None:
        """memory_limit: most bytes that are read; None for as many as an original may have."""
        self._path, self._memory_limit = path, memory_limit
        self._found: Original | None = None
        self._lock = threading.Lock()

    def original(self) -> Original:
        """Return it; raises OriginalMissingError where it cannot be read, MemoryLimitError."""
        with self._lock:
            return self._original()

    def _original(self) -> Original:
        if self._found is None:
            try:
                self._found = self._read()
            except (OSError, ValueError, InputChangedError) as error:
                raise OriginalMissingError(f"cannot patch from {printable(self._path)}: {reason(error)}") from None
            except MemoryError:
                raise OriginalMissingError(f"cannot patch from {printable(self._path)}: not enough memory") from None
        return self._found

    def _read(self) -> Original:
        if not is_url(self._path):
            return Original.from_file(self._path, self._memory_limit)
        with open_input(self._path) as source:
            check_original_size(source.whole_size or 0, self._memory_limit)
            data = source.read_all()
            source.check_unchanged()
        return Original(data)

    def refuse_removal(self, path: str) -> None:
        """Raise LmzipError for an input, to be removed, that is this very file: its output would be lost without it."""
        with suppress(OSError, ValueError):
            if os.path.samefile(path, self._path):
                raise LmzipError("is the file to patch from, which must stay; -k keeps it")

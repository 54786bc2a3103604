"""The file on disk below an LmzipFile that writes."""

from __future__ import annotations

import builtins
import os
from typing import Any


class OutputFile:
    """A file opened for writing, less than those of the standard library in two respects.

    It has no buffer: a forked child would write once more what waits in it.  It has no finalizer: garbage is finalized
    in any order, and the file must still be open when what is above it writes its end.
    """

    def __init__(self, path: str | bytes | os.PathLike, mode: str) -> None:
        with builtins.open(path, mode, buffering=0) as file:
            self.name: Any = file.name
            self._fd: int = os.dup(file.fileno())

    def fileno(self) -> int:
        return self._fd

    def write(self, data) -> int:
        """Write some of data and return how much; raises OSError."""
        return os.write(self._fd, data)

    def close(self) -> None:
        """Close the file, to be called once; raises OSError."""
        fd, self._fd = self._fd, -1  # the number may be another file's at once
        os.close(fd)

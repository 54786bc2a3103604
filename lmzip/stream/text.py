"""Text over an LmzFile, which ends with it in every case."""

from __future__ import annotations

import io
import weakref

from lmzip.stream.file import LmzFile


class TextFile(io.TextIOWrapper):
    """A text file object that, as LmzFile does, leaves the file unfinished after an error inside a with statement.

    Like other text files it is for one thread at a time.
    """

    def __init__(
        self, binary: LmzFile, mode: str, encoding: str | None, errors: str | None, newline: str | None
    ) -> None:
        super().__init__(binary, encoding, errors, newline)
        self.mode = mode  # type: ignore[misc] # as the built-in open() sets it
        self._binary: LmzFile | None = binary
        binary._text = weakref.ref(self)

    def detach(self) -> LmzFile:  # type: ignore[override]
        """Return the LmzFile, which is then on its own."""
        binary = super().detach()
        assert isinstance(binary, LmzFile)
        binary._text = self._binary = None
        return binary

    def close(self) -> None:
        """Write what is left and close.  Does nothing the second time."""
        binary = self._binary
        if binary and binary._sink and binary._sink.is_inherited:
            binary.close()  # without the text that waits here, which the parent writes
        else:
            super().close()

    def __exit__(self, kind, error, trace) -> None:
        """Close; after an error leave a written file without its end."""
        if error is not None and self._binary:
            self._binary._abandon()
        else:
            self.close()

    def __del__(self) -> None:
        binary = self.__dict__.get("_binary")
        if binary:
            binary._close_unattended(self)

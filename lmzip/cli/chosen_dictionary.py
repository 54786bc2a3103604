"""The dictionary that the user gave: read when it is needed, and no more of it than that."""

from __future__ import annotations

import threading

from lmzip.cli.inputs import open_input
from lmzip.cli.messages import printable, reason
from lmzip.dictionary import DEFAULT_SIZE_LOG, Dictionary
from lmzip.errors import DictionaryMissingError, InputChangedError
from lmzip.fileio import is_url


class ChosenDictionary:
    """A file from whose end dictionaries are taken."""

    def __init__(self, path: str, size: int | None) -> None:
        """size: of the most that is used for compression, a power of two; None for the default."""
        self._path, self._size = path, size or 1 << DEFAULT_SIZE_LOG
        self._found: dict[int, Dictionary] = {}
        self._lock = threading.Lock()

    def to_compress(self) -> Dictionary:
        """Return what to compress with; raises as of_size does."""
        return self.of_size(self._size.bit_length() - 1)

    def of_size(self, size_log: int) -> Dictionary:
        """Return the last 2^size_log bytes; raises DictionaryMissingError where they cannot be read."""
        with self._lock:
            return self._of_size(size_log)

    def _of_size(self, size_log: int) -> Dictionary:
        found = self._found.get(size_log)
        if found is None:
            size = 1 << size_log
            try:
                found = self._read(size)
            except (OSError, ValueError, InputChangedError) as error:
                raise DictionaryMissingError(
                    f"cannot use the dictionary {printable(self._path)}: {reason(error)}"
                ) from None
            self._found[size_log] = found
        return found

    def _read(self, size: int) -> Dictionary:
        if not is_url(self._path):
            return Dictionary.from_file(self._path, size)
        with open_input(self._path) as source:
            whole = source.whole_size
            data = source.read_all() if whole is None else source.read_at(min(size, whole), max(0, whole - size))
            source.check_unchanged()
        return Dictionary(data, size)

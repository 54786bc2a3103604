"""The dictionary that the user gave: read when it is needed, and no more of it than that."""

from __future__ import annotations

from lmzip.cli.messages import printable, reason
from lmzip.dictionary import DEFAULT_SIZE_LOG, Dictionary
from lmzip.errors import DictionaryMissingError, InputChangedError


class ChosenDictionary:
    """A file from whose end dictionaries are taken."""

    def __init__(self, path: str, size: int | None) -> None:
        """size: of the most that is used for compression, a power of two; None for the default."""
        self._path, self._size = path, size or 1 << DEFAULT_SIZE_LOG
        self._found: dict[int, Dictionary] = {}

    def to_compress(self) -> Dictionary:
        """Return what to compress with; raises as of_size does."""
        return self.of_size(self._size.bit_length() - 1)

    def of_size(self, size_log: int) -> Dictionary:
        """Return the last 2^size_log bytes; raises DictionaryMissingError where they cannot be read."""
        found = self._found.get(size_log)
        if found is None:
            size = 1 << size_log
            try:
                found = Dictionary.from_file(self._path, size)
            except (OSError, ValueError, InputChangedError) as error:
                raise DictionaryMissingError(
                    f"cannot use the dictionary {printable(self._path)}: {reason(error)}"
                ) from None
            self._found[size_log] = found
        return found

"""joblib: dump(value, "x.lmz") or compress=("lmzip", level); load() knows such files by their first bytes."""

from __future__ import annotations

import joblib
from joblib.compressor import CompressorWrapper

from lmzip import levels
from lmzip.format.header import MAGIC
from lmzip.stream import LmzFile


class LmzWrapper(CompressorWrapper):
    """What joblib asks for file objects."""

    def __init__(self) -> None:
        super().__init__(LmzFile, prefix=MAGIC, extension=".lmz")

    def compressor_file(self, fileobj, compresslevel: int | None = None) -> LmzFile:
        """Return a file object that writes to a path or open file; compresslevel: a level, None for the default."""
        return LmzFile(fileobj, "wb", level=levels.DEFAULT_LEVEL if compresslevel is None else compresslevel)


def register() -> None:
    """Have joblib.dump and joblib.load know the format."""
    joblib.register_compressor("lmzip", LmzWrapper(), force=True)

"""lmzip: lossless compression by a language model over bytes and an arithmetic coder.

    lmzip.compress(data, level=6) -> bytes          lmzip.open(path, "rb" | "wb" | "rt" | ...) -> file object
    lmzip.decompress(data) -> bytes                 lmzip.LmzFile, LmzCompressor, LmzDecompressor
    lmzip.LmzipError and its kinds                  lmzip.Dictionary(data), for dictionary=... of these
                                                    lmzip.Original(data), for patch_from=... of these

Names are loaded when first used: the command line starts without the codec.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lmzip._version import __version__
from lmzip.errors import (
    DamagedError,
    DictionaryMissingError,
    InputChangedError,
    LmzipError,
    MemoryLimitError,
    ModelMissingError,
    NotLmzipError,
    NumericsError,
    OriginalMissingError,
    TrailingGarbageError,
    TruncatedError,
    UnsupportedError,
    VerifyError,
)

if TYPE_CHECKING:
    from lmzip.dictionary import Dictionary
    from lmzip.original import Original
    from lmzip.stream import LmzCompressor, LmzDecompressor, LmzFile, compress, decompress, open

__all__ = [
    "DamagedError",
    "Dictionary",
    "DictionaryMissingError",
    "InputChangedError",
    "LmzCompressor",
    "LmzDecompressor",
    "LmzFile",
    "LmzipError",
    "MemoryLimitError",
    "ModelMissingError",
    "NotLmzipError",
    "NumericsError",
    "Original",
    "OriginalMissingError",
    "TrailingGarbageError",
    "TruncatedError",
    "UnsupportedError",
    "VerifyError",
    "__version__",
    "compress",
    "decompress",
    "open",
]


_LAZY = {"Dictionary": "dictionary", "Original": "original"} | dict.fromkeys(
    ("LmzCompressor", "LmzDecompressor", "LmzFile", "compress", "decompress", "open"), "stream"
)


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'lmzip' has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(f"lmzip.{_LAZY[name]}"), name)
    return value

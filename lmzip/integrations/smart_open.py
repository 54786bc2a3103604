"""smart_open: files named *.lmz are decompressed and compressed wherever they are."""

from __future__ import annotations

from typing import Any

from smart_open import register_compressor
from smart_open.compression import get_supported_extensions

from lmzip.stream import LmzFile


def open_file(file, mode: str, **options) -> Any:
    """Return the content of an open file as an LmzFile; options (smart_open's compression_kwargs) as for LmzFile."""
    return LmzFile(file, mode.replace("t", ""), **options)


def register() -> None:
    """Have smart_open.open know the suffix."""
    if ".lmz" not in get_supported_extensions():  # which would be told as a warning
        register_compressor(".lmz", open_file)

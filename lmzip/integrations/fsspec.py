"""fsspec: compression="lmzip", and "infer" for *.lmz, on every file system; so dask and others that open by fsspec."""

from __future__ import annotations

from fsspec.compression import register_compression

from lmzip.stream import LmzFile


def open_file(file, mode: str = "rb", **options) -> LmzFile:
    """Return the content of an open file; mode and options as for LmzFile."""
    return LmzFile(file, mode, **options)


def register() -> None:
    """Have fsspec.open and fsspec.open_files know the compression."""
    register_compression("lmzip", open_file, "lmz", force=True)

"""Where a URL leads, and its library's errors in one line each; retries are the library's work."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lmzip.errors import LmzipError, UnsupportedError
from lmzip.packages import needed

# Errors of libraries that raise them with a path only, and what is said of them.
_NUMBERS = {
    FileNotFoundError: errno.ENOENT,
    PermissionError: errno.EACCES,
    FileExistsError: errno.EEXIST,
    IsADirectoryError: errno.EISDIR,
}


def find(url: str) -> tuple[Any, str]:
    """Return the file system of a URL (fsspec.AbstractFileSystem) and the path in it.

    Raises UnsupportedError where the package for such URLs is not installed, LmzipError, OSError.
    """
    with needed("a URL needs", "fsspec"):
        import fsspec.core
    try:
        with plain_errors():
            # Nothing is looked up in a listing of some time ago.
            return fsspec.core.url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        raise UnsupportedError(f"such a URL needs another package: {_first_line(error)}") from None


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn what a library may raise into OSError with a reason, or LmzipError, of one line."""
    try:
        yield
    except (LmzipError, ImportError, MemoryError):
        raise
    except OSError as error:
        if error.strerror:
            raise
        number = next((n for kind, n in _NUMBERS.items() if isinstance(error, kind)), None)
        if isinstance(error.__cause__, OSError) or number is None:
            raise LmzipError(_first_line(error.__cause__ or error)) from None
        raise OSError(number, os.strerror(number)) from None
    except Exception as error:  # noqa: BLE001 - each library has its own
        raise LmzipError(f"{type(error).__name__}: {_first_line(error)}") from None


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]

"""Files being written when the interpreter ends: what they hold is written while everything still works."""

from __future__ import annotations

import atexit
import sys
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmzip.stream.file import LmzipFile

_files: weakref.WeakSet[LmzipFile] = weakref.WeakSet()


def settle(file: LmzipFile) -> None:
    """Have this file settled at exit if it is still open then."""
    _files.add(file)


@atexit.register
def _settle_all() -> None:
    for file in list(_files):
        try:
            file._settle()
        except Exception:
            sys.excepthook(*sys.exc_info())

"""The programs lmzip, lmunzip, lmcat and lmzip-models.

Importing this loads next to nothing: descriptors and signals are put in order before anything that takes time.
"""

from __future__ import annotations

import os
import sys

from lmzip.cli import signals


def _prepare() -> None:
    """Do what comes before anything is loaded that takes time."""
    signals.prepare()
    # No products are asked of NumPy, which else starts a thread a core for them, and raises SIGINT where it cannot.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _run(program: str) -> int:
    """Run a program with the process's arguments and return its exit status."""
    _prepare()
    from lmzip.cli.main import main

    return main(program, sys.argv[1:])


def lmzip_main() -> int:
    """Compress, unless told otherwise."""
    return _run("lmzip")


def lmunzip_main() -> int:
    """Decompress, unless told otherwise."""
    return _run("lmunzip")


def lmcat_main() -> int:
    """Decompress to standard output and copy what is not compressed."""
    return _run("lmcat")


def models_main() -> int:
    """Manage models."""
    _prepare()
    from lmzip.cli.models.main import main

    return main(sys.argv[1:])

"""The programs lmzip, lmunzip and lmcat.

Importing this loads next to nothing: descriptors and signals are put in order before anything that takes time.
"""

from __future__ import annotations

import os
import sys

from lmzip.cli import signals


def _run(program: str) -> int:
    """Run a program with the process's arguments and return its exit status."""
    signals.prepare()
    # No products are asked of NumPy, which else starts a thread a core for them, and raises SIGINT where it cannot.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
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

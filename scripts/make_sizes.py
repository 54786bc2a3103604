"""Rewrites tests/sizes.csv, the pinned compressed sizes of every sample at every level (make sizes)."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from samples_for_sizes import SIZES, write_rows  # noqa: E402 - the path is set first

if __name__ == "__main__":
    write_rows()
    print(f"wrote {SIZES}")

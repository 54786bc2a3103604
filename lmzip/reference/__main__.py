"""`python -m lmzip.reference FILE.lmz [--weights FILE]` writes the content of a file to standard output."""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

from lmzip.reference import container

SHIPPED = Path(__file__).resolve().parent.parent / "models" / "data"


def main() -> int:
    """Return the exit status: 0, 1 for a damaged file, 3 for one that is not supported."""
    parser = argparse.ArgumentParser(prog="python -m lmzip.reference", description="Decode a file, slowly.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--weights", type=Path, action="append", default=[], help="a weight file that it may need")
    parser.add_argument(
        "--dictionary", type=Path, action="append", default=[], help="a dictionary or original that it may need"
    )
    options = parser.parse_args()
    files = [path.read_bytes() for path in [*options.weights, *SHIPPED.glob("*.safetensors")]]
    weights = {hashlib.sha256(file).digest(): file for file in files}
    try:
        dictionaries = [path.read_bytes() for path in options.dictionary]
        content = container.decode(options.file.read_bytes(), weights.__getitem__, dictionaries)
    except (container.DamagedFile, container.UnsupportedFile) as error:
        kind = "damaged" if isinstance(error, container.DamagedFile) else "not supported"
        sys.stderr.write(f"{options.file}: {kind}: {error}\n")
        return 1 if isinstance(error, container.DamagedFile) else 3
    sys.stdout.buffer.write(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())

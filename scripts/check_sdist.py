"""Compares a source distribution with the repository: every file that git knows, and none that it does not.

Run by `make sdist`; prints what is missing or too much and ends with status 1 if there is any.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MADE = {"PKG-INFO", "setup.cfg"}  # by setuptools, besides what is in *.egg-info


def names_in(path: Path) -> list[str]:
    """Return the names of the files in a source distribution, without the folder around them."""
    with tarfile.open(path) as archive:
        return [member.name.partition("/")[2] for member in archive if not member.isdir()]


def known_to_git() -> set[str]:
    """Return the names of the files in the repository."""
    command = ["git", "ls-files", "-z"]
    return set(
        filter(None, subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0"))
    )


def main() -> int:
    """Return the exit status."""
    path = Path(sys.argv[1])
    names = [name for name in names_in(path) if name not in MADE and ".egg-info/" not in name]
    known = known_to_git()
    for what, found in (
        ("missing", known.difference(names)),
        ("not in the repository", set(names) - known),
        ("twice", {name for name in names if names.count(name) > 1}),
    ):
        for name in sorted(found):
            print(f"{path.name}: {what}: {name}", file=sys.stderr)
    print(f"{path}: {path.stat().st_size} bytes, {len(names)} of {len(known)} files")
    return set(names) != known or len(names) != len(known)


if __name__ == "__main__":
    sys.exit(main())

"""Samples of one's own data: files, or the lines of files, as many as memory should hold."""

from __future__ import annotations

import os
from pathlib import Path

MOST_READ = 64 << 20  # bytes


def files_of(paths: list[Path]) -> list[Path]:
    """Return files, and in the place of each folder all regular files below it in the order of their names."""
    return [
        file
        for path in paths
        for file in (sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path])
    ]


def read_samples(paths: list[Path], *, lines: bool, most: int = MOST_READ) -> list[bytes]:
    """Return what files and those in folders hold; lines: each of their lines is a sample.

    Of more than `most` bytes, as many files from regular places, or of each file the last lines.  Raises OSError.
    """
    files = files_of(paths)
    sizes = [os.stat(file).st_size for file in files]
    total = sum(sizes)
    if lines:
        shares = sizes if total <= most else [size * most // total for size in sizes]
        return [line for file, share in zip(files, shares, strict=True) for line in last_lines(file, share)]
    if total > most:
        n = max(1, len(files) * most // total)
        files, most = [files[i * len(files) // n] for i in range(n)], most // n
    return [tail(file, most) for file in files]


def tail(path: Path, size: int) -> bytes:
    """Return the last `size` bytes of a file, which may grow meanwhile; raises OSError."""
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - size))
        return file.read(size)


def last_lines(path: Path, size: int) -> list[bytes]:
    """Return the lines, with their ends, that begin in the last `size` bytes of a file; raises OSError."""
    with open(path, "rb") as file:
        start = os.fstat(file.fileno()).st_size - size
        if start > 0:  # on from the end of the line that the byte before is in
            file.seek(start - 1)
            file.readline()
        return file.read(max(0, start + size - file.tell())).splitlines(keepends=True)

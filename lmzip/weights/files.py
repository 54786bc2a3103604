"""Files as such: opened only where they are regular ones, hashed in pieces, read as JSON."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from lmzip.errors import UnsupportedError

MAX_JSON_SIZE = 1 << 27  # the tokenizer.json of a vocabulary of 256 Ki tokens has some 30 MB
_PIECE_SIZE = 1 << 20


def open_regular(path: Path, max_size: int | None = None) -> tuple[BinaryIO, int]:
    """Open a file that is none of a pipe or a device: file and size.

    max_size: bytes that it may have.  Raises OSError, UnsupportedError.
    """
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    status = os.fstat(file.fileno())
    if stat.S_ISREG(status.st_mode) and (max_size is None or status.st_size <= max_size):
        return file, status.st_size
    file.close()
    what = "too large" if stat.S_ISREG(status.st_mode) else "not a regular file"
    raise UnsupportedError(f"{path.name} is {what}")


def sha256_of(path: Path, max_size: int | None = None) -> bytes:
    """Return the SHA-256 of a file, 32 bytes; raises as open_regular() does."""
    file, _ = open_regular(path, max_size)
    with file:
        return sha256_of_open(file.fileno())


def sha256_of_open(descriptor: int) -> bytes:
    """Return the SHA-256 of an open file, wherever it stands; raises OSError."""
    digest, offset = hashlib.sha256(), 0
    while piece := os.pread(descriptor, _PIECE_SIZE, offset):
        digest.update(piece)
        offset += len(piece)
    return digest.digest()


def identity_of(paths: Iterable[Path]) -> tuple[tuple[int, ...], ...]:
    """Return what tells that no file was replaced or changed; raises OSError."""
    return tuple((s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns) for s in map(os.stat, paths))


def parse_json(data: bytes, name: str) -> dict[str, Any]:
    """Return the JSON object that data holds; raises UnsupportedError."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        value = json.loads(data, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise UnsupportedError(f"{name} is not sound JSON") from None
    if not isinstance(value, dict):
        raise UnsupportedError(f"{name} is not a JSON object")
    return value


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; raises OSError, UnsupportedError."""
    file, _ = open_regular(path, MAX_JSON_SIZE)
    with file:
        return parse_json(file.read(MAX_JSON_SIZE), path.name)

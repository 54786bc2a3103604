"""Files as such: opened only where they are regular ones, hashed in pieces, read as JSON or tensor by tensor."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from lmzip.errors import UnsupportedError

if TYPE_CHECKING:
    import numpy as np
    from typing_extensions import Self

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


class TensorFile(ABC):
    """A file of tensors, open to be read one by one; closed by `with` or close().

    `shapes` by name: the last dimension is contiguous, as in NumPy.
    """

    shapes: dict[str, tuple[int, ...]]

    def __init__(self, path: Path, max_size: int | None = None, data: bytes | None = None) -> None:
        """Check all that the file says of itself; data: its bytes where they are here already.

        Raises OSError, UnsupportedError.
        """
        self.name = path.name
        self._file, self._size = open_regular(path, max_size) if data is None else (BytesIO(data), len(data))
        try:
            self._parse()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def _parse(self) -> None:
        """Read and check what is before the tensors; raises UnsupportedError, OSError."""

    @abstractmethod
    def load(self, name: str, first: int = 0, n: int | None = None) -> np.ndarray:
        """Return a tensor, or n of its rows, in float32.

        Raises UnsupportedError for one of another kind of numbers, OSError.
        """

    def check(self, start: int, size: int) -> None:
        """Raise UnsupportedError if the file does not have these bytes."""
        if start + size > self._size:
            raise UnsupportedError(f"{self.name} is truncated")

    def read(self, size: int, start: int | None = None) -> bytes:
        """Return bytes from `start` or where the last ones ended; raises UnsupportedError if some lack, OSError."""
        self.check(start or 0, size)
        if start is not None:
            self._file.seek(start)
        data = self._file.read(size)
        if len(data) != size:
            raise UnsupportedError(f"{self.name} is truncated")
        return data


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

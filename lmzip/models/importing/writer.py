"""A safetensors file written tensor by tensor, in any order, that appears under its name when it is whole."""

from __future__ import annotations

import errno
import json
import math
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

_CODES = {np.dtype("<i4"): "I32", np.dtype("<u4"): "U32", np.dtype("<i2"): "I16", np.dtype("i1"): "I8"}
_CODES[np.dtype("u1")] = "U8"
_pending: set[Path] = set()  # unfinished files


class Layout(NamedTuple):
    dtype: str  # NumPy's, as "<i4"
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return np.dtype(self.dtype).itemsize * math.prod(self.shape)


class Writer:
    """Tensors of a file whose layout is known before; header and places depend on names and layout alone."""

    def __init__(self, descriptor: int, metadata: dict[str, str], tensors: dict[str, Layout]) -> None:
        self._descriptor, self._tensors = descriptor, tensors
        self._places: dict[str, int] = {}
        header: dict[str, object] = {"__metadata__": metadata}
        offset = 0
        # Wide numbers first, as safetensors itself does: all lie at multiples of their size.
        for name in sorted(tensors, key=lambda name: (-np.dtype(tensors[name].dtype).itemsize, name)):
            layout = tensors[name]
            end = offset + layout.size
            header[name] = {
                "dtype": _CODES[np.dtype(layout.dtype)],
                "shape": list(layout.shape),
                "data_offsets": [offset, end],
            }
            self._places[name], offset = offset, end
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        self._start = 8 + len(text)
        self._write(len(text).to_bytes(8, "little") + text, 0)
        os.ftruncate(descriptor, self._start + offset)

    def put(self, name: str, values: np.ndarray, row: int = 0) -> None:
        """Write a tensor or, from `row` on, some of its rows."""
        layout = self._tensors[name]
        assert values.shape[1:] == layout.shape[1:] and row + len(values) <= layout.shape[0], name
        row_size = layout.size // layout.shape[0] if layout.shape[0] else 0
        data = np.ascontiguousarray(values.astype(layout.dtype, casting="same_kind", copy=False))
        self._write(data.reshape(-1).view(np.uint8).data, self._start + self._places[name] + row * row_size)

    def _write(self, data: bytes | memoryview, offset: int) -> None:
        view = memoryview(data)
        while len(view):
            n = os.pwrite(self._descriptor, view, offset)
            view, offset = view[n:], offset + n


@contextmanager
def published(path: Path, *, overwrite: bool = True) -> Iterator[int]:
    """Give a new file that gets the name `path` at the end, or none if anything is raised; raises OSError.

    overwrite: whether a file of that name makes room; otherwise FileExistsError is raised.
    """
    temporary = path.with_name(f".lmz{secrets.token_hex(4)}")
    _pending.add(temporary)
    try:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            yield descriptor
            _bring_to_disk(descriptor)
        finally:
            os.close(descriptor)
        _give_name(temporary, path, overwrite)
    finally:
        discard_pending(temporary)


def _bring_to_disk(descriptor: int) -> None:
    """Wait until a file is on the disk, if its file system has such a thing; raises OSError."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EROFS):
            raise


def _give_name(temporary: Path, path: Path, overwrite: bool) -> None:
    if not overwrite:
        try:
            os.link(temporary, path)
            return
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links, such as FAT
            if os.path.lexists(path):
                raise
    os.replace(temporary, path)


def discard_pending(*temporary: Path) -> None:
    """Remove what is unfinished, all of it or these files; safe to call from a signal handler at any time."""
    for path in temporary or tuple(_pending):
        with suppress(OSError):
            os.unlink(path)
        _pending.discard(path)

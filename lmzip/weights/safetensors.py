"""Safetensors files: read a tensor at a time, each straight into its own memory; written tensor by tensor.

The format: eight bytes little-endian with the size of a JSON header, the header, then the tensors' bytes, one behind
the other.  All of a header is checked before anything is read that it tells of.  NumPy is loaded for arrays only.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lmzip.errors import UnsupportedError
from lmzip.weights.files import open_regular, parse_json
from lmzip.weights.values import shown

if TYPE_CHECKING:
    import numpy as np

MAX_HEADER_SIZE = 1 << 20
_MAX_INTEGER = 1 << 48
_MAX_DIMENSIONS = 8
_NUMPY = {"U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "F16": "<f2", "F32": "<f4"}
_ITEM_SIZES = {name: int(code[-1]) for name, code in _NUMPY.items()}
_ITEM_SIZES |= {"BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "BF16": 2, "I64": 8, "U64": 8, "F64": 8, "C64": 8}
_NAMES = {code: name for name, code in _NUMPY.items()}


class Tensor(NamedTuple):
    dtype: str  # in the words of the format
    shape: tuple[int, ...]
    start: int  # in the file
    size: int  # bytes


class Header(NamedTuple):
    metadata: dict[str, str]
    tensors: dict[str, Tensor]


def header_size(start: bytes, file_size: int, name: str) -> int:
    """Return the size of the header from a file's first eight bytes; raises UnsupportedError."""
    size = int.from_bytes(start[:8], "little")
    if file_size < 8 or len(start) < 8 or size > min(MAX_HEADER_SIZE, file_size - 8):
        raise UnsupportedError(f"{name} is truncated or no safetensors file")
    return size


def parse_header(start: bytes, file_size: int, name: str) -> Header:
    """Return the header of a file: no tensor beyond its end, none over another, nothing between or behind them.

    start: the file's bytes, at least up to the end of the header.  Raises UnsupportedError.
    """
    end = 8 + header_size(start, file_size, name)
    entries = parse_json(bytes(start[8:end]), f"the header of {name}")
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise UnsupportedError(f"{name} has damaged metadata")
    tensors = {key: _tensor(entry, end, file_size, name, key) for key, entry in entries.items()}
    at = end
    for tensor in sorted(tensors.values(), key=lambda tensor: (tensor.start, tensor.size)):
        if tensor.start != at:
            raise UnsupportedError(f"{name} has a damaged header: tensors lie over one another or apart")
        at += tensor.size
    if at != file_size:
        raise UnsupportedError(f"{name} has a damaged header: bytes behind the tensors")
    return Header(metadata, tensors)


def _tensor(entry: Any, data_start: int, file_size: int, name: str, key: str) -> Tensor:
    try:
        dtype, shape, (start, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        if any(type(n) is not int or not 0 <= n < _MAX_INTEGER for n in [*shape, start, end]):
            raise ValueError
        if not isinstance(dtype, str) or len(shape) > _MAX_DIMENSIONS:
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise UnsupportedError(f"{name} has a damaged header") from None
    if not start <= end <= file_size - data_start:
        raise UnsupportedError(f"{name} is truncated")
    if dtype not in _ITEM_SIZES:
        raise UnsupportedError(f"{name}: {shown(key)} is of the unknown type {shown(dtype)}")
    if math.prod(shape) * _ITEM_SIZES[dtype] != end - start:
        raise UnsupportedError(f"{name}: {shown(key)} has a size that contradicts its shape")
    return Tensor(dtype, shape, data_start + start, end - start)


class SafetensorsFile:
    """An open file; `tensors` and `shapes` by name, `metadata`.  Raises OSError, UnsupportedError."""

    def __init__(self, path: Path, max_size: int | None = None) -> None:
        self.name = path.name
        self._file, size = open_regular(path, max_size)
        try:
            start = self._file.read(8)
            start += self._file.read(header_size(start, size, self.name))
            self.metadata, self.tensors = parse_header(start, size, self.name)
        except BaseException:
            self._file.close()
            raise
        self.shapes = {name: tensor.shape for name, tensor in self.tensors.items()}

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> SafetensorsFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def array(self, name: str) -> np.ndarray:
        """Return a tensor in its own type, which must be one that NumPy has; raises OSError, UnsupportedError."""
        tensor = self.tensors.get(name)
        if tensor is None:
            raise UnsupportedError(f"{self.name} has no {shown(name)}")
        if tensor.dtype not in _NUMPY:
            raise UnsupportedError(f"{self.name}: {shown(name)} is of the type {tensor.dtype}")
        return self._read(tensor, _NUMPY[tensor.dtype]).reshape(tensor.shape)

    def load(self, name: str) -> np.ndarray:
        """Return a tensor of F32, F16 or BF16 in float32; raises OSError, UnsupportedError."""
        import numpy as np

        tensor = self.tensors[name]
        if tensor.dtype not in ("F32", "F16", "BF16"):
            raise UnsupportedError(f"{self.name}: {shown(name)} is of the type {tensor.dtype}, not F32, F16 or BF16")
        if tensor.dtype == "BF16":  # the upper half of a float32; NumPy has no such type
            wide = self._read(tensor, "<u2").astype(np.uint32)
            wide <<= 16
            values = wide.view(np.float32)
        else:
            values = self._read(tensor, _NUMPY[tensor.dtype]).astype(np.float32, copy=False)
        return values.reshape(tensor.shape)

    def _read(self, tensor: Tensor, code: str) -> np.ndarray:
        """Return a tensor's numbers in a row, read into memory of their own."""
        import numpy as np

        values = np.empty(tensor.size // int(code[-1]), code)
        view = values.view(np.uint8).data
        self._file.seek(tensor.start)
        if self._file.readinto(view) != tensor.size:  # type: ignore[attr-defined] # it is a BufferedReader
            raise UnsupportedError(f"{self.name} is truncated")
        return values


class Layout(NamedTuple):
    dtype: str  # NumPy's, as "<i4"
    shape: tuple[int, ...]

    @property
    def item_size(self) -> int:
        return int(self.dtype[-1])

    @property
    def size(self) -> int:
        return self.item_size * math.prod(self.shape)


class Writer:
    """Writes tensors of a layout known before, in any order; header and places depend on names and layout alone."""

    def __init__(self, descriptor: int, metadata: dict[str, str], tensors: dict[str, Layout]) -> None:
        self._descriptor, self._tensors = descriptor, tensors
        self._places: dict[str, int] = {}
        header: dict[str, object] = {"__metadata__": metadata}
        offset = 0
        # Wide numbers first, as the package safetensors does: all lie at multiples of their size.
        for name in sorted(tensors, key=lambda name: (-tensors[name].item_size, name)):
            layout = tensors[name]
            end = offset + layout.size
            header[name] = {
                "dtype": _NAMES[layout.dtype],
                "shape": list(layout.shape),
                "data_offsets": [offset, end],
            }
            self._places[name], offset = offset, end
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        assert len(text) <= MAX_HEADER_SIZE
        self._start = 8 + len(text)
        self._write(len(text).to_bytes(8, "little") + text, 0)
        os.ftruncate(descriptor, self._start + offset)

    def put(self, name: str, values: np.ndarray, row: int = 0) -> None:
        """Write a tensor or, from `row` on, some of its rows."""
        layout = self._tensors[name]
        assert values.shape[1:] == layout.shape[1:] and row + len(values) <= layout.shape[0], name
        row_size = layout.size // layout.shape[0] if layout.shape[0] else 0
        data = values.astype(layout.dtype, order="C", casting="same_kind", copy=False)
        self._write(data.reshape(-1).view("u1").data, self._start + self._places[name] + row * row_size)

    def _write(self, data: bytes | memoryview, offset: int) -> None:
        view = memoryview(data)
        while len(view):
            n = os.pwrite(self._descriptor, view, offset)
            view, offset = view[n:], offset + n

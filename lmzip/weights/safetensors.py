"""Safetensors files: read a tensor at a time, each straight into its own memory; written tensor by tensor.

The format: eight bytes little-endian with the size of a JSON header, the header, then the tensors' bytes, one behind
the other.  All of a header is checked before anything is read that it tells of.  NumPy is loaded for arrays only.
"""

from __future__ import annotations

import json
import math
import os
import sys
from array import array
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from lmzip.errors import UnsupportedError
from lmzip.weights.files import TensorFile, parse_json
from lmzip.weights.values import shown

if TYPE_CHECKING:
    import numpy as np

MAX_HEADER_SIZE = 1 << 20
_MAX_INTEGER = 1 << 48
_MAX_DIMENSIONS = 8
_NUMPY = {"U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "F16": "<f2", "F32": "<f4"}
_ITEM_SIZES = {name: int(code[-1]) for name, code in _NUMPY.items()}
_ITEM_SIZES |= {"BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "BF16": 2, "I64": 8, "U64": 8, "F64": 8, "C64": 8}


class Tensor(NamedTuple):
    dtype: str  # in the words of the format
    shape: tuple[int, ...]
    start: int  # in the file
    size: int  # bytes


class Layout(NamedTuple):
    dtype: str
    shape: tuple[int, ...]


class SafetensorsFile(TensorFile):
    """A safetensors file: `tensors` by name, `metadata`.

    No tensor is beyond its end, none over another, nothing between or behind them.
    """

    def _parse(self) -> None:
        header_size = int.from_bytes(self._file.read(8), "little")
        if header_size > min(MAX_HEADER_SIZE, self._size - 8):
            raise UnsupportedError(f"{self.name} is truncated or no safetensors file")
        entries = parse_json(self.read(header_size), f"the header of {self.name}")
        self.metadata = entries.pop("__metadata__", {})
        if not isinstance(self.metadata, dict) or not all(isinstance(value, str) for value in self.metadata.values()):
            raise UnsupportedError(f"{self.name} has damaged metadata")
        at = 8 + header_size
        self.tensors = {key: self._tensor(entry, at, key) for key, entry in entries.items()}
        self.shapes = {name: tensor.shape for name, tensor in self.tensors.items()}
        for tensor in sorted(self.tensors.values(), key=lambda tensor: (tensor.start, tensor.size)):
            if tensor.start != at:
                raise UnsupportedError(f"{self.name} has a damaged header: tensors lie over one another or apart")
            at += tensor.size
        if at != self._size:
            raise UnsupportedError(f"{self.name} has a damaged header: bytes behind the tensors")

    def _tensor(self, entry: Any, data_start: int, key: str) -> Tensor:
        try:
            dtype, shape, (start, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
            if any(type(n) is not int or not 0 <= n < _MAX_INTEGER for n in [*shape, start, end]):
                raise ValueError
            if not isinstance(dtype, str) or len(shape) > _MAX_DIMENSIONS:
                raise ValueError
        except (KeyError, TypeError, ValueError):
            raise UnsupportedError(f"{self.name} has a damaged header") from None
        if not start <= end <= self._size - data_start:
            raise UnsupportedError(f"{self.name} is truncated")
        if dtype not in _ITEM_SIZES:
            raise UnsupportedError(f"{self.name}: {shown(key)} is of the unknown type {shown(dtype)}")
        if math.prod(shape) * _ITEM_SIZES[dtype] != end - start:
            raise UnsupportedError(f"{self.name}: {shown(key)} has a size that contradicts its shape")
        return Tensor(dtype, shape, data_start + start, end - start)

    def expect(self, layouts: Mapping[str, Layout]) -> None:
        """Raise UnsupportedError unless these tensors are there, of these types and shapes."""
        for name, layout in layouts.items():
            found = self.tensors.get(name)
            if found is None:
                raise UnsupportedError(f"it has no {name}")
            if found[:2] != layout:
                is_a, wanted = f"{found.dtype} {list(found.shape)}", f"{layout.dtype} {list(layout.shape)}"
                raise UnsupportedError(f"{name} is {is_a}, not {wanted}")

    def raw(self, name: str) -> bytes:
        """Return the numbers of a tensor in this machine's order of bytes; raises OSError, UnsupportedError."""
        tensor = self.tensors.get(name)
        if tensor is None:
            raise UnsupportedError(f"{self.name} has no {shown(name)}")
        data = self.read(tensor.size, tensor.start)
        if sys.byteorder == "big":
            numbers = array({1: "b", 2: "h", 4: "i", 8: "q"}[_ITEM_SIZES[tensor.dtype]], data)
            numbers.byteswap()
            data = numbers.tobytes()
        return data

    def load(self, name: str, first: int = 0, n: int | None = None) -> np.ndarray:
        import numpy as np

        tensor = self.tensors[name]
        if tensor.dtype not in ("F32", "F16", "BF16"):
            raise UnsupportedError(f"{self.name}: {shown(name)} is of the type {tensor.dtype}, not F32, F16 or BF16")
        shape, row_size = tensor.shape, tensor.size // max(1, tensor.shape[0]) if tensor.shape else tensor.size
        if n is not None:
            shape = (min(n, shape[0] - first), *shape[1:])
        size = tensor.size if n is None else shape[0] * row_size
        data = self.read(size, tensor.start + first * row_size)
        if tensor.dtype == "BF16":  # the upper half of a float32; NumPy has no such type
            wide = np.frombuffer(data, "<u2").astype(np.uint32)
            wide <<= 16
            values = wide.view(np.float32)
        else:
            values = np.frombuffer(data, _NUMPY[tensor.dtype]).astype(np.float32, copy=False)
        return values.reshape(shape)


class Writer:
    """Writes tensors of a layout known before, in any order; header and places depend on names and layout alone."""

    def __init__(self, descriptor: int, metadata: dict[str, str], tensors: dict[str, Layout]) -> None:
        self._descriptor = descriptor
        self._tensors: dict[str, Tensor] = {}  # at their places behind the header
        header: dict[str, object] = {"__metadata__": metadata}
        offset = 0
        # Wide numbers first, as the package safetensors does: all lie at multiples of their size.
        for name in sorted(tensors, key=lambda name: (-_ITEM_SIZES[tensors[name].dtype], name)):
            dtype, shape = tensors[name]
            size = math.prod(shape) * _ITEM_SIZES[dtype]
            header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + size]}
            self._tensors[name] = Tensor(dtype, shape, offset, size)
            offset += size
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        assert len(text) <= MAX_HEADER_SIZE
        self._start = 8 + len(text)
        self._write(len(text).to_bytes(8, "little") + text, 0)
        os.ftruncate(descriptor, self._start + offset)

    def put(self, name: str, values: np.ndarray, row: int = 0) -> None:
        """Write a tensor or, from `row` on, some of its rows."""
        tensor = self._tensors[name]
        assert values.shape[1:] == tensor.shape[1:] and row + len(values) <= tensor.shape[0], name
        row_size = tensor.size // max(1, tensor.shape[0])
        data = values.astype(_NUMPY[tensor.dtype], order="C", casting="same_kind", copy=False)
        self._write(data.reshape(-1).view("u1").data, self._start + tensor.start + row * row_size)

    def _write(self, data: bytes | memoryview, offset: int) -> None:
        view = memoryview(data)
        while len(view):
            n = os.pwrite(self._descriptor, view, offset)
            view, offset = view[n:], offset + n

"""Tensors of a safetensors file one by one, as float32; NumPy has no bfloat16, so the file is read here.

The format: eight bytes little-endian with the size of a JSON header, the header, then the tensors' bytes.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from lmzip.errors import UnsupportedError
from lmzip.models.importing.source import open_regular, parse_json, shown

MAX_HEADER_SIZE = 1 << 24
_SIZES = {"F32": 4, "F16": 2, "BF16": 2}


class SafetensorsFile:
    """An open file; `shapes` by tensor name.  Raises OSError, UnsupportedError."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._file, size = open_regular(path)
        try:
            self._places, self.shapes = self._parse(size)
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        self._file.close()

    def _parse(self, size: int) -> tuple[dict[str, tuple[str, int, int]], dict[str, tuple[int, ...]]]:
        header_size = int.from_bytes(self._file.read(8), "little")
        if size < 8 or header_size > min(MAX_HEADER_SIZE, size - 8):
            raise UnsupportedError(f"{self.name} is truncated or no safetensors file")
        header = parse_json(self._file.read(header_size), f"the header of {self.name}")
        places, shapes = {}, {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            try:
                dtype, shape, (start, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
                integers = [*shape, start, end]
                if any(type(n) is not int or not 0 <= n < 1 << 48 for n in integers):
                    raise ValueError
                if not isinstance(dtype, str) or len(shape) > 8:
                    raise ValueError
            except (KeyError, TypeError, ValueError):
                raise UnsupportedError(f"{self.name} has a damaged header") from None
            if not start <= end <= size - 8 - header_size:
                raise UnsupportedError(f"{self.name} is truncated")
            if dtype in _SIZES and math.prod(shape) * _SIZES[dtype] != end - start:
                raise UnsupportedError(f"{self.name}: {shown(name)} has a size that contradicts its shape")
            places[name] = (dtype, 8 + header_size + start, end - start)
            shapes[name] = shape
        return places, shapes

    def load(self, name: str) -> np.ndarray:
        """Return a tensor in float32; raises OSError, UnsupportedError."""
        dtype, start, size = self._places[name]
        if dtype not in _SIZES:
            raise UnsupportedError(f"{self.name}: {shown(name)} is of the type {shown(dtype)}, not F32, F16 or BF16")
        self._file.seek(start)
        data = self._file.read(size)
        if len(data) != size:
            raise UnsupportedError(f"{self.name} is truncated")
        if dtype == "BF16":  # the upper half of a float32
            wide = np.frombuffer(data, "<u2").astype(np.uint32)
            wide <<= 16
            values = wide.view(np.float32)
        else:
            values = np.frombuffer(data, "<f4" if dtype == "F32" else "<f2").astype(np.float32)
        return values.reshape(self.shapes[name])

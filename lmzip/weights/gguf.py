"""Fields and tensors of a GGUF file, every size checked against the file's before it is used.

The format is that of ggml/docs/gguf.md, versions 2 and 3, little-endian.  The reader of the package
`gguf` would do, but it trusts counts and takes seconds for a vocabulary; it makes float32 of quantized weights.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from lmzip.errors import UnsupportedError
from lmzip.packages import needed
from lmzip.weights.files import TensorFile
from lmzip.weights.values import shown

if TYPE_CHECKING:
    import numpy as np

_PIECE_SIZE = 1 << 24  # numbers brought to float32 at a time
MAX_COUNT = 1 << 16  # of fields, of tensors
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


def gguf_package() -> tuple[Any, Any]:
    """Return the modules of the package `gguf` that know types of weights; raises UnsupportedError without it."""
    with needed("a GGUF file needs", "gguf"):
        from gguf import constants, quants
    return quants, constants


class Tensor(NamedTuple):
    shape: tuple[int, ...]  # the last dimension is contiguous, as in NumPy; GGUF has them the other way round
    ggml_type: int
    start: int  # in the file


class GgufFile(TensorFile):
    """A GGUF file: `fields` by key, `tensors` by name."""

    def load(self, name: str, first: int = 0, n: int | None = None) -> np.ndarray:
        import numpy as np

        quants, constants = gguf_package()
        tensor = self.tensors[name]
        try:
            kind = constants.GGMLQuantizationType(tensor.ggml_type)
            block_size, type_size = constants.GGML_QUANT_SIZES[kind]
        except (ValueError, KeyError):
            raise UnsupportedError(f"the tensor {shown(name)} is of the unknown type {tensor.ggml_type}") from None
        if tensor.shape[-1] % block_size:
            raise UnsupportedError(f"the tensor {shown(name)} is no whole number of blocks of {kind.name}")
        n_rows, width = math.prod(tensor.shape[:-1]), tensor.shape[-1]
        row_size = width // block_size * type_size
        shape, start = tensor.shape, tensor.start + first * row_size
        if n is not None:  # of a matrix
            n_rows = min(n, n_rows - first)
            shape = (n_rows, width)
        self.check(start, n_rows * row_size)
        values = np.empty((n_rows, width), np.float32)
        step = max(1, _PIECE_SIZE // width)
        for row in range(0, n_rows, step):
            m = min(step, n_rows - row)
            data = np.frombuffer(self.read(m * row_size, start + row * row_size), np.uint8)
            try:
                with np.errstate(all="ignore"):  # what is not finite is refused by those who use it
                    values[row : row + m] = quants.dequantize(data.reshape(m, row_size), kind)
            except NotImplementedError:
                raise UnsupportedError(
                    f"the tensor {shown(name)} is of the type {kind.name}, unknown to gguf"
                ) from None
        return values.reshape(shape)

    def _parse(self) -> None:
        if self.read(4) != b"GGUF":
            raise UnsupportedError(f"{self.name} is not a GGUF file")
        version = self._scalar("I")
        if version not in (2, 3):
            raise UnsupportedError(f"{self.name} is of version {version} of GGUF, not 2 or 3")
        n_tensors, n_fields = self._scalar("Q"), self._scalar("Q")
        if max(n_tensors, n_fields) > MAX_COUNT:
            raise UnsupportedError(f"{self.name} has a damaged header")
        fields: dict[str, Any] = {}
        for _ in range(n_fields):
            key = self._string()
            fields[key] = self._value(self._scalar("I"))
        tensors = {}
        for _ in range(n_tensors):
            name, n_dims = self._string(), self._scalar("I")
            if n_dims > 8:
                raise UnsupportedError(f"{self.name} has a damaged header")
            shape = tuple(self._scalar("Q") for _ in range(n_dims))[::-1]
            tensors[name] = Tensor(shape, self._scalar("I"), self._scalar("Q"))
            if math.prod(shape) >= 1 << 40:
                raise UnsupportedError(f"{self.name}: {shown(name)} is too large")
        alignment = fields.get("general.alignment", 32)
        if type(alignment) is not int or not 1 <= alignment <= 1 << 20:
            raise UnsupportedError(f"{self.name} has a damaged header")
        start = -(-self._file.tell() // alignment) * alignment
        self.fields = fields
        self.tensors = {name: t._replace(start=start + t.start) for name, t in tensors.items()}
        self.shapes = {name: t.shape for name, t in tensors.items()}

    def _scalar(self, code: str) -> Any:
        return struct.unpack("<" + code, self.read(struct.calcsize("<" + code)))[0]

    def _string(self) -> str:
        try:
            return self.read(self._scalar("Q")).decode()
        except UnicodeDecodeError:
            raise UnsupportedError(f"{self.name} has a text that is not UTF-8") from None

    def _value(self, kind: int) -> Any:
        if kind in _SCALARS:
            return self._scalar(_SCALARS[kind])
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY:
            raise UnsupportedError(f"{self.name} has a field of the unknown type {kind}")
        item, count = self._scalar("I"), self._scalar("Q")
        if count > self._size - self._file.tell():
            raise UnsupportedError(f"{self.name} is truncated")
        if item == _STRING:
            return [self._string() for _ in range(count)]
        if item not in _SCALARS:
            raise UnsupportedError(f"{self.name} has an array of the type {item}")
        code = f"<{count}{_SCALARS[item]}"
        return list(struct.unpack(code, self.read(struct.calcsize(code))))

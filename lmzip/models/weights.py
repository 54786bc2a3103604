"""Weight files: safetensors with the architecture in their metadata; from a file's bytes to a net in the kernel.

The one metadata entry, `lmzip`, is a JSON object: `format`, `name`, the fields of the architecture, `licence` ...  A
model's digest is the SHA-256 of exactly the file's bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import safetensors

from lmzip import native
from lmzip.errors import UnsupportedError

FORMAT = "bytelm-1"
TRANSFORMER_FORMAT = "transformer-1"
METADATA_KEY = "lmzip"
MAX_FILE_SIZE = 1 << 30  # of a net: it is read whole
MAX_TRANSFORMER_SIZE = 1 << 34
MAX_LAYERS = 12
MAX_NAME_SIZE = 32  # bytes of UTF-8, as in a frame's model record (FORMAT 3.2)
_MAX_HEADER_SIZE = 1 << 20
_PIECE_SIZE = 1 << 20


def matrix_names(n_layer: int) -> list[str]:
    """Return the names of a net's matrices in the order of use."""
    layers = [f"layers.{i}.{name}" for i in range(n_layer) for name in ("in", "out", "up", "down")]
    return ["embed", *layers, "head"]


def matrix_sizes(shape: native.NetShape) -> dict[str, list[int]]:
    """Return rows and columns of each matrix, in the order of use."""
    s, n_input = shape, shape.byte_dim + len(shape.orders) * shape.table_dim
    layer = [[3 * s.n_state, s.n_embd], [s.n_embd, s.n_state], [s.n_hidden, s.n_embd], [s.n_embd, s.n_hidden]]
    sizes = [[s.n_embd, n_input], *(layer * s.n_layer), [256, s.n_embd]]
    return dict(zip(matrix_names(s.n_layer), sizes, strict=True))


@contextmanager
def _opened(path: Path, max_size: int = MAX_TRANSFORMER_SIZE) -> Iterator[tuple[BinaryIO, int]]:
    """Open a weight file: file and size; raises OSError, UnsupportedError if it is no regular file or too large."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise UnsupportedError(f"{path}: not a regular file")
        if status.st_size > max_size:
            raise UnsupportedError(f"{path}: too large for a weight file")
        yield file, status.st_size


def read(path: Path) -> bytes:
    """Return a weight file's bytes; takes memory for those only.

    Raises OSError, UnsupportedError if it is no regular file, too large, or grows or shrinks meanwhile.
    """
    with _opened(path, MAX_FILE_SIZE) as (file, size):
        data = file.read(size + 1)  # as many bytes of memory are taken as are asked for
    if len(data) != size:
        raise UnsupportedError(f"{path}: changed while it was read")
    return data


def inspect(path: Path) -> tuple[dict[str, Any], int]:
    """Return metadata and size of a weight file from its header alone, as any large file may lie where models do.

    Raises as read() and metadata() do.
    """
    with _opened(path) as (file, size):
        start = file.read(8)
        header_size = int.from_bytes(start, "little")
        if header_size <= _MAX_HEADER_SIZE:
            start += file.read(header_size)
    return metadata(start, path), size


def digest_of(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def digest_of_file(path: Path) -> bytes:
    """Return the digest of a weight file, read in pieces; raises as read() does."""
    digest = hashlib.sha256()
    with _opened(path) as (file, _):
        while piece := file.read(_PIECE_SIZE):
            digest.update(piece)
    return digest.digest()


def metadata(data: bytes, path: Path) -> dict[str, Any]:
    """Return the `lmzip` entry of a safetensors file's metadata; raises UnsupportedError if there is none.

    data: the file's bytes, at least up to the end of the header.
    """
    try:
        size = int.from_bytes(data[:8], "little")
        if len(data) < 8 or size > min(_MAX_HEADER_SIZE, len(data) - 8):
            raise ValueError("no safetensors header")
        config = json.loads(json.loads(data[8 : 8 + size])["__metadata__"][METADATA_KEY])
        name = config["name"].encode()
        if config["format"] not in (FORMAT, TRANSFORMER_FORMAT) or not 0 < len(name) <= MAX_NAME_SIZE or b"\0" in name:
            raise ValueError("another format")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UnsupportedError(f"{path}: not an lmzip weight file") from None
    return config


@contextmanager
def memory_told() -> Iterator[None]:
    """Raise MemoryError where safetensors panics for want of memory, with what is no Exception."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            raise MemoryError from None
        raise


def load_net(data: bytes, path: Path, simd: str | None = None) -> native.Net:
    """Make the net that a weight file holds.

    simd: as for native.Net.  Raises MemoryError, UnsupportedError if it does not hold one that this kernel runs.
    """
    config = metadata(data, path)
    try:
        if config["format"] != FORMAT:
            raise ValueError("it holds a transformer")
        numbers = {key: _integer(config[key]) for key in native.NetShape._fields if key != "orders"}
        shape = native.NetShape(**numbers, orders=tuple(_integer(order) for order in config["orders"]))
        # The judge of shapes is the kernel (is_shape in net.c); these two limits only keep what follows small.
        if shape.n_layer > MAX_LAYERS or shape.table_bits > native.MAX_TABLE_BITS:
            raise ValueError("too large")
        with memory_told():
            tensors = dict(safetensors.deserialize(data))
        sizes = matrix_sizes(shape)
        rows = {name: size[:1] for name, size in sizes.items()}
        return native.Net(
            shape,
            byte_embedding=_tensor(tensors, "byte_embedding", "I8", [256, shape.byte_dim]),
            tables=_tensor(tensors, "tables", "I8", [len(shape.orders), 1 << shape.table_bits, shape.table_dim]),
            weights=b"".join(_tensor(tensors, f"{name}.weight", "I8", size) for name, size in sizes.items()),
            multipliers=_numbers(_tensor(tensors, f"{name}.multiplier", "I32", size) for name, size in rows.items()),
            forget_biases=_numbers(
                _tensor(tensors, f"layers.{i}.forget_bias", "I32", [shape.n_state]) for i in range(shape.n_layer)
            ),
            simd=simd,
        )
    except (ValueError, KeyError, TypeError, OverflowError, safetensors.SafetensorError) as error:
        raise UnsupportedError(f"{path}: not a net that this lmzip runs ({error})") from None


def _integer(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 31:
        raise ValueError("a number is out of range")
    return value


def _tensor(tensors: dict[str, dict], name: str, dtype: str, shape: list[int]) -> bytes | bytearray:
    tensor = tensors[name]
    if tensor["dtype"] != dtype or tensor["shape"] != shape:
        raise ValueError(f"{name} is {tensor['dtype']} {tensor['shape']}, not {dtype} {shape}")
    return tensor["data"]


def _numbers(parts: Iterable[bytes | bytearray]) -> array:
    """Join 32-bit numbers, which safetensors holds little-endian, in this machine's order."""
    numbers = array("i", b"".join(parts))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers

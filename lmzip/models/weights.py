"""Weight files: safetensors with the architecture in their metadata; from a file's bytes to a net in the kernel.

The one metadata entry, `lmzip`, is a JSON object: `format`, `name`, the fields of the architecture, `licence` ...  A
model's digest is the SHA-256 of exactly the file's bytes.
"""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmzip.errors import UnsupportedError
from lmzip.weights.files import open_regular, sha256_of
from lmzip.weights.safetensors import MAX_HEADER_SIZE, parse_header

if TYPE_CHECKING:
    from lmzip.native import bytelm

FORMAT = "bytelm-1"
TRANSFORMER_FORMAT = "transformer-1"
METADATA_KEY = "lmzip"
MAX_FILE_SIZE = 1 << 30  # of a net: it is read whole
MAX_TRANSFORMER_SIZE = 1 << 34
MAX_LAYERS = 12
MAX_NAME_SIZE = 32  # bytes of UTF-8, as in a frame's model record (FORMAT 3.2)


def matrix_names(n_layer: int) -> list[str]:
    """Return the names of a net's matrices in the order of use."""
    layers = [f"layers.{i}.{name}" for i in range(n_layer) for name in ("in", "out", "up", "down")]
    return ["embed", *layers, "head"]


def matrix_sizes(shape: bytelm.NetShape) -> dict[str, list[int]]:
    """Return rows and columns of each matrix, in the order of use."""
    s, n_input = shape, shape.byte_dim + len(shape.orders) * shape.table_dim
    layer = [[3 * s.n_state, s.n_embd], [s.n_embd, s.n_state], [s.n_hidden, s.n_embd], [s.n_embd, s.n_hidden]]
    sizes = [[s.n_embd, n_input], *(layer * s.n_layer), [256, s.n_embd]]
    return dict(zip(matrix_names(s.n_layer), sizes, strict=True))


def read(path: Path) -> bytes:
    """Return a weight file's bytes; takes memory for those only.

    Raises OSError, UnsupportedError if it is no regular file, too large, or grows or shrinks meanwhile.
    """
    file, size = open_regular(path, MAX_FILE_SIZE)
    with file:
        data = file.read(size + 1)  # as many bytes of memory are taken as are asked for
    if len(data) != size:
        raise UnsupportedError(f"{path}: changed while it was read")
    return data


def inspect(path: Path) -> tuple[dict[str, Any], int]:
    """Return metadata and size of a weight file from its header alone, as any large file may lie where models do.

    Raises as read() and metadata() do.
    """
    file, size = open_regular(path, MAX_TRANSFORMER_SIZE)
    with file:
        start = file.read(8)
        header_size = int.from_bytes(start, "little")
        if header_size <= MAX_HEADER_SIZE:
            start += file.read(header_size)
    return metadata(start, path), size


def digest_of_file(path: Path) -> bytes:
    """Return the digest of a weight file, read in pieces; raises as read() does."""
    return sha256_of(path, MAX_TRANSFORMER_SIZE)


def metadata(data: bytes, path: Path) -> dict[str, Any]:
    """Return the `lmzip` entry of a safetensors file's metadata; raises UnsupportedError if there is none.

    data: the file's bytes, at least up to the end of the header.
    """
    try:
        size = int.from_bytes(data[:8], "little")
        if len(data) < 8 or size > min(MAX_HEADER_SIZE, len(data) - 8):
            raise ValueError("no safetensors header")
        config = json.loads(json.loads(data[8 : 8 + size])["__metadata__"][METADATA_KEY])
        name = config["name"].encode()
        if config["format"] not in (FORMAT, TRANSFORMER_FORMAT) or not 0 < len(name) <= MAX_NAME_SIZE or b"\0" in name:
            raise ValueError("another format")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UnsupportedError(f"{path}: not an lmzip weight file") from None
    return config


def load_net(data: bytes, path: Path, simd: str | None = None) -> bytelm.Net:
    """Make the net that a weight file holds.

    simd: as for bytelm.Net.  Raises MemoryError, UnsupportedError if it does not hold one that this kernel runs.
    """
    from lmzip.native import bytelm, cpu  # the kernel, which metadata do without

    cpu.simd_number(simd)  # a variant that is not here is no fault of the weights
    config = metadata(data, path)
    try:
        if config["format"] != FORMAT:
            raise ValueError("it holds a transformer")
        numbers = {key: _integer(config[key]) for key in bytelm.NetShape._fields if key != "orders"}
        shape = bytelm.NetShape(**numbers, orders=tuple(_integer(order) for order in config["orders"]))
        # The judge of shapes is the kernel (is_shape in bytelm.c); these two limits only keep what follows small.
        if shape.n_layer > MAX_LAYERS or shape.table_bits > bytelm.MAX_TABLE_BITS:
            raise ValueError("too large")
        tensors = parse_header(data, len(data), path.name).tensors
        sizes = matrix_sizes(shape)
        rows = {name: size[:1] for name, size in sizes.items()}

        def tensor(name: str, dtype: str, shape: list[int]) -> memoryview:
            found = tensors[name]
            if (found.dtype, list(found.shape)) != (dtype, shape):
                raise ValueError(f"{name} is {found.dtype} {list(found.shape)}, not {dtype} {shape}")
            return memoryview(data)[found.start : found.start + found.size]

        # Bytes, not views, for what cffi holds: CPython's collector crashes on such a view inside an exception.
        return bytelm.Net(
            shape,
            byte_embedding=bytes(tensor("byte_embedding", "I8", [256, shape.byte_dim])),
            tables=bytes(tensor("tables", "I8", [len(shape.orders), 1 << shape.table_bits, shape.table_dim])),
            weights=b"".join(tensor(f"{name}.weight", "I8", size) for name, size in sizes.items()),
            multipliers=_numbers(tensor(f"{name}.multiplier", "I32", size) for name, size in rows.items()),
            forget_biases=_numbers(
                tensor(f"layers.{i}.forget_bias", "I32", [shape.n_state]) for i in range(shape.n_layer)
            ),
            simd=simd,
        )
    except (ValueError, KeyError, TypeError, OverflowError, UnsupportedError) as error:
        raise UnsupportedError(f"{path}: not a net that this lmzip runs ({error})") from None


def _integer(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 31:
        raise ValueError("a number is out of range")
    return value


def _numbers(parts: Iterable[memoryview]) -> array:
    """Join 32-bit numbers, which safetensors holds little-endian, in this machine's order."""
    numbers = array("i", b"".join(parts))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers

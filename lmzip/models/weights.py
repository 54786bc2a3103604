"""Weight files: safetensors with the architecture in their metadata; from a file's bytes to a net in the kernel.

The one metadata entry, `lmzip`, is a JSON object: `format`, `name`, the fields of the architecture, `licence` ...  A
model's digest is the SHA-256 of exactly the file's bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmzip.errors import UnsupportedError
from lmzip.weights.files import open_regular, sha256_of
from lmzip.weights.safetensors import MAX_HEADER_SIZE, Layout, SafetensorsFile
from lmzip.weights.values import integer

if TYPE_CHECKING:
    from lmzip.native import bytelm

FORMAT = "bytelm-1"
TRANSFORMER_FORMAT = "transformer-1"
METADATA_KEY = "lmzip"
MAX_FILE_SIZE = 1 << 30  # of a net: it is read whole
MAX_TRANSFORMER_SIZE = 1 << 34
MAX_LAYERS = 12
_MAX_INTEGER = (1 << 31) - 1
MAX_NAME_SIZE = 32  # bytes of UTF-8, as in a frame's model record (FORMAT 3.2)


def matrix_names(n_layer: int) -> list[str]:
    """Return the names of a net's matrices in the order of use."""
    layers = [f"layers.{i}.{name}" for i in range(n_layer) for name in ("in", "out", "up", "down")]
    return ["embed", *layers, "head"]


def layout_of(shape: bytelm.NetShape) -> dict[str, Layout]:
    """Return type and shape of each tensor of a net (ARITHMETIC 10.8)."""
    s, n_input = shape, shape.byte_dim + len(shape.orders) * shape.table_dim
    layer = [(3 * s.n_state, s.n_embd), (s.n_embd, s.n_state), (s.n_hidden, s.n_embd), (s.n_embd, s.n_hidden)]
    sizes = [(s.n_embd, n_input), *(layer * s.n_layer), (256, s.n_embd)]
    tensors = {
        "byte_embedding": Layout("I8", (256, s.byte_dim)),
        "tables": Layout("I8", (len(s.orders), 1 << s.table_bits, s.table_dim)),
    }
    for name, size in zip(matrix_names(s.n_layer), sizes, strict=True):
        tensors |= {f"{name}.weight": Layout("I8", size), f"{name}.multiplier": Layout("I32", size[:1])}
    return tensors | {f"layers.{i}.forget_bias": Layout("I32", (s.n_state,)) for i in range(s.n_layer)}


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
        fields = [key for key in bytelm.NetShape._fields if key != "orders"]
        numbers = {key: integer(config[key], key, 0, _MAX_INTEGER) for key in fields}
        orders = tuple(integer(order, "an order", 0, _MAX_INTEGER) for order in config["orders"])
        shape = bytelm.NetShape(**numbers, orders=orders)
        # The judge of shapes is the kernel (is_shape in bytelm.c); these two limits only keep what follows small.
        if shape.n_layer > MAX_LAYERS or shape.table_bits > bytelm.MAX_TABLE_BITS:
            raise ValueError("too large")
        with SafetensorsFile(path, data=data) as file:
            file.expect(layout_of(shape))

            def joined(names: Iterable[str]) -> bytes:
                return b"".join(map(file.raw, names))

            names = matrix_names(shape.n_layer)
            return bytelm.Net(
                shape,
                byte_embedding=file.raw("byte_embedding"),
                tables=file.raw("tables"),
                weights=joined(f"{name}.weight" for name in names),
                multipliers=joined(f"{name}.multiplier" for name in names),
                forget_biases=joined(f"layers.{i}.forget_bias" for i in range(shape.n_layer)),
                simd=simd,
            )
    except (ValueError, KeyError, TypeError, OverflowError, UnsupportedError) as error:
        raise UnsupportedError(f"{path}: not a net that this lmzip runs ({error})") from None

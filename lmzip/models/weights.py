"""Weight files: safetensors with the architecture in their metadata; from a file's bytes to a net in the kernel.

The one metadata entry, `lmzip`, is a JSON object: `format`, `name`, the fields of the architecture, `licence` ...  A
model's digest is the SHA-256 of exactly the file's bytes.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import safetensors

from lmzip import native
from lmzip.errors import UnsupportedError

FORMAT = "bytelm-1"
METADATA_KEY = "lmzip"
MAX_FILE_SIZE = 1 << 30
_MAX_HEADER_SIZE = 1 << 20
_GATES = {"sigmoid": 0, "silu": 1}


def matrix_names(n_layer: int) -> list[str]:
    """Return the names of a net's matrices in the order of use."""
    layers = [f"layers.{i}.{name}" for i in range(n_layer) for name in ("in", "out", "up", "down")]
    return ["embed", *layers, "head"]


def read(path: Path) -> bytes:
    """Return a weight file's bytes; raises OSError, UnsupportedError if it is too large to be one."""
    with open(path, "rb") as file:
        data = file.read(MAX_FILE_SIZE + 1)
    if len(data) > MAX_FILE_SIZE:
        raise UnsupportedError(f"{path}: too large for a weight file")
    return data


def digest_of(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def metadata(data: bytes, path: Path) -> dict[str, Any]:
    """Return the `lmzip` entry of a safetensors file's metadata; raises UnsupportedError if there is none."""
    try:
        size = int.from_bytes(data[:8], "little")
        if len(data) < 8 or size > min(_MAX_HEADER_SIZE, len(data) - 8):
            raise ValueError("no safetensors header")
        config = json.loads(json.loads(data[8 : 8 + size])["__metadata__"][METADATA_KEY])
        if config["format"] != FORMAT or not isinstance(config["name"], str):
            raise ValueError("another format")
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UnsupportedError(f"{path}: not an lmzip weight file") from None
    return config


def load_net(data: bytes, path: Path, simd: str | None = None) -> native.Net:
    """Make the net that a weight file holds; raises UnsupportedError if it does not hold one that this kernel runs."""
    config = metadata(data, path)
    try:
        shape = native.NetShape(
            *(_integer(config[key]) for key in native.NetShape._fields[:7]),
            gate=_GATES[config["gate"]],
            orders=tuple(_integer(order) for order in config["orders"]),
        )
        tensors = {name: tensor for name, tensor in safetensors.deserialize(data)}
        names = matrix_names(shape.n_layer if shape.n_layer <= 64 else 0)
        return native.Net(
            shape,
            byte_embedding=_tensor(tensors, "byte_embedding", "I8"),
            tables=_tensor(tensors, "tables", "I8"),
            weights=b"".join(_tensor(tensors, f"{name}.weight", "I8") for name in names),
            multipliers=b"".join(_tensor(tensors, f"{name}.multiplier", "I32") for name in names),
            forget_biases=b"".join(_tensor(tensors, f"layers.{i}.forget_bias", "I32") for i in range(shape.n_layer)),
            simd=simd,
        )
    except (ValueError, KeyError, TypeError, OverflowError, safetensors.SafetensorError) as error:
        raise UnsupportedError(f"{path}: not a net that this lmzip runs ({error})") from None


def _integer(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 31:
        raise ValueError("a number is out of range")
    return value


def _tensor(tensors: dict[str, dict], name: str, dtype: str) -> bytes | bytearray:
    tensor = tensors[name]
    if tensor["dtype"] != dtype:
        raise ValueError(f"{name} is of type {tensor['dtype']}")
    return tensor["data"]

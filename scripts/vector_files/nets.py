"""Nets whose weights follow the formula of ARITHMETIC 12.2, so that nobody has to keep them in a file."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from safetensors.numpy import save

from lmzip.reference.contexts import hash2

COMMON: dict[str, Any] = {"format": "bytelm-1", "n_embd": 32, "n_hidden": 32, "n_state": 32, "n_layer": 1}


def shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor of a net, in the order of their numbers."""
    n_orders, dim = len(config["orders"]), config["table_dim"]
    tables = (n_orders, 1 << config["table_bits"], dim)
    found: dict[str, tuple[int, ...]] = {"byte_embedding": (256, config["byte_dim"]), "tables": tables}
    matrices = {"embed": (32, config["byte_dim"] + n_orders * dim)}
    matrices |= {f"layers.0.{name}": (n_out, 32) for name, n_out in (("in", 96), ("out", 32), ("up", 32), ("down", 32))}
    matrices["head"] = (256, 32)
    for name, shape in matrices.items():
        found |= {f"{name}.weight": shape, f"{name}.multiplier": shape[:1]}
    return found | {"layers.0.forget_bias": (32,)}


def largest_multipliers(weight: np.ndarray) -> np.ndarray:
    """Return the largest multiplier that ARITHMETIC 10.3 admits for each row."""
    return np.minimum((1 << 31) - 1, ((1 << 50) - 1) // (127 * np.abs(weight).sum(1)))


def formula_hashes(number: int, n: int) -> np.ndarray:
    """Return hash2(j, number) for j = 0 .. n - 1, as int64."""
    j = np.arange(n, dtype=np.uint32)
    h = j * np.uint32(0x9E3779B1) + np.uint32((number * 0x85EBCA6B + 0x2F0B4C47) & 0xFFFFFFFF)
    h ^= h >> np.uint32(15)
    assert int(h[-1]) == hash2(int(j[-1]), number)
    return h.astype(np.int64)


def weight_file(config: dict[str, Any], *, at_limit: bool = False) -> bytes:
    """Return the weight file of a net; at_limit: with the largest multipliers in all matrices but the head."""
    tensors: dict[str, np.ndarray] = {}
    for s, (name, shape) in enumerate(shapes(config).items(), 1):
        h = formula_hashes(s, int(np.prod(shape)))
        if name.endswith(".multiplier"):
            values = ((1 << 22) + (h >> 12)).astype(np.int32)
            if at_limit and not name.startswith("head"):
                weight = tensors[name.replace("multiplier", "weight")].astype(np.int64)
                values = largest_multipliers(weight).astype(np.int32)
        elif name.endswith("forget_bias"):
            values = (h >> 18).astype(np.int32)
        else:
            values = ((h >> 16) % 255 - 127).astype(np.int8)
        tensors[name] = values.reshape(shape)
    return save(tensors, {"lmzip": json.dumps(config, sort_keys=True)})


# The nets of vectors that the checked-in one says nothing about: other orders and a larger table; multipliers at their
# limit.
ORDERS = COMMON | {"name": "vectors-orders", "byte_dim": 25, "table_dim": 1, "table_bits": 17}
ORDERS |= {"orders": [1, 3, 4, 5, 6, 7, 8]}
LIMIT = COMMON | {"name": "vectors-limit", "byte_dim": 30, "table_dim": 1, "table_bits": 16, "orders": [2, 0]}
FORMULA_NETS: dict[str, bytes] = {
    config["name"]: weight_file(config, at_limit=config is LIMIT) for config in (ORDERS, LIMIT)
}

"""Tiny weight files from a seed, for tests: plausible nets, and nets at the edges of the overflow budget.

Written as scripts/export.py writes them; needs no torch.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from safetensors.numpy import save

from lmzip.native.bytelm import Net, NetShape

CONFIG: dict[str, Any] = {
    "format": "bytelm-1",
    "name": "tiny",
    "licence": "Apache-2.0",
    "n_embd": 32,
    "n_layer": 2,
    "n_hidden": 64,
    "n_state": 32,
    "byte_dim": 32,
    "table_dim": 32,
    "table_bits": 16,
    "orders": [2, 3, 0],
}
PEAK: dict[str, Any] = {"kind": "peak", "n_embd": 64, "n_layer": 12, "n_hidden": 96, "n_state": 1056, "byte_dim": 64}
MAX_MULTIPLIER = (1 << 31) - 1

Tensors = dict[str, np.ndarray]


def matrix_shapes(config: dict[str, Any]) -> dict[str, tuple[int, int, int]]:
    """Return (n_out, n_in, unit of what it multiplies) of each matrix (ARITHMETIC 10.1, 10.8)."""
    n_embd, n_state, n_hidden = (config[key] for key in ("n_embd", "n_state", "n_hidden"))
    shapes = {"embed": (n_embd, config["byte_dim"] + len(config["orders"]) * config["table_dim"], 32)}
    for i in range(config["n_layer"]):
        shapes[f"layers.{i}.in"] = (3 * n_state, n_embd, 24)
        shapes[f"layers.{i}.out"] = (n_embd, n_state, 24)
        shapes[f"layers.{i}.up"] = (n_hidden, n_embd, 24)
        shapes[f"layers.{i}.down"] = (n_embd, n_hidden, 16)
    return shapes | {"head": (256, n_embd, 24)}


def largest_multipliers(weight: np.ndarray) -> np.ndarray:
    """Return (n_out,) int32: what the loader just admits for each row (ARITHMETIC 10.3)."""
    sums = np.abs(np.maximum(weight.astype(np.int64), -127)).sum(1)
    return np.minimum(MAX_MULTIPLIER, ((1 << 50) - 1) // np.maximum(1, 127 * sums)).astype(np.int32)


def plausible(config: dict[str, Any], random: np.random.Generator) -> Tensors:
    """Random weights of about the sizes that training starts from, and forget gates of many time constants."""
    table_shape = (len(config["orders"]), 1 << config["table_bits"], config["table_dim"])
    tensors: Tensors = {
        "byte_embedding": random.integers(-60, 61, (256, config["byte_dim"]), np.int8),
        "tables": random.integers(-30, 31, table_shape, np.int8),
    }
    for name, (n_out, n_in, unit) in matrix_shapes(config).items():
        real = random.standard_normal((n_out, n_in)) * n_in**-0.5
        scale = np.abs(real).max(1) / 127
        tensors[f"{name}.weight"] = np.rint(real / scale[:, None]).astype(np.int8)
        tensors[f"{name}.multiplier"] = np.rint(scale / unit * 2.0**36).astype(np.int32)
    for i in range(config["n_layer"]):
        tensors[f"layers.{i}.forget_bias"] = random.integers(0, 4 << 12, config["n_state"], np.int32)
    return tensors


def ties(config: dict[str, Any], random: np.random.Generator) -> Tensors:
    """Plausible weights whose multipliers are powers of two, so that many products lie just between two integers."""
    tensors = plausible(config, random)
    for name in matrix_shapes(config):
        multiplier = tensors[f"{name}.multiplier"]
        multiplier[:] = 1 << np.rint(np.log2(multiplier)).astype(np.int32)
    return tensors


def extreme(config: dict[str, Any], random: np.random.Generator) -> Tensors:
    """Weights of -128, -127 and 127 with the largest multipliers admitted, biases of +-2^20; some rows of zeros.

    Some rows give less, so that not all gates are shut or open; logits stay within +-2^17, as beyond all leaves are 1.
    """
    tensors: Tensors = {}
    for name, like in plausible(config, random).items():
        if name.endswith(".multiplier"):
            tensors[name] = largest_multipliers(tensors[name.removesuffix("multiplier") + "weight"])
            tensors[name][random.random(like.shape) < 0.1] = 0
            tensors[name] >>= (
                9 if name.startswith("head") else random.choice([0, 0, 9, 11], like.shape).astype(np.int32)
            )
        elif name.endswith(".forget_bias"):
            tensors[name] = random.choice(np.array([-1 << 20, 0, 1 << 20], np.int32), like.shape)
        else:
            tensors[name] = random.choice(np.array([-128, -127, 127], np.int8), like.shape)
        if name.endswith(".weight"):
            tensors[name][random.random(len(like)) < 0.1] = 0
    return tensors


def peak(config: dict[str, Any], random: np.random.Generator) -> Tensors:
    """A net whose numbers come as near to the overflow budget as weights can bring them, for the shape of PEAK.

    Of the residual stream only [0] is not zero, very positive behind an even byte and very negative behind an odd one,
    and [1], always positive.  A product needs 33 weights of 127 to reach 2^26, as multipliers end at 2^31.
    """
    tensors = {name: np.zeros_like(like) for name, like in plausible(config, random).items()}
    tensors["byte_embedding"][0::2], tensors["byte_embedding"][1::2] = 127, -128
    tensors["tables"][:] = 127
    tensors["embed.weight"][0, : config["byte_dim"]] = 127
    tensors["embed.weight"][1, config["byte_dim"] :] = 127
    n_state, half = config["n_state"], config["n_hidden"] // 2
    n_high = n_state * 24**2 // 127**2  # elements that are +-127 behind the norm if all others are 0
    for i in range(config["n_layer"]):
        w_in, w_out, w_up, w_down = (tensors[f"layers.{i}.{name}.weight"] for name in ("in", "out", "up", "down"))
        w_in[:n_high, 0] = 127  # candidates follow residual[0]
        w_in[2 * n_state :, 1] = 127  # all outputs are open
        w_out[0, :n_high] = 127
        w_up[:half:2, 0], w_up[1:half:2, 0], w_up[half:, 1] = 127, -127, 127
        w_down[0, :half:2], w_down[0, 1:half:2], w_down[1, half:] = 127, -127, 127
        tensors[f"layers.{i}.forget_bias"][:] = -1 << 20  # states forget everything
    tensors["head.weight"][0::2, 0], tensors["head.weight"][1::2, 0] = 127, -127
    for name in matrix_shapes(config):
        tensors[f"{name}.multiplier"] = largest_multipliers(tensors[f"{name}.weight"])
    return tensors


def tiny_net(seed: int = 0, kind: str = "plausible", **changes: Any) -> tuple[Tensors, dict[str, Any]]:
    """Return the tensors and the metadata of a tiny net; changes are other values of CONFIG."""
    config = CONFIG | changes
    make = {"plausible": plausible, "ties": ties, "extreme": extreme, "peak": peak}[kind]
    return make(config, np.random.default_rng(seed)), config


def weight_file(tensors: Tensors, config: Any) -> bytes:
    return save(tensors, {"lmzip": json.dumps(config, sort_keys=True)})


def tiny_weights(seed: int = 0, **changes: Any) -> bytes:
    """Return the bytes of a tiny weight file; changes: `kind`, or other values of CONFIG."""
    return weight_file(*tiny_net(seed, **changes))


def kernel_net(tensors: Tensors, config: dict[str, Any], simd: str | None = None) -> Net:
    """Make a net in the kernel past what reads weight files, so that the kernel's own refusals show."""
    shape = NetShape(
        **{key: config[key] for key in NetShape._fields if key != "orders"}, orders=tuple(config["orders"])
    )
    names = matrix_shapes(config)
    biases = [tensors[f"layers.{i}.forget_bias"] for i in range(config["n_layer"])]
    return Net(
        shape,
        byte_embedding=tensors["byte_embedding"].tobytes(),
        tables=tensors["tables"].tobytes(),
        weights=b"".join(tensors[f"{name}.weight"].tobytes() for name in names),
        multipliers=b"".join(tensors[f"{name}.multiplier"].tobytes() for name in names),
        forget_biases=b"".join(bias.tobytes() for bias in biases),
        simd=simd,
    )

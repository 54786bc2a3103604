"""A net in torch <-> the bytes of a weight file: int8 safetensors with the architecture in their metadata.

The same weights give the same bytes (ARITHMETIC 10.8).
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load, save

from lmzip.errors import UnsupportedError
from lmzip.models.weights import FORMAT, METADATA_KEY, matrix_names, metadata
from lmzip.training.net.model import EMBEDDING_UNIT, ByteNet, NetConfig, QuantLinear

ONE = 1 << 12  # 1.0 of what matrix products give (ARITHMETIC 10.1)
SCALE = 1 << 24  # 1.0 of a multiplier


def matrices(net: ByteNet) -> list[tuple[QuantLinear, float]]:
    """Return the matrices in the order of use, each with a factor for its products: logits are in octaves."""
    result: list[tuple[QuantLinear, float]] = [(net.w_embed, 1.0)]
    for layer in net.layers:
        result += [(m, 1.0) for m in (layer.w_in, layer.w_out, layer.w_up, layer.w_down)]
    return [*result, (net.w_head, 1 / math.log(2))]


def int8(x: torch.Tensor) -> np.ndarray:
    """Round to -127 .. 127."""
    return torch.round(x).clamp(-127, 127).to(torch.int8).cpu().numpy()


@torch.no_grad()
def tensors(net: ByteNet) -> dict[str, np.ndarray]:
    """Return what a weight file holds by name (ARITHMETIC 10.8); raises ValueError for weights too large for it."""
    result = {
        "byte_embedding": int8(net.byte_embedding * EMBEDDING_UNIT),
        "tables": int8(net.tables * EMBEDDING_UNIT),
    }
    for name, (matrix, factor) in zip(matrix_names(net.config.n_layer), matrices(net), strict=True):
        integers, scale = matrix.quantised()
        result[f"{name}.weight"] = int8(integers)
        multiplier = np.rint(scale.double().cpu().numpy() * factor / matrix.unit * ONE * SCALE)
        if not (multiplier < 1 << 31).all():
            raise ValueError(f"{name}: weights are too large")
        result[f"{name}.multiplier"] = multiplier.astype(np.int32)
    for i, layer in enumerate(net.layers):
        result[f"layers.{i}.forget_bias"] = torch.round(layer.forget_bias * ONE).to(torch.int32).cpu().numpy()
    return result


@torch.no_grad()
def restore(net: ByteNet, data: bytes) -> None:
    """Set a net's parameters to those of a weight file of the same architecture, to train on from.

    Raises ValueError if it is of another, lmzip.errors.UnsupportedError if it is no weight file.
    """
    there, here = metadata(data, Path("the weight file")), config_of(net.config, "")
    different = [key for key in here if key != "name" and there.get(key) != here[key]]
    if different:
        raise ValueError(f"the weight file is of another architecture: {', '.join(different)}")
    stored = {name: torch.from_numpy(array) for name, array in load(data).items()}
    net.byte_embedding.copy_(stored["byte_embedding"] / EMBEDDING_UNIT)
    net.tables.copy_(stored["tables"] / EMBEDDING_UNIT)
    for name, (matrix, factor) in zip(matrix_names(net.config.n_layer), matrices(net), strict=True):
        scale = stored[f"{name}.multiplier"].double() * matrix.unit / (factor * ONE * SCALE)
        matrix.weight.copy_(stored[f"{name}.weight"] * scale[:, None])
    for i, layer in enumerate(net.layers):
        layer.forget_bias.copy_(stored[f"layers.{i}.forget_bias"] / ONE)


def net_config_of(data: bytes) -> NetConfig:
    """Return the architecture of the net in a weight file; raises UnsupportedError for what holds none."""
    config = metadata(data, Path("the weight file"))
    if config["format"] != FORMAT:
        raise UnsupportedError("the weight file holds no net but a transformer")
    sizes = {key: config[key] for key in ("n_embd", "n_layer", "n_hidden", "n_state", "byte_dim", "table_dim")}
    return NetConfig(**sizes, table_rows=1 << config["table_bits"], orders=config["orders"])


def config_of(net: NetConfig, name: str) -> dict:
    """Return what the metadata say: the fields of lmzip.native.NetShape, and what a reader wants to know."""
    return {
        "format": FORMAT,
        "name": name,
        "licence": "Apache-2.0",
        "n_embd": net.n_embd,
        "n_layer": net.n_layer,
        "n_hidden": net.n_hidden,
        "n_state": net.n_state,
        "byte_dim": net.byte_dim,
        "table_dim": net.table_dim,
        "table_bits": net.table_rows.bit_length() - 1,
        "orders": net.orders,
    }


def weight_file(net: ByteNet, name: str) -> bytes:
    """Return the bytes of the weight file: one metadata entry, so that no order of entries is left to chance.

    Raises ValueError for weights too large for it, and for what only experiments have.
    """
    if net.config.gate != "sigmoid" or net.config.token_shift:
        raise ValueError("the kernel has neither the gate silu nor a token shift: experiments only")
    return save(tensors(net), {METADATA_KEY: json.dumps(config_of(net.config, name), sort_keys=True)})

"""Tiny weight files of transformers from a seed, for tests: plausible ones, and ones at the edges of what 9.11 admits.

Written as an importer writes them; needs no torch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tiny_net import Tensors, largest_multipliers, weight_file

from lmzip.models.transformer_file import shape_of
from lmzip.native.llama import Transformer

MATRICES = ("qkv", "o", "gate_up", "down", "lm_head")
CONFIG: dict[str, Any] = {
    "format": "transformer-1",
    "name": "tiny",
    "licence": "Apache-2.0",
    "n_embd": 64,
    "n_hidden": 96,
    "n_layer": 2,
    "n_head": 4,
    "n_kv_head": 2,
    "head_dim": 32,
    "n_vocab": 300,
    "window": 128,
    "epsilon": 10737,  # n_embd * 1e-5 * 2^24
    "int15": [],
}
GAIN_SHIFT = 14
# What Qwen 3, Gemma 2 and Gemma 3 have beside that; `head_norms` and `post_norms` are told by tensors alone.
QWEN3: dict[str, Any] = {"head_norms": True}
GEMMA2: dict[str, Any] = {
    "post_norms": True,
    "activation": "gelu",
    "embed_scale": 2048,
    "query_scale": 48,
    "score_cap": 295448,
    "logit_cap": 177269,
    "local_layers": [0],
    "local_window": 128,
}
GEMMA3: dict[str, Any] = {
    "head_norms": True,
    "post_norms": True,
    "activation": "gelu",
    "embed_scale": 2048,
    "n_layer": 3,
    "local_layers": [0, 2],
    "local_window": 128,
}


def vocabulary(n_vocab: int, random: np.random.Generator) -> list[bytes]:
    """Return all single bytes and n_vocab - 256 longer tokens, sorted."""
    tokens = {bytes([byte]) for byte in range(256)}
    while len(tokens) < n_vocab:
        tokens.add(random.choice(np.frombuffer(b"  aeinorst\x00\xff", np.uint8), random.integers(2, 9)).tobytes())
    return sorted(tokens)


def matrix_shapes(config: dict[str, Any], tied: bool) -> dict[str, tuple[int, int, float]]:
    """Return (n_out, n_in, standard deviation of plausible weights) of each matrix (TRANSFORMER 11)."""
    n_embd, n_hidden, head_dim = (config[key] for key in ("n_embd", "n_hidden", "head_dim"))
    n_heads = config["n_head"] + 2 * config["n_kv_head"]
    n_out = config["n_head"] * head_dim
    shapes = {"embed": (config["n_vocab"] + 1, n_embd, 0.25)}
    for i in range(config["n_layer"]):
        shapes[f"layers.{i}.qkv"] = (n_heads * head_dim, n_embd, 1.2 * n_embd**-0.5)
        shapes[f"layers.{i}.o"] = (n_embd, n_out, n_out**-0.5)
        shapes[f"layers.{i}.gate_up"] = (2 * n_hidden, n_embd, n_embd**-0.5)
        shapes[f"layers.{i}.down"] = (n_embd, n_hidden, n_hidden**-0.5)
    return shapes if tied else shapes | {"lm_head": (config["n_vocab"], n_embd, 2 * n_embd**-0.5)}


def plausible(config: dict[str, Any], tied: bool, bias: bool, random: np.random.Generator) -> Tensors:
    """Random weights that keep activations sensible; angles as of Llama with the base 10000."""
    tokens = vocabulary(config["n_vocab"], random)
    half = config["head_dim"] // 2
    angles = 10000.0 ** (-np.arange(half) / half)
    tensors: Tensors = {
        "vocabulary": np.frombuffer(b"".join(tokens), np.uint8),
        "vocabulary.size": np.array([len(token) for token in tokens], np.uint8),
        "gain_shifts": np.full(2 * config["n_layer"] + 1, GAIN_SHIFT, np.uint8),
        "inv_freq": np.rint(angles * 2.0**32 / (2 * np.pi)).astype(np.uint32),
    }
    for name, (n_out, n_in, deviation) in matrix_shapes(config, tied).items():
        real = random.standard_normal((n_out, n_in)) * deviation
        step = np.abs(real).max(1) / 127
        tensors[f"{name}.weight"] = np.rint(real / step[:, None]).astype(np.int8)
        tensors[f"{name}.multiplier"] = np.rint(step / 127 * 2.0**40).astype(np.int32)
        if bias and name.endswith(".qkv"):
            tensors[f"{name}.bias"] = np.rint(random.standard_normal(n_out) * 4096).astype(np.int32)
        if name.endswith((".qkv", ".gate_up")):
            tensors[f"{name}.norm"] = random.integers(8000, 30000, n_in, np.int16)
    return tensors | {"lm_head.norm": random.integers(8000, 30000, config["n_embd"], np.int16)}


def ties(config: dict[str, Any], tied: bool, bias: bool, random: np.random.Generator) -> Tensors:
    """Plausible weights whose multipliers are powers of two, so that many products lie just between two integers."""
    tensors = plausible(config, tied, bias, random)
    for name in matrix_shapes(config, tied):
        multiplier = tensors[f"{name}.multiplier"]
        multiplier[:] = 1 << np.rint(np.log2(multiplier)).astype(np.int32)
    return tensors


def extreme(config: dict[str, Any], tied: bool, bias: bool, random: np.random.Generator) -> Tensors:
    """Weights of -128, -127 and 127 with the largest multipliers admitted, biases and gains at their ends.

    Some rows give less, so that not all gates and scores are at their limits; the head gives so little that logits
    differ.
    """
    tensors = plausible(config, tied, bias, random)
    for name, like in tensors.items():
        if name.endswith(".weight"):
            tensors[name] = random.choice(np.array([-128, -127, 127], np.int8), like.shape)
            tensors[name][random.random(len(like)) < 0.1] = 0
    for name in matrix_shapes(config, tied):
        multiplier = largest_multipliers(tensors[f"{name}.weight"])
        small = [4, 8, 12] if name in ("lm_head", "embed") else [0, 0, 9, 14]
        multiplier >>= random.choice(small, multiplier.shape).astype(np.int32)
        multiplier[random.random(multiplier.shape) < 0.1] = 0
        tensors[f"{name}.multiplier"] = multiplier
        if f"{name}.bias" in tensors:
            ends = np.array([-1 << 31, -5000, 0, 5000, (1 << 31) - 1], np.int32)
            tensors[f"{name}.bias"] = random.choice(ends, multiplier.shape)
    for name, like in tensors.items():
        if name.endswith(".norm"):
            tensors[name] = random.choice(np.array([-1 << 15, -300, 0, 1, (1 << 15) - 1], np.int16), like.shape)
    tensors["gain_shifts"] = random.choice(np.array([0, 12, 24], np.uint8), len(tensors["gain_shifts"]))
    tensors["gain_shifts"][-1] = random.choice([12, 18])
    tensors["inv_freq"] = random.integers(0, 1 << 32, len(tensors["inv_freq"]), np.uint32)
    tensors["inv_freq"][:4] = 0, 1 << 30, 1 << 31, (1 << 32) - 1
    return tensors


def add_norms(
    tensors: Tensors, config: dict[str, Any], names: list[str], kind: str, random: np.random.Generator
) -> None:
    """Put more norms into each layer, and their shifts where they are in the order of use."""
    gains = [-1 << 15, -300, 0, 1, (1 << 15) - 1] if kind == "extreme" else [9000, 12000, 16000, 20000]
    shifts = [0, 12, 24] if kind == "extreme" else [GAIN_SHIFT]
    for i in range(config["n_layer"]):
        for name in names:
            width = config["head_dim"] if name in ("q", "k") else config["n_embd"]
            tensors[f"layers.{i}.{name}.norm"] = random.choice(np.array(gains, np.int16), width)
    there = [f"layers.0.{name}.norm" in tensors for name in ("qkv", "q", "k", "o", "gate_up", "down")]
    n_shifts = sum(there) * config["n_layer"] + 1
    head = tensors["gain_shifts"][-1:]
    tensors["gain_shifts"] = np.append(random.choice(np.array(shifts, np.uint8), n_shifts - 1), head)


def tiny_transformer(
    seed: int = 0,
    kind: str = "plausible",
    tied: bool = True,
    bias: bool = False,
    head_norms: bool = False,
    post_norms: bool = False,
    **changes: Any,
) -> tuple[Tensors, dict[str, Any]]:
    """Return the tensors and the metadata of a tiny transformer; changes are other values of CONFIG."""
    config = CONFIG | changes
    random = np.random.default_rng(seed)
    tensors = {"plausible": plausible, "ties": ties, "extreme": extreme}[kind](config, tied, bias, random)
    names = [*(["q", "k"] if head_norms else []), *(["o", "down"] if post_norms else [])]
    if names:
        add_norms(tensors, config, names, kind, random)
    if "local_layers" in config:
        angles = 100.0 ** (-np.arange(config["head_dim"] // 2) / (config["head_dim"] // 2))
        tensors["inv_freq.local"] = np.rint(angles * 2.0**32 / (2 * np.pi)).astype(np.uint32)
    return tensors, config


def tiny_transformer_weights(seed: int = 0, **changes: Any) -> bytes:
    """Return the bytes of a tiny weight file; changes: `kind`, `tied`, `bias`, or other values of CONFIG."""
    return weight_file(*tiny_transformer(seed, **changes))


def without_matrices(tensors: Tensors, config: dict[str, Any], simd: str | None = None) -> Transformer:
    """Start a transformer in the kernel past what reads weight files; it lacks matrices and vocabulary."""
    shape = shape_of(config, tensors)
    norms = b"".join(tensors[f"{name}.norm"].tobytes() for name, _ in shape.norms())
    inv_freq = b"".join(tensors[name].tobytes() for name in ("inv_freq", "inv_freq.local") if name in tensors)
    return Transformer(shape, norms=norms, gain_shifts=tensors["gain_shifts"], inv_freq=inv_freq, simd=simd)


def kernel_transformer(tensors: Tensors, config: dict[str, Any], simd: str | None = None) -> Transformer:
    """Make a transformer in the kernel past what reads weight files."""
    model = without_matrices(tensors, config, simd)
    for place, (n_rows, _, _) in matrix_shapes(config, "lm_head.weight" not in tensors).items():
        layer, name = place.split(".")[1:] if "." in place else (0, place)
        weights, multipliers = tensors[f"{place}.weight"], tensors[f"{place}.multiplier"]
        model.set_matrix(name, int(layer), weights, multipliers, n_rows, tensors.get(f"{place}.bias"))
    model.set_vocabulary(tensors["vocabulary"], tensors["vocabulary.size"])
    model.check_complete()
    return model

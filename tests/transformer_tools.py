"""Tiny transformers, and what the kernel and a twin in torch predict with them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from tiny_transformer import GEMMA2, GEMMA3, QWEN3, tiny_transformer

ALL_INT15 = ["qkv", "o", "gate_up", "down", "lm_head"]
MODELS: dict[str, dict] = {
    "tied": {"seed": 3},
    "one layer": {"seed": 2, "n_layer": 1},
    "own head, biases": {"seed": 4, "tied": False, "bias": True, "n_vocab": 303, "epsilon": 1 << 30},
    "fifteen bits": {"seed": 5, "int15": ALL_INT15, "n_layer": 1},
    "many heads": {"seed": 6, "n_layer": 1, "n_head": 6, "n_kv_head": 2, "head_dim": 64, "int15": ["o"]},
    "sliding": {"seed": 14, **GEMMA2, "window": 256, "n_layer": 2},
    "ties": {"seed": 7, "kind": "ties", "int15": ["down"]},
    "extreme": {"seed": 8, "kind": "extreme", "bias": True, "tied": False},
    "extreme, fifteen bits": {"seed": 9, "kind": "extreme", "int15": ALL_INT15, "n_hidden": 1184, "epsilon": 1 << 32},
    "qwen 3": {"seed": 11, **QWEN3},
    "gemma 2, extreme": {"seed": 12, "kind": "extreme", **GEMMA2},
    "gemma 3": {"seed": 13, "int15": ["o"], **GEMMA3},
    "no epsilon": {"seed": 10, "kind": "extreme", "epsilon": 0},
}


@cache
def tensors_of(name: str):
    return tiny_transformer(**MODELS[name])


def some_tokens(n_lanes: int, n_steps: int, n_vocab: int) -> np.ndarray:
    """Return (n_steps, n_lanes) tokens, among them the same over and over."""
    tokens = np.random.default_rng(5).integers(0, n_vocab, (n_steps, n_lanes))
    tokens[:, 2::3] = 7
    return tokens


def kernel_weights(model, tokens: np.ndarray, n_vocab: int) -> np.ndarray:
    found = model.run(tokens.reshape(-1).tolist(), tokens.shape[1])
    return np.asarray(found).reshape(*tokens.shape, n_vocab)


def twin_weights(twin: Any, tokens: np.ndarray, stretches: list[int]) -> np.ndarray:
    """Return the same of the twin, whose lanes lie in disorder among others; stretches: steps at a time."""
    import torch

    n_steps, n_lanes = tokens.shape
    rows = torch.randperm(n_lanes + 2, generator=torch.Generator().manual_seed(1))[:n_lanes].to(twin.device)
    state = twin.new_state(n_lanes + 2)
    before = torch.from_numpy(np.concatenate([np.full((1, n_lanes), twin.n_symbols), tokens[:-1]])).to(twin.device)
    parts, at = [], 0
    while at < n_steps:
        size = stretches[len(parts) % len(stretches)]
        parts.append(twin.predict(state, rows, before[at : at + size]).cpu().numpy().view(np.uint32))
        at += size
    return np.concatenate(parts)


def int8_products_are_exact() -> bool:
    """Return whether torch's products of integers of 8 bits are exact on the CPU device."""
    import torch

    extremes = torch.full((32, 1024), -127, dtype=torch.int8)
    return torch._int_mm(extremes, -extremes.t())[0, 0].item() == -(127**2) * 1024

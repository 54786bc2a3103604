"""Tiny nets, and what the kernel and a twin in torch predict with them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import tiny_net
from conftest import SAMPLE

NETS: dict[str, dict] = {
    "small": {},
    "one layer, long orders": {"n_layer": 1, "orders": [1, 5, 7, 8], "table_dim": 8, "seed": 2},
    "odd": {"n_embd": 96, "n_state": 224, "n_hidden": 160, "orders": [1, 4, 6, 0], "table_bits": 17, "seed": 3},
    "no tables": {"orders": [], "n_embd": 160, "n_hidden": 32, "seed": 5},
    "ties": {"kind": "ties", "seed": 9},
    "extreme": {"kind": "extreme", "seed": 6},
    "extreme, more columns than float32 sums": {"kind": "extreme", "n_hidden": 1184, "n_state": 1056, "seed": 7},
    "peak": tiny_net.PEAK,
}


@cache
def tensors_of(name: str):
    return tiny_net.tiny_net(**NETS[name])


def lanes_of_bytes(n_lanes: int, n_steps: int) -> np.ndarray:
    """Return (n_lanes, n_steps) uint8: lanes of text, of random bytes, and of those at the edges of being letters."""
    rng = np.random.default_rng(9)
    data = rng.integers(0, 256, (n_lanes, n_steps), np.uint8)
    data[1::3] = rng.choice(np.frombuffer(b"@AZ[`az{\x7f\x80\xff", np.uint8), data[1::3].shape)
    text = np.frombuffer(SAMPLE.read_bytes(), np.uint8)
    for lane in range(0, n_lanes, 3):
        data[lane] = text[lane % 997 * 20 :][:n_steps]
    return data


def kernel_leaves(net, data: np.ndarray) -> np.ndarray:
    """Return (n_lanes, n_steps, 256): what the kernel predicts before each byte, at most 128 lanes at a time."""
    parts = []
    for some in np.split(data, range(128, len(data), 128)):
        trees = np.array(net.run(np.ascontiguousarray(some.T).tobytes(), len(some)), np.uint32)
        parts.append(trees.reshape(data.shape[1], len(some), 512)[:, :, 256:].transpose(1, 0, 2))
    return np.concatenate(parts)


def twin_leaves(twin: Any, data: np.ndarray, stretch: int, n_rows: int | None = None) -> np.ndarray:
    """Return the same of the twin, with states in rows that are in disorder among others."""
    import torch

    n_lanes, n_steps = data.shape
    n_rows = n_rows or n_lanes + 3
    rows = torch.randperm(n_rows, generator=torch.Generator().manual_seed(1))[:n_lanes].to(twin.device)
    state = twin.new_state(n_rows)
    before = np.concatenate([np.zeros((n_lanes, 1), np.uint8), data[:, :-1]], 1)
    symbols = torch.from_numpy(before.T.astype(np.int64)).to(twin.device)
    parts = [twin.predict(state, rows, symbols[at : at + stretch]).cpu() for at in range(0, n_steps, stretch)]
    return torch.cat(parts).numpy().transpose(1, 0, 2)


def check(twin: Any, net, data: np.ndarray, stretches: tuple[int, ...]) -> None:
    expected = kernel_leaves(net, data)
    for stretch in stretches:
        assert np.array_equal(twin_leaves(twin, data, stretch), expected), stretch

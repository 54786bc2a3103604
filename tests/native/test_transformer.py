"""The transformer in the kernel: every variant equals the reference (TRANSFORMER), for any lanes and threads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from kernel_tools import VARIANTS
from tiny_transformer import GEMMA2, GEMMA3, QWEN3, kernel_transformer, tiny_transformer, weight_file

from lmzip.errors import UnsupportedError
from lmzip.models import transformer_file
from lmzip.native.llama import Transformer
from lmzip.reference import transformer as reference

ALL = ["qkv", "o", "gate_up", "down", "lm_head"]


def load(folder: Path, tensors, config) -> Transformer:
    path = folder / "tiny.safetensors"
    path.write_bytes(weight_file(tensors, config))
    return transformer_file.load(path, config)


def run(model: Transformer, tokens: np.ndarray, n_threads: int = 1) -> np.ndarray:
    """tokens: (n_steps, n_lanes)."""
    flat = model.run(tokens.reshape(-1).tolist(), tokens.shape[1], n_threads)
    return np.asarray(flat).reshape(*tokens.shape, -1)


def random_tokens(n_steps: int, n_lanes: int, n_vocab: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, n_vocab, (n_steps, n_lanes))


@pytest.mark.parametrize(
    "kind, changes",
    [
        ("plausible", {}),
        ("plausible", {"tied": False, "bias": True, "int15": ALL}),
        ("plausible", {"n_head": 6, "n_kv_head": 1, "int15": ["down"]}),
        ("ties", {"int15": ["qkv", "lm_head"]}),
        ("extreme", {"bias": True}),
        ("extreme", {"tied": False, "bias": True, "int15": ALL}),
        ("plausible", QWEN3),
        ("plausible", GEMMA2 | {"int15": ALL}),
        ("plausible", GEMMA3 | {"int15": ["down", "lm_head"], "head_dim": 256, "n_head": 2, "n_kv_head": 1}),
        ("ties", GEMMA3),
        ("extreme", GEMMA3 | {"bias": True, "embed_scale": 1 << 16}),
        ("extreme", GEMMA2 | {"tied": False, "int15": ALL, "score_cap": 1 << 12, "logit_cap": 1 << 26}),
        ("extreme", QWEN3 | {"post_norms": True, "epsilon": 0, "query_scale": 16}),
    ],
)
def test_equals_the_reference(kind: str, changes: dict) -> None:
    tensors, config = tiny_transformer(3, kind, **changes)
    tokens = random_tokens(5, 3, config["n_vocab"])
    expected = reference.run(reference.Transformer(tensors, config), tokens, 3)
    for simd in VARIANTS:
        assert np.array_equal(run(kernel_transformer(tensors, config, simd), tokens), expected), simd


@pytest.mark.parametrize("changes", [{"n_layer": 1}, GEMMA2 | {"window": 256, "n_head": 2, "n_kv_head": 1}])
def test_the_window_slides_as_in_the_reference(changes: dict) -> None:
    tensors, config = tiny_transformer(5, **changes)
    tokens = random_tokens(2 * 128 + 20, 1, config["n_vocab"])
    expected = reference.run(reference.Transformer(tensors, config), tokens, 1)
    for simd in VARIANTS:
        assert np.array_equal(run(kernel_transformer(tensors, config, simd), tokens), expected), simd


@pytest.mark.parametrize("simd", VARIANTS)
@pytest.mark.parametrize("changes", [{}, {"int15": ALL}, GEMMA3])
def test_lanes_and_threads_change_nothing(simd: str, changes: dict) -> None:
    tensors, config = tiny_transformer(7, **changes)
    model = kernel_transformer(tensors, config, simd)
    tokens = random_tokens(4, 64, config["n_vocab"])
    expected = np.concatenate([run(model, tokens[:, i : i + 1]) for i in range(64)], 1)
    for n_lanes, n_threads in [(2, 1), (7, 3), (16, 1), (33, 2), (64, 1), (64, 64), (5, 100)]:
        assert np.array_equal(run(model, tokens[:, :n_lanes], n_threads), expected[:, :n_lanes])


def test_refuses_bad_shapes(tmp_path: Path) -> None:
    for change in [
        {"n_embd": 33},
        {"n_head": 3},
        {"window": 100},
        {"window": 0},
        {"head_dim": 512},
        {"n_head": 128, "n_kv_head": 1},
        {"n_layer": 0},
        {"n_vocab": 299},
        {"int15": ["sideways"]},
        {"int15": "qkv"},
        {"epsilon": -1},
        {"n_hidden": True},
        {"embed_scale": 0},
        {"embed_scale": 65537},
        {"query_scale": 4},
        {"activation": "relu"},
        {"score_cap": 4095},
        {"logit_cap": (1 << 26) + 1},
        {"local_layers": [0]},
        {"local_window": 128},
        {"local_layers": [0], "local_window": 100},
        {"local_layers": [2], "local_window": 128},
        {"local_layers": [0], "local_window": 128},  # frequencies of local layers are missing
    ]:
        tensors, config = tiny_transformer(0)
        with pytest.raises(UnsupportedError):
            load(tmp_path, tensors, config | change)


@pytest.mark.parametrize("changes", [{}, GEMMA3])
def test_refuses_bad_tensors(tmp_path: Path, changes: dict) -> None:
    tensors, config = tiny_transformer(0, **changes)
    tokens = random_tokens(3, 2, config["n_vocab"])
    assert np.array_equal(
        run(load(tmp_path, tensors, config), tokens), run(kernel_transformer(tensors, config), tokens)
    )
    for name in tensors:
        if not name.startswith("vocabulary"):
            with pytest.raises(UnsupportedError):
                load(tmp_path, {k: v for k, v in tensors.items() if k != name}, config)
    for name, bad in [
        ("gain_shifts", np.full_like(tensors["gain_shifts"], 25)),
        ("embed.multiplier", tensors["embed.multiplier"] * -1),
        ("layers.1.down.multiplier", np.full_like(tensors["layers.1.down.multiplier"], (1 << 31) - 1)),
        ("layers.0.qkv.weight", tensors["layers.0.qkv.weight"].astype(np.int16)),
        ("layers.0.gate_up.weight", tensors["layers.0.gate_up.weight"][1:]),
    ]:
        with pytest.raises(UnsupportedError):
            load(tmp_path, tensors | {name: bad}, config)


def test_refuses_unknown_tokens(tmp_path: Path) -> None:
    tensors, config = tiny_transformer(0)
    model = load(tmp_path, tensors, config)
    with pytest.raises(ValueError):
        model.run([config["n_vocab"]])
    with pytest.raises(ValueError):
        model.run([1, 2, 3], n_lanes=2)

"""A transformer whose weights follow the formula of TRANSFORMER 14, so that nobody has to keep them in a file."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from safetensors.numpy import save

from lmzip.block import BlockSpec
from lmzip.models.llama import LlamaModel
from vector_files.nets import formula_hashes

STRINGS = (" gre", " green", " bottles", "hanging", " on the", " wall", "en", "ing", "; ", ", ", "ß", "10", "\n\n")
TOKENS = sorted({bytes([byte]) for byte in range(256)} | {string.encode() for string in STRINGS})
CONFIG: dict[str, Any] = {"format": "transformer-1", "name": "vectors-tokens", "n_layer": 1, "n_head": 2}
CONFIG |= {"n_kv_head": 1, "head_dim": 32, "n_embd": 32, "n_hidden": 32, "n_vocab": len(TOKENS), "window": 128}
CONFIG |= {"epsilon": 5369, "int15": ["down"]}
MATRICES = {"embed": (len(TOKENS) + 1, 32), "layers.0.qkv": (128, 32), "layers.0.o": (32, 64)}
MATRICES |= {"layers.0.gate_up": (64, 32), "layers.0.down": (32, 32)}
NORMS = ("layers.0.qkv", "layers.0.gate_up", "lm_head")


def transformer_file() -> bytes:
    """Return its weight file."""
    tensors: dict[str, np.ndarray] = {}
    numbers = iter(range(1, 100))
    for name, shape in MATRICES.items():
        values = (formula_hashes(next(numbers), shape[0] * shape[1]) >> 16) % 255 - 127
        tensors[f"{name}.weight"] = values.astype(np.int8).reshape(shape)
        tensors[f"{name}.multiplier"] = ((1 << 24) + (formula_hashes(next(numbers), shape[0]) >> 8)).astype(np.int32)
    for name in NORMS:
        tensors[f"{name}.norm"] = (8000 + (formula_hashes(next(numbers), 32) >> 18)).astype(np.int16)
    tensors["inv_freq"] = (formula_hashes(next(numbers), 16) >> 4).astype(np.uint32)
    tensors["gain_shifts"] = np.full(3, 14, np.uint8)
    tensors["vocabulary"] = np.frombuffer(b"".join(TOKENS), np.uint8)
    tensors["vocabulary.size"] = np.array([len(token) for token in TOKENS], np.uint8)
    return save(tensors, {"lmzip": json.dumps(CONFIG, sort_keys=True)})


FORMULA_TRANSFORMER = transformer_file()


class LongestTokens(LlamaModel):
    """The model with a cut that needs no tokenizer: the longest token each time."""

    def token_sizes(self, raw, spec: BlockSpec) -> bytes:
        """Return the sizes of the tokens of a block, a byte each."""
        sizes, raw = bytearray(), bytes(raw)
        for start, end in spec.chunks():
            at = start
            while at < end:
                sizes.append(max(len(token) for token in TOKENS if raw[at:end].startswith(token)))
                at += sizes[-1]
        return bytes(sizes)

"""Weight files of transformers (TRANSFORMER 11): from a file to a transformer in the kernel, a matrix at a time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from lmzip.errors import UnsupportedError
from lmzip.models import weights
from lmzip.native.llama import MATRICES, Transformer, TransformerShape
from lmzip.tokenizers.tokenizer import Tokenizer
from lmzip.weights.safetensors import SafetensorsFile

_DTYPES: dict[Any, str] = {np.uint8: "U8", np.int8: "I8", np.int16: "I16", np.int32: "I32", np.uint32: "U32"}
_LIMITS = {"n_embd": 8192, "n_hidden": 8192, "n_layer": 128, "n_head": 128, "n_kv_head": 128, "head_dim": 256}
_LIMITS |= {"n_vocab": 262143, "window": 8192, "epsilon": 1 << 32}


def load(path: Path, config: dict[str, Any], simd: str | None = None) -> Transformer:
    """Return the transformer of a weight file whose metadata is `config`.

    simd: as for native.Net.  Raises OSError, MemoryError, UnsupportedError if the file does not hold one that this
    kernel runs.
    """
    try:
        with SafetensorsFile(path, weights.MAX_TRANSFORMER_SIZE) as file:
            return _load(file, config, simd)
    except (ValueError, KeyError, TypeError, OverflowError, UnsupportedError) as error:
        raise UnsupportedError(f"{path}: not a transformer that this lmzip runs ({error})") from None


def tokenizer(path: Path, config: dict[str, Any]) -> Tokenizer:
    """Return what cuts text into the model's tokens; raises as load() does."""
    try:
        with SafetensorsFile(path, weights.MAX_TRANSFORMER_SIZE) as file:
            token_bytes = read_token_bytes(file)
            if "tokenizer" not in file.tensors:
                raise ValueError("it does not say how to cut text")
            text = file.array("tokenizer").tobytes()
    except (ValueError, TypeError, UnsupportedError) as error:
        raise UnsupportedError(f"{path}: not a transformer that this lmzip runs ({error})") from None
    return Tokenizer(token_bytes, text)


def read_token_bytes(file: SafetensorsFile) -> list[bytes]:
    """Return the byte strings of the tokens by their numbers; raises ValueError, UnsupportedError, OSError."""
    data, sizes = file.array("vocabulary").tobytes(), file.array("vocabulary.size")
    ends = sizes.cumsum(dtype=np.int64).tolist()
    return [data[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def _load(file: SafetensorsFile, config: dict[str, Any], simd: str | None) -> Transformer:
    numbers = {key: _number(config[key], limit) for key, limit in _LIMITS.items()}
    int15 = config["int15"]
    if not isinstance(int15, list) or not all(name in MATRICES for name in int15):
        raise ValueError("`int15` names products")

    def tensor(name: str, dtype: type, *shape: int) -> np.ndarray:
        found = file.tensors[name]
        if found.dtype != _DTYPES[dtype] or found.shape != shape:
            raise ValueError(f"{name} is {found.dtype} {list(found.shape)}")
        return file.array(name)

    names = file.tensors.keys()
    s = TransformerShape(**numbers, int15=tuple(int15), has_lm_head="lm_head.weight" in names)
    matrices = _matrices(s)
    for _, _, place, n_rows, n_in in matrices:  # before memory is taken for what the file does not have
        if f"{place}.weight" not in names or file.shapes[f"{place}.weight"] != (n_rows, n_in):
            raise ValueError(f"{place}.weight is missing or has another shape")
    norm_names = [f"layers.{i}.{name}.norm" for i in range(s.n_layer) for name in ("qkv", "gate_up")] + ["lm_head.norm"]
    model = Transformer(
        s,
        norms=np.concatenate([tensor(name, np.int16, s.n_embd) for name in norm_names]),
        gain_shifts=tensor("gain_shifts", np.uint8, len(norm_names)),
        inv_freq=tensor("inv_freq", np.uint32, s.head_dim // 2),
        simd=simd,
    )
    vocabulary = tensor("vocabulary", np.uint8, math.prod(file.shapes["vocabulary"]))
    model.set_vocabulary(vocabulary, tensor("vocabulary.size", np.uint8, s.n_vocab))
    for matrix, layer, place, n_rows, n_in in matrices:
        bias = f"{place}.bias"
        model.set_matrix(
            matrix,
            layer,
            tensor(f"{place}.weight", np.int8, n_rows, n_in),
            tensor(f"{place}.multiplier", np.int32, n_rows),
            n_rows,
            tensor(bias, np.int32, n_rows) if matrix == "qkv" and bias in names else None,
        )
    model.check_complete()
    return model


def _matrices(s: TransformerShape) -> list[tuple[str, int, str, int, int]]:
    """Return matrix, layer, place in the file, rows and columns of each matrix (TRANSFORMER 11)."""
    width, n_qkv = s.n_head * s.head_dim, (s.n_head + 2 * s.n_kv_head) * s.head_dim
    matrices = [("embed", 0, "embed", s.n_vocab + 1, s.n_embd)]
    if s.has_lm_head:
        matrices.append(("lm_head", 0, "lm_head", s.n_vocab, s.n_embd))
    for i in range(s.n_layer):
        matrices += [
            ("qkv", i, f"layers.{i}.qkv", n_qkv, s.n_embd),
            ("o", i, f"layers.{i}.o", s.n_embd, width),
            ("gate_up", i, f"layers.{i}.gate_up", 2 * s.n_hidden, s.n_embd),
            ("down", i, f"layers.{i}.down", s.n_embd, s.n_hidden),
        ]
    return matrices


def _number(value: Any, limit: int) -> int:
    if type(value) is not int or not 0 <= value <= limit:
        raise ValueError("a number is out of range")
    return value

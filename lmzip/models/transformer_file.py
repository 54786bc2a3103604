"""Weight files of transformers (ARITHMETIC 9.11): from a file to a transformer in the kernel, a matrix at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import safetensors

from lmzip.errors import UnsupportedError
from lmzip.models import weights
from lmzip.models.cutting import Cutter
from lmzip.native.transformer import PRODUCTS, Transformer, TransformerShape

_LIMITS = {"n_embd": 8192, "n_hidden": 8192, "n_layer": 128, "n_head": 128, "n_kv_head": 128, "head_dim": 256}
_LIMITS |= {"n_vocab": 262143, "window": 8192, "epsilon": 1 << 32}


def load(path: Path, config: dict[str, Any], simd: str | None = None) -> Transformer:
    """Return the transformer of a weight file whose metadata is `config`.

    simd: as for native.Net.  Raises OSError, MemoryError, UnsupportedError if the file does not hold one that this
    kernel runs.
    """
    try:
        with weights.memory_told():
            return _load(path, config, simd)
    except (ValueError, KeyError, TypeError, OverflowError, safetensors.SafetensorError) as error:
        raise UnsupportedError(f"{path}: not a transformer that this lmzip runs ({error})") from None


def cutter(path: Path, config: dict[str, Any]) -> Cutter:
    """Return what cuts text into the model's tokens; raises as load() does."""
    try:
        with weights.memory_told(), safetensors.safe_open(path, framework="numpy") as file:
            strings, sizes = file.get_tensor("vocabulary").tobytes(), file.get_tensor("vocabulary.size")
            if "tokenizer" not in file.keys():  # noqa: SIM118 - it is no dictionary
                raise ValueError("it does not say how to cut text")
            tokenizer = file.get_tensor("tokenizer").tobytes()
        ends = sizes.cumsum(dtype=np.int64).tolist()
        return Cutter([strings[a:b] for a, b in zip([0, *ends], ends, strict=False)], tokenizer)
    except (ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise UnsupportedError(f"{path}: not a transformer that this lmzip runs ({error})") from None


def _load(path: Path, config: dict[str, Any], simd: str | None) -> Transformer:
    numbers = {key: _number(config[key], limit) for key, limit in _LIMITS.items()}
    wide = config["wide"]
    if not isinstance(wide, list) or not all(name in PRODUCTS for name in wide):
        raise ValueError("`wide` names products")
    with safetensors.safe_open(path, framework="numpy") as file:
        names = set(file.keys())

        def tensor(name: str, dtype: type, *shape: int) -> np.ndarray:
            if name not in names:
                raise KeyError(name)
            array = file.get_tensor(name)
            if array.dtype != dtype or array.shape != shape:
                raise ValueError(f"{name} is {array.dtype} {list(array.shape)}")
            return np.ascontiguousarray(array)

        vocabulary = file.get_tensor("vocabulary")
        if vocabulary.dtype != np.uint8 or vocabulary.ndim != 1:
            raise ValueError(f"vocabulary is {vocabulary.dtype} {list(vocabulary.shape)}")
        s = TransformerShape(**numbers, wide=tuple(wide), has_head="head.weight" in names)
        layers = range(s.n_layer)
        matrices = _matrices(s)
        for _, _, place, n_rows, n_in in matrices:  # before memory is taken for what the file does not have
            if f"{place}.weight" not in names or file.get_slice(f"{place}.weight").get_shape() != [n_rows, n_in]:
                raise ValueError(f"{place}.weight is missing or has another shape")
        norm_names = [f"layers.{i}.{name}.norm" for i in layers for name in ("in", "up")] + ["head.norm"]
        model = Transformer(
            s,
            norms=np.concatenate([tensor(name, np.int16, s.n_embd) for name in norm_names]),
            norm_units=tensor("norm_units", np.uint8, len(norm_names)),
            frequencies=tensor("frequencies", np.uint32, s.head_dim // 2),
            simd=simd,
        )
        model.set_vocabulary(np.ascontiguousarray(vocabulary), tensor("vocabulary.size", np.uint8, s.n_vocab))
        for product, layer, place, n_rows, n_in in matrices:
            bias = f"{place}.bias"
            model.set_matrix(
                product,
                layer,
                tensor(f"{place}.weight", np.int8, n_rows, n_in),
                tensor(f"{place}.multiplier", np.int32, n_rows),
                n_rows,
                tensor(bias, np.int32, n_rows) if product == "in" and bias in names else None,
            )
    model.check_complete()
    return model


def _matrices(s: TransformerShape) -> list[tuple[str, int, str, int, int]]:
    """Return product, layer, place in the file, rows and columns of each matrix (ARITHMETIC 9.11)."""
    width, n_in = s.n_head * s.head_dim, (s.n_head + 2 * s.n_kv_head) * s.head_dim
    matrices = [("embed", 0, "embed", s.n_vocab + 1, s.n_embd)]
    if s.has_head:
        matrices.append(("head", 0, "head", s.n_vocab, s.n_embd))
    for i in range(s.n_layer):
        matrices += [
            ("in", i, f"layers.{i}.in", n_in, s.n_embd),
            ("out", i, f"layers.{i}.out", s.n_embd, width),
            ("up", i, f"layers.{i}.up", 2 * s.n_hidden, s.n_embd),
            ("down", i, f"layers.{i}.down", s.n_embd, s.n_hidden),
        ]
    return matrices


def _number(value: Any, limit: int) -> int:
    if type(value) is not int or not 0 <= value <= limit:
        raise ValueError("a number is out of range")
    return value

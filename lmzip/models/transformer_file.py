"""Weight files of transformers (TRANSFORMER 11): what they hold, and from a file to a transformer in the kernel."""

from __future__ import annotations

from collections.abc import Container, Iterator
from contextlib import contextmanager
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from lmzip.errors import UnsupportedError
from lmzip.models import weights
from lmzip.native.llama import MATRICES, Transformer, TransformerShape
from lmzip.tokenizers.tokenizer import Tokenizer
from lmzip.weights.safetensors import Layout, SafetensorsFile
from lmzip.weights.values import integer

_LIMITS = {"n_embd": 8192, "n_hidden": 8192, "n_layer": 128, "n_head": 128, "n_kv_head": 128, "head_dim": 256}
_LIMITS |= {"n_vocab": 262143, "window": 8192, "epsilon": 1 << 32}
_OPTIONAL = {"query_scale": 8192, "embed_scale": 1 << 16, "score_cap": 1 << 26, "logit_cap": 1 << 26}
_OPTIONAL |= {"local_window": 8192}
_ACTIVATIONS = {"silu": False, "gelu": True}


def load(path: Path, config: dict[str, Any], simd: str | None = None) -> Transformer:
    """Return the transformer of a weight file whose metadata is `config`.

    simd: as for native.Net.  Raises OSError, MemoryError, UnsupportedError if the file does not hold one that this
    kernel runs.
    """
    with _opened(path) as file:
        there = file.tensors.keys()
        s = shape_of(config, there)
        layout = layout_of(s, sum(file.raw("vocabulary.size")))
        # Before memory is taken for what the file does not have.
        file.expect({name: layout[name] for name in layout if name in there or not name.endswith(".bias")})
        frequencies = ["inv_freq", "inv_freq.local"] if s.local_window else ["inv_freq"]
        model = Transformer(
            s,
            norms=b"".join(file.raw(f"{name}.norm") for name, _ in s.norms()),
            gain_shifts=file.raw("gain_shifts"),
            inv_freq=b"".join(map(file.raw, frequencies)),
            simd=simd,
        )
        model.set_vocabulary(file.raw("vocabulary"), file.raw("vocabulary.size"))
        for matrix, (n_rows, _) in matrices_of(s).items():
            *layer, name = matrix.split(".")
            bias = file.raw(f"{matrix}.bias") if f"{matrix}.bias" in layout.keys() & there else None
            numbers = file.raw(f"{matrix}.weight"), file.raw(f"{matrix}.multiplier")
            model.set_matrix(name, int(layer[1]) if layer else 0, *numbers, n_rows, bias)
        model.check_complete()
        return model


def tokenizer(path: Path, config: dict[str, Any]) -> Tokenizer:
    """Return what cuts text into the model's tokens; raises as load() does."""
    with _opened(path) as file:
        token_bytes = read_token_bytes(file)
        if "tokenizer" not in file.tensors:
            raise ValueError("it does not say how to cut text")
        text = file.raw("tokenizer")
    return Tokenizer(token_bytes, text)


def read_token_bytes(file: SafetensorsFile) -> list[bytes]:
    """Return the byte strings of the tokens by their numbers; raises UnsupportedError, OSError."""
    data, sizes = file.raw("vocabulary"), file.raw("vocabulary.size")
    return [data[start:end] for start, end in pairwise(accumulate(sizes, initial=0))]


@contextmanager
def _opened(path: Path) -> Iterator[SafetensorsFile]:
    try:
        with SafetensorsFile(path, weights.MAX_TRANSFORMER_SIZE) as file:
            yield file
    except (ValueError, KeyError, TypeError, OverflowError, UnsupportedError) as error:
        raise UnsupportedError(f"{path}: not a transformer that this lmzip runs ({error})") from None


def shape_of(config: dict[str, Any], tensors: Container[str]) -> TransformerShape:
    """Return the shape that metadata and names of tensors tell; raises KeyError, ValueError, UnsupportedError."""
    numbers = {key: integer(config[key], key, 0, limit) for key, limit in _LIMITS.items()}
    numbers["query_scale"] = numbers["head_dim"]
    numbers |= {key: integer(config[key], key, 1, limit) for key, limit in _OPTIONAL.items() if key in config}
    int15, local_layers = config["int15"], config.get("local_layers", [])
    if not isinstance(int15, list) or not all(name in MATRICES for name in int15):
        raise ValueError("`int15` names products")
    if not isinstance(local_layers, list) or bool(local_layers) != ("local_window" in numbers):
        raise ValueError("`local_layers` and `local_window` go together")
    return TransformerShape(
        **numbers,
        int15=tuple(int15),
        has_lm_head="lm_head.weight" in tensors,
        has_gelu=_ACTIVATIONS[config.get("activation", "silu")],
        has_head_norms="layers.0.q.norm" in tensors,
        has_post_norms="layers.0.o.norm" in tensors,
        local_layers=tuple(integer(i, "a local layer", 0, numbers["n_layer"] - 1) for i in local_layers),
    )


def matrices_of(s: TransformerShape) -> dict[str, tuple[int, int]]:
    """Return rows and columns of each matrix."""
    matrices = {"embed": (s.n_vocab + 1, s.n_embd)} | ({"lm_head": (s.n_vocab, s.n_embd)} if s.has_lm_head else {})
    for i in range(s.n_layer):
        matrices[f"layers.{i}.qkv"] = ((s.n_head + 2 * s.n_kv_head) * s.head_dim, s.n_embd)
        matrices[f"layers.{i}.o"] = (s.n_embd, s.n_head * s.head_dim)
        matrices[f"layers.{i}.gate_up"] = (2 * s.n_hidden, s.n_embd)
        matrices[f"layers.{i}.down"] = (s.n_embd, s.n_hidden)
    return matrices


def layout_of(s: TransformerShape, vocabulary_size: int) -> dict[str, Layout]:
    """Return type and shape of each tensor but the tokenizer; biases may be missing.  vocabulary_size: bytes."""
    tensors = {
        "vocabulary": Layout("U8", (vocabulary_size,)),
        "vocabulary.size": Layout("U8", (s.n_vocab,)),
        "inv_freq": Layout("U32", (s.head_dim // 2,)),
        "gain_shifts": Layout("U8", (len(s.norms()),)),
    }
    tensors |= {"inv_freq.local": Layout("U32", (s.head_dim // 2,))} if s.local_window else {}
    tensors |= {f"{name}.norm": Layout("I16", (width,)) for name, width in s.norms()}
    for matrix, shape in matrices_of(s).items():
        tensors |= {f"{matrix}.weight": Layout("I8", shape), f"{matrix}.multiplier": Layout("I32", shape[:1])}
        if matrix.endswith(".qkv"):
            tensors[f"{matrix}.bias"] = Layout("I32", shape[:1])
    return tensors

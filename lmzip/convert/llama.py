"""A model directory or GGUF file becomes a weight file of TRANSFORMER 11: the same files, the same bytes."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from lmzip.convert.gguf import GgufSource
from lmzip.convert.huggingface import HuggingFaceSource
from lmzip.convert.quantize import (
    cap_of,
    embed_scale_of,
    epsilon_of,
    inv_freq_of,
    quantize_bias,
    quantize_norm,
    quantize_rows,
)
from lmzip.convert.source import WINDOW_UNIT, Config, Source, check_shapes
from lmzip.errors import MemoryLimitError, ModelMissingError, UnsupportedError
from lmzip.models.transformer_file import MATRICES, TransformerShape, layout_of, shape_of
from lmzip.models.weights import MAX_NAME_SIZE, METADATA_KEY, TRANSFORMER_FORMAT
from lmzip.system import free_memory
from lmzip.tokenizers.bpe import Bpe, to_json
from lmzip.tokenizers.kept import cut_down
from lmzip.tokenizers.vocabulary import Vocabulary, vocabulary_of
from lmzip.weights.files import sha256_of, sha256_of_open
from lmzip.weights.safetensors import Layout, Writer
from lmzip.weights.temporary import published

DEFAULT_INT15 = ("qkv", "down", "lm_head")
DEFAULT_WINDOW = 1024
MAX_WINDOW = 8192
_MEMORY_PER_WEIGHT = 8  # bytes, of the tensor at hand
_MEMORY_PER_TOKEN = 1 << 10  # of the vocabulary and its merges, beyond the first
_BASE_MEMORY = 64 << 20  # the vocabulary of most models, copies of pieces
_BASE_TOKENS = 1 << 16
_PIECE_SIZE = 1 << 23  # weights of a matrix of tokens at hand
_PARTS = {"qkv": ("q", "k", "v"), "o": ("o",), "gate_up": ("gate", "up"), "down": ("down",)}  # of a layer's matrices
# Control tokens between or before the documents of pre-training: of GPT-2, SmolLM2, Qwen2 and StarCoder; of Llama 3,
# which ends documents with another one; of Granite.  A model tuned for conversation keeps them, and predicts plain text
# better behind them than behind the one that opens a turn, which is its `bos`.
SEPARATORS = ("<|endoftext|>", "<|begin_of_text|>", "<|end_of_text|>")

Progress = Callable[[int, int], None]


def import_model(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    name: str | None = None,
    window: int = DEFAULT_WINDOW,
    int15: Iterable[str] = DEFAULT_INT15,
    kept: Iterable[int] | None = None,
    overwrite: bool = True,
    memory_limit: int | None = None,
    progress: Progress | None = None,
) -> bytes:
    """Turn a Hugging Face model directory or a GGUF file into the weight file `out`; return its digest, 32 bytes.

    name: the model's, at most 32 bytes of UTF-8; otherwise made from what the model calls itself.
    window: tokens that attention sees, a multiple of 128 up to 8192; less if the model was made for less.
    int15: the matrices that multiply activations of 15 bits, of "qkv", "o", "gate_up", "down" and "lm_head".
    kept: numbers of the tokens that the vocabulary is cut down to (tokenizers/kept.py); None: all.
    overwrite: whether `out` may be there already; otherwise FileExistsError is raised.
    memory_limit: bytes that may be needed, at most what the system has left.
    progress: called with how many weights are done and how many there are.

    Raises ModelMissingError if there is no such model, UnsupportedError for one that is damaged or of a kind that lmzip
    cannot run, MemoryLimitError, OSError if a file cannot be read or written; `out` is then as it was.
    """
    target, chosen = Path(out), set(int15)
    with _opened(Path(path)) as source:
        config = source.config
        name = _name(config.name) if name is None else name
        if not 0 < len(name.encode()) <= MAX_NAME_SIZE or "\0" in name:
            raise UnsupportedError(f"a model's name has 1 to {MAX_NAME_SIZE} bytes")
        if not WINDOW_UNIT <= window <= MAX_WINDOW or window % WINDOW_UNIT:
            raise UnsupportedError(f"the window is a multiple of {WINDOW_UNIT} tokens up to {MAX_WINDOW}")
        if chosen - set(MATRICES):
            raise UnsupportedError(f"int15 names some of {', '.join(MATRICES)}")
        if target.exists() and any(target.samefile(file) for file in source.weight_files):
            raise UnsupportedError("the output would replace the model's own weights")
        n_rows = check_shapes(source)
        _check_memory(source, memory_limit)
        start = start_of(config, source.bpe)
        if kept is not None:
            source.bpe = cut_down(source.bpe, kept)
        if max(len(source.bpe.tokens), start + 1) > n_rows:
            raise UnsupportedError(f"the vocabulary has more tokens than the embeddings, {n_rows}")
        vocabulary = vocabulary_of(source.bpe.tokens, source.bpe.is_byte_level)
        tokenizer, strings = to_json(source.bpe, vocabulary), b"".join(vocabulary.token_bytes)
        entry = _metadata(source, name, window, chosen, len(vocabulary.token_bytes))
        shape = shape_of(entry, _optional_tensors(config))
        layout = layout_of(shape, len(strings))
        layout["tokenizer"] = Layout("U8", (len(tokenizer),))
        if not config.has_bias:
            layout = {name: tensor for name, tensor in layout.items() if not name.endswith(".bias")}
        with published(target, overwrite=overwrite) as descriptor:
            writer = Writer(descriptor, {METADATA_KEY: json.dumps(entry, sort_keys=True)}, layout)
            writer.put("tokenizer", np.frombuffer(tokenizer, np.uint8))
            writer.put("vocabulary", np.frombuffer(strings, np.uint8))
            writer.put("vocabulary.size", np.array([len(string) for string in vocabulary.token_bytes], np.uint8))
            writer.put("inv_freq", inv_freq_of(config.rope_theta, config.head_dim))
            if config.local_layers:
                writer.put("inv_freq.local", inv_freq_of(config.local_rope_theta, config.head_dim))
            n_done, n_all = 0, sum(math.prod(shape) for shape in _matrices(source))
            for n in _write_weights(source, writer, vocabulary, start, shape):
                n_done += n
                if progress:
                    progress(n_done, n_all)
            return sha256_of_open(descriptor)


def suggested_name(path: str | os.PathLike[str]) -> str:
    """Return the name that import_model() gives a model without one; raises as import_model() does."""
    with _opened(Path(path)) as source:
        return _name(source.config.name)


def _opened(path: Path) -> closing[Source]:
    if not path.exists():
        raise ModelMissingError(f"no model at {path}")
    return closing(HuggingFaceSource(path) if path.is_dir() else GgufSource(path))


def start_of(config: Config, bpe: Bpe) -> int:
    """Return the token that a lane begins behind (TRANSFORMER 2), which stood before documents in training.

    It is a separator of documents, else the model's bos, else its eos.  Raises UnsupportedError if there is none.
    """
    for text in SEPARATORS:
        if text in bpe.controls:
            return bpe.controls[text]
    if config.bos_id is None:
        raise UnsupportedError("the model names no token that a text starts behind")
    return config.bos_id


def _check_memory(source: Source, memory_limit: int | None) -> None:
    """Raise MemoryLimitError if the largest tensor, as the file has it, as float32 and as int8, is too much.

    Of a matrix of tokens there is a piece at a time, but all of it as int8.
    """
    of_tokens = max(math.prod(source.shapes()[name]) for name in ("embed", "lm_head") if name in source.shapes())
    others = max(math.prod(s) for name, s in source.shapes().items() if name not in ("embed", "lm_head"))
    at_hand = max(others, min(of_tokens, _PIECE_SIZE))
    n_tokens = max(0, len(source.bpe.tokens) - _BASE_TOKENS)
    need = _BASE_MEMORY + _MEMORY_PER_TOKEN * n_tokens + _MEMORY_PER_WEIGHT * at_hand + of_tokens
    for what, size in (("the limit is", memory_limit), ("free are", free_memory())):
        if size is not None and need > size:
            raise MemoryLimitError(f"importing needs {-(-need >> 20)} MiB of memory, {what} {size >> 20} MiB")


def _name(text: str) -> str:
    """Return a name of small letters, digits and hyphens."""
    return re.sub("[^a-z0-9._]+", "-", text.lower())[:MAX_NAME_SIZE].strip("-") or "model"


def _metadata(source: Source, name: str, window: int, int15: set[str], n_vocab: int) -> dict[str, Any]:
    config = source.config
    shape = ("n_embd", "n_hidden", "n_layer", "n_head", "n_kv_head", "head_dim")
    return (
        {
            "format": TRANSFORMER_FORMAT,
            "name": name,
            "licence": config.licence[:200],
            "source": {file.name: sha256_of(file).hex() for file in source.weight_files},
            "n_vocab": n_vocab,
            "window": min(window, config.context_size // WINDOW_UNIT * WINDOW_UNIT),
            "epsilon": epsilon_of(config.n_embd, config.rms_epsilon),
            "int15": [matrix for matrix in MATRICES if matrix in int15],
        }
        | {key: getattr(config, key) for key in shape}
        | _optional_metadata(config)
    )


def _optional_metadata(config: Config) -> dict[str, Any]:
    """Return what a weight file tells of a model that is not of Llama's form."""
    entry: dict[str, Any] = {"activation": "gelu"} if config.is_gelu else {}
    if config.embed_scale != 1:
        entry["embed_scale"] = embed_scale_of(config.embed_scale)
    if config.query_scale not in (None, config.head_dim):
        entry["query_scale"] = config.query_scale
    entry |= {"score_cap": cap_of(config.score_cap)} if config.score_cap is not None else {}
    entry |= {"logit_cap": cap_of(config.logit_cap)} if config.logit_cap is not None else {}
    if config.local_layers:
        entry["local_layers"] = list(config.local_layers)
        entry["local_window"] = min(config.local_window // WINDOW_UNIT * WINDOW_UNIT, MAX_WINDOW)
    return entry


def _optional_tensors(config: Config) -> set[str]:
    """Return the tensors, by which shape_of() knows what a model has."""
    tensors = set() if config.is_tied else {"lm_head.weight"}
    tensors |= {"layers.0.q.norm"} if config.has_head_norms else set()
    return tensors | ({"layers.0.o.norm"} if config.has_post_norms else set())


def _matrices(source: Source) -> list[tuple[int, ...]]:
    """Return the shapes of the matrices that are taken from a source."""
    ignored = "lm_head" if source.config.is_tied else None
    return [shape for name, shape in source.shapes().items() if len(shape) == 2 and name != ignored]


def _write_rows(source: Source, writer: Writer, matrix: str, places: np.ndarray) -> Iterator[int]:
    """Bring the rows of tokens `places` from a source to a file, a piece of it at a time; yield the size of each."""
    n_rows, width = source.shapes()[matrix]
    integers, multipliers = np.empty((len(places), width), np.int8), np.empty(len(places), np.int32)
    step = max(1, _PIECE_SIZE // width)
    for first in range(0, n_rows, step):
        part, part_multipliers = quantize_rows(source.load(matrix, first, step), matrix)
        found = np.flatnonzero((places >= first) & (places < first + len(part)))
        integers[found], multipliers[found] = part[places[found] - first], part_multipliers[places[found] - first]
        yield part.size
    writer.put(f"{matrix}.weight", integers)
    writer.put(f"{matrix}.multiplier", multipliers)


def _write_weights(
    source: Source, writer: Writer, vocabulary: Vocabulary, start: int, shape: TransformerShape
) -> Iterator[int]:
    """Bring the weights from a source to a file, one float32 tensor at a time; yield the size of each matrix."""
    config, rows = source.config, _rows_of_tokens(source, vocabulary, start)
    for matrix, places in [("embed", [*rows, start])] + ([] if config.is_tied else [("lm_head", rows)]):
        yield from _write_rows(source, writer, matrix, np.array(places))
    shifts = []
    for norm, _ in shape.norms():
        factors = source.load(f"{norm}.norm")
        integers, shift = quantize_norm(factors + np.float32(1) if config.adds_one else factors, norm)
        writer.put(f"{norm}.norm", integers)
        shifts.append(shift)
    writer.put("gain_shifts", np.array(shifts, np.uint8))
    for layer in (f"layers.{i}." for i in range(config.n_layer)):
        for matrix, parts in _PARTS.items():
            row = 0
            for part in parts:
                integers, multipliers = quantize_rows(source.load(layer + part), layer + part)
                writer.put(f"{layer}{matrix}.weight", integers, row)
                writer.put(f"{layer}{matrix}.multiplier", multipliers, row)
                if matrix == "qkv" and config.has_bias:
                    bias = f"{layer}{part}.bias"
                    writer.put(f"{layer}qkv.bias", quantize_bias(source.load(bias), bias), row)
                row += len(integers)
                yield integers.size


def _rows_of_tokens(source: Source, vocabulary: Vocabulary, start: int) -> list[int]:
    """Return the source's row for each token; a byte without a token gets that of the last token without a text.

    Such a control token is as unlikely as the byte wherever there is text.
    """
    stand_in = max((i for i, token in enumerate(source.bpe.tokens) if token is None), default=start)
    return [stand_in if row is None else row for row in vocabulary.sources]

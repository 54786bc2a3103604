"""A model directory or GGUF file becomes a weight file of TRANSFORMER 11: the same files, the same bytes."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from lmzip.convert.quantize import (
    epsilon_of,
    inv_freq_of,
    quantize_bias,
    quantize_norm,
    quantize_rows,
)
from lmzip.convert.source import WINDOW_UNIT, Source, check_shapes
from lmzip.convert.start import start_of
from lmzip.errors import MemoryLimitError, ModelMissingError, UnsupportedError
from lmzip.models.weights import MAX_NAME_SIZE, METADATA_KEY
from lmzip.system import free_memory
from lmzip.tokenizers.bpe import to_json
from lmzip.tokenizers.vocabulary import Vocabulary, vocabulary_of
from lmzip.weights.files import sha256_of, sha256_of_open
from lmzip.weights.safetensors import Layout, Writer
from lmzip.weights.temporary import published

FORMAT = "transformer-1"
MATRICES = ("qkv", "o", "gate_up", "down", "lm_head")
DEFAULT_INT15 = ("qkv", "down", "lm_head")
DEFAULT_WINDOW = 1024
MAX_WINDOW = 8192
_MEMORY_PER_WEIGHT = 8  # bytes, of the tensor at hand
_BASE_MEMORY = 64 << 20  # vocabulary, merges, copies of pieces
_PARTS = {"qkv": ("q", "k", "v"), "o": ("o",), "gate_up": ("gate", "up"), "down": ("down",)}  # of a layer's matrices

Progress = Callable[[int, int], None]


def import_model(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    name: str | None = None,
    window: int = DEFAULT_WINDOW,
    int15: Iterable[str] = DEFAULT_INT15,
    overwrite: bool = True,
    memory_limit: int | None = None,
    progress: Progress | None = None,
) -> bytes:
    """Turn a Hugging Face model directory or a GGUF file into the weight file `out`; return its digest, 32 bytes.

    name: the model's, at most 32 bytes of UTF-8; otherwise made from what the model calls itself.
    window: tokens that attention sees, a multiple of 128 up to 8192; less if the model was made for less.
    int15: the matrices that multiply activations of 15 bits, of "qkv", "o", "gate_up", "down" and "lm_head".
    overwrite: whether `out` may be there already; otherwise FileExistsError is raised.
    memory_limit: bytes that may be needed, at most what the system has left.
    progress: called with how many weights are done and how many there are.

    Raises ModelMissingError if there is no such model, UnsupportedError for one that is damaged or of a kind that lmzip
    cannot run, MemoryLimitError, OSError if a file cannot be read or written; `out` is then as it was.
    """
    source = open_source(Path(path))
    try:
        return _convert(source, Path(out), name, window, set(int15), overwrite, memory_limit, progress)
    finally:
        source.close()


def suggested_name(path: str | os.PathLike[str]) -> str:
    """Return the name that import_model() gives a model without one; raises as import_model() does."""
    source = open_source(Path(path))
    source.close()
    return _name(source.config.name)


def open_source(path: Path) -> Source:
    """Open a model directory or a GGUF file; raises as import_model() does."""
    from lmzip.convert.gguf import GgufSource
    from lmzip.convert.huggingface import HuggingFaceSource

    if not path.exists():
        raise ModelMissingError(f"no model at {path}")
    return HuggingFaceSource(path) if path.is_dir() else GgufSource(path)


def _convert(
    source: Source,
    out: Path,
    name: str | None,
    window: int,
    int15: set[str],
    overwrite: bool,
    memory_limit: int | None,
    progress: Progress | None,
) -> bytes:
    name = _name(source.config.name) if name is None else name
    if not 0 < len(name.encode()) <= MAX_NAME_SIZE or "\0" in name:
        raise UnsupportedError(f"a model's name has 1 to {MAX_NAME_SIZE} bytes")
    if not WINDOW_UNIT <= window <= MAX_WINDOW or window % WINDOW_UNIT:
        raise UnsupportedError(f"the window is a multiple of {WINDOW_UNIT} tokens up to {MAX_WINDOW}")
    if int15 - set(MATRICES):
        raise UnsupportedError(f"int15 names some of {', '.join(MATRICES)}")
    if out.exists() and any(out.samefile(file) for file in source.weight_files):
        raise UnsupportedError("the output would replace the model's own weights")
    n_rows = check_shapes(source)
    _check_memory(source, memory_limit)
    start = start_of(source.config, source.bpe)
    if max(len(source.bpe.tokens), start + 1) > n_rows:
        raise UnsupportedError(f"the vocabulary has more tokens than the embeddings, {n_rows}")
    vocabulary = vocabulary_of(source.bpe.tokens, source.bpe.is_byte_level)
    tokenizer = to_json(source.bpe, vocabulary)
    config = _metadata(source, name, window, int15, len(vocabulary.token_bytes))
    metadata = {METADATA_KEY: json.dumps(config, sort_keys=True)}
    with published(out, overwrite=overwrite) as descriptor:
        writer = Writer(descriptor, metadata, _layout(source, vocabulary, len(tokenizer)))
        writer.put("tokenizer", np.frombuffer(tokenizer, np.uint8))
        writer.put("vocabulary", np.frombuffer(b"".join(vocabulary.token_bytes), np.uint8))
        writer.put("vocabulary.size", np.array([len(string) for string in vocabulary.token_bytes], np.uint8))
        writer.put("inv_freq", inv_freq_of(source.config.rope_theta, source.config.head_dim))
        _Conversion(source, writer, vocabulary, start, progress).run()
        return sha256_of_open(descriptor)


def _check_memory(source: Source, memory_limit: int | None) -> None:
    """Raise MemoryLimitError if the largest tensor, as the file has it, as float32 and as int8, is too much."""
    largest = max(math.prod(shape) for shape in source.shapes().values())
    need = _BASE_MEMORY + _MEMORY_PER_WEIGHT * largest
    for what, size in (("the limit is", memory_limit), ("free are", free_memory())):
        if size is not None and need > size:
            raise MemoryLimitError(f"importing needs {-(-need >> 20)} MiB of memory, {what} {size >> 20} MiB")


def _name(text: str) -> str:
    """Return a name of small letters, digits and hyphens."""
    return re.sub("[^a-z0-9._]+", "-", text.lower())[:MAX_NAME_SIZE].strip("-") or "model"


def _metadata(source: Source, name: str, window: int, int15: set[str], n_vocab: int) -> dict[str, object]:
    config = source.config
    shape = ("n_embd", "n_hidden", "n_layer", "n_head", "n_kv_head", "head_dim")
    return {
        "format": FORMAT,
        "name": name,
        "licence": config.licence[:200],
        "source": {file.name: sha256_of(file).hex() for file in source.weight_files},
        "n_vocab": n_vocab,
        "window": min(window, config.context_size // WINDOW_UNIT * WINDOW_UNIT),
        "epsilon": epsilon_of(config.n_embd, config.rms_epsilon),
        "int15": [matrix for matrix in MATRICES if matrix in int15],
    } | {key: getattr(config, key) for key in shape}


def _layout(source: Source, vocabulary: Vocabulary, tokenizer_size: int) -> dict[str, Layout]:
    """Return type and shape of each tensor (TRANSFORMER 11)."""
    c, n_vocab = source.config, len(vocabulary.token_bytes)
    n_qkv, queries = (c.n_head + 2 * c.n_kv_head) * c.head_dim, c.n_head * c.head_dim
    matrices = {"embed": (n_vocab + 1, c.n_embd)}
    if not c.is_tied:
        matrices["lm_head"] = (n_vocab, c.n_embd)
    tensors = {
        "vocabulary": Layout("u1", (sum(map(len, vocabulary.token_bytes)),)),
        "vocabulary.size": Layout("u1", (n_vocab,)),
        "tokenizer": Layout("u1", (tokenizer_size,)),
        "inv_freq": Layout("<u4", (c.head_dim // 2,)),
        "gain_shifts": Layout("u1", (2 * c.n_layer + 1,)),
        "lm_head.norm": Layout("<i2", (c.n_embd,)),
    }
    for i in range(c.n_layer):
        matrices[f"layers.{i}.qkv"] = (n_qkv, c.n_embd)
        matrices[f"layers.{i}.o"] = (c.n_embd, queries)
        matrices[f"layers.{i}.gate_up"] = (2 * c.n_hidden, c.n_embd)
        matrices[f"layers.{i}.down"] = (c.n_embd, c.n_hidden)
        tensors |= {f"layers.{i}.{matrix}.norm": Layout("<i2", (c.n_embd,)) for matrix in ("qkv", "gate_up")}
        if c.has_bias:
            tensors[f"layers.{i}.qkv.bias"] = Layout("<i4", (n_qkv,))
    for matrix, shape in matrices.items():
        tensors |= {f"{matrix}.weight": Layout("i1", shape), f"{matrix}.multiplier": Layout("<i4", shape[:1])}
    return tensors


class _Conversion:
    """The weights of one model on their way from a source to a file, one float32 tensor at a time."""

    def __init__(
        self, source: Source, writer: Writer, vocabulary: Vocabulary, start: int, progress: Progress | None
    ) -> None:
        self._source, self._writer, self._vocabulary, self._progress = source, writer, vocabulary, progress
        self._start = start
        shapes = source.shapes()
        self._n_done, self._n_all = 0, sum(math.prod(s) for name, s in shapes.items() if self._is_matrix(name, s))

    def run(self) -> None:
        config, source, writer = self._source.config, self._source, self._writer
        rows = self._rows_of_tokens()
        for matrix, places in [("embed", [*rows, self._start])] + ([] if config.is_tied else [("lm_head", rows)]):
            integers, multipliers = quantize_rows(source.load(matrix), matrix)
            writer.put(f"{matrix}.weight", integers[places])
            writer.put(f"{matrix}.multiplier", multipliers[places])
            self._advance(integers.size)
        norms = [f"layers.{i}.{matrix}.norm" for i in range(config.n_layer) for matrix in ("qkv", "gate_up")]
        shifts = []
        for norm in [*norms, "lm_head.norm"]:
            integers, shift = quantize_norm(source.load(norm), norm)
            writer.put(norm, integers)
            shifts.append(shift)
        writer.put("gain_shifts", np.array(shifts, np.uint8))
        for i in range(config.n_layer):
            for matrix, parts in _PARTS.items():
                self._matrix(f"layers.{i}.", matrix, parts)

    def _matrix(self, layer: str, matrix: str, parts: tuple[str, ...]) -> None:
        row = 0
        for part in parts:
            integers, multipliers = quantize_rows(self._source.load(layer + part), layer + part)
            self._writer.put(f"{layer}{matrix}.weight", integers, row)
            self._writer.put(f"{layer}{matrix}.multiplier", multipliers, row)
            if matrix == "qkv" and self._source.config.has_bias:
                bias = f"{layer}{part}.bias"
                self._writer.put(f"{layer}qkv.bias", quantize_bias(self._source.load(bias), bias), row)
            row += len(integers)
            self._advance(integers.size)

    def _rows_of_tokens(self) -> list[int]:
        """Return the source's row for each token; a byte without a token gets that of the last token without a text.

        Such a control token is as unlikely as the byte wherever there is text.
        """
        tokens = self._source.bpe.tokens
        stand_in = max((i for i, token in enumerate(tokens) if token is None), default=self._start)
        return [stand_in if row is None else row for row in self._vocabulary.sources]

    def _is_matrix(self, name: str, shape: tuple[int, ...]) -> bool:
        return len(shape) == 2 and not (name == "lm_head" and self._source.config.is_tied)

    def _advance(self, n: int) -> None:
        self._n_done += n
        if self._progress:
            self._progress(self._n_done, self._n_all)

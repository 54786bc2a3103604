"""What a model's files give whatever their format is: shape, tensors by canonical names, tokenizer (ARITHMETIC 9).

Canonical names: `embed`, `head`, `head.norm`, and for each layer `layers.i.` with `q`, `k`, `v`, `out`, `gate`, `up`,
`down`, `in.norm`, `up.norm`, `q.bias`, `k.bias`, `v.bias`.  Rotary pairs of q and k are (j, j + head_dim / 2).
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lmzip.errors import UnsupportedError

MAX_JSON_SIZE = 1 << 27  # the tokenizer.json of a vocabulary of 256 Ki tokens has some 30 MB
WINDOW_UNIT = 128  # windows are multiples of it
_PIECE_SIZE = 1 << 20


@dataclass(frozen=True)
class Config:
    """The shape of a model, checked by check_config()."""

    n_embd: int
    n_hidden: int
    n_layer: int
    n_head: int
    n_kv_head: int
    head_dim: int
    rope_theta: float
    rms_epsilon: float
    context_size: int  # tokens
    start: int | None  # number of bos, else of eos; None where the model names neither
    is_tied: bool  # the head is the embeddings
    has_bias: bool  # of queries, keys and values
    name: str
    licence: str


@dataclass(frozen=True)
class Bpe:
    """A byte-pair tokenizer, in the words of Hugging Face's `tokenizers`."""

    is_byte_level: bool  # tokens are in GPT-2's alphabet for bytes; otherwise text with U+2581 for a space and <0x0A>
    tokens: list[str | None]  # by number; None for what stands for no text
    merges: list[tuple[str, str]]
    normalizer: dict[str, Any] | None
    pre_tokenizer: dict[str, Any] | None
    ignores_merges: bool = False  # a word that is a token is taken as it is
    controls: dict[str, int] = field(default_factory=dict)  # numbers of those tokens that have a name, but no text


class Source(ABC):
    """The files of one model, open to be read tensor by tensor."""

    config: Config
    bpe: Bpe
    weight_files: list[Path]

    @abstractmethod
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of all tensors by canonical name; names that are not known stay as the file has them."""

    @abstractmethod
    def load(self, name: str) -> np.ndarray:
        """Return a tensor in float32; raises UnsupportedError for a damaged file, OSError."""

    @abstractmethod
    def close(self) -> None:
        """Close the files."""


def shown(value: object) -> str:
    """Return a value from a file as it may stand in a message: short, on one line, printable."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


def integer(value: Any, name: str, low: int, high: int) -> int:
    """Return value if it is an integer from low to high; raises UnsupportedError."""
    if type(value) is not int or not low <= value <= high:
        raise UnsupportedError(f"{name} is {shown(value)}, which is not from {low} to {high}")
    return value


def token_number(value: Any) -> int | None:
    """Return the number of a token that a model names, None where it names none; raises UnsupportedError."""
    return None if value is None else integer(value, "the start token", 0, (1 << 31) - 1)


def real(value: Any, name: str, low: float, high: float) -> float:
    """Return value if it is a number from low to high; raises UnsupportedError."""
    if type(value) not in (int, float) or not low <= value <= high:
        raise UnsupportedError(f"{name} is {shown(value)}, which is not from {low} to {high}")
    return float(value)


def open_regular(path: Path) -> tuple[BinaryIO, int]:
    """Open a file that is none of a pipe or a device: file and size; raises OSError, UnsupportedError."""
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        file.close()
        raise UnsupportedError(f"{path.name} is not a regular file")
    return file, status.st_size


def parse_json(data: bytes, name: str) -> dict[str, Any]:
    """Return the JSON object that data holds; raises UnsupportedError."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        value = json.loads(data, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise UnsupportedError(f"{name} is not sound JSON") from None
    if not isinstance(value, dict):
        raise UnsupportedError(f"{name} is not a JSON object")
    return value


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; raises OSError, UnsupportedError."""
    file, size = open_regular(path)
    with file:
        if size > MAX_JSON_SIZE:
            raise UnsupportedError(f"{path.name} is too large")
        return parse_json(file.read(MAX_JSON_SIZE), path.name)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal; raises OSError."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(_PIECE_SIZE):
            digest.update(piece)
    return digest.hexdigest()


def check_config(config: Config) -> Config:
    """Return config if ARITHMETIC 9.11 allows its shape; raises UnsupportedError."""
    for name, high in (("n_embd", 8192), ("n_hidden", 8192), ("head_dim", 256)):
        value = integer(getattr(config, name), name, 32, high)
        if value % 32:
            raise UnsupportedError(f"{name} is {value}, which is no multiple of 32")
    for name in ("n_layer", "n_head", "n_kv_head"):
        integer(getattr(config, name), name, 1, 128)
    if config.n_head % config.n_kv_head:
        raise UnsupportedError(f"{config.n_kv_head} key heads do not divide {config.n_head} heads")
    if config.n_head > 64 * config.n_kv_head:
        raise UnsupportedError(f"{config.n_head} heads are too many for {config.n_kv_head} key heads")
    integer(config.n_head * config.head_dim, "n_head * head_dim", 32, 8192)
    integer(config.context_size, "the context size", WINDOW_UNIT, 1 << 31)
    real(config.rope_theta, "the base of rotary positions", 1, 1e12)
    real(config.rms_epsilon, "the epsilon of norms", 0, 256 / config.n_embd)
    return config


def check_shapes(source: Source) -> int:
    """Return how many tokens the embeddings have; raises UnsupportedError unless all tensors are there and no others.

    Tensors that a model has none of, such as biases of other matrices, would be left out of the result unnoticed.
    """
    found, c = source.shapes(), source.config
    if len(found.get("embed", ())) != 2:
        raise UnsupportedError("the embeddings are missing or no matrix")
    n_vocab = found["embed"][0]
    queries, keys = c.n_head * c.head_dim, c.n_kv_head * c.head_dim
    layer: dict[str, tuple[int, ...]] = {
        "q": (queries, c.n_embd),
        "k": (keys, c.n_embd),
        "v": (keys, c.n_embd),
        "out": (c.n_embd, queries),
        "gate": (c.n_hidden, c.n_embd),
        "up": (c.n_hidden, c.n_embd),
        "down": (c.n_embd, c.n_hidden),
        "in.norm": (c.n_embd,),
        "up.norm": (c.n_embd,),
    }
    if c.has_bias:
        layer |= {"q.bias": (queries,), "k.bias": (keys,), "v.bias": (keys,)}
    expected = {"embed": (n_vocab, c.n_embd), "head.norm": (c.n_embd,)}
    if not c.is_tied:
        expected["head"] = (n_vocab, c.n_embd)
    expected |= {f"layers.{i}.{name}": shape for i in range(c.n_layer) for name, shape in layer.items()}
    _compare(found, expected, {"head"} if c.is_tied else set())
    return n_vocab


def _compare(found: dict[str, tuple[int, ...]], expected: dict[str, tuple[int, ...]], ignored: Iterable[str]) -> None:
    for name, shape in expected.items():
        if name not in found:
            raise UnsupportedError(f"the tensor {name} is missing")
        if found[name] != shape:
            raise UnsupportedError(f"the tensor {name} has the shape {shown(found[name])}, not {shape}")
    others = sorted(set(found) - set(expected) - set(ignored))
    if others:
        raise UnsupportedError(f"it has a tensor that lmzip does not know: {shown(others[0])}")

"""The files of a model of Hugging Face: which they are, what they must not be, and the digest of them all (HF.md).

Nothing in a directory is ever executed: weights are safetensors or GGUF, and the rest is JSON and vocabularies.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmzip.errors import LmzipError, UnsupportedError
from lmzip.weights.files import identity_of, sha256_of
from lmzip.weights.gguf import GgufFile
from lmzip.weights.huggingface import INDEX_NAME, WEIGHTS_NAME, read_config, weight_files
from lmzip.weights.safetensors import SafetensorsFile
from lmzip.weights.values import integer, shown

GGUF_SUFFIX = ".gguf"
GGUF_NAME = "model.gguf"  # of a GGUF file in the digest, whatever it is called: it is the whole model
_LABEL = b"lmzip-hf-files-1\0"
# What a model may consist of besides its weights; whichever of them are there are part of the digest.
TOKENIZER_FILES = (
    "added_tokens.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
    "spiece.model",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
)
_MAX_INTEGER = 1 << 31
# Of numbers that transformers counts to before anything is compared with the weights, by their names.
_LIMITS = (
    (re.compile(r"layers?$|block_count$|blocks$|depth$|attention_types$"), 1 << 10),
    (re.compile(r"experts?$|expert_count$|labels$"), 1 << 16),
)
_SNAPSHOT = re.compile(r"models--(?:.+--)?(.+)")  # the folder of a model of the hub in the cache, by its name
_MAX_NAME_SIZE = 32  # as in a frame's record (FORMAT 3.2)


@dataclass(frozen=True)
class ModelFiles:
    """A model's files, none opened yet: a directory with config.json, or a GGUF file."""

    path: Path
    config: dict[str, Any]  # of config.json; empty for GGUF
    others: tuple[Path, ...]  # config and tokenizer
    weights: tuple[Path, ...]

    @property
    def named(self) -> dict[str, Path]:
        """All files that the digest counts, by the names that it has for them."""
        return {GGUF_NAME if self.is_gguf else file.name: file for file in self.others + self.weights}

    @property
    def links(self) -> dict[str, Path]:
        """What transformers needs: of several files of weights also the index, which says only which they are."""
        index = {} if WEIGHTS_NAME in self.named or self.is_gguf else {INDEX_NAME: self.path / INDEX_NAME}
        return self.named | index

    @property
    def is_gguf(self) -> bool:
        return self.path.suffix == GGUF_SUFFIX

    @property
    def size(self) -> int:
        """Bytes of the weights' files; raises OSError."""
        return sum(file.stat().st_size for file in self.weights)

    @property
    def name(self) -> str:
        """What a frame calls it: the name of directory or file, as far as it fits."""
        name = self.path.stem if self.is_gguf else self.path.name
        if self.path.parent.name == "snapshots" and (match := _SNAPSHOT.fullmatch(self.path.parent.parent.name)):
            name = match[1]
        kept = "".join(c for c in name if c.isprintable()).encode("utf-8", "replace")[:_MAX_NAME_SIZE]
        return kept.decode("utf-8", "ignore") or "model"

    def has(self, name: str) -> bool:
        return any(file.name == name for file in self.others)


def find_files(path: Path) -> ModelFiles:
    """Return the files of the model at path.

    Raises ModelMissingError where none is, UnsupportedError where its weights are pickles, want code that is not
    transformers' own, or its configuration is not sound; OSError.
    """
    path = Path(os.path.realpath(path)) if path.is_dir() else path.absolute()
    if path.suffix == GGUF_SUFFIX and path.is_file():
        return ModelFiles(path, {}, (), (path,))
    config = read_config(path)
    _refuse(path, config)
    weights = tuple(weight_files(path))
    others = [path / name for name in ("config.json", *TOKENIZER_FILES)]
    return ModelFiles(path, config, tuple(file for file in others if file.is_file()), weights)


def _refuse(path: Path, config: dict[str, Any]) -> None:
    """Raise UnsupportedError for what would be run in another way than its files say, or would not end."""
    if (path / "adapter_config.json").exists():
        raise UnsupportedError(f"{path} holds an adapter, which lmzip does not apply: merge it into its model")
    if config.get("quantization_config"):
        raise UnsupportedError(f"{path} has quantised weights, which need other packages: lmzip takes plain ones")
    if config.get("is_encoder_decoder"):
        raise UnsupportedError(f"{path} is an encoder with a decoder, not a causal language model")
    if config.get("transformers_weights"):
        raise UnsupportedError(f"{path}/config.json names other files of weights than model.safetensors")
    if not isinstance(config.get("model_type"), str):
        raise UnsupportedError(f"{path}/config.json has no model_type")
    _check_members(config)


def _check_members(config: dict[str, Any], within: str = "") -> None:
    """Raise UnsupportedError for numbers beyond reason, and for names of programs that transformers would fetch."""
    for key, value in config.items():
        if key in ("kernels", "kernel_config", "use_kernels") and value:
            raise UnsupportedError(f"config.json names a program, which lmzip does not run ({shown(key)})")
        if "implementation" in key + within and isinstance(value, str) and not value.isidentifier():
            raise UnsupportedError(f"config.json names a program, which lmzip does not run ({shown(value)})")
        _check_numbers(value, key)


def _check_numbers(value: Any, key: str) -> None:
    if isinstance(value, dict):
        _check_members(value, key)
    elif isinstance(value, list):
        for member in value:
            _check_numbers(member, key)
    elif type(value) is int:
        limit = next((limit for pattern, limit in _LIMITS if pattern.search(key)), _MAX_INTEGER)
        integer(value, key, -limit, limit)


def check_gguf(files: ModelFiles) -> None:
    """Raise UnsupportedError where a GGUF file, taken for a model, would not end; OSError."""
    with GgufFile(files.path) as file:
        for key, value in file.fields.items():
            if key.endswith((".block_count", ".expert_count")):
                _check_numbers(value, key)


def tensor_sizes(files: ModelFiles) -> list[int]:
    """Return how many numbers each tensor of the weights holds; raises OSError, UnsupportedError for damaged files."""
    sizes: list[int] = []
    for path in files.weights:
        with GgufFile(path) if files.is_gguf else SafetensorsFile(path) as file:
            sizes += map(math.prod, file.shapes.values())
    return sizes


_digests: dict[tuple[tuple[int, ...], ...], bytes] = {}  # by identity_of: gigabytes take seconds


def digest_of(files: ModelFiles) -> bytes:
    """Return SHA-256 over the names, sizes and digests of all files; raises OSError, UnsupportedError."""
    identity = identity_of(files.named.values())
    if identity not in _digests:
        total = hashlib.sha256(_LABEL)
        for name, path in sorted(files.named.items()):
            size = os.stat(path).st_size
            total.update(name.encode() + b"\0" + size.to_bytes(8, "little") + sha256_of(path))
        _digests[identity] = total.digest()
    return _digests[identity]


def has_digest(files: ModelFiles, digest: bytes) -> bool:
    """Return whether these files can be read and have this digest."""
    try:
        return digest_of(files) == digest
    except (LmzipError, OSError):
        return False

"""The files of a model of Hugging Face: which they are, what they must not be, and the digest of them all (HF.md).

Nothing in a directory is ever executed: weights are safetensors or GGUF, and the rest is JSON and vocabularies.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmzip.errors import ModelMissingError, UnsupportedError
from lmzip.models.importing.gguf_file import GgufFile
from lmzip.models.importing.hf_source import weight_files
from lmzip.models.importing.source import integer, open_regular, read_json, shown

GGUF_SUFFIX = ".gguf"
_PIECE_SIZE = 1 << 20
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
_LIMITS = {"num_hidden_layers": 1 << 10, "n_layer": 1 << 10, "n_layers": 1 << 10, "num_labels": 1 << 16}
_MAX_NAME_SIZE = 32  # as in a frame's record (FORMAT 3.2)


@dataclass(frozen=True)
class ModelFiles:
    """A model's files, none opened yet: a directory with config.json, or a GGUF file."""

    path: Path
    config: dict[str, Any]  # of config.json; empty for GGUF
    others: tuple[Path, ...]  # config and tokenizer
    weights: tuple[Path, ...]

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
    if not (path / "config.json").is_file():
        raise ModelMissingError(f"{path} is no model directory: it has no config.json")
    config = read_json(path / "config.json")
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
        if isinstance(value, dict):
            _check_members(value, key)
        elif type(value) is int:
            limit = _LIMITS.get(key, _MAX_INTEGER)
            integer(value, key, -limit, limit)


def n_weights(files: ModelFiles) -> int:
    """Return how many numbers the weights' files hold; raises OSError, UnsupportedError for damaged ones."""
    from math import prod

    from lmzip.models.importing.safetensors_file import SafetensorsFile

    total = 0
    for path in files.weights:
        if files.is_gguf:
            gguf = GgufFile(path)
            total += sum(prod(tensor.shape) for tensor in gguf.tensors.values())
            gguf.close()
        else:
            file = SafetensorsFile(path)
            total += sum(map(prod, file.shapes.values()))
            file.close()
    return total


_digests: dict[tuple[tuple[int, ...], ...], bytes] = {}  # by identity_of: gigabytes take seconds


def digest_of(files: ModelFiles) -> bytes:
    """Return SHA-256 over the names, sizes and digests of all files; raises OSError, UnsupportedError.

    A GGUF file counts as `model.gguf`, whatever it is called: it is the whole model.
    """
    identity = identity_of(files)
    if identity not in _digests:
        _digests[identity] = _hashed(files)
    return _digests[identity]


def _hashed(files: ModelFiles) -> bytes:
    total = hashlib.sha256(_LABEL)
    named = [("model.gguf" if files.is_gguf else path.name, path) for path in files.others + files.weights]
    for name, path in sorted(named):
        digest = hashlib.sha256()
        file, size = open_regular(path)
        with file:
            while piece := file.read(_PIECE_SIZE):
                digest.update(piece)
        total.update(name.encode() + b"\0" + size.to_bytes(8, "little") + digest.digest())
    return total.digest()


def identity_of(files: ModelFiles) -> tuple[tuple[int, ...], ...]:
    """Return what tells that no file was replaced or changed; raises OSError."""
    stats = (os.stat(path) for path in files.others + files.weights)
    return tuple((s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns) for s in stats)

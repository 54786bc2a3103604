"""A GGUF file of the architecture llama or qwen2 as a source."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from lmzip.convert.source import Config, Source, check_config, token_number
from lmzip.errors import UnsupportedError
from lmzip.tokenizers.bpe import from_gguf
from lmzip.weights.gguf import GgufFile, gguf_package
from lmzip.weights.values import integer, shown

_NAMES = {
    "attn_q": "q",
    "attn_k": "k",
    "attn_v": "v",
    "attn_output": "o",
    "ffn_gate": "gate",
    "ffn_up": "up",
    "ffn_down": "down",
    "attn_norm": "qkv.norm",
    "ffn_norm": "gate_up.norm",
}
_ROOT_NAMES = {"token_embd.weight": "embed", "output.weight": "lm_head", "output_norm.weight": "lm_head.norm"}


class GgufSource(Source):
    """Raises OSError, UnsupportedError."""

    def __init__(self, path: Path) -> None:
        self._file = GgufFile(path)
        try:
            gguf_package()
            self.weight_files = [path]
            self._places = {_canonical(name): name for name in self._file.tensors}
            self.config = check_config(self._config(path))
            self.bpe = from_gguf(self._file.fields)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._file.close()

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: self._file.tensors[place].shape for name, place in self._places.items()}

    def load(self, name: str) -> np.ndarray:
        result = self._file.load(self._places[name])
        is_rotated = name.split(".")[2:3] in (["q"], ["k"])
        return _unpermuted(result, self.config.head_dim) if is_rotated and self._is_permuted else result

    def _config(self, path: Path) -> Config:
        fields = self._file.fields
        architecture = fields.get("general.architecture")
        if architecture not in ("llama", "qwen2"):
            raise UnsupportedError(f"the architecture {shown(architecture)} is not supported, only llama and qwen2 are")
        self._is_permuted = architecture == "llama"

        def field(name: str, default: Any = None) -> Any:
            value = fields.get(f"{architecture}.{name}", default)
            if value is None:
                raise UnsupportedError(f"the field {architecture}.{name} is missing")
            return value

        _refuse_variants(fields, str(architecture))
        n_embd = integer(field("embedding_length"), "n_embd", 32, 8192)
        n_head = integer(field("attention.head_count"), "n_head", 1, 128)
        head_dim = field("attention.key_length", n_embd // n_head)
        for other in ("attention.value_length", "rope.dimension_count"):
            if field(other, head_dim) != head_dim:
                raise UnsupportedError(f"{other} is {shown(field(other))}, not that of keys, {shown(head_dim)}")
        start = fields.get("tokenizer.ggml.bos_token_id", fields.get("tokenizer.ggml.eos_token_id"))
        return Config(
            n_embd=n_embd,
            n_hidden=field("feed_forward_length"),
            n_layer=field("block_count"),
            n_head=n_head,
            n_kv_head=field("attention.head_count_kv", n_head),
            head_dim=head_dim,
            rope_theta=_shortest(field("rope.freq_base", 10000.0)),
            rms_epsilon=_shortest(field("attention.layer_norm_rms_epsilon")),
            context_size=field("context_length"),
            bos_id=token_number(start),
            is_tied="lm_head" not in self._places,
            has_bias=architecture == "qwen2" or any(name.endswith("q.bias") for name in self._places),
            name=str(fields.get("general.name", path.stem)),
            licence=str(fields.get("general.license", "unknown")),
        )


def _canonical(name: str) -> str:
    match = re.fullmatch(r"blk\.(0|[1-9][0-9]{0,3})\.([a-z_]+)\.(weight|bias)", name)
    if match and match[2] in _NAMES and (match[3] == "weight" or match[2] in ("attn_q", "attn_k", "attn_v")):
        return f"layers.{match[1]}.{_NAMES[match[2]]}" + (".bias" if match[3] == "bias" else "")
    return _ROOT_NAMES.get(name, name)


def _refuse_variants(fields: dict[str, Any], architecture: str) -> None:
    """Raise UnsupportedError for fields that change what is computed."""
    for name in ("expert_count", "attention.sliding_window", "attention.clamp_kqv", "attention.max_alibi_bias"):
        if fields.get(f"{architecture}.{name}"):
            raise UnsupportedError(f"{name} is not supported")
    scaling = fields.get(f"{architecture}.rope.scaling.type", "none")
    if scaling != "none" or f"{architecture}.rope.scale_linear" in fields:
        raise UnsupportedError(f"rope scaling is not supported ({shown(scaling)})")
    if fields.get("split.count", 0) not in (0, 1):
        raise UnsupportedError("a model split into several GGUF files is not supported")


def _shortest(value: Any) -> Any:
    """Return the number that a float32 was written for: 1e-05, not 9.999999747378752e-06."""
    return float(str(np.float32(value))) if type(value) is float else value


def _unpermuted(values: np.ndarray, head_dim: int) -> np.ndarray:
    """Return rows of queries or keys as transformers has them; llama.cpp has element j beside j + head_dim / 2."""
    heads = values.reshape(-1, head_dim // 2, 2, *values.shape[1:])
    return np.ascontiguousarray(heads.swapaxes(1, 2)).reshape(values.shape)

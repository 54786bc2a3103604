"""A GGUF file as a source."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from lmzip.convert.source import Config, Source, check_config
from lmzip.errors import UnsupportedError
from lmzip.tokenizers.bpe import from_gguf
from lmzip.weights.gguf import GgufFile, gguf_package
from lmzip.weights.values import integer, shown

_ARCHITECTURES = ("llama", "qwen2", "qwen3", "gemma2", "gemma3")
_PERIODS = {"gemma2": 2, "gemma3": 6}  # each so manieth layer is global, the others are local
_LOCAL_ROPE_THETA = 10000.0  # of gemma3, where the file does not say it


class GgufSource(Source):
    def _open(self, path: Path) -> None:
        file = GgufFile(path)
        self._add(file)
        gguf_package()
        self.weight_files = [path]
        self.config = check_config(self._config(path, file.fields))
        self.bpe = from_gguf(file.fields)

    def load(self, name: str, first: int = 0, n: int | None = None) -> np.ndarray:
        result = super().load(name, first, n)
        is_rotated = name.split(".")[2:3] in (["q"], ["k"])
        return _unpermuted(result, self.config.head_dim) if is_rotated and self._is_permuted else result

    def _config(self, path: Path, fields: dict[str, Any]) -> Config:
        architecture = fields.get("general.architecture")
        if architecture not in _ARCHITECTURES:
            known = ", ".join(_ARCHITECTURES)
            raise UnsupportedError(f"the architecture {shown(architecture)} is not supported, only {known}")
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
        n_layer = integer(field("block_count"), "n_layer", 1, 128)
        rope_theta = _shortest(field("rope.freq_base", 10000.0))
        is_gemma, period = architecture in _PERIODS, _PERIODS.get(str(architecture), 0)
        return Config(
            n_embd=n_embd,
            n_hidden=field("feed_forward_length"),
            n_layer=n_layer,
            n_head=n_head,
            n_kv_head=field("attention.head_count_kv", n_head),
            head_dim=head_dim,
            rope_theta=rope_theta,
            rms_epsilon=_shortest(field("attention.layer_norm_rms_epsilon")),
            context_size=field("context_length"),
            bos_id=start,
            is_tied="lm_head" not in self._places,
            has_bias=architecture == "qwen2" or self.has_biases,
            name=str(fields.get("general.name", path.stem)),
            licence=str(fields.get("general.license", "unknown")),
            is_gelu=is_gemma,
            has_head_norms=architecture in ("qwen3", "gemma3"),
            has_post_norms=is_gemma,
            embed_scale=math.sqrt(n_embd) if is_gemma else 1.0,
            # As llama.cpp has it: the models of 27 billion weights alone differ, and are told by their layers.
            query_scale=n_embd // n_head if (architecture, n_layer) in (("gemma2", 46), ("gemma3", 62)) else None,
            score_cap=_shortest(field("attn_logit_softcapping", 50.0)) if architecture == "gemma2" else None,
            logit_cap=_shortest(field("final_logit_softcapping", 30.0)) if architecture == "gemma2" else None,
            local_window=field("attention.sliding_window") if is_gemma else 0,
            local_layers=tuple(i for i in range(n_layer) if period and (i + 1) % period),
            local_rope_theta=_shortest(
                rope_theta if architecture == "gemma2" else field("rope.freq_base_swa", _LOCAL_ROPE_THETA)
            ),
        )


def _refuse_variants(fields: dict[str, Any], architecture: str) -> None:
    """Raise UnsupportedError for fields that change what is computed."""
    refused = ["expert_count", "attention.clamp_kqv", "attention.max_alibi_bias"]
    refused += ["attention.sliding_window_pattern"] if architecture in _PERIODS else ["attention.sliding_window"]
    for name in refused:
        if fields.get(f"{architecture}.{name}", 0) not in (0, False, _PERIODS.get(architecture, 0)):
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

"""A Hugging Face directory as a source: JSON and safetensors, no pickles, no code."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from lmzip.convert.source import GEMMA_NAMES, Config, Source, check_config
from lmzip.errors import UnsupportedError
from lmzip.tokenizers.bpe import from_hugging_face
from lmzip.weights.files import read_json
from lmzip.weights.huggingface import read_config, weight_files
from lmzip.weights.safetensors import SafetensorsFile
from lmzip.weights.values import integer, shown

_GEMMA = ("gemma2", "gemma3_text")
_KINDS = ("llama", "qwen2", "qwen3", *_GEMMA)
_GELU = "gelu_pytorch_tanh"


class HuggingFaceSource(Source):
    def _open(self, path: Path) -> None:
        config = read_config(path)
        _refuse_variants(config)
        if config["model_type"] in _GEMMA:
            self.names = GEMMA_NAMES
        self.weight_files = weight_files(path)
        for file in self.weight_files:
            self._add(SafetensorsFile(file))
        self.config = check_config(_config(config, path, self.has_biases))
        if not (path / "tokenizer.json").exists():
            raise UnsupportedError("tokenizer.json is missing")
        n_vocab = self.shapes().get("embed", (0,))[:1] or (0,)
        self.bpe = from_hugging_face(read_json(path / "tokenizer.json"), n_vocab[0])


def _ropes(config: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of rotary positions of each kind of layers, where a configuration has such."""
    parameters = config.get("rope_parameters")
    by_kind = isinstance(parameters, dict) and any(isinstance(value, dict) for value in parameters.values())
    return parameters if by_kind and isinstance(parameters, dict) else {"full_attention": parameters}


def _refuse_variants(config: dict[str, Any]) -> None:
    """Raise UnsupportedError for a configuration that lmzip would compute in another way."""
    kind = config.get("model_type")
    if kind not in _KINDS:
        raise UnsupportedError(f"the model type {shown(kind)} is not supported, only {', '.join(_KINDS)}")
    for scaling in (config.get("rope_scaling"), *_ropes(config).values()):
        if scaling is not None:
            way = scaling.get("rope_type", scaling.get("type", "default")) if isinstance(scaling, dict) else scaling
            if way != "default" or not isinstance(scaling, dict):
                raise UnsupportedError(f"rope scaling is not supported ({shown(way)})")
            if scaling.get("partial_rotary_factor", 1) != 1:
                raise UnsupportedError("partial_rotary_factor is not supported")
    for key in ("hidden_act", "hidden_activation"):
        expected = _GELU if kind in _GEMMA else "silu"
        # Gemma has `hidden_act` from its early days, which says nothing.
        if (kind not in _GEMMA or key == "hidden_activation") and (config.get(key) or expected) != expected:
            raise UnsupportedError(f"the activation {shown(config[key])} is not supported, only {expected}")
    if kind not in _GEMMA:
        if config.get("use_sliding_window") or "sliding_attention" in str(config.get("layer_types")):
            raise UnsupportedError("sliding windows are not supported")
        if kind == "llama" and config.get("sliding_window"):
            raise UnsupportedError("sliding windows are not supported")
    for key in ("quantization_config", "mlp_bias", "use_bidirectional_attention"):
        if config.get(key):
            raise UnsupportedError(f"{key} is not supported")
    if config.get("partial_rotary_factor", 1) != 1:
        raise UnsupportedError("partial_rotary_factor is not supported")


def _config(config: dict[str, Any], path: Path, has_biases: bool) -> Config:
    kind = config["model_type"]

    def field(name: str, default: Any = None) -> Any:
        value = config.get(name)
        value = default if value is None else value
        if value is None:
            raise UnsupportedError(f"config.json has no {name}")
        return value

    n_embd = integer(field("hidden_size"), "hidden_size", 32, 8192)
    n_head = integer(field("num_attention_heads"), "num_attention_heads", 1, 128)
    rope = _ropes(config).get("full_attention") or {}
    start: Any = config.get("bos_token_id")
    if start is None:
        start = config.get("eos_token_id")
        start = start[0] if isinstance(start, list) and start else start
    return Config(
        n_embd=n_embd,
        n_hidden=field("intermediate_size"),
        n_layer=field("num_hidden_layers"),
        n_head=n_head,
        n_kv_head=field("num_key_value_heads", n_head),
        head_dim=field("head_dim", {"qwen3": 128}.get(kind, 256 if kind in _GEMMA else n_embd // n_head)),
        rope_theta=field("rope_theta", rope.get("rope_theta", 10000.0)),
        rms_epsilon=field("rms_norm_eps", 1e-6),
        context_size=field("max_position_embeddings", 2048),
        bos_id=start,
        is_tied=field("tie_word_embeddings", kind in _GEMMA) is True,
        has_bias=kind == "qwen2" or has_biases,
        name=path.resolve().name,
        licence="unknown",
        has_head_norms=kind in ("qwen3", "gemma3_text"),
        **(_gemma(config, n_embd) if kind in _GEMMA else {}),
    )


def _gemma(config: dict[str, Any], n_embd: int) -> dict[str, Any]:
    """Return the members of Config that only Gemma has."""
    is_second = config["model_type"] == "gemma2"
    n_layer = integer(config.get("num_hidden_layers"), "num_hidden_layers", 1, 128)
    period = config.get("sliding_window_pattern", config.get("_sliding_window_pattern", 2 if is_second else 6))
    period = integer(period, "the pattern of sliding windows", 1, 1 << 31)
    kinds = config.get("layer_types")
    if kinds is None:
        kinds = ["sliding_attention" if (i + 1) % period else "full_attention" for i in range(n_layer)]
    if not isinstance(kinds, list) or len(kinds) != n_layer or set(kinds) - {"sliding_attention", "full_attention"}:
        raise UnsupportedError(f"the kinds of layers {shown(kinds)} are not supported")
    rope = _ropes(config).get("sliding_attention") or {}
    global_theta = (_ropes(config).get("full_attention") or {}).get("rope_theta", 10000.0)
    local_theta = config.get("rope_theta", global_theta) if is_second else config.get("rope_local_base_freq", 10000.0)
    return {
        "is_gelu": True,
        "has_post_norms": True,
        "adds_one": True,
        "embed_scale": math.sqrt(n_embd),
        "query_scale": config.get("query_pre_attn_scalar", 256),
        "score_cap": config.get("attn_logit_softcapping"),
        "logit_cap": config.get("final_logit_softcapping"),
        "local_window": config.get("sliding_window", 4096),
        "local_layers": tuple(i for i, kind in enumerate(kinds) if kind == "sliding_attention"),
        "local_rope_theta": rope.get("rope_theta", local_theta),
    }

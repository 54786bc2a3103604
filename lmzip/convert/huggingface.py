"""A Hugging Face directory of the model type llama or qwen2 as a source: JSON and safetensors, no pickles, no code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lmzip.convert.source import Config, Source, check_config
from lmzip.errors import UnsupportedError
from lmzip.tokenizers.bpe import from_hugging_face
from lmzip.weights.files import read_json
from lmzip.weights.huggingface import read_config, weight_files
from lmzip.weights.safetensors import SafetensorsFile
from lmzip.weights.values import integer, shown


class HuggingFaceSource(Source):
    def _open(self, path: Path) -> None:
        config = read_config(path)
        _refuse_variants(config)
        self.weight_files = weight_files(path)
        for file in self.weight_files:
            self._add(SafetensorsFile(file))
        self.config = check_config(_config(config, path, self.has_biases))
        if not (path / "tokenizer.json").exists():
            raise UnsupportedError("tokenizer.json is missing")
        n_vocab = self.shapes().get("embed", (0,))[:1] or (0,)
        self.bpe = from_hugging_face(read_json(path / "tokenizer.json"), n_vocab[0])


def _refuse_variants(config: dict[str, Any]) -> None:
    """Raise UnsupportedError for a configuration that lmzip would compute in another way."""
    kind = config.get("model_type")
    if kind not in ("llama", "qwen2"):
        raise UnsupportedError(f"the model type {shown(kind)} is not supported, only llama and qwen2 are")
    for key in ("rope_scaling", "rope_parameters"):
        scaling = config.get(key)
        if scaling is not None:
            way = scaling.get("rope_type", scaling.get("type", "default")) if isinstance(scaling, dict) else scaling
            if way != "default" or not isinstance(scaling, dict):
                raise UnsupportedError(f"rope scaling is not supported ({shown(way)})")
            if scaling.get("partial_rotary_factor", 1) != 1:
                raise UnsupportedError("partial_rotary_factor is not supported")
    if config.get("hidden_act", "silu") != "silu":
        raise UnsupportedError(f"the activation {shown(config['hidden_act'])} is not supported, only silu is")
    if config.get("use_sliding_window") or "sliding_attention" in str(config.get("layer_types")):
        raise UnsupportedError("sliding windows are not supported")
    if kind == "llama" and config.get("sliding_window"):
        raise UnsupportedError("sliding windows are not supported")
    for key in ("quantization_config", "mlp_bias"):
        if config.get(key):
            raise UnsupportedError(f"{key} is not supported")
    if config.get("partial_rotary_factor", 1) != 1:
        raise UnsupportedError("partial_rotary_factor is not supported")


def _config(config: dict[str, Any], path: Path, has_biases: bool) -> Config:
    def field(name: str, default: Any = None) -> Any:
        value = config.get(name)
        value = default if value is None else value
        if value is None:
            raise UnsupportedError(f"config.json has no {name}")
        return value

    n_embd = integer(field("hidden_size"), "hidden_size", 32, 8192)
    n_head = integer(field("num_attention_heads"), "num_attention_heads", 1, 128)
    rope = config.get("rope_parameters") or {}
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
        head_dim=field("head_dim", n_embd // n_head),
        rope_theta=field("rope_theta", rope.get("rope_theta", 10000.0)),
        rms_epsilon=field("rms_norm_eps", 1e-6),
        context_size=field("max_position_embeddings", 2048),
        bos_id=start,
        is_tied=field("tie_word_embeddings", False) is True,
        has_bias=config["model_type"] == "qwen2" or has_biases,
        name=path.resolve().name,
        licence="unknown",
    )

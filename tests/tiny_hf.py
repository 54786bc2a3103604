"""Tiny models of Hugging Face from a seed, for tests: directories of safetensors with a tokenizer, made on the spot."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tiny_llama

N_VOCAB = 264  # as tiny_llama.tokenizer_json has it, with two numbers that no token has
WINDOW = 32  # positions of those that have few
_SPECIAL = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}


def _common(width: int = 32, **changes: Any) -> dict[str, Any]:
    heads = {"num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": WINDOW}
    return {"vocab_size": N_VOCAB, "hidden_size": width, "intermediate_size": 48} | heads | _SPECIAL | changes


def _gpt2(t: Any) -> Any:
    return t.GPT2Config(vocab_size=N_VOCAB, n_positions=WINDOW, n_embd=32, n_layer=2, n_head=2, **_SPECIAL)


def _opt(t: Any) -> Any:
    return t.OPTConfig(**_common(ffn_dim=48, word_embed_proj_dim=32))


def _gemma(t: Any) -> Any:
    return t.GemmaConfig(**_common(num_key_value_heads=1, head_dim=16))


def _gemma3(t: Any) -> Any:
    """With layers whose attention sees fewer tokens than the window."""
    kinds = ["sliding_attention", "full_attention"]
    return t.Gemma3TextConfig(**_common(num_key_value_heads=1, head_dim=16, sliding_window=8, layer_types=kinds))


def _mamba(t: Any) -> Any:
    return t.MambaConfig(vocab_size=N_VOCAB, hidden_size=32, state_size=8, num_hidden_layers=2, **_SPECIAL)


def _mamba2(t: Any) -> Any:
    sizes = {"num_heads": 8, "head_dim": 8, "n_groups": 1, "chunk_size": 8, "expand": 2}
    return t.Mamba2Config(vocab_size=N_VOCAB, hidden_size=32, state_size=8, num_hidden_layers=2, **sizes, **_SPECIAL)


def _jamba(t: Any) -> Any:
    """Layers of both kinds, attention and a state, and experts."""
    state = {"mamba_d_state": 8, "mamba_dt_rank": 4}
    order = {"attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2, "expert_layer_offset": 1}
    return t.JambaConfig(**_common(num_key_value_heads=1, num_experts=2, **state, **order))


def _rwkv(t: Any) -> Any:
    return t.RwkvConfig(vocab_size=N_VOCAB, hidden_size=32, num_hidden_layers=2, context_length=WINDOW, **_SPECIAL)


CONFIGS: dict[str, Callable[[Any], Any]] = {
    "gpt2": _gpt2,
    "llama": lambda t: t.LlamaConfig(**_common(num_key_value_heads=1)),
    "mamba": _mamba,
    "mamba2": _mamba2,
    "rwkv": _rwkv,
    "jamba": _jamba,
    "gpt_neox": lambda t: t.GPTNeoXConfig(**_common()),
    "opt": _opt,
    "qwen2": lambda t: t.Qwen2Config(**_common(num_key_value_heads=1)),
    "gemma": _gemma,
    "gemma3": _gemma3,
    "mistral": lambda t: t.MistralConfig(**_common(num_key_value_heads=1, sliding_window=8)),
    "phi": lambda t: t.PhiConfig(**_common()),
    "bloom": lambda t: t.BloomConfig(vocab_size=N_VOCAB, hidden_size=32, n_layer=2, n_head=2, **_SPECIAL),
}


def save(path: Path, kind: str = "gpt2", *, seed: int = 0, tokenizer: dict[str, Any] | None = None, **changes) -> Path:
    """Write a directory of random weights; changes: of the configuration.  Needs torch and transformers."""
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    config = CONFIGS[kind](transformers)
    for name, value in changes.items():
        setattr(config, name, value)
    module = transformers.AutoModelForCausalLM.from_config(config)
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.data.normal_(0, 0.2, generator=generator)
    module.save_pretrained(path)
    write_tokenizer(path, tiny_llama.tokenizer_json() if tokenizer is None else tokenizer)
    return path


def write_tokenizer(path: Path, tokenizer: dict[str, Any]) -> None:
    (path / "tokenizer.json").write_text(json.dumps(tokenizer))


def change_config(path: Path, **changes: Any) -> None:
    """Set members of config.json; None removes them."""
    place = path / "config.json"
    config = json.loads(place.read_text()) | changes
    place.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))

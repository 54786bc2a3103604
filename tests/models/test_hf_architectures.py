"""Imported models of each architecture predict what transformers computes of the same weights in floating point."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_llama

from lmzip.convert import import_model
from lmzip.models import transformer_file, weights
from lmzip.weights.safetensors import SafetensorsFile

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

SIZES: dict[str, Any] = {
    "vocab_size": 264,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 512,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
GEMMA: dict[str, Any] = {"sliding_window": 128, "query_pre_attn_scalar": 48}
KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", "LlamaForCausalLM", {}),
    "qwen2": ("Qwen2Config", "Qwen2ForCausalLM", {"head_dim": 16}),
    "qwen3": ("Qwen3Config", "Qwen3ForCausalLM", {}),
    "gemma2": ("Gemma2Config", "Gemma2ForCausalLM", GEMMA | {"final_logit_softcapping": 5.0}),
    "gemma3": ("Gemma3TextConfig", "Gemma3ForCausalLM", GEMMA | {"num_hidden_layers": 7}),
}
N_TOKENS = 200  # more than the local window


def saved(kind: str, path: Path) -> Any:
    """Write a directory of random weights; return the model."""
    config, model, changes = KINDS[kind]
    torch.manual_seed(7)
    settings = getattr(transformers, config)(**SIZES | changes)
    if kind == "qwen2":
        settings = getattr(transformers, config)(**{k: v for k, v in SIZES.items() if k != "head_dim"})
        settings.hidden_size = 128
    module = getattr(transformers, model)(settings).eval().float()
    for name, parameter in module.named_parameters():
        deviation = 0.2 if "norm" in name else 1.4 * parameter.shape[-1] ** -0.5
        base = 1.0 if "norm" in name and not kind.startswith("gemma") else 0.0
        parameter.data.normal_(base, deviation)
        if "embed" in name:
            parameter.data *= 0.7
    module.save_pretrained(path)
    (path / "tokenizer.json").write_text(json.dumps(tiny_llama.tokenizer_json()))
    return module


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_are_those_of_transformers(kind: str, tmp_path: Path) -> None:
    model = saved(kind, tmp_path / kind)
    all_bits = ("qkv", "o", "gate_up", "down", "lm_head")
    import_model(tmp_path / kind, tmp_path / "out", name="tiny", window=512, int15=all_bits)
    ours = transformer_file.load(tmp_path / "out", weights.inspect(tmp_path / "out")[0])
    with SafetensorsFile(tmp_path / "out") as file:
        strings = transformer_file.read_token_bytes(file)
    characters, names = tiny_llama.byte_characters(), tiny_llama.byte_tokens()
    numbers = [names.index("".join(characters[byte] for byte in string)) for string in strings]
    tokens = np.random.default_rng(3).integers(0, len(strings), N_TOKENS)
    weights_ = np.asarray(ours.run(tokens.tolist(), 1, 1)).reshape(N_TOKENS, -1).astype(float)
    found = np.log2(weights_ / weights_.sum(1, keepdims=True))
    with torch.no_grad():
        inputs = torch.tensor([[0, *(numbers[i] for i in tokens[:-1])]])
        logits = model(inputs).logits[0].double()[:, numbers]
    expected = torch.log_softmax(logits, -1).numpy() / np.log(2)
    divergence = np.sum(2.0**expected * (expected - found), 1)
    spread = np.std(expected, 1).mean()
    assert spread > 0.5, "a model that says little proves little"
    assert np.mean(np.abs(expected - found)) < 0.05 * spread and np.mean(divergence) < 0.01
    assert np.mean(np.abs(expected - found)[-20:]) < 0.05 * spread, "also behind the local window"

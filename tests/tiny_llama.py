"""Tiny models of the Llama family from a seed, for tests: as Hugging Face directories and as GGUF files.

Weights are multiples of 1/128 within +-127/128, which float32, float16 and bfloat16 all hold exactly.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 32,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "max_position_embeddings": 2048,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "tie_word_embeddings": False,
    "vocab_size": 264,
}
MERGES = [["t", "h"], ["th", "e"], ["\u0120", "the"], ["i", "n"]]
SPECIAL = ["<s>", "</s>"]
PRE_TOKENIZER = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
_GGUF_NAMES = {
    "model.embed_tokens.": "token_embd.",
    "lm_head.": "output.",
    "model.norm.": "output_norm.",
    "model.layers.": "blk.",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}

Tensors = dict[str, np.ndarray]


def byte_characters() -> list[str]:
    """Return GPT-2's character for each byte."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in shown else chr(next(others)) for byte in range(256)]


def byte_tokens() -> list[str]:
    """Return the tokens by number: two without a text, bytes in falling order, merges, two that nothing stands for."""
    return [*SPECIAL, *reversed(byte_characters()), *("".join(merge) for merge in MERGES), "[PAD1]", "[PAD2]"]


def tokenizer_json() -> dict[str, Any]:
    tokens = byte_tokens()
    return {
        "version": "1.0",
        "added_tokens": [{"id": i, "content": token, "special": True} for i, token in enumerate(SPECIAL)],
        "normalizer": None,
        "pre_tokenizer": PRE_TOKENIZER,
        "post_processor": None,
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": {t: i for i, t in enumerate(tokens[:-2])}, "merges": MERGES},
    }


def fallback_tokens() -> list[str]:
    """Return tokens as Llama 2 has them: bytes first, letters again as themselves, U+2581 for a space."""
    texts = ["\u2581", "\u2581t", "\u2581th", "t", "h", "th", "\u00e9"]
    return ["<unk>", *SPECIAL[:1], *(f"<0x{byte:02X}>" for byte in range(256)), *texts]


def fallback_json() -> dict[str, Any]:
    merges = [["\u2581", "t"], ["\u2581t", "h"], ["\u2581", "th"], ["t", "h"]]
    prepend = {"type": "Prepend", "prepend": "\u2581"}
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
    return {
        "added_tokens": [{"content": "<unk>"}, {"content": "<s>"}],
        "normalizer": {"type": "Sequence", "normalizers": [prepend, replace]},
        "pre_tokenizer": None,
        "model": {
            "type": "BPE",
            "byte_fallback": True,
            "unk_token": "<unk>",
            "vocab": {token: i for i, token in enumerate(fallback_tokens())},
            "merges": [" ".join(merge) for merge in merges],
        },
    }


def tiny_llama(seed: int = 0, **changes: Any) -> tuple[Tensors, dict[str, Any]]:
    """Return the tensors, named as in Hugging Face's files, and the configuration; changes are other values of it."""
    config = CONFIG | changes
    random = np.random.default_rng(seed)
    n, n_hidden = config["hidden_size"], config["intermediate_size"]
    queries = config["num_attention_heads"] * config["head_dim"]
    keys = config["num_key_value_heads"] * config["head_dim"]
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (config["vocab_size"], n)}
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (config["vocab_size"], n)
    shapes["model.norm.weight"] = (n,)
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        for name, rows in (("q", queries), ("k", keys), ("v", keys)):
            shapes[f"{layer}self_attn.{name}_proj.weight"] = (rows, n)
            if config["model_type"] == "qwen2":
                shapes[f"{layer}self_attn.{name}_proj.bias"] = (rows,)
        shapes[f"{layer}self_attn.o_proj.weight"] = (n, queries)
        shapes |= {f"{layer}mlp.{name}_proj.weight": (n_hidden, n) for name in ("gate", "up")}
        shapes[f"{layer}mlp.down_proj.weight"] = (n, n_hidden)
        shapes |= {f"{layer}{name}_layernorm.weight": (n,) for name in ("input", "post_attention")}
    tensors = {name: random.integers(-127, 128, shape).astype(np.float32) / 128 for name, shape in shapes.items()}
    return tensors, config


def save_tensors(path: Path, tensors: Tensors, dtype: str = "float32") -> None:
    """Write a safetensors file of float32, float16 or bfloat16."""

    def data(values: np.ndarray) -> bytes:
        if dtype == "bfloat16":
            return (np.ascontiguousarray(values, "<f4").view("<u4") >> 16).astype("<u2").tobytes()
        return values.astype(np.dtype(dtype).newbyteorder("<")).tobytes()

    code = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}[dtype]
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    body = b""
    for name, values in tensors.items():
        start, body = len(body), body + data(values)
        header[name] = {"dtype": code, "shape": list(values.shape), "data_offsets": [start, len(body)]}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


def save_directory(path: Path, tensors: Tensors, config: dict[str, Any], dtype: str = "float32") -> Path:
    """Write a model directory."""
    path.mkdir(exist_ok=True)
    (path / "config.json").write_text(json.dumps(config))
    (path / "tokenizer.json").write_text(json.dumps(tokenizer_json()))
    save_tensors(path / "model.safetensors", tensors, dtype)
    return path


def save_shards(path: Path, tensors: Tensors) -> None:
    """Replace the weights of a model directory by those in two files with an index."""
    (path / "model.safetensors").unlink()
    names = sorted(tensors)
    places = {name: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, name in enumerate(names)}
    for file in set(places.values()):
        save_tensors(path / file, {name: tensors[name] for name in names if places[name] == file})
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


def permuted(values: np.ndarray, head_dim: int) -> np.ndarray:
    """Return rows of queries or keys in llama.cpp's order: element j of a head beside element j + head_dim / 2."""
    order = np.arange(len(values)).reshape(-1, 2, head_dim // 2).swapaxes(1, 2).ravel()
    return values[order]


def save_gguf(path: Path, tensors: Tensors, config: dict[str, Any], *, kind: str = "F32", **fields: Any) -> Path:
    """Write a GGUF file; kind: the type of its matrices, fields: others, or `tokenizer`: gpt2 or llama."""
    import gguf

    architecture = config["model_type"]
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("Tiny")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_bos_token_id(config["bos_token_id"])
    _add_tokenizer(writer, fields.pop("tokenizer", "gpt2"))
    for name, value in fields.items():
        key = name.replace("__", ".")
        (writer.add_string if isinstance(value, str) else writer.add_uint32)(key, value)
    for name, values in tensors.items():
        if architecture == "llama" and (".q_proj" in name or ".k_proj" in name):
            values = permuted(values, config["head_dim"])
        for old, new in _GGUF_NAMES.items():
            name = name.replace(old, new)
        quants = gguf.GGMLQuantizationType[kind if values.ndim == 2 else "F32"]
        data = gguf.quantize(np.ascontiguousarray(values), quants)
        writer.add_tensor(name, data, raw_dtype=None if kind == "F32" else quants)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tokenizer(writer: Any, model: str) -> None:
    writer.add_tokenizer_model(model)
    if model == "gpt2":
        tokens = byte_tokens()
        writer.add_token_types([3, 3, *[1] * (len(tokens) - 4), 5, 5])
        writer.add_tokenizer_pre("gpt-2")
        writer.add_token_merges([" ".join(merge) for merge in MERGES])
    else:
        tokens = fallback_tokens()
        writer.add_token_types([2, 3, *[6] * 256, *[1] * (len(tokens) - 258)])
        writer.add_token_scores([0.0] * 258 + [-9.0, -1.0, -2.0, -8.0, -7.0, -3.0, -10.0])
    writer.add_token_list(tokens)

"""A decoder-only transformer of the Llama family in torch, as small as the paper's, and as Hugging Face's files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

ROPE_THETA = 10000.0
RMS_EPSILON = 1e-5


@dataclass(frozen=True)
class LlamaConfig:
    """The shape of a model; widths are multiples of 32, as lmzip's kernel takes them."""

    n_embd: int
    n_layer: int
    n_hidden: int
    n_vocab: int = 256  # tokens; the start has the row behind them
    head_dim: int = 32

    @property
    def n_head(self) -> int:
        return self.n_embd // self.head_dim


# The paper's three (layers, width), with the hidden width that brings them near its numbers of parameters, and smaller
# ones for the curve of sizes.  The paper's heads have 16 or 32 numbers; the kernel's have at least 32.
SIZES = {
    "20K": LlamaConfig(32, 1, 96),
    "50K": LlamaConfig(32, 4, 64),
    "100K": LlamaConfig(64, 2, 160),
    "200K": LlamaConfig(64, 4, 160),
    "400K": LlamaConfig(96, 4, 224),
    "800K": LlamaConfig(128, 4, 320),
    "1.6M": LlamaConfig(192, 4, 448),
    "3.2M": LlamaConfig(256, 4, 672),
}


class Layer(nn.Module):
    """Attention with rotary positions, then SwiGLU, each behind an RMSNorm and added to the residual stream."""

    def __init__(self, c: LlamaConfig) -> None:
        super().__init__()
        self.c = c
        self.input_norm, self.post_norm = (nn.RMSNorm(c.n_embd, eps=RMS_EPSILON) for _ in range(2))
        self.q, self.k, self.v, self.o = (nn.Linear(c.n_embd, c.n_embd, bias=False) for _ in range(4))
        self.gate, self.up = (nn.Linear(c.n_embd, c.n_hidden, bias=False) for _ in range(2))
        self.down = nn.Linear(c.n_hidden, c.n_embd, bias=False)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """x: (B, T, n_embd); cosine, sine: (T, head_dim / 2)."""
        B, T, C = x.shape
        y = self.input_norm(x)
        q, k, v = (m(y).view(B, T, self.c.n_head, self.c.head_dim).transpose(1, 2) for m in (self.q, self.k, self.v))
        q, k = rotated(q, cosine, sine), rotated(k, cosine, sine)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(y.transpose(1, 2).reshape(B, T, C))
        y = self.post_norm(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


def rotated(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Return x (B, H, T, head_dim) turned by its position: number j with number j + head_dim / 2 (RoFormer)."""
    a, b = x.chunk(2, -1)
    return torch.cat([a * cosine - b * sine, a * sine + b * cosine], -1).to(x.dtype)


class Llama(nn.Module):
    """Tokens before -> logits of the next one; the embeddings are the head too."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.n_vocab + 1, config.n_embd)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.n_layer))
        self.norm = nn.RMSNorm(config.n_embd, eps=RMS_EPSILON)
        nn.init.normal_(self.embed.weight, std=0.02)
        for layer in self.layers:
            for name, p in layer.named_parameters():
                if p.ndim == 2:
                    is_last = name.startswith(("o.", "down."))
                    nn.init.normal_(p, std=0 if is_last else config.n_embd**-0.5)

    @property
    def n_parameters(self) -> int:
        return sum(p.numel() for p in self.parameters())

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens: (B, T) before each; returns logits (B, T, n_vocab)."""
        T, half = tokens.shape[1], self.config.head_dim // 2
        frequency = ROPE_THETA ** (-torch.arange(half, device=tokens.device, dtype=torch.float32) / half)
        angle = torch.arange(T, device=tokens.device, dtype=torch.float32)[:, None] * frequency
        cosine, sine = angle.cos(), angle.sin()
        x = self.embed(tokens)
        for layer in self.layers:
            x = layer(x, cosine, sine)
        return F.linear(self.norm(x), self.embed.weight[: self.config.n_vocab])

    def loss(self, targets: Tensor) -> Tensor:
        """Return the mean of -ln p over targets (B, T), each row behind the start."""
        start = torch.full_like(targets[:, :1], self.config.n_vocab)
        logits = self(torch.cat([start, targets[:, :-1]], 1))
        return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())


_NAMES = {
    "input_norm": "input_layernorm",
    "post_norm": "post_attention_layernorm",
    **{name: f"self_attn.{name}_proj" for name in "qkvo"},
    **{name: f"mlp.{name}_proj" for name in ("gate", "up", "down")},
}


def tensors_of(model: Llama) -> dict[str, np.ndarray]:
    """Return the weights in float32 under Hugging Face's names."""
    result = {}
    for name, tensor in model.state_dict().items():
        parts = name.split(".")
        if parts[0] == "layers":
            name = f"layers.{parts[1]}.{_NAMES[parts[2]]}.weight"
        result["model." + name.replace("embed.", "embed_tokens.")] = tensor.float().cpu().numpy()
    return result


def byte_tokenizer(n_vocab: int) -> dict:
    """Return the tokenizer.json that makes a token of each byte; n_vocab: the number of the start."""
    from lmzip.tokenizers.vocabulary import token_of_byte

    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {
        "version": "1.0",
        "added_tokens": [{"id": n_vocab, "content": "<start>", "special": True}],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "decoder": byte_level,
        "model": {"type": "BPE", "vocab": {token_of_byte(b, True): b for b in range(256)}, "merges": []},
    }


def save_directory(model: Llama, folder: Path, name: str, tokenizer: dict | None = None) -> None:
    """Write config.json, model.safetensors and tokenizer.json, as `lmzip-models import` and transformers read them."""
    from safetensors.numpy import save_file

    c = model.config
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": c.n_embd,
        "intermediate_size": c.n_hidden,
        "num_hidden_layers": c.n_layer,
        "num_attention_heads": c.n_head,
        "num_key_value_heads": c.n_head,
        "head_dim": c.head_dim,
        "hidden_act": "silu",
        "rms_norm_eps": RMS_EPSILON,
        "rope_theta": ROPE_THETA,
        "max_position_embeddings": 2048,
        "bos_token_id": c.n_vocab,
        "eos_token_id": c.n_vocab,
        "tie_word_embeddings": True,
        "vocab_size": c.n_vocab + 1,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer or byte_tokenizer(c.n_vocab)))
    save_file(tensors_of(model), folder / "model.safetensors", metadata={"format": "pt", "name": name})

"""What a model's files give whatever their format is: shape, tensors by canonical names, tokenizer (TRANSFORMER).

Canonical names: `embed`, `lm_head`, `lm_head.norm`, and for each layer `layers.i.` with `q`, `k`, `v`, `o`, `gate`,
`up`, `down`, `qkv.norm`, `gate_up.norm`, and in some models `q.bias`, `k.bias`, `v.bias`, `q.norm`, `k.norm` (of a
head), `o.norm`, `down.norm` (of what attention and MLP give).  In q and k, number j is turned with number
j + head_dim / 2.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lmzip.errors import UnsupportedError
from lmzip.tokenizers.bpe import Bpe
from lmzip.weights.files import TensorFile
from lmzip.weights.values import integer, real, shown

WINDOW_UNIT = 128  # windows are multiples of it


@dataclass(frozen=True)
class Config:
    """The shape of a model, checked by check_config()."""

    n_embd: int
    n_hidden: int
    n_layer: int
    n_head: int
    n_kv_head: int
    head_dim: int
    rope_theta: float
    rms_epsilon: float
    context_size: int  # tokens
    bos_id: int | None  # number of bos, else of eos; None where the model names neither
    is_tied: bool  # the head is the embeddings
    has_bias: bool  # of queries, keys and values
    name: str
    licence: str
    is_gelu: bool = False  # gates go through GELU in its form with tanh, not SiLU
    has_head_norms: bool = False  # of queries and keys
    has_post_norms: bool = False  # of what attention and MLP give
    adds_one: bool = False  # the files' norms are 1 less than what is multiplied with
    embed_scale: float = 1.0
    query_scale: int | None = None  # what scores are divided by the root of; None: head_dim
    score_cap: float | None = None  # soft, in nats
    logit_cap: float | None = None
    local_window: int = 0  # tokens that local layers see
    local_layers: tuple[int, ...] = ()
    local_rope_theta: float = 10000.0


_NAMES = [  # canonical, of Hugging Face, of GGUF; in a layer, then those outside
    ("q", "self_attn.q_proj.weight", "attn_q.weight"),
    ("k", "self_attn.k_proj.weight", "attn_k.weight"),
    ("v", "self_attn.v_proj.weight", "attn_v.weight"),
    ("o", "self_attn.o_proj.weight", "attn_output.weight"),
    ("gate", "mlp.gate_proj.weight", "ffn_gate.weight"),
    ("up", "mlp.up_proj.weight", "ffn_up.weight"),
    ("down", "mlp.down_proj.weight", "ffn_down.weight"),
    ("qkv.norm", "input_layernorm.weight", "attn_norm.weight"),
    ("gate_up.norm", "post_attention_layernorm.weight", "ffn_norm.weight"),
    ("q.norm", "self_attn.q_norm.weight", "attn_q_norm.weight"),
    ("k.norm", "self_attn.k_norm.weight", "attn_k_norm.weight"),
    ("o.norm", None, "post_attention_norm.weight"),
    ("down.norm", "post_feedforward_layernorm.weight", "post_ffw_norm.weight"),
    ("q.bias", "self_attn.q_proj.bias", "attn_q.bias"),
    ("k.bias", "self_attn.k_proj.bias", "attn_k.bias"),
    ("v.bias", "self_attn.v_proj.bias", "attn_v.bias"),
    ("embed", "model.embed_tokens.weight", "token_embd.weight"),
    ("lm_head", "lm_head.weight", "output.weight"),
    ("lm_head.norm", "model.norm.weight", "output_norm.weight"),
]
_CANONICAL = {other: canonical for canonical, *others in _NAMES for other in others if other}
# What has another meaning in Gemma's files of Hugging Face.
GEMMA_NAMES = {"post_attention_layernorm.weight": "o.norm", "pre_feedforward_layernorm.weight": "gate_up.norm"}
_LAYER = re.compile(r"(?:model\.layers|blk)\.(0|[1-9][0-9]{0,3})\.(.+)")


def _canonical(name: str, own: dict[str, str]) -> str:
    """Return the canonical name of a tensor; one that is not known stays as it is.  own: names that come first."""
    match = _LAYER.fullmatch(name)
    if match and match[2] in _CANONICAL | own:
        return f"layers.{match[1]}.{(_CANONICAL | own)[match[2]]}"
    return _CANONICAL.get(name, name)


class Source(ABC):
    """The files of one model, open to be read tensor by tensor."""

    config: Config
    bpe: Bpe
    weight_files: list[Path]
    names: dict[str, str] = {}  # noqa: RUF012 - of tensors, where they have another meaning than elsewhere

    def __init__(self, path: Path) -> None:
        """Raises ModelMissingError, OSError, UnsupportedError."""
        self._files: list[TensorFile] = []
        self._places: dict[str, tuple[TensorFile, str]] = {}  # by canonical name
        try:
            self._open(path)
        except BaseException:
            self.close()
            raise

    @abstractmethod
    def _open(self, path: Path) -> None:
        """Add the files, and tell what else there is to know."""

    def _add(self, file: TensorFile) -> None:
        self._files.append(file)
        for place in file.shapes:
            name = _canonical(place, self.names)
            if name in self._places:
                raise UnsupportedError(f"the tensor {shown(place)} is there twice")
            if not place.endswith(".rotary_emb.inv_freq"):  # old files have them; the configuration says the same
                self._places[name] = file, place

    @property
    def has_biases(self) -> bool:
        """Whether files hold any of queries, which some of the kind llama have."""
        return any(name.endswith(".q.bias") for name in self._places)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of all tensors by canonical name; names that are not known stay as the file has them."""
        return {name: file.shapes[place] for name, (file, place) in self._places.items()}

    def load(self, name: str, first: int = 0, n: int | None = None) -> np.ndarray:
        """Return a tensor, or n of its rows, in float32; raises UnsupportedError for a damaged file, OSError."""
        file, place = self._places[name]
        return file.load(place, first, n)

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()


def check_config(config: Config) -> Config:
    """Return config if TRANSFORMER 11 allows its shape; raises UnsupportedError."""
    for name, high in (("n_embd", 8192), ("n_hidden", 8192), ("head_dim", 256)):
        value = integer(getattr(config, name), name, 32, high)
        if value % 32:
            raise UnsupportedError(f"{name} is {value}, which is no multiple of 32")
    for name in ("n_layer", "n_head", "n_kv_head"):
        integer(getattr(config, name), name, 1, 128)
    if config.n_head % config.n_kv_head:
        raise UnsupportedError(f"{config.n_kv_head} key heads do not divide {config.n_head} heads")
    if config.n_head > 64 * config.n_kv_head:
        raise UnsupportedError(f"{config.n_head} heads are too many for {config.n_kv_head} key heads")
    integer(config.n_head * config.head_dim, "n_head * head_dim", 32, 8192)
    if config.bos_id is not None:
        integer(config.bos_id, "the start token", 0, (1 << 31) - 1)
    integer(config.context_size, "the context size", WINDOW_UNIT, 1 << 31)
    real(config.rope_theta, "the base of rotary positions", 1, 1e12)
    real(config.local_rope_theta, "the base of rotary positions", 1, 1e12)
    real(config.rms_epsilon, "the epsilon of norms", 0, 256 / config.n_embd)
    real(config.embed_scale, "the scale of embeddings", 1 / 256, 256)
    if config.query_scale is not None:
        integer(config.query_scale, "the scale of queries", 16, 8192)
    for cap in (config.score_cap, config.logit_cap):
        if cap is not None:
            real(cap, "a soft cap", 1, 10000)
    if config.local_layers:
        integer(config.local_window, "the window of local layers", WINDOW_UNIT, 1 << 31)
    return config


def check_shapes(source: Source) -> int:
    """Return how many tokens the embeddings have; raises UnsupportedError unless all tensors are there and no others.

    Tensors that a model has none of, such as biases of other matrices, would be left out of the result unnoticed.
    """
    found, c = source.shapes(), source.config
    if len(found.get("embed", ())) != 2:
        raise UnsupportedError("the embeddings are missing or no matrix")
    n_vocab = found["embed"][0]
    queries, keys = c.n_head * c.head_dim, c.n_kv_head * c.head_dim
    layer: dict[str, tuple[int, ...]] = {
        "q": (queries, c.n_embd),
        "k": (keys, c.n_embd),
        "v": (keys, c.n_embd),
        "o": (c.n_embd, queries),
        "gate": (c.n_hidden, c.n_embd),
        "up": (c.n_hidden, c.n_embd),
        "down": (c.n_embd, c.n_hidden),
        "qkv.norm": (c.n_embd,),
        "gate_up.norm": (c.n_embd,),
    }
    if c.has_head_norms:
        layer |= {"q.norm": (c.head_dim,), "k.norm": (c.head_dim,)}
    if c.has_post_norms:
        layer |= {"o.norm": (c.n_embd,), "down.norm": (c.n_embd,)}
    if c.has_bias:
        layer |= {"q.bias": (queries,), "k.bias": (keys,), "v.bias": (keys,)}
    expected = {"embed": (n_vocab, c.n_embd), "lm_head.norm": (c.n_embd,)}
    if not c.is_tied:
        expected["lm_head"] = (n_vocab, c.n_embd)
    expected |= {f"layers.{i}.{name}": shape for i in range(c.n_layer) for name, shape in layer.items()}
    for name, shape in expected.items():
        if name not in found:
            raise UnsupportedError(f"the tensor {name} is missing")
        if found[name] != shape:
            raise UnsupportedError(f"the tensor {name} has the shape {shown(found[name])}, not {shape}")
    others = sorted(set(found) - set(expected) - {"lm_head"})
    if others:
        raise UnsupportedError(f"it has a tensor that lmzip does not know: {shown(others[0])}")
    return n_vocab

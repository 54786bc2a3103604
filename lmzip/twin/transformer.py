"""The transformer of TRANSFORMER in torch: any number of lanes, and of tokens of each, at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lmzip.native.llama import scale_of_scores
from lmzip.native.tables import sigmoid_table
from lmzip.twin.attention import N_SINK, Cache, Places, Rotary, attend
from lmzip.twin.integers import EXPONENT_LIMIT, Tables, power, root_factor, shifted
from lmzip.twin.packed import Operand, apply, quantize, quantize_int8, saturate, scale, shift_to
from lmzip.twin.products import Matrix

OCTAVES = 94548  # 2^16 log2(e), rounded down
_WINDOW_UNIT = 128
_NARROW_FROM = 3  # halvings of the window
# What a weight file may say of a model that this file knows; one with more is of a later TRANSFORMER.
_OPTIONS = {"activation", "embed_scale", "query_scale", "score_cap", "logit_cap", "local_layers", "local_window"}
_MEMBERS = {"n_embd", "n_hidden", "n_layer", "n_head", "n_kv_head", "head_dim", "n_vocab", "window", "epsilon", "int15"}
_FREE_MEMBERS = {"format", "name", "licence", "source"}


_TENSORS = re.compile(
    r"vocabulary(\.size)?|tokenizer|gain_shifts|inv_freq(\.local)?|(embed|lm_head)\.(weight|multiplier)|lm_head\.norm|"
    r"layers\.[0-9]+\.((qkv|o|gate_up|down)\.(weight|multiplier)|(qkv|q|k|o|gate_up|down)\.norm|qkv\.bias)"
)


def unknown_parts(config: Mapping[str, Any], tensors: Iterable[str]) -> set[str]:
    """Return what a weight file has, members of its metadata and tensors, that the twin does not know, and so perhaps
    does not compute.
    """
    return (set(config) - _MEMBERS - _OPTIONS - _FREE_MEMBERS) | {
        name for name in tensors if not _TENSORS.fullmatch(name)
    }


_NORMS = ("qkv", "q", "k", "o", "gate_up", "down")  # of a layer, in the order of use
GELU_LIMIT = 20480


class Norm(NamedTuple):
    gain: Tensor  # (n,) int32
    unit: int  # of the gain
    epsilon: int


class Layer(NamedTuple):
    w_qkv: Matrix
    bias: Tensor | None  # (rows of w_qkv,) int32
    w_o: Matrix
    w_gate_up: Matrix
    w_down: Matrix
    norms: dict[str, Norm]  # of qkv and gate_up; in some models also q and k, o and down
    is_local: bool


class Lanes(NamedTuple):
    """Lanes in a step, as layers of a kind see them."""

    places: Places
    angles: tuple[Tensor, Tensor]  # cosines and sines of new tokens' positions, as of Rotary


class TransformerState(NamedTuple):
    """What lanes keep, each in a row of its own."""

    n_tokens: Tensor  # (n_rows,) int64
    caches: list[Cache]  # of each layer


class TransformerTwin:
    """A transformer of one weight file on a device; it holds no state of lanes."""

    def __init__(
        self, tensors: Mapping[str, Any], config: Mapping[str, Any], device: str, context: int = 0, **options: Any
    ) -> None:
        """tensors, config: arrays and metadata of a weight file that the kernel took; context: how often the window is
        halved (TRANSFORMER 10); options: of Matrix.
        """
        self.device = device
        self.n_layer, self.n_head, self.n_kv_head = config["n_layer"], config["n_head"], config["n_kv_head"]
        self.head_dim, self.n_symbols = config["head_dim"], config["n_vocab"]
        halved = max(_WINDOW_UNIT, (config["window"] >> context) // _WINDOW_UNIT * _WINDOW_UNIT)
        self.window = halved if context else config["window"]
        self._int15 = set(config["int15"] if context < _NARROW_FROM else [])
        self.local_window = min(config.get("local_window", 0), self.window)
        self._is_gelu = config.get("activation", "silu") == "gelu"
        self._embed_scale = config.get("embed_scale", 256)
        self._score_cap, self._logit_cap = config.get("score_cap", 0), config.get("logit_cap", 0)
        self._integers = Tables.on(device)
        self._sigmoid = torch.tensor(sigmoid_table(), dtype=torch.int32, device=device)
        frequencies = [tensors[name].astype("int64") for name in ("inv_freq", "inv_freq.local") if name in tensors]
        self._rotary = [Rotary(self._numbers(of), self._integers) for of in frequencies]  # the second of local layers
        self._unit = scale_of_scores(config.get("query_scale", self.head_dim))

        def matrix(name: str) -> Matrix:
            return Matrix(tensors[f"{name}.weight"], tensors[f"{name}.multiplier"], device, **options)

        units = [int(unit) for unit in tensors["gain_shifts"]]

        def norm(name: str) -> Norm:
            gain = torch.tensor(tensors[f"{name}.norm"], dtype=torch.int32, device=device)
            return Norm(gain, units.pop(0), config["epsilon"] * len(gain) // config["n_embd"])

        self._layers = []
        for i in range(self.n_layer):
            w_qkv, w_o, w_gate_up, w_down = (matrix(f"layers.{i}.{name}") for name in ("qkv", "o", "gate_up", "down"))
            bias = tensors.get(f"layers.{i}.qkv.bias")
            norms = {name: norm(f"layers.{i}.{name}") for name in _NORMS if f"layers.{i}.{name}.norm" in tensors}
            numbers = None if bias is None else torch.tensor(bias, dtype=torch.int32, device=device)
            is_local = i in config.get("local_layers", [])
            self._layers.append(Layer(w_qkv, numbers, w_o, w_gate_up, w_down, norms, is_local))
        self._head_norm = norm("lm_head")
        self._embed_weight = torch.tensor(tensors["embed.weight"], dtype=torch.int8, device=device).clamp_(min=-127)
        self._embed_multiplier = self._numbers(tensors["embed.multiplier"])
        if "lm_head.weight" in tensors:
            self._head = matrix("lm_head")
        else:
            weight, multiplier = tensors["embed.weight"], tensors["embed.multiplier"]
            self._head = Matrix(weight[: self.n_symbols], multiplier[: self.n_symbols], device, **options)

    def _numbers(self, values: Any) -> Tensor:
        return torch.tensor(values, dtype=torch.int64, device=self.device)

    def row_size(self) -> int:
        """Return the bytes that a lane keeps."""
        return self.n_layer * self.n_kv_head * self.window * 2 * (self.head_dim + 4)

    def column_size(self, n_steps: int) -> int:
        """Return about how many bytes there are at once for a token of a lane, of n_steps, while predict() works."""
        return 64 * (self.n_symbols + self.n_head * (self.window + n_steps))  # numbers of 64 bits, of all that it sees

    def new_state(self, n_rows: int) -> TransformerState:
        """Return the state of n_rows lanes at their start."""

        def zeros(*size: int, dtype: torch.dtype) -> Tensor:
            return torch.zeros(size, dtype=dtype, device=self.device)

        caches = []
        for layer in self._layers:
            shape = (n_rows, self.n_kv_head, self.local_window if layer.is_local else self.window)
            keys, values = (zeros(*shape, self.head_dim, dtype=torch.int8) for _ in range(2))
            caches.append(Cache(keys, values, *(zeros(*shape, dtype=torch.int32) for _ in range(2))))
        return TransformerState(zeros(n_rows, dtype=torch.int64), caches)

    def restart(self, state: TransformerState, rows: Tensor) -> None:
        """Bring the lanes of some rows to their start: nothing is seen of what a lane has not taken in."""
        state.n_tokens[rows] = 0

    def predict(self, state: TransformerState, rows: Tensor, symbols: Tensor) -> Tensor:
        """Take in tokens of some lanes; return the weights (n_steps, n_lanes, n_vocab) of their next tokens: integers
        of 32 bits without a sign in int32.

        rows: (n_lanes,) int64, where their states lie, which are brought up to date; symbols: (n_steps, n_lanes) int64,
        the token before each that is predicted, n_vocab at a lane's start; n_steps at most 64.
        """
        n_steps, n_lanes = symbols.shape
        before = state.n_tokens[rows]
        kinds = [(self.window, N_SINK), (self.local_window, 0)][: len(self._rotary)]  # of layers: the second are local
        position = (before + torch.arange(n_steps, device=rows.device)[:, None]).flatten()
        lanes = [
            Lanes(Places(rows, before, n_steps, *kind), rotary.angles(position))
            for kind, rotary in zip(kinds, self._rotary, strict=True)
        ]
        state.n_tokens[rows] = before + n_steps
        x = self._embedded(symbols.flatten())
        normed = self._norm(x, self._layers[0].norms["qkv"], "qkv")
        following = [(layer.norms["qkv"], "qkv") for layer in self._layers[1:]] + [(self._head_norm, "lm_head")]
        for layer, cache, following_norm in zip(self._layers, state.caches, following, strict=True):
            norms = layer.norms
            seen = self._seen(layer, normed, cache, lanes[layer.is_local])
            x, normed = self._added(x, layer.w_o, seen, norms.get("o"), norms["gate_up"], "gate_up")
            gated = self._gated(layer.w_gate_up, normed)
            x, normed = self._added(x, layer.w_down, gated, norms.get("down"), *following_norm)
        return self._token_weights(normed).view(n_steps, n_lanes, self.n_symbols)

    def _seen(self, layer: Layer, normed: Operand, cache: Cache, lanes: Lanes) -> Operand:
        """Return what heads see of the tokens before, for the product with `o`; the cache takes new tokens in
        (TRANSFORMER 5 to 7).
        """
        heads = apply(layer.w_qkv, normed)
        if layer.bias is not None:
            heads = saturate(heads + layer.bias)
        parts = heads.view(len(heads), -1, self.head_dim).split([self.n_head, self.n_kv_head, self.n_kv_head], 1)
        rotary = self._rotary[layer.is_local]
        named = zip(("q", "k"), parts, strict=False)
        turned = [rotary.turn(self._normalised(of, layer.norms.get(name)), *lanes.angles) for name, of in named]
        packed = [*turned, quantize_int8(parts[2], self._integers)]
        n_lanes = len(lanes.places.rows)
        query, key, value = (of.by_steps(len(heads) // n_lanes, n_lanes) for of in packed)
        cap = partial(soft_cap, cap=self._score_cap, table=self._sigmoid)
        seen = attend(query, key, value, cache, lanes.places, self._unit, cap, self._integers)
        return self._packed(seen.reshape(len(heads), -1), "o")

    def _added(
        self, x: Tensor, matrix: Matrix, of: Operand, behind: Norm | None, norm: Norm, name: str
    ) -> tuple[Tensor, Operand]:
        """Return x + matrix * of, that in some models normalised, and the norm of all of it for the product `name`."""
        x = saturate(x + self._normalised(apply(matrix, of), behind))
        return x, self._norm(x, norm, name)

    def _gated(self, matrix: Matrix, normed: Operand) -> Operand:
        """Return glu of the halves of matrix * normed, for the product with `down` (TRANSFORMER 8)."""
        return self._packed(self._glu(*apply(matrix, normed).chunk(2, 1)), "down")

    def _packed(self, v: Tensor, name: str) -> Operand:
        """Return v (n, size) for the product `name` (TRANSFORMER 3)."""
        packed = quantize(v, name in self._int15, self._integers)
        return Operand.of(packed, packed.top, 16 - packed.shift)

    def _embedded(self, tokens: Tensor) -> Tensor:
        """Return the embeddings (n, n_embd) of tokens (n,) (TRANSFORMER 2)."""
        row = self._embed_weight[tokens].long()
        factor = self._embed_multiplier[tokens] * (127 * self._embed_scale)
        return saturate((row * factor[:, None]).add_(1 << 35).bitwise_right_shift_(36))

    def _gained(self, x: Tensor, norm: Norm) -> tuple[Tensor, Tensor, Tensor]:
        """Return t (..., n), ratio and places (..., 1): x with a root mean square of 1, times the gain, is
        t * ratio / 2^places (TRANSFORMER 4).
        """
        v, s = shift_to(x, 15, self._integers)
        epsilon = shifted(torch.full_like(s, norm.epsilon), 2 * s)
        total = ((v * v).sum(-1, keepdim=True) + epsilon).clamp_(min=1)
        root, e = self._integers.reciprocal_root(total)
        return v * norm.gain, root * root_factor(x.shape[-1], 1 << 12) >> 31, norm.unit + (e >> 1)

    def _norm(self, x: Tensor, norm: Norm, name: str) -> Operand:
        """Return x (n, size), normalised, for the product `name` (TRANSFORMER 4)."""
        t, ratio, places = self._gained(x, norm)
        packed = quantize(t, name in self._int15, self._integers)
        return Operand.of(packed, packed.top * ratio, (16 + places - packed.shift).clamp_(1, 62))

    def _normalised(self, x: Tensor, norm: Norm | None) -> Tensor:
        """Return x (..., n), normalised, in units; itself without a norm (TRANSFORMER 4)."""
        if norm is None:
            return x
        t, ratio, places = self._gained(x, norm)
        return scale(t, ratio, places.clamp(1, 62))

    def _glu(self, g: Tensor, u: Tensor) -> Tensor:
        """Return g * sigmoid(g) * u, SwiGLU, or GeGLU (TRANSFORMER 8)."""
        s = sigmoid_of(_gelu_argument(g) if self._is_gelu else g, self._sigmoid)
        return saturate((g * s + (1 << 14) >> 15) * u + (1 << 11) >> 12)

    def _token_weights(self, normed: Operand) -> Tensor:
        """Return (n, n_vocab) int32 (TRANSFORMER 9)."""
        normed = normed._replace(factor=normed.factor * OCTAVES >> 16)
        logits = soft_cap(apply(self._head, normed), self._logit_cap, self._sigmoid)
        x = (logits.amax(1, keepdim=True) - logits).clamp_(max=EXPONENT_LIMIT)
        return (power(x) << 13 >> (x >> 12)).clamp_(min=1).int()


def sigmoid_of(g: Tensor, table: Tensor) -> Tensor:
    """Return 2^15 / (1 + exp(-g / 4096)) (TRANSFORMER 8)."""
    size = g.abs()
    i, f = (size >> 6).clamp_(max=1023), size & 63
    low = table[i]
    s = low + ((table[i + 1] - low) * f + 32 >> 6)
    s.masked_fill_(size >= 1 << 16, 1 << 15)
    return torch.where(g < 0, (1 << 15) - s, s)


def soft_cap(x: Tensor, cap: int, table: Tensor) -> Tensor:
    """Return cap * tanh(x / cap), x for a cap of 0, in units of 2^-12 octaves (TRANSFORMER 6)."""
    if not cap:
        return x
    s = sigmoid_of(x * ((1 << 37) // cap) + (1 << 23) >> 24, table)
    return (s - (1 << 14)) * cap + (1 << 13) >> 14


def _gelu_argument(g: Tensor) -> Tensor:
    """Return what GELU takes the sigmoid of: sqrt(8 / pi) (g + 0.044715 g^3) (TRANSFORMER 8)."""
    a = g.abs().clamp_(max=GELU_LIMIT)
    square = a * a + (1 << 11) >> 12
    x = a * (26145 + (1169 * square + (1 << 11) >> 12)) + (1 << 13) >> 14
    return torch.where(g < 0, -x, x)

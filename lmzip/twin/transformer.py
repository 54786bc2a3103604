"""The transformer of TRANSFORMER in torch: any number of lanes, and of tokens of each, at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lmzip.native.llama import scale_of_scores
from lmzip.native.tables import sigmoid_table
from lmzip.twin.attention import Cache, Rotary, attend, places_of
from lmzip.twin.integers import EXPONENT_LIMIT, Tables, power, root_factor, shifted
from lmzip.twin.packed import Packed, apply, product, quantize, quantize_int8, saturate, scale, shift_to
from lmzip.twin.products import Matrix

_OCTAVES = 94548  # 2^16 log2(e), rounded down
_WINDOW_UNIT = 128
_NARROW_FROM = 3  # halvings of the window
# What a weight file may say of a model that this file knows; one with more is of a later TRANSFORMER.
_MEMBERS = {"n_embd", "n_hidden", "n_layer", "n_head", "n_kv_head", "head_dim", "n_vocab", "window", "epsilon", "int15"}
_FREE_MEMBERS = {"format", "name", "licence", "source"}


_TENSORS = re.compile(
    r"vocabulary(\.size)?|tokenizer|gain_shifts|inv_freq|(embed|lm_head)\.(weight|multiplier)|lm_head\.norm|"
    r"layers\.[0-9]+\.((qkv|o|gate_up|down)\.(weight|multiplier)|(qkv|gate_up)\.norm|qkv\.bias)"
)


def unknown_parts(config: Mapping[str, Any], tensors: Iterable[str]) -> set[str]:
    """Return what a weight file has, members of its metadata and tensors, that the twin does not know, and so perhaps
    does not compute.
    """
    return (set(config) - _MEMBERS - _FREE_MEMBERS) | {name for name in tensors if not _TENSORS.fullmatch(name)}


class _Norm(NamedTuple):
    gain: Tensor  # (n,) int64
    unit: int


class _Layer(NamedTuple):
    w_qkv: Matrix
    bias: Tensor | None  # (rows of w_qkv,) int64
    w_o: Matrix
    w_gate_up: Matrix
    w_down: Matrix
    qkv_norm: _Norm
    gate_up_norm: _Norm


class _Normed(NamedTuple):
    packed: Packed
    ratio: Tensor  # (n, 1): root * factor >> 31
    n: Tensor  # (n, 1): the shift that brings a product to units


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
        self._epsilon = config["epsilon"]
        self._integers = Tables.on(device)
        self._sigmoid = self._numbers(sigmoid_table())
        self._rotary = Rotary(self._numbers(tensors["inv_freq"].astype("int64")), self._integers)
        self._unit = scale_of_scores(self.head_dim)

        def matrix(name: str) -> Matrix:
            return Matrix(tensors[f"{name}.weight"], tensors[f"{name}.multiplier"], device, **options)

        units = [int(unit) for unit in tensors["gain_shifts"]]

        def norm(name: str) -> _Norm:
            return _Norm(self._numbers(tensors[f"{name}.norm"]), units.pop(0))

        self._layers = []
        for i in range(self.n_layer):
            w_qkv, w_o, w_gate_up, w_down = (matrix(f"layers.{i}.{name}") for name in ("qkv", "o", "gate_up", "down"))
            bias = tensors.get(f"layers.{i}.qkv.bias")
            norms = norm(f"layers.{i}.qkv"), norm(f"layers.{i}.gate_up")
            self._layers.append(
                _Layer(w_qkv, None if bias is None else self._numbers(bias), w_o, w_gate_up, w_down, *norms)
            )
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
        return self.n_layer * self.n_kv_head * self.window * 2 * (self.head_dim + 8)

    def new_state(self, n_rows: int) -> TransformerState:
        """Return the state of n_rows lanes at their start."""
        shape = (n_rows, self.n_kv_head, self.window)

        def zeros(*size: int, dtype: torch.dtype) -> Tensor:
            return torch.zeros(size, dtype=dtype, device=self.device)

        caches = []
        for _ in range(self.n_layer):
            keys, values = (zeros(*shape, self.head_dim, dtype=torch.int8) for _ in range(2))
            caches.append(Cache(keys, values, *(zeros(*shape, dtype=torch.int64) for _ in range(2))))
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
        at = places_of(rows, before, n_steps, self.window)
        angles = self._rotary.angles((before + torch.arange(n_steps, device=rows.device)[:, None]).flatten())
        state.n_tokens[rows] = before + n_steps
        x = self._embedded(symbols.flatten())
        for layer, cache in zip(self._layers, state.caches, strict=True):
            normed = self._norm(x, layer.qkv_norm, "qkv")
            heads = self._apply_normed(layer.w_qkv, normed)
            if layer.bias is not None:
                heads = saturate(heads + layer.bias)
            heads = heads.view(len(x), -1, self.head_dim)
            parts = heads.split([self.n_head, self.n_kv_head, self.n_kv_head], 1)
            turned = [self._rotary.turn(part, *angles) for part in parts[:2]]
            packed = [*turned, quantize_int8(parts[2], self._integers)]
            query, key, value = (of.by_steps(n_steps, n_lanes) for of in packed)
            seen = attend(query, key, value, cache, at, self._unit, self._integers).reshape(len(x), -1)
            x = saturate(x + apply(layer.w_o, seen, "o" in self._int15, self._integers))
            gate_up = self._apply_normed(layer.w_gate_up, self._norm(x, layer.gate_up_norm, "gate_up"))
            hidden = self._swiglu(*gate_up.chunk(2, 1))
            x = saturate(x + apply(layer.w_down, hidden, "down" in self._int15, self._integers))
        return self._token_weights(self._norm(x, self._head_norm, "lm_head")).view(n_steps, n_lanes, self.n_symbols)

    def _embedded(self, tokens: Tensor) -> Tensor:
        """Return the embeddings (n, n_embd) of tokens (n,) (TRANSFORMER 2)."""
        row = self._embed_weight[tokens].long()
        return (row * (self._embed_multiplier[tokens] * 127)[:, None]).add_(1 << 27).bitwise_right_shift_(28)

    def _norm(self, x: Tensor, norm: _Norm, name: str) -> _Normed:
        """Return x (n, size) with a root mean square of 1, times the gain, for the product `name` (TRANSFORMER 4)."""
        v, s = shift_to(x, 15, self._integers)
        epsilon = shifted(torch.full_like(s, self._epsilon), 2 * s)
        total = ((v * v).sum(1, keepdim=True) + epsilon).clamp_(min=1)
        root, e = self._integers.reciprocal_root(total)
        packed = quantize(v * norm.gain, name in self._int15, self._integers)
        n = (16 + norm.unit - packed.shift + (e >> 1)).clamp_(1, 62)
        return _Normed(packed, root * root_factor(x.shape[1], 1 << 12) >> 31, n)

    def _apply_normed(self, matrix: Matrix, normed: _Normed) -> Tensor:
        """Return matrix * normed in units (TRANSFORMER 4)."""
        return scale(product(matrix, normed.packed), normed.packed.top * normed.ratio, normed.n)

    def _swiglu(self, g: Tensor, u: Tensor) -> Tensor:
        """Return g * sigmoid(g) * u (TRANSFORMER 8)."""
        size = g.abs()
        i, f = (size >> 6).clamp_(max=1023), size & 63
        low = self._sigmoid[i]
        s = low + ((self._sigmoid[i + 1] - low) * f + 32 >> 6)
        s.masked_fill_(size >= 1 << 16, 1 << 15)
        s = torch.where(g < 0, (1 << 15) - s, s)
        silu = g * s + (1 << 14) >> 15
        return saturate(silu * u + (1 << 11) >> 12)

    def _token_weights(self, normed: _Normed) -> Tensor:
        """Return (n, n_vocab) int32 (TRANSFORMER 9)."""
        factor = normed.packed.top * normed.ratio * _OCTAVES >> 16
        logits = scale(product(self._head, normed.packed), factor, normed.n)
        x = (logits.amax(1, keepdim=True) - logits).clamp_(max=EXPONENT_LIMIT)
        return (power(x) << 13 >> (x >> 12)).clamp_(min=1).int()

"""The transformer (docs/TRANSFORMER.md) in NumPy: one lane, one token at a time, and the judge of the native kernel.

Every number is an int64; `int32` and `int64` assert the widths that the kernel may rely on.  What it takes over
from the net (ARITHMETIC 10) comes from lmzip.reference.net.  It needs NumPy and is imported by name only.
"""

from __future__ import annotations

import json
from decimal import ROUND_HALF_EVEN, Decimal, getcontext
from math import isqrt
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import load

from lmzip.reference import tables
from lmzip.reference.net import RSQRT, Matrix, int32, power

KEPT = 1 << 30
SCORE_LIMIT = 1 << 29
SIZE_LIMIT = 1 << 22
WIDE_LIMIT = 16319  # 127 * 128 + 63: what two integers of 8 bits hold
EXPONENTIAL_LIMIT = 30 << 12
OCTAVES = 94548  # 2^16 log2(e), rounded down
MAX_EPSILON = 1 << 32
MAX_GAIN_SHIFT = 24
GELU_LIMIT = 20480
WINDOW_UNIT = 128
NARROW_FROM = 3  # halvings of the window
N_KEPT = 4  # first tokens of a lane, which attention always sees

SIGMOID = np.array(tables.sigmoid_table(), np.int64)
COSINE = tables.cosine_table()


def int64(x: np.ndarray, *factors: int) -> np.ndarray:
    """Return x times the factors; the product, and half a 2^63 beside it, fits into 64 signed bits."""
    product = int(np.max(np.abs(x), initial=0))
    for factor in factors:
        product *= abs(factor)
        x = x * factor
    assert product < 1 << 62
    return x


def saturate(x: np.ndarray) -> np.ndarray:
    """Return x within what every number is kept (ARITHMETIC 9.1)."""
    return np.clip(x, -KEPT, KEPT)


def shifted(v: np.ndarray, shift: int) -> np.ndarray:
    """Return v >> shift, a negative shift to the left."""
    return v >> shift if shift >= 0 else v << -shift


def scale(y: np.ndarray, a: int, n: int) -> np.ndarray:
    """Return y * a / 2^n, rounded and kept (TRANSFORMER 1)."""
    product = int64(y, a)
    if n < 1:
        return saturate(int64(product, 1 << -n))
    assert n <= 62
    return saturate(product + (1 << n - 1) >> n)


# --- packed vectors, TRANSFORMER 3


class Packed(NamedTuple):
    """A vector near (128 high + low) * top / 127 * 2^shift; 8 bits are low alone, and high is None."""

    high: np.ndarray | None  # (n,) -127 .. 127
    low: np.ndarray  # (n,) -127 .. 127
    top: int
    shift: int

    @property
    def size(self) -> int:
        """What 127 stands for, in a packed key or value (TRANSFORMER 5)."""
        return min(self.top << self.shift if self.shift >= 0 else self.top >> -self.shift, SIZE_LIMIT)


def shift_to(v: np.ndarray, n_bits: int) -> tuple[np.ndarray, int]:
    """Return (v', shift): v' of as many bits, and a sign, as the largest |v_i| needs (TRANSFORMER 3)."""
    assert np.all(np.abs(v) <= KEPT)
    largest = int(np.max(np.abs(v)))
    shift = largest.bit_length() - n_bits if largest else 0
    return int32(shifted(v, shift)), shift


def quantize_int8(v: np.ndarray) -> Packed:
    """Return v in 8 bits (TRANSFORMER 3)."""
    v, shift = shift_to(v, 15)
    top = max(1, int(np.max(np.abs(v))))
    r = (127 << 24) // top
    q = int32(v * int32(r) + (1 << 23)) >> 24
    assert np.all(np.abs(q) <= 127)
    return Packed(None, q, top, shift)


def quantize_int15(v: np.ndarray) -> Packed:
    """Return v in 15 bits (TRANSFORMER 3)."""
    v, shift = shift_to(v, 14)
    w = np.clip(v, -WIDE_LIMIT, WIDE_LIMIT)
    high = w + 64 >> 7
    return Packed(high, w - 128 * high, 127, shift)


def quantize(v: np.ndarray, int15: bool) -> Packed:
    return quantize_int15(v) if int15 else quantize_int8(v)


def product(matrix: Matrix, packed: Packed) -> np.ndarray:
    """Return matrix * packed before `top` and `shift` are applied (TRANSFORMER 3)."""
    y = matrix(packed.low)
    if packed.high is not None:
        y = 128 * matrix(packed.high) + y  # below 2^33.1: beyond 32 bits
    return y


def apply(matrix: Matrix, v: np.ndarray, int15: bool) -> np.ndarray:
    """Return matrix * v in units (TRANSFORMER 3)."""
    packed = quantize(v, int15)
    return scale(product(matrix, packed), packed.top, 16 - packed.shift)


# --- norm, TRANSFORMER 4


class Normed(NamedTuple):
    """A normalised vector: packed times root * factor / 2^(31 + exponent + ...), see `apply_normed`."""

    packed: Packed
    ratio: int  # root * factor >> 31
    n: int  # the shift that brings a product to units


class Norm(NamedTuple):
    gain: np.ndarray  # (n,) int64: 16 bits, 1.0 = 2^unit
    unit: int
    epsilon: int


def apply_gains(x: np.ndarray, norm: Norm) -> tuple[np.ndarray, int, int]:
    """Return t (n,), ratio and places: x (n,) normalised, times the gain, is t * ratio / 2^places (TRANSFORMER 4)."""
    n = len(x)
    factor = (isqrt(4 * n << 24) + 1) // 2  # round(2^12 sqrt(n))
    v, s = shift_to(x, 15)
    epsilon = norm.epsilon >> 2 * s if s >= 0 else norm.epsilon << -2 * s
    total = max(1, int(np.sum(int32(v * v))) + epsilon)
    assert total < 1 << 62
    e = (total.bit_length() - 1) // 2 * 2  # 2^e <= total < 2^(e + 2)
    m = total << 30 - e if e < 30 else total >> e - 30
    assert 1 << 30 <= m < 1 << 32
    i, f = (m >> 24) - 64, (m >> 8) % 65536
    root = RSQRT[i] - ((RSQRT[i] - RSQRT[i + 1]) * f >> 16)
    assert root * factor < 1 << 63
    return int32(v * norm.gain), root * factor >> 31, norm.unit + e // 2


def rmsnorm(x: np.ndarray, norm: Norm, int15: bool) -> Normed:
    """Return x (n,) with a root mean square of 1, times the gain, packed (TRANSFORMER 4)."""
    t, ratio, places = apply_gains(x, norm)
    packed = quantize(t, int15)
    return Normed(packed, ratio, min(max(16 + places - packed.shift, 1), 62))


def normalise(x: np.ndarray, norm: Norm) -> np.ndarray:
    """Return x (n,) with a root mean square of 1, times the gain, in units (TRANSFORMER 4)."""
    t, ratio, places = apply_gains(x, norm)
    return scale(t, ratio, min(max(places, 1), 62))


def apply_normed(matrix: Matrix, normed: Normed) -> np.ndarray:
    """Return matrix * normed in units (TRANSFORMER 4)."""
    return scale(product(matrix, normed.packed), normed.packed.top * normed.ratio, normed.n)


# --- rotary positions, TRANSFORMER 5


def cosine(phase: int) -> int:
    """Return 2^14 cos(2 pi * phase / 2^32)."""
    assert 0 <= phase < 1 << 32
    quadrant, p = phase >> 30, phase % (1 << 30)
    if quadrant in (1, 3):
        p = (1 << 30) - p
    i, f = p >> 20, (p >> 4) % 65536
    c = 0 if i == 1024 else COSINE[i] - ((COSINE[i] - COSINE[i + 1]) * f + (1 << 15) >> 16)
    return -c if quadrant in (1, 2) else c


def rotate(v: np.ndarray, t: int, inv_freq: np.ndarray) -> Packed:
    """Return v (head_dim,), a query or a key of token t of its lane, turned and packed (TRANSFORMER 5)."""
    v, shift = shift_to(v, 15)
    phases = [t * int(frequency) % (1 << 32) for frequency in inv_freq]
    c = np.array([cosine(phase) for phase in phases], np.int64)
    s = np.array([cosine((phase - (1 << 30)) % (1 << 32)) for phase in phases], np.int64)
    first, second = np.split(v, 2)
    a = int32(first * c - second * s + (1 << 13)) >> 14
    b = int32(first * s + second * c + (1 << 13)) >> 14
    turned = quantize_int8(np.concatenate([a, b]))
    return turned._replace(shift=shift + turned.shift)


# --- attention, TRANSFORMER 6 and 7


def scale_of_scores(query_scale: int) -> int:
    """Return round(2^36 log2(e) / (127^2 sqrt(query_scale))) (TRANSFORMER 6)."""
    getcontext().prec = 40
    exact = Decimal(1 << 36) / (Decimal(2).ln() * 127**2 * Decimal(query_scale).sqrt())
    return int(exact.to_integral_value(ROUND_HALF_EVEN))


def soft_cap(x: np.ndarray, cap: int) -> np.ndarray:
    """Return cap * tanh(x / cap), x for a cap of 0; in units of 2^-12 octaves (TRANSFORMER 6)."""
    if not cap:
        return x
    s = sigmoid(int64(x, (1 << 37) // cap) + (1 << 23) >> 24)
    return int32(int64(s - (1 << 14), cap) + (1 << 13) >> 14)


def scores(query: Packed, keys: np.ndarray, sizes: np.ndarray, query_scale: int = 0, cap: int = 0) -> np.ndarray:
    """Return the scores (n,) of a query for keys (n, head_dim) with sizes (n,) (TRANSFORMER 6).

    query_scale: 0 for head_dim; cap: a soft one, or 0.
    """
    dot = int32(keys @ query.low)
    assert np.all(np.abs(dot) <= 1 << 22) and np.all(sizes <= SIZE_LIMIT)
    z = int32(dot * sizes + (1 << 15) >> 16)  # |dot * sizes| <= 2^44
    factor = query.top * scale_of_scores(query_scale or keys.shape[1]) >> 12
    n = 20 - query.shift
    assert 1 <= n <= 62
    return soft_cap(np.clip(int64(z, factor) + (1 << n - 1) >> n, -SCORE_LIMIT, SCORE_LIMIT), cap)


def softmax_weights(scores: np.ndarray) -> np.ndarray:
    """Return 2^22 * 2^(-d / 4096) (n,) of the distances d of scores (n,) from the largest (TRANSFORMER 7)."""
    x = np.minimum(int32(np.max(scores) - scores), EXPONENTIAL_LIMIT)
    return power(x) << 4 >> x // 4096


def quantize_attention_weights(p: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Return integers (n,) of 15 bits in proportion to p * sizes; their sums are to be times a number, and shifted."""
    assert np.all(sizes <= SIZE_LIMIT)
    b = p * sizes
    p_sum, b_sum = int(np.sum(p)), int(np.sum(b))
    assert p_sum < 1 << 36 and b_sum < 1 << 58
    n = max(0, int(np.max(b)).bit_length() - 14, b_sum.bit_length() - 24)
    weights = np.minimum(b + ((1 << n) >> 1) >> n, WIDE_LIMIT)
    p_bits = p_sum.bit_length()
    return weights, int32((1 << p_bits + 22) // (127 * p_sum)), p_bits + 22 - n


def attend(scores: np.ndarray, values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the mean (head_dim,) of values (n, head_dim) with sizes (n,) under the scores (n,) (TRANSFORMER 7)."""
    weights, inverse, shift = quantize_attention_weights(softmax_weights(scores), sizes)
    int32(np.sum(weights) * 127)  # bounds every part of the sum
    return scale(int32(weights @ values), inverse, shift)


# --- from gates, TRANSFORMER 8, and from logits, 9


def sigmoid(g: np.ndarray) -> np.ndarray:
    """Return 2^15 / (1 + exp(-g / 4096)) (TRANSFORMER 8)."""
    size = np.abs(g)
    i, f = np.minimum(size >> 6, 1023), size & 63
    s = SIGMOID[i] + ((SIGMOID[i + 1] - SIGMOID[i]) * f + 32 >> 6)
    s = np.where(size >= 1 << 16, 1 << 15, s)
    return np.where(g < 0, (1 << 15) - s, s)


def gelu_argument(g: np.ndarray) -> np.ndarray:
    """Return what GELU takes the sigmoid of: sqrt(8 / pi) (g + 0.044715 g^3) (TRANSFORMER 8)."""
    a = np.minimum(np.abs(g), GELU_LIMIT)
    square = a * a + (1 << 11) >> 12
    x = int32(a * (26145 + (int32(1169 * square) + (1 << 11) >> 12))) + (1 << 13) >> 14
    return np.where(g < 0, -x, x)


def glu(g: np.ndarray, u: np.ndarray, is_gelu: bool = False) -> np.ndarray:
    """Return g * sigmoid(g) * u, SwiGLU, or GeGLU (TRANSFORMER 8)."""
    gated = int32(g * sigmoid(gelu_argument(g) if is_gelu else g) + (1 << 14) >> 15)  # |g * s| <= 2^45
    return saturate(gated * u + (1 << 11) >> 12)  # |gated * u| <= 2^60


def token_weights(logits: np.ndarray) -> np.ndarray:
    """Return (n_vocab,) uint32: the weights of tokens with these logits (TRANSFORMER 9)."""
    x = np.minimum(np.max(logits) - logits, EXPONENTIAL_LIMIT)  # a difference may be 2^31
    weights = np.maximum(1, power(x) << 13 >> x // 4096)
    assert np.all(weights < 1 << 32)
    return weights.astype(np.uint32)


def lm_head(head: Matrix, normed: Normed, cap: int = 0) -> np.ndarray:
    """Return (n_vocab,) uint32: the weights of all tokens (TRANSFORMER 9)."""
    factor = normed.packed.top * normed.ratio * OCTAVES
    assert factor < 1 << 63
    return token_weights(soft_cap(scale(product(head, normed.packed), factor >> 16, normed.n), cap))


# --- the transformer


NORMS = ("qkv", "q", "k", "o", "gate_up", "down")  # of a layer, in the order of use


class Layer(NamedTuple):
    w_qkv: Matrix  # ((n_head + 2 n_kv_head) head_dim, n_embd)
    bias: np.ndarray  # (the rows of w_qkv,)
    w_o: Matrix  # (n_embd, n_head * head_dim)
    w_gate_up: Matrix  # (2 n_hidden, n_embd)
    w_down: Matrix  # (n_embd, n_hidden)
    norms: dict[str, Norm]  # of qkv and gate_up; in some models also q and k, o and down
    is_local: bool


class State:
    """What a lane keeps: how many tokens it has taken in, and of the last of them the keys and values of each layer."""

    def __init__(self, n_layer: int, window: int, int15: list[str]) -> None:
        self.window = window  # tokens that attention sees
        self.int15 = int15  # products that take vectors of 15 bits
        self.n_tokens = 0  # the start among them
        self.keys: list[list[list[Packed]]] = [[] for _ in range(n_layer)]  # of a layer, a token, a head
        self.values: list[list[list[Packed]]] = [[] for _ in range(n_layer)]

    def copy(self) -> State:
        state = State(len(self.keys), self.window, self.int15)
        state.n_tokens = self.n_tokens
        state.keys, state.values = [list(tokens) for tokens in self.keys], [list(tokens) for tokens in self.values]
        return state


def stacked(tokens: list[list[Packed]], head: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the integers (n_tokens, head_dim) and the sizes (n_tokens,) of one head."""
    return np.stack([token[head].low for token in tokens]), np.array([token[head].size for token in tokens], np.int64)


class Transformer:
    """A transformer of one weight file; it holds no state of lanes."""

    def __init__(self, tensors: dict[str, np.ndarray], config: dict[str, Any]) -> None:
        """Take the tensors and the metadata of a weight file (TRANSFORMER 11)."""
        self.n_head: int = config["n_head"]
        self.n_kv_head: int = config["n_kv_head"]
        self.head_dim: int = config["head_dim"]
        self.n_vocab: int = config["n_vocab"]
        self.window: int = config["window"]
        self.int15: list[str] = config["int15"]
        self.query_scale: int = config.get("query_scale", self.head_dim)
        self.embed_scale: int = config.get("embed_scale", 256)
        self.is_gelu = config.get("activation", "silu") == "gelu"
        self.score_cap: int = config.get("score_cap", 0)
        self.logit_cap: int = config.get("logit_cap", 0)
        self.local_window: int = config.get("local_window", 0)
        self.inv_freq = tensors["inv_freq"]  # (head_dim / 2,)
        self.local_inv_freq = tensors.get("inv_freq.local", self.inv_freq)
        assert 0 <= config["epsilon"] <= MAX_EPSILON

        def matrix(name: str) -> Matrix:
            return Matrix(tensors[f"{name}.weight"], tensors[f"{name}.multiplier"])

        units = [int(unit) for unit in tensors["gain_shifts"]]
        assert max(units) <= MAX_GAIN_SHIFT

        def norm(name: str) -> Norm:
            gain = tensors[f"{name}.norm"].astype(np.int64)
            return Norm(gain, units.pop(0), config["epsilon"] * len(gain) // config["n_embd"])

        self.layers = []
        for i in range(config["n_layer"]):
            w_qkv, w_o, w_gate_up, w_down = (matrix(f"layers.{i}.{name}") for name in ("qkv", "o", "gate_up", "down"))
            bias = tensors.get(f"layers.{i}.qkv.bias", np.zeros(len(w_qkv.weight))).astype(np.int64)
            names = [name for name in NORMS if f"layers.{i}.{name}.norm" in tensors]
            norms = {name: norm(f"layers.{i}.{name}") for name in names}
            is_local = i in config.get("local_layers", [])
            self.layers.append(Layer(w_qkv, bias, w_o, w_gate_up, w_down, norms, is_local))
        self.head_norm = norm("lm_head")
        assert not units
        self.embed = matrix("embed")
        if "lm_head.weight" in tensors:
            self.head = matrix("lm_head")
        else:
            self.head = Matrix(tensors["embed.weight"][: self.n_vocab], tensors["embed.multiplier"][: self.n_vocab])

    @classmethod
    def from_bytes(cls, weight_file: bytes) -> Transformer:
        """Return the transformer of a weight file."""
        header = json.loads(weight_file[8 : 8 + int.from_bytes(weight_file[:8], "little")])
        return cls(load(weight_file), json.loads(header["__metadata__"]["lmzip"]))

    def initial_state(self, n_halvings: int = 0) -> State:
        """Return the state of a lane at its start.

        n_halvings: of the window; from the third on all products take 8 bits (TRANSFORMER 10).
        """
        part = max(WINDOW_UNIT, (self.window >> n_halvings) // WINDOW_UNIT * WINDOW_UNIT)
        int15 = self.int15 if n_halvings < NARROW_FROM else []
        return State(len(self.layers), part if n_halvings else self.window, int15)

    def embedded(self, token: int) -> np.ndarray:
        """Return the embedding (n_embd,) of a token or, n_vocab, of the start (TRANSFORMER 2)."""
        factor = int(self.embed.multiplier[token]) * 127 * self.embed_scale
        return saturate(int64(self.embed.weight[token].astype(np.int64), factor) + (1 << 35) >> 36)

    def attention(self, x: np.ndarray, i: int, state: State) -> np.ndarray:
        """Return what layer i adds to x (n_embd,); keys and values go into the state (TRANSFORMER 5 to 7)."""
        layer, keys, values = self.layers[i], state.keys[i], state.values[i]
        normed = rmsnorm(x, layer.norms["qkv"], "qkv" in state.int15)
        heads = saturate(apply_normed(layer.w_qkv, normed) + layer.bias).reshape(-1, self.head_dim)
        queries, new_keys, new_values = np.split(heads, [self.n_head, self.n_head + self.n_kv_head])
        if "q" in layer.norms:
            queries = np.stack([normalise(query, layer.norms["q"]) for query in queries])
            new_keys = np.stack([normalise(key, layer.norms["k"]) for key in new_keys])
        inv_freq = self.local_inv_freq if layer.is_local else self.inv_freq
        keys.append([rotate(key, state.n_tokens, inv_freq) for key in new_keys])
        values.append([quantize_int8(value) for value in new_values])
        if len(keys) > (min(self.local_window, state.window) if layer.is_local else state.window):
            oldest = 0 if layer.is_local else N_KEPT
            del keys[oldest], values[oldest]
        outputs = []
        for n, query in enumerate(queries):
            shared = n * self.n_kv_head // self.n_head
            packed = rotate(query, state.n_tokens, inv_freq)
            z = scores(packed, *stacked(keys, shared), self.query_scale, self.score_cap)
            outputs.append(attend(z, *stacked(values, shared)))
        y = apply(layer.w_o, np.concatenate(outputs), "o" in state.int15)
        return normalise(y, layer.norms["o"]) if "o" in layer.norms else y

    def mlp(self, x: np.ndarray, i: int, state: State) -> np.ndarray:
        """Return what layer i adds to x (n_embd,) behind its attention (TRANSFORMER 8)."""
        layer = self.layers[i]
        normed = rmsnorm(x, layer.norms["gate_up"], "gate_up" in state.int15)
        g, u = np.split(apply_normed(layer.w_gate_up, normed), 2)
        y = apply(layer.w_down, glu(g, u, self.is_gelu), "down" in state.int15)
        return normalise(y, layer.norms["down"]) if "down" in layer.norms else y

    def step(self, token: int, state: State) -> np.ndarray:
        """Return the weights (n_vocab,) uint32 before a lane's next token and bring its state up to date.

        token: the lane's last token, n_vocab for the start.
        """
        x = self.embedded(token)
        for i in range(len(self.layers)):
            x = saturate(x + self.attention(x, i, state))
            x = saturate(x + self.mlp(x, i, state))
        state.n_tokens += 1
        return lm_head(self.head, rmsnorm(x, self.head_norm, "lm_head" in state.int15), self.logit_cap)


def run(model: Transformer, tokens: np.ndarray, n_lanes: int) -> np.ndarray:
    """Return the weights (n_steps, n_lanes, n_vocab) uint32 before each of the tokens (n_steps, n_lanes)."""
    tokens = np.asarray(tokens).reshape(-1, n_lanes)
    weights = np.zeros((*tokens.shape, model.n_vocab), np.uint32)
    for lane in range(n_lanes):
        last, state = model.n_vocab, model.initial_state()
        for step, token in enumerate(tokens[:, lane]):
            weights[step, lane] = model.step(last, state)
            last = int(token)
    return weights

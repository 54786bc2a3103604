"""The byte-level net of ARITHMETIC 10 in NumPy: one lane and one byte at a time, and the judge of the native kernel.

Every number is an int64; `int32` asserts the overflow budget of ARITHMETIC 11.2 wherever the kernel has 32 bits.  The
one module of the reference that needs NumPy; it is imported by name only.
"""

from __future__ import annotations

import json
from math import isqrt
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import load

from lmzip.reference import tables
from lmzip.reference.mixing import clamp, squash

M64 = (1 << 64) - 1
NORM_UNIT = 24
PRODUCT_LIMIT = 1 << 26
BIAS_LIMIT = 1 << 20
LN_2 = 726817  # round(2^20 ln 2)

RSQRT = tables.rsqrt_table()
LN = tables.ln_table()

State = list[np.ndarray]  # one (n_state,) int64 a layer, 1.0 = 2^20


def int32(x: Any) -> Any:
    """Return x, an integer or an array that the kernel holds in 32 signed bits."""
    assert np.all(np.abs(x) < 1 << 31)
    return x


def int8(x: np.ndarray) -> np.ndarray:
    """Return x as int64, a stored -128 as -127."""
    return np.maximum(x.astype(np.int64), -127)


# --- hashed contexts, ARITHMETIC 10.2


def is_word_byte(byte: int) -> bool:
    return byte >= 128 or chr(byte).lower() in "abcdefghijklmnopqrstuvwxyz"


def table_row(history: int, order: int, table_bits: int) -> int:
    """Return the row that the last eight bytes (u64, the newest lowest) select; order 0: letters of the word."""
    newest_first = history.to_bytes(8, "little")
    if order == 2:
        return newest_first[0] + 256 * newest_first[1]
    if order:
        kept = newest_first[:order]
    else:
        n = 0
        while n < 7 and is_word_byte(newest_first[n]):
            n += 1
        kept = bytes(byte | 32 for byte in newest_first[:n])
    key = int.from_bytes(kept, "little")
    return ((key + order) * 0x9E3779B97F4A7C15 & M64) >> (64 - table_bits)


# --- from integers to integers of 8 bits, ARITHMETIC 10.4 and 10.6


def norm_int8(x: np.ndarray) -> np.ndarray:
    """Scale (n,) to a root mean square of NORM_UNIT and round to -127 .. 127."""
    n = len(x)
    factor = (isqrt(4 * n * (NORM_UNIT << 9) ** 2) + 1) // 2  # round(24 sqrt(n) 2^9)
    largest = int(np.max(np.abs(int32(x))))
    shift = largest.bit_length() - 15 if largest else 0
    v = x >> shift if shift > 0 else x << -shift
    total = (n << 2 * max(0, -shift)) + int(np.sum(int32(v * v)))
    e = (total.bit_length() - 1) // 2 * 2  # 2^e <= total < 2^(e + 2)
    m = total << 30 - e if e < 30 else total >> e - 30
    assert 1 << 30 <= m < 1 << 32
    i, f = (m >> 24) - 64, (m >> 8) % 65536
    root = RSQRT[i] - ((RSQRT[i] - RSQRT[i + 1]) * f >> 16)
    assert root * factor < 1 << 63
    r = min(32767, root * factor + (1 << (19 + e // 2)) >> (20 + e // 2))
    return np.clip(int32(v * r + (1 << 19)) >> 20, -127, 127)


def square_int8(u: np.ndarray) -> np.ndarray:
    """Return relu(u)^2 in units of 1/16, rounded, 0 .. 127."""
    a = np.clip(u, 0, 1 << 14)
    return np.minimum(int32(a * a + (1 << 19)) >> 20, 127)


# --- the recurrence, ARITHMETIC 10.5


def gate_sigmoid(u: np.ndarray) -> np.ndarray:
    """Return the piecewise quadratic sigmoid of u (1.0 = 2^12) in units of 2^-14."""
    v = np.clip(int32(u), -(1 << 14), 1 << 14)
    r = (1 << 14) - np.abs(v)
    s = int32(r * r + (1 << 14)) >> 15
    return np.where(v < 0, s, (1 << 14) - s)


def recur(u: np.ndarray, forget_bias: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the new state and the output, both (n,), of candidates, forget and output gates u (3 n,) and state h."""
    candidate, forget, output = np.split(u, 3)
    z = np.clip(candidate, -32767, 32767)
    g = gate_sigmoid(-(forget + forget_bias))
    o = gate_sigmoid(output)
    distance = int32(z * 256 - h + 128) >> 8
    h = int32(h + (int32(distance * g + 32) >> 6))
    return h, int32((h + 128 >> 8) * o + (1 << 13)) >> 14


# --- from logits to what is predicted of a bit, ARITHMETIC 10.7 and 8.3


def power(x: np.ndarray) -> np.ndarray:
    """Return 2^18 * 2^(-f / 4096), f the fraction of x = 4096 n + f."""
    f = x % 4096
    p = int32(f * 10259) >> 12
    p = int32(f * (60439 - p)) >> 12
    p = int32(f * (181252 - p)) >> 12
    return (1 << 18) - p


def sum_tree(leaves: np.ndarray, top: int) -> np.ndarray:
    """Return (512,) uint32: the leaves (256,), the sums of nodes, and the first byte of the largest in front."""
    tree = np.zeros(512, np.int64)
    tree[256:] = leaves
    for n in (128, 64, 32, 16, 8, 4, 2, 1):
        tree[n : 2 * n] = int32(tree[2 * n : 4 * n : 2] + tree[2 * n + 1 : 4 * n : 2])
    tree[0] = top
    return tree.astype(np.uint32)


def tree_of_logits(logits: np.ndarray) -> np.ndarray:
    """Return the tree (512,) uint32 whose leaves are the exponentials of logits (256,)."""
    x = np.minimum(int32(np.max(logits) - logits), 30 << 12)
    return sum_tree(np.maximum(1, power(x) << 4 >> x // 4096), int(np.argmax(logits)))


def natural_log(n: int) -> int:
    """Return 2^20 ln(n), 0 < n < 2^32."""
    k = n.bit_length() - 1
    m = n << (31 - k)
    i, f = (m >> 23) - 256, (m >> 7) % 65536
    return k * LN_2 + LN[i] + ((LN[i + 1] - LN[i]) * f >> 16)


def tree_stretch(tree: np.ndarray, c0: int) -> int:
    """Return the stretch of the bit that follows the known bits c0, 1 .. 255."""
    zero, one = int(tree[2 * c0]), int(tree[2 * c0 + 1])
    return clamp((natural_log(one) - natural_log(zero) + 512) >> 10, 12287)


def stretch_confidence(stretch: int) -> int:
    return (squash(stretch) - (1 << 23)) >> 12


def tree_top(tree: np.ndarray) -> int:
    """Return the byte of the greatest logit, the first of these."""
    return int(tree[0])


# --- the net


class Matrix:
    """A matrix (n_out, n_in) of int8 with a multiplier for each row (ARITHMETIC 10.3)."""

    def __init__(self, weight: np.ndarray, multiplier: np.ndarray) -> None:
        self.weight = int8(weight)
        self.multiplier = multiplier.astype(np.int64)
        assert self.multiplier.shape == self.weight.shape[:1] and np.all(self.multiplier >= 0)
        largest = np.sum(np.abs(self.weight), 1) * 127 * self.multiplier
        assert np.all((largest >> 24) + 1 <= PRODUCT_LIMIT), "beyond the overflow budget"

    def __call__(self, q: np.ndarray) -> np.ndarray:
        assert np.all(np.abs(q) <= 127)
        out = (int32(self.weight @ q) * self.multiplier + (1 << 23)) >> 24
        assert np.all(np.abs(out) <= PRODUCT_LIMIT)
        return out


class Layer(NamedTuple):
    w_in: Matrix  # (3 n_state, n_embd)
    w_out: Matrix  # (n_embd, n_state)
    w_up: Matrix  # (n_hidden, n_embd)
    w_down: Matrix  # (n_embd, n_hidden)
    forget_bias: np.ndarray  # (n_state,)


class Net:
    """A net of one weight file; it holds no state of lanes."""

    def __init__(self, tensors: dict[str, np.ndarray], config: dict[str, Any]) -> None:
        """Take the tensors and the metadata of a weight file (ARITHMETIC 10.8)."""
        self.orders: list[int] = config["orders"]
        self.table_bits: int = config["table_bits"]
        self.n_state: int = config["n_state"]
        self.byte_embedding = tensors["byte_embedding"]  # (256, byte_dim)
        self.tables = tensors["tables"]  # (n_orders, 2^table_bits, table_dim)

        def matrix(name: str) -> Matrix:
            return Matrix(tensors[f"{name}.weight"], tensors[f"{name}.multiplier"])

        self.embed, self.head = matrix("embed"), matrix("head")
        self.layers = []
        for i in range(config["n_layer"]):
            forget_bias = tensors[f"layers.{i}.forget_bias"].astype(np.int64)
            assert np.all(np.abs(forget_bias) <= BIAS_LIMIT)
            w_in, w_out, w_up, w_down = (matrix(f"layers.{i}.{name}") for name in ("in", "out", "up", "down"))
            self.layers.append(Layer(w_in, w_out, w_up, w_down, forget_bias))

    @classmethod
    def from_bytes(cls, data: bytes) -> Net:
        """Return the net of a weight file."""
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        return cls(load(data), json.loads(header["__metadata__"]["lmzip"]))

    def initial_state(self) -> State:
        return [np.zeros(self.n_state, np.int64) for _ in self.layers]

    def embedded(self, history: int) -> np.ndarray:
        """Return the embeddings of the last byte and of the hashed contexts, end to end."""
        parts = [self.byte_embedding[history & 255]]
        for table, order in zip(self.tables, self.orders, strict=True):
            parts.append(table[table_row(history, order, self.table_bits)])
        return int8(np.concatenate(parts))

    def step(self, history: int, state: State) -> np.ndarray:
        """Return the tree (512,) uint32 of the next byte of a lane and bring its state up to date.

        history: the lane's last eight bytes as a u64, the newest lowest.
        """
        x = self.embed(self.embedded(history))
        for i, layer in enumerate(self.layers):
            state[i], y = recur(layer.w_in(norm_int8(x)), layer.forget_bias, state[i])
            x = int32(x + layer.w_out(norm_int8(y)))
            x = int32(x + layer.w_down(square_int8(layer.w_up(norm_int8(x)))))
        return tree_of_logits(self.head(norm_int8(x)))


def run(net: Net, data: bytes, n_lanes: int = 1) -> np.ndarray:
    """Return the trees (n_steps, n_lanes, 512) uint32 that the net predicts before each byte, from zero states.

    data: (n_steps, n_lanes) bytes, one lane behind the other in every step.
    """
    lanes = np.frombuffer(data, np.uint8).reshape(-1, n_lanes)
    trees = np.zeros((*lanes.shape, 512), np.uint32)
    for lane in range(n_lanes):
        history, state = 0, net.initial_state()
        for step, byte in enumerate(lanes[:, lane]):
            trees[step, lane] = net.step(history, state)
            history = (history << 8 | int(byte)) & M64
    return trees

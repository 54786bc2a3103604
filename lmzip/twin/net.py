"""The byte-level net of ARITHMETIC 10 in torch: any number of lanes, and of bytes of each, at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lmzip.twin.integers import EXPONENT_LIMIT, Tables, power, root_factor
from lmzip.twin.products import Matrix

NORM_UNIT = 24 << 9
HASH = 0x9E3779B97F4A7C15 - (1 << 64)  # as 64 bits with a sign
_LOWER = 0x2020202020202020
WORD_BYTES = 7  # at most, of the current word


class _Layer(NamedTuple):
    w_in: Matrix  # (3 n_state, n_embd)
    w_out: Matrix  # (n_embd, n_state)
    w_up: Matrix  # (n_hidden, n_embd)
    w_down: Matrix  # (n_embd, n_hidden)
    forget_bias: Tensor  # (n_state,) int32


class NetState(NamedTuple):
    """What lanes keep, each in a row of its own."""

    recent: Tensor  # (n_rows, 8) int64: the last bytes, the newest last
    h: Tensor  # (n_layer, n_rows, n_state) int32


class NetTwin:
    """A net of one weight file on a device; it holds no state of lanes."""

    n_symbols = 256

    def __init__(self, tensors: Mapping[str, Any], config: Mapping[str, Any], device: str, **options: Any) -> None:
        """tensors, config: arrays and metadata of a weight file that the kernel took; options: of Matrix."""
        self.device = device
        self.n_layer, self.n_state = config["n_layer"], config["n_state"]
        self._orders, self._table_bits = list(config["orders"]), config["table_bits"]
        self._integers = Tables.on(device)
        self._byte_embedding = self._embedding(tensors["byte_embedding"])
        self._tables = self._embedding(tensors["tables"])  # (n_orders, 2^table_bits, table_dim)
        scales = [1 << 8 * (7 - i) for i in range(8)]
        scales[0] -= 1 << 64 if scales[0] >> 63 else 0
        self._places = torch.tensor(scales, dtype=torch.int64, device=device)  # of bytes in a history, the oldest first
        self._masks = torch.tensor([(1 << 8 * n) - 1 for n in range(WORD_BYTES + 1)], dtype=torch.int64, device=device)

        def matrix(name: str) -> Matrix:
            return Matrix(tensors[f"{name}.weight"], tensors[f"{name}.multiplier"], device, **options)

        self._embed, self._head = matrix("embed"), matrix("head")
        self._layers = []
        for i in range(self.n_layer):
            w_in, w_out, w_up, w_down = (matrix(f"layers.{i}.{name}") for name in ("in", "out", "up", "down"))
            bias = torch.tensor(tensors[f"layers.{i}.forget_bias"], dtype=torch.int32, device=device)
            self._layers.append(_Layer(w_in, w_out, w_up, w_down, bias))

    def _embedding(self, rows: Any) -> Tensor:
        return torch.tensor(rows, dtype=torch.int8, device=self.device).clamp_(min=-127)

    def new_state(self, n_rows: int) -> NetState:
        """Return the state of n_rows lanes at their start."""
        recent = torch.zeros((n_rows, 8), dtype=torch.int64, device=self.device)
        h = torch.zeros((self.n_layer, n_rows, self.n_state), dtype=torch.int32, device=self.device)
        return NetState(recent, h)

    def restart(self, state: NetState, rows: Tensor) -> None:
        """Bring the lanes of some rows to their start."""
        state.recent[rows] = 0
        state.h[:, rows] = 0

    def predict(self, state: NetState, rows: Tensor, symbols: Tensor) -> Tensor:
        """Take in bytes of some lanes; return the leaves (n_steps, n_lanes, 256) int32 of their next bytes' trees.

        rows: (n_lanes,) int64, where their states lie, which are brought up to date; symbols: (n_steps, n_lanes) int64,
        the byte before each that is predicted, 0 at a lane's start.
        """
        n_steps, n_lanes = symbols.shape
        known = self._take_in(state, rows, symbols)
        x, q = self._add(None, self._embed, self._embedded(known))
        for layer, h in zip(self._layers, state.h, strict=True):
            x, q = self._add(x, layer.w_out, self._recur(layer, q, h, rows))
            x, q = self._add(x, layer.w_down, self._square(layer.w_up, q))
        return self._leaves(self._head, q).view(n_steps, n_lanes, 256)

    def _take_in(self, state: NetState, rows: Tensor, symbols: Tensor) -> Tensor:
        """Return the last bytes of lanes (8 + n_steps, n_lanes) int64, symbols behind those that were known before."""
        known = torch.cat([state.recent[rows].t(), symbols])
        state.recent[rows] = known[len(symbols) :].t()
        return known

    def _embedded(self, known: Tensor) -> Tensor:
        """Return (n, n_input) int8 of all columns, a byte of a lane each, for the last bytes (ARITHMETIC 10.2)."""
        recent = known.unfold(0, 8, 1)[1:].reshape(-1, 8)
        history = (recent * self._places).sum(1)
        parts = [self._byte_embedding[recent[:, 7]]]
        for table, order in zip(self._tables, self._orders, strict=True):
            parts.append(table[self._table_row(history, recent, order)])
        return torch.cat(parts, 1)

    def _table_row(self, history: Tensor, recent: Tensor, order: int) -> Tensor:
        if order == 2:
            return history & 0xFFFF
        if order:
            key = history if order == 8 else history & ((1 << 8 * order) - 1)
        else:
            newest = recent.flip(1)[:, :WORD_BYTES]
            lower = newest | 32
            is_word = (newest >= 128) | ((lower >= ord("a")) & (lower <= ord("z")))
            key = (history | _LOWER) & self._masks[is_word.long().cumprod(1).sum(1)]
        return (key + order) * HASH >> 64 - self._table_bits & (1 << self._table_bits) - 1

    def _add(self, x: Tensor | None, matrix: Matrix, q: Tensor) -> tuple[Tensor, Tensor]:
        """Return the residual stream x (n, n_embd) with the products of q added, x being none yet or overwritten, and
        its norm int8.
        """
        x = matrix(q) if x is None else x.add_(matrix(q))
        return x, self._norm(x)

    def _norm(self, x: Tensor) -> Tensor:
        """Return (n, size) int8 with a root mean square of 24, as far as ±127 holds it (ARITHMETIC 10.4)."""
        size = x.shape[1]
        largest = x.abs().amax(1, keepdim=True)
        shift = (self._integers.bits(largest) - 15).masked_fill_(largest == 0, 0)
        left = (-shift).clamp_(min=0)
        v = (x << left) >> shift.clamp(min=0)
        total = (size << 2 * left) + (v * v).sum(1, keepdim=True)
        root, e = self._integers.reciprocal_root(total)
        half = e >> 1
        r = root.mul_(root_factor(size, NORM_UNIT)).add_(1 << 19 + half) >> 20 + half
        return (v * r.clamp_(max=32767)).add_(1 << 19).bitwise_right_shift_(20).clamp_(-127, 127).to(torch.int8)

    def _recur(self, layer: _Layer, q: Tensor, states: Tensor, rows: Tensor) -> Tensor:
        """Return the norm of the recurrence's outputs (n, n_state) int8; states (n_rows, n_state) of the lanes are
        brought up to date (ARITHMETIC 10.5).
        """
        u = layer.w_in(q).view(-1, len(rows), 3, self.n_state)
        z = u[:, :, 0].clamp(-32767, 32767).int() * 256 + 128
        g = _gate_sigmoid(-(u[:, :, 1] + layer.forget_bias))
        h = states[rows]
        after = torch.empty_like(z)
        for candidate, gate, kept in zip(z, g, after, strict=True):
            h = torch.add(h, (candidate - h >> 8).mul_(gate).add_(32).bitwise_right_shift_(6), out=kept)
        states[rows] = h
        o = _gate_sigmoid(u[:, :, 2])
        y = ((after + 128 >> 8).long() * o).add_(1 << 13).bitwise_right_shift_(14)
        return self._norm(y.view(-1, self.n_state))

    def _square(self, matrix: Matrix, q: Tensor) -> Tensor:
        """Return min(relu(u)^2, 127) int8 in units of 1/16 of the products u (ARITHMETIC 10.6)."""
        a = matrix(q).clamp_(0, 1 << 14).int()
        return a.mul_(a).add_(1 << 19).bitwise_right_shift_(20).clamp_(max=127).to(torch.int8)

    def _leaves(self, matrix: Matrix, q: Tensor) -> Tensor:
        """Return the leaves (n, 256) int32 of logits, which are the products (ARITHMETIC 10.7)."""
        logits = matrix(q)
        x = (logits.amax(1, keepdim=True) - logits).clamp_(max=EXPONENT_LIMIT).int()
        return ((power(x) << 4) >> (x >> 12)).clamp_(min=1)


def _gate_sigmoid(u: Tensor) -> Tensor:
    """Return the piecewise quadratic sigmoid of u (1.0 = 2^12) in units of 2^-14, int32 (ARITHMETIC 10.5)."""
    v = u.clamp(-(1 << 14), 1 << 14).int()
    r = (1 << 14) - v.abs()
    s = r.mul_(r).add_(1 << 14).bitwise_right_shift_(15)
    return torch.where(v < 0, s, (1 << 14) - s)

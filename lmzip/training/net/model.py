"""The byte-level net in torch, quantisation-aware: what it computes is what the integer kernel will (ARITHMETIC 10).

Integers appear here as floats that hold integers: activations and weights of every matrix product are in
-127 .. 127 (exact in bfloat16), and the scale of each row is multiplied in behind the product.  Gradients pass through
the rounding unchanged (straight-through estimator).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lmzip.training.net.contexts import WINDOW
from lmzip.training.net.scan import scan

# Units of the integers (ARITHMETIC 10.1)
EMBEDDING_UNIT = 32  # an entry of 32 is 1.0
NORM_UNIT = 24  # a normalised activation of one standard deviation is 24
SQUARE_UNIT = 16  # a squared activation of 1.0 is 16
CANDIDATE_LIMIT = 7.99  # of the candidates of a recurrence, either side of zero (ARITHMETIC 10.5)


@dataclass
class NetConfig:
    """The architecture, which a weight file's metadata hold but for the experiments; raises ValueError."""

    n_embd: int = 256
    n_layer: int = 2
    n_hidden: int = 768  # of each MLP
    n_state: int = 256  # of each recurrence
    byte_dim: int = 64  # of the embedding of the last byte
    table_dim: int = 32  # of each table of hashed contexts
    table_rows: int = 65536  # a power of two, at least this
    orders: list[int] = field(default_factory=lambda: [2, 3, 4, 6])  # contexts in bytes; 0: letters of the word
    token_shift: bool = False  # an experiment, not in the kernel
    gate: str = "sigmoid"  # of the output: sigmoid, or silu, an experiment, not in the kernel

    def __post_init__(self) -> None:
        if self.gate not in ("sigmoid", "silu"):
            raise ValueError(f"gate is sigmoid or silu, not {self.gate}")
        if self.table_rows < 65536 or self.table_rows & (self.table_rows - 1):
            raise ValueError(f"table_rows is a power of two of at least 65536, not {self.table_rows}")
        if not self.orders or any(type(order) is not int or not 0 <= order <= WINDOW for order in self.orders):
            raise ValueError(f"orders are one or more numbers of 0 to {WINDOW}, not {self.orders}")
        sizes = (self.n_embd, self.n_layer, self.n_hidden, self.n_state, self.byte_dim, self.table_dim)
        if min(sizes) < 1:
            raise ValueError("the sizes of a net are at least 1")


def rounded(x: Tensor) -> Tensor:
    """Round to nearest, with the gradient of the identity."""
    return x + (torch.round(x) - x).detach()


def gate_sigmoid(u: Tensor) -> Tensor:
    """The piecewise quadratic sigmoid: 0 below -4, 1 above 4, slope 1/4 at 0 (ARITHMETIC 10.5)."""
    t = (u * 0.25).clamp(-1, 1)
    return 0.5 + t - 0.5 * t * t.abs()


def norm_int8(x: Tensor) -> Tensor:
    """Scale rows to a root mean square of NORM_UNIT and round to -127 .. 127 (ARITHMETIC 10.4)."""
    x = x.float()
    scaled = x * (NORM_UNIT * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6))
    return rounded(scaled.clamp(-127, 127))


def square_int8(u: Tensor) -> Tensor:
    """relu(u)^2 in units of 1 / SQUARE_UNIT, rounded to 0 .. 127."""
    return rounded((F.relu(u).square() * SQUARE_UNIT).clamp(max=127))


class QuantLinear(nn.Module):
    """A matrix product of integers: int8 weights with a scale for each row, int8 activations of a given unit."""

    def __init__(self, n_in: int, n_out: int, unit: int, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) * (gain * n_in**-0.5))
        self.unit = unit

    def quantised(self) -> tuple[Tensor, Tensor]:
        """Return integers (n_out, n_in) and scales (n_out,) whose product is the weight."""
        scale = self.weight.detach().abs().amax(1).clamp(min=1e-8) / 127
        return rounded(self.weight / scale[:, None]), scale

    def forward(self, q: Tensor) -> Tensor:
        integers, scale = self.quantised()
        if q.is_cuda or torch.is_autocast_enabled("cpu"):
            q, integers = q.bfloat16(), integers.bfloat16()
        return F.linear(q, integers).float() * (scale / self.unit)


class Layer(nn.Module):
    """A gated linear recurrence (ARITHMETIC 10.5) and an MLP, each added to the residual stream."""

    def __init__(self, c: NetConfig) -> None:
        super().__init__()
        self.config = c
        self.w_in = QuantLinear(c.n_embd, 3 * c.n_state, NORM_UNIT)
        self.w_out = QuantLinear(c.n_state, c.n_embd, NORM_UNIT, 0.5)
        self.w_up = QuantLinear(c.n_embd, c.n_hidden, NORM_UNIT)
        self.w_down = QuantLinear(c.n_hidden, c.n_embd, SQUARE_UNIT, 0.5)
        tau = torch.exp(torch.linspace(torch.tensor(1.5).log(), torch.tensor(300.0).log(), c.n_state))
        self.forget_bias = nn.Parameter(4 * (1 - (2 / tau.clamp(min=2.0)).sqrt()))
        if c.token_shift:
            self.shift = nn.Parameter(torch.zeros(c.n_embd))

    def forward(self, x: Tensor, h0: Tensor, reset: Tensor) -> tuple[Tensor, Tensor]:
        """Return the residual stream (B, T, n_embd) and the last state (B, n_state).

        x: (B, T, n_embd); h0: (B, n_state), the state before the window; reset: (B, T) uint8, as in ByteNet.forward.
        """
        n = self.config.n_state
        q = norm_int8(x)
        if self.config.token_shift:  # an experiment: within a window only, not in the kernel
            q = rounded(q + self.shift * (F.pad(q, (0, 0, 1, 0))[:, :-1] - q)).clamp(-127, 127)
        u = self.w_in(q)
        z = u[..., :n].clamp(-CANDIDATE_LIMIT, CANDIDATE_LIMIT)
        g = gate_sigmoid(-(u[..., n : 2 * n] + self.forget_bias))
        o = gate_sigmoid(u[..., 2 * n :])
        if self.config.gate == "silu":
            o = o * u[..., 2 * n :]
        h = scan(z, g, h0, reset)
        x = x + self.w_out(norm_int8(h * o))
        x = x + self.w_down(square_int8(self.w_up(norm_int8(x))))
        return x, h[:, -1]


class ByteNet(nn.Module):
    """Bytes before -> logits of the next, through tables of hashed contexts and gated linear recurrences."""

    layers: Sequence[Layer]
    tables: Tensor  # (n_orders, table_rows, table_dim)

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = c = config
        self.byte_embedding = nn.Parameter(torch.randn(256, c.byte_dim) * 0.5)
        # Tables are no parameters: their optimiser touches only the rows that a step used (optim.RowwiseOptimizer).
        shape = (len(c.orders), c.table_rows, c.table_dim)
        self.register_buffer("tables", torch.randn(shape) * 0.1)
        self.w_embed = QuantLinear(c.byte_dim + len(c.orders) * c.table_dim, c.n_embd, EMBEDDING_UNIT)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c.n_layer))  # type: ignore[assignment]
        self.w_head = QuantLinear(c.n_embd, 256, NORM_UNIT, 0.5)

    def initial_state(self, batch_size: int) -> list[Tensor]:
        """Return zero states, (B, n_state) a layer."""
        device = self.byte_embedding.device
        return [torch.zeros(batch_size, self.config.n_state, device=device) for _ in self.layers]

    def forward(self, last: Tensor, rows: Tensor, states: list[Tensor], reset: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return logits (B, T, 256) and the states after the window.

        last: (B, T) int64 the byte before each position, rows: (n_orders, B, T, table_dim) gathered from the tables,
        states: (B, n_state) a layer; reset: (B, T) uint8, set where a step starts from a zero state.
        """
        embedded = torch.cat([self.byte_embedding[last], *rows], -1)
        x = self.w_embed(rounded((embedded * EMBEDDING_UNIT).clamp(-127, 127)))
        new_states = []
        for layer, state in zip(self.layers, states, strict=True):
            x, state = layer(x, state, reset)
            new_states.append(state.detach())
        return self.w_head(norm_int8(x)), new_states

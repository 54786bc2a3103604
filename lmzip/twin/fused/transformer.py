"""The transformer's twin with one kernel for all that stands between two of its products (TRANSFORMER)."""

from __future__ import annotations

from typing import Any

import torch
import triton
from torch import Tensor

from lmzip.twin.attention import Cache
from lmzip.twin.fused.attention import Heads, attend
from lmzip.twin.fused.transformer_kernels import (
    added_kernel,
    gated_kernel,
    heads_kernel,
    largest_kernel,
    packed_kernel,
    weights_kernel,
)
from lmzip.twin.integers import root_factor
from lmzip.twin.packed import Operand
from lmzip.twin.products import Matrix
from lmzip.twin.transformer import Lanes, Layer, Norm, TransformerTwin

Arguments = dict[str, Any]  # of kernels


class FusedTransformer(TransformerTwin):
    """A transformer of one weight file on a device for which is_usable() holds; it predicts what TransformerTwin does.

    Numbers in memory have 32 bits, which hold them (TRANSFORMER 13), but for the factors of rows.
    """

    _LOGITS = 1024  # of a program

    def column_size(self, n_steps: int) -> int:
        return 16 * (self.n_symbols + max(len(layer.w_gate_up.multiplier) for layer in self._layers))

    def _embedded(self, tokens: Tensor) -> Tensor:
        return super()._embedded(tokens).int()

    def _norm(self, x: Tensor, norm: Norm, name: str) -> Operand:
        nothing = dict.fromkeys(("sums", "multiplier", "factor", "places")) | {"stride": 0, "OF_INT15": False}
        return self._normed(x, nothing, None, norm, name)

    def _added(
        self, x: Tensor, matrix: Matrix, of: Operand, behind: Norm | None, norm: Norm, name: str
    ) -> tuple[Tensor, Operand]:
        return x, self._normed(x, self._product(matrix, of), behind, norm, name)

    def _normed(self, x: Tensor, product: Arguments, behind: Norm | None, norm: Norm, name: str) -> Operand:
        """Return the norm of x, to which a product is added before, in place."""
        n, width = x.shape
        made = self._new_operand(n, width, name)
        gain, unit = (None, 0) if behind is None else (behind.gain, behind.unit)
        added_kernel[n,](
            x, **product, behind_gain=gain, behind_unit=unit, gain=norm.gain, unit=norm.unit,
            roots=self._integers.rsqrt, **_into(made), n=n, EPSILON=norm.epsilon,
            ROOT_FACTOR=root_factor(width, 1 << 12), **_by_rows(width),
        )  # fmt: skip
        return made

    def _seen(self, layer: Layer, normed: Operand, cache: Cache, lanes: Lanes) -> Operand:
        n, n_lanes = len(normed.factor), len(lanes.places.rows)
        heads = self._heads(layer, normed, lanes.angles)
        heads = Heads(*(part.view(n // n_lanes, n_lanes, *part.shape[1:]) for part in heads))
        places = lanes.places
        cap, sigmoids = self._score_cap, self._sigmoid
        seen = attend(heads, cache, places.rows, places.before, places.n_sink, self._unit, cap, sigmoids)
        width = self.n_head * self.head_dim
        made = self._new_operand(n, width, "o")
        packed_kernel[n,](seen, **_into(made), n=n, **_by_rows(width))
        return made

    def _heads(self, layer: Layer, normed: Operand, angles: tuple[Tensor, Tensor]) -> Heads:
        """Return the heads of rows (n, n_heads, ...): queries and keys turned by angles, and values, packed."""
        n, n_head, n_kv_head, head_dim = len(normed.factor), self.n_head, self.n_kv_head, self.head_dim
        query = self._empty(n, n_head, head_dim, dtype=torch.int8)
        top, shift = (self._empty(n, n_head) for _ in range(2))
        key_value = self._empty(2, n, n_kv_head, head_dim, dtype=torch.int8)
        sizes = self._empty(2, n, n_kv_head)
        q, k = (layer.norms.get(name) for name in ("q", "k"))
        of_norms: Arguments = {"query_gain": None, "key_gain": None, "query_unit": 0, "key_unit": 0, "EPSILON": 0}
        if q and k:
            of_norms = {
                "query_gain": q.gain, "key_gain": k.gain, "query_unit": q.unit, "key_unit": k.unit,
                "EPSILON": q.epsilon,
            }  # fmt: skip
        heads_kernel[n, n_head + 2 * n_kv_head](
            **self._product(layer.w_qkv, normed), bias=layer.bias, **of_norms, cosines=angles[0], sines=angles[1],
            roots=self._integers.rsqrt, query=query, query_top=top, query_shift=shift, key_value=key_value,
            key_value_size=sizes, n=n, ROOT_FACTOR=root_factor(head_dim, 1 << 12), N_HEAD=n_head, N_KV_HEAD=n_kv_head,
            HEAD_DIM=head_dim, N_HALF=triton.next_power_of_2(head_dim // 2), num_warps=1,
        )  # fmt: skip
        return Heads(query, top, shift, *key_value, *sizes)

    def _gated(self, matrix: Matrix, normed: Operand) -> Operand:
        n, width = len(normed.factor), len(matrix.multiplier) // 2
        made = self._new_operand(n, width, "down")
        gated_kernel[n,](
            **self._product(matrix, normed), sigmoids=self._sigmoid, **_into(made), n=n, IS_GELU=self._is_gelu,
            **_by_rows(width),
        )  # fmt: skip
        return made

    def _token_weights(self, normed: Operand) -> Tensor:
        n, blocks = len(normed.factor), triton.cdiv(self.n_symbols, self._LOGITS)
        largest, weights = self._empty(n, blocks), self._empty(n, self.n_symbols)
        logits = self._product(self._head, normed) | {
            "sigmoids": self._sigmoid, "largest": largest, "n": n, "CAP": self._logit_cap,
            "N_SYMBOLS": self.n_symbols, "N_BLOCK": self._LOGITS,
        }  # fmt: skip
        largest_kernel[n, blocks](**logits)
        weights_kernel[n, blocks](**logits, weights=weights, N_BLOCKS=triton.next_power_of_2(blocks))
        return weights

    def _empty(self, *shape: int, dtype: torch.dtype = torch.int32) -> Tensor:
        return torch.empty(shape, dtype=dtype, device=self.device)

    def _new_operand(self, n: int, width: int, name: str) -> Operand:
        """Return room for what the product `name` takes."""
        q = self._empty(2 * n if name in self._int15 else n, width, dtype=torch.int8)
        return Operand(q, self._empty(n, 1, dtype=torch.int64), self._empty(n, 1))

    def _product(self, matrix: Matrix, of: Operand) -> Arguments:
        """Return what brings matrix * of to units."""
        sums = matrix.sums(of.q)
        return {
            "sums": sums, "multiplier": matrix.multiplier, "factor": of.factor, "places": of.places,
            "stride": sums.stride(0), "OF_INT15": _has_15_bits(of),
        }  # fmt: skip


def _has_15_bits(operand: Operand) -> bool:
    return len(operand.q) > len(operand.factor)


def _into(made: Operand) -> Arguments:
    return {"q": made.q, "q_factor": made.factor, "q_places": made.places, "TO_INT15": _has_15_bits(made)}


def _by_rows(width: int) -> Arguments:
    """Return how a kernel takes rows of a width."""
    n_block = triton.next_power_of_2(width)
    return {"WIDTH": width, "N_BLOCK": n_block, "num_warps": min(max(n_block // 256, 1), 16)}

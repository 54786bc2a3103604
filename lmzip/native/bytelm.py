"""Binding of byte-level nets in the kernel (ARITHMETIC 10)."""

from __future__ import annotations

from typing import NamedTuple

from lmzip.native._kernel import ffi, lib
from lmzip.native.cpu import simd_number
from lmzip.native.expert import Expert

MAX_TABLE_BITS = 24  # as in the kernel


class NetShape(NamedTuple):
    """The architecture of a byte-level net (ARITHMETIC 10)."""

    n_embd: int
    n_layer: int
    n_hidden: int
    n_state: int
    byte_dim: int
    table_dim: int
    table_bits: int
    orders: tuple[int, ...]


class Net(Expert):
    """A net in the kernel; run() returns trees of sums of exponentials (ARITHMETIC 10.7)."""

    def __init__(
        self, shape: NetShape, *, byte_embedding, tables, weights, multipliers, forget_biases, simd: str | None = None
    ) -> None:
        """Pack the weights: contiguous buffers in the layout of lmz_bytelm_weights (lmz.h).

        simd: the variant to use, by default the best.  Raises UnsupportedError for one that this processor does not
        have, ValueError for weights of another shape or beyond the overflow budget, MemoryError.
        """
        variant = simd_number(simd, for_experts=True)
        s = shape
        # The judge of shapes is the kernel (is_shape in bytelm.c); this only keeps the shift below small.
        if s.table_bits > MAX_TABLE_BITS:
            raise ValueError(f"table_bits must be at most {MAX_TABLE_BITS}")
        expected = (256 * s.byte_dim, (len(s.orders) * s.table_dim) << s.table_bits, s.n_layer * s.n_state * 4)
        if tuple(memoryview(x).nbytes for x in (byte_embedding, tables, forget_biases)) != expected:
            raise ValueError("weights of another shape")
        orders = list(s.orders[: lib.LMZ_MAX_ORDERS])
        c_shape = ffi.new("lmz_bytelm_shape *", [*s[:7], len(s.orders), orders])
        c_weights = ffi.new("lmz_bytelm_weights *")
        kept = tuple(ffi.from_buffer("int8_t[]", x) for x in (byte_embedding, tables))  # while they are copied
        c_weights.byte_embedding, c_weights.tables = kept
        matrices = ffi.from_buffer("int8_t[]", weights)
        rows = ffi.from_buffer("int32_t[]", multipliers)
        biases = ffi.from_buffer("int32_t[]", forget_biases)
        c_weights.weights, c_weights.n_weights = matrices, len(matrices)
        c_weights.multipliers, c_weights.n_rows = rows, len(rows)
        c_weights.forget_biases = biases
        complaint = "weights of another shape or beyond the overflow budget"
        super().__init__(complaint, lib.lmz_bytelm_new, c_shape, c_weights, variant)

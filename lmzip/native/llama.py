"""Binding of the kernel's transformer (TRANSFORMER): weights in, exponentials of tokens out."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import NamedTuple

from lmzip.native._kernel import ffi, lib
from lmzip.native.cpu import simd_number
from lmzip.native.expert import Expert, check

MATRICES = ("qkv", "o", "gate_up", "down", "lm_head")  # by number, as `int15` of a weight file calls them
_EMBED: int = lib.LMZ_W_EMBED


class TransformerShape(NamedTuple):
    """The architecture of a transformer (TRANSFORMER 11)."""

    n_embd: int
    n_hidden: int
    n_layer: int
    n_head: int
    n_kv_head: int
    head_dim: int
    n_vocab: int
    window: int
    int15: tuple[str, ...]
    has_lm_head: bool
    epsilon: int
    query_scale: int  # head_dim, or what a model has in its place
    embed_scale: int = 256
    has_gelu: bool = False
    has_head_norms: bool = False
    has_post_norms: bool = False
    score_cap: int = 0
    logit_cap: int = 0
    local_window: int = 0
    local_layers: tuple[int, ...] = ()

    def norms(self) -> list[tuple[str, int]]:
        """Return name and width of all norms, in the order of use."""
        heads = [("q", self.head_dim), ("k", self.head_dim)] if self.has_head_norms else []
        names = [("qkv", self.n_embd), *heads, ("o", self.n_embd), ("gate_up", self.n_embd), ("down", self.n_embd)]
        if not self.has_post_norms:
            names = [(name, width) for name, width in names if name not in ("o", "down")]
        layers = [(f"layers.{i}.{name}", width) for i in range(self.n_layer) for name, width in names]
        return [*layers, ("lm_head", self.n_embd)]


def scale_of_scores(query_scale: int) -> int:
    """Return round(2^36 log2(e) / (127^2 sqrt(query_scale))) (TRANSFORMER 6)."""
    with localcontext() as context:
        context.prec = 40
        octaves = 1 / Decimal(2).ln()
        return int((Decimal(2**36) * octaves / (127**2 * Decimal(query_scale).sqrt())).to_integral_value())


class Transformer(Expert):
    """A transformer in the kernel; complete, and then read only, once all is set.  run() returns exponentials."""

    def __init__(self, shape: TransformerShape, *, norms, gain_shifts, inv_freq, simd: str | None = None) -> None:
        """Start without matrices: contiguous buffers as in lmz_llama_new (lmz.h).

        simd: as for native.Net.  Raises UnsupportedError for a variant that this processor does not have, ValueError
        for a shape or numbers beyond the budget, MemoryError.
        """
        variant = simd_number(simd, for_experts=True)
        int15 = sum(1 << MATRICES.index(name) for name in set(shape.int15))
        widths = [width for _, width in shape.norms()]
        n_angles = shape.head_dim // (1 if shape.local_window else 2)
        if tuple(memoryview(x).nbytes for x in (norms, gain_shifts, inv_freq)) != (
            sum(widths) * 2,
            len(widths),
            n_angles * 4,
        ):
            raise ValueError("norms or frequencies of another shape")
        is_local = bytes(i in shape.local_layers for i in range(shape.n_layer))
        numbers = [*shape[:8], int15, shape.has_lm_head, shape.epsilon, scale_of_scores(max(1, shape.query_scale))]
        numbers += [shape.embed_scale, shape.has_gelu, shape.has_head_norms, shape.has_post_norms]
        numbers += [shape.score_cap, shape.logit_cap, shape.local_window]
        self.shape = shape
        self.n_predicted = shape.n_vocab
        super().__init__(
            "not a transformer that this kernel runs",
            lib.lmz_llama_new,
            ffi.new("lmz_llama_shape *", numbers),
            ffi.from_buffer("int16_t[]", norms),
            ffi.from_buffer("uint8_t[]", gain_shifts),
            ffi.from_buffer("uint32_t[]", inv_freq),
            ffi.from_buffer("uint8_t[]", is_local),
            variant,
        )

    def set_matrix(self, name: str, layer: int, weights, multipliers, n_rows: int, biases=None) -> None:
        """Copy a matrix: name is one of MATRICES or `embed`, weights (n_rows, n_in) int8, multipliers (n_rows) int32.

        biases: (n_rows) int32, of `qkv` only.  Raises MemoryError, ValueError for one of another shape or beyond the
        overflow budget.
        """
        matrix = _EMBED if name == "embed" else MATRICES.index(name)
        source, rows = ffi.from_buffer("int8_t[]", weights), ffi.from_buffer("int32_t[]", multipliers)
        bias = ffi.NULL if biases is None else ffi.from_buffer("int32_t[]", biases)
        n_in = len(source) // max(1, n_rows)
        if n_in * n_rows != len(source) or len(rows) != n_rows or (biases is not None and len(bias) != n_rows):
            raise ValueError(f"{name}: of another shape")
        status = lib.lmz_llama_set(self.handle, matrix, layer, source, rows, bias, n_rows, n_in)
        check(status, f"{name}: of another shape or beyond the overflow budget")

    def set_vocabulary(self, data, sizes) -> None:
        """Tell the byte strings of the tokens: end to end, and their sizes (n_vocab,) uint8.

        Raises ValueError where they are not sorted, one is empty or twice there, or a single byte is none of them,
        MemoryError.
        """
        source, n_bytes = ffi.from_buffer("uint8_t[]", data), ffi.from_buffer("uint8_t[]", sizes)
        if len(n_bytes) != self.shape.n_vocab:
            raise ValueError("vocabulary: of another size")
        status = lib.lmz_llama_set_vocabulary(self.handle, source, len(source), n_bytes)
        check(status, "not a vocabulary: tokens are sorted, different, and every byte is one")

    def check_complete(self) -> None:
        """Raise ValueError if a matrix is missing."""
        if not lib.lmz_llama_is_complete(self.handle):
            raise ValueError("a matrix is missing")

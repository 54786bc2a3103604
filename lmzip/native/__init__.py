"""Binding of the native kernel: one block of bytes <-> one arithmetic-coded payload.

Knows nothing of files or containers.  The kernel has no globals and runs without the GIL, so blocks may be coded in
any number of threads at once.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from lmzip.errors import DamagedError, UnsupportedError
from lmzip.native._kernel import ffi, lib

N_METHODS: int = lib.LMZ_N_METHODS
NET_METHOD: int = lib.LMZ_NET_METHOD  # methods from here on need a net, and from
TOKEN_METHOD: int = lib.LMZ_TOKEN_METHOD  # here on a transformer instead
MAX_LANES: int = lib.LMZ_MAX_LANES
MAX_TABLE_BITS = 24  # of a net, as in the kernel

_SIMD_NAMES = ["portable", "avx2", "avxvnni", "avx512", "amx"]  # by number (lmz.h)
_AVX2 = 1
_FIRST_RUN, _MAX_RUN = 1 << 7, 1 << 14  # bytes or tokens between two calls of progress, which acts on signals
_RUN_TIME = 0.06  # seconds that a run may take; a net on an old processor is 500 times as slow as method 1 on a new one
_new_bytes = ffi.new_allocator(should_clear_after_alloc=False)

Progress = Callable[[int], None]


class NetShape(NamedTuple):
    """The architecture of a byte-level net (ARITHMETIC 8)."""

    n_embd: int
    n_layer: int
    n_hidden: int
    n_state: int
    byte_dim: int
    table_dim: int
    table_bits: int
    orders: tuple[int, ...]


class Net:
    """A net in the kernel, read only: any number of blocks may be coded with it at once."""

    def __init__(
        self, shape: NetShape, *, byte_embedding, tables, weights, multipliers, forget_biases, simd: str | None = None
    ) -> None:
        """Pack the weights: contiguous buffers in the layout of lmz_net_weights (lmz.h).

        simd: the variant to use, by default the best.  Raises UnsupportedError for one that this processor does not
        have, ValueError for weights of another shape or beyond the overflow budget, MemoryError.
        """
        variant = simd_number(simd, lib.lmz_simd_best())
        s = shape
        # The judge of shapes is the kernel (is_shape in net.c); this only keeps the shift below small.
        if s.table_bits > MAX_TABLE_BITS:
            raise ValueError(f"table_bits must be at most {MAX_TABLE_BITS}")
        expected = (256 * s.byte_dim, (len(s.orders) * s.table_dim) << s.table_bits, s.n_layer * s.n_state * 4)
        if tuple(memoryview(x).nbytes for x in (byte_embedding, tables, forget_biases)) != expected:
            raise ValueError("weights of another shape")
        orders = list(s.orders[: lib.LMZ_NET_MAX_ORDERS])
        c_shape = ffi.new("lmz_net_shape *", [*s[:7], len(s.orders), orders])
        c_weights = ffi.new("lmz_net_weights *")
        kept = tuple(ffi.from_buffer("int8_t[]", x) for x in (byte_embedding, tables))  # while they are copied
        c_weights.byte_embedding, c_weights.tables = kept
        matrices = ffi.from_buffer("int8_t[]", weights)
        rows = ffi.from_buffer("int32_t[]", multipliers)
        biases = ffi.from_buffer("int32_t[]", forget_biases)
        c_weights.weights, c_weights.n_weights = matrices, len(matrices)
        c_weights.multipliers, c_weights.n_rows = rows, len(rows)
        c_weights.forget_biases = biases
        ffi.errno = 0
        net = lib.lmz_net_new(c_shape, c_weights, variant)
        if net == ffi.NULL and ffi.errno == errno.ENOMEM:
            raise MemoryError("not enough memory for a model")
        if net == ffi.NULL:
            raise ValueError("weights of another shape or beyond the overflow budget")
        self.handle = ffi.gc(net, lib.lmz_net_free)

    def run(self, data, n_lanes: int = 1) -> memoryview:
        """Return trees (n_steps, n_lanes, 512) uint32: sums of exponentials that the net predicts before each byte.

        data: (n_steps, n_lanes) bytes, one lane behind the other in every step.  Raises ValueError, MemoryError.
        """
        source = ffi.from_buffer("uint8_t[]", data)
        if not 1 <= n_lanes <= MAX_LANES or len(source) % n_lanes:
            raise ValueError("bytes must come in whole steps")
        trees = _new_bytes("uint32_t[]", max(1, len(source) * 512))
        if lib.lmz_net_run(self.handle, n_lanes, source, len(source) // n_lanes, trees) != lib.LMZ_DONE:
            raise MemoryError("not enough memory for a net")
        return memoryview(ffi.buffer(trees, len(source) * 2048)).cast("I")


class HasHandle(Protocol):
    """A transformer in the kernel (native.transformer)."""

    handle: Any


def _handle(model: Net | HasHandle | None):
    return model.handle if model else ffi.NULL


def simd_variants() -> list[str]:
    """Return the names of the kernel's variants that this processor runs, the best last."""
    return [name for number, name in enumerate(_SIMD_NAMES) if lib.lmz_simd_available(number)]


def simd_number(name: str | None = None, best: int = _AVX2) -> int:
    """Return the variant to use: the one called `name`, or that LMZIP_SIMD names, or else the best up to `best`.

    All give the same bytes.  Rows of 48 mixer inputs fill AVX-512 too badly to pay for it: AVX2 measured 2 % faster
    where both are there.

    Raises UnsupportedError for a variant that this processor does not have.
    """
    where, wanted = ("simd", name) if name else ("LMZIP_SIMD", os.environ.get("LMZIP_SIMD"))
    if not wanted:
        return min(lib.lmz_simd_best(), best)  # AVX2 is there wherever a better one is
    if wanted not in simd_variants():
        raise UnsupportedError(f"{where}={wanted}: this processor has {', '.join(simd_variants())}")
    return _SIMD_NAMES.index(wanted)


def _check(method: int, n_lanes: int, net: Net | None, transformer: HasHandle | None = None) -> None:
    needed = transformer if method >= TOKEN_METHOD else net
    if not 1 <= method <= N_METHODS or (method >= NET_METHOD and not needed):
        raise ValueError(f"no such method: {method}")
    if not 1 <= n_lanes <= MAX_LANES:
        raise ValueError(f"lanes must be 1 to {MAX_LANES}, not {n_lanes}")
    if method >= TOKEN_METHOD and n_lanes > MAX_LANES // 2:
        raise ValueError(f"with a transformer lanes must be 1 to {MAX_LANES // 2}, not {n_lanes}")


def memory_size(
    method: int, raw_size: int, n_lanes: int = 1, net: Net | None = None, transformer: HasHandle | None = None
) -> int:
    """Return the bytes of state that coding one block needs, its raw and payload buffers not counted."""
    _check(method, n_lanes, net, transformer)
    size = lib.lmz_memory_size(method, raw_size, n_lanes, _handle(net), _handle(transformer))
    if not size:
        raise ValueError(f"block too large: {raw_size}")
    return size


def _run(coder, raw_size: int, n_lanes: int, progress: Progress | None) -> int:
    """Run a coder to its end, reporting progress; return the kernel's last status."""
    size, done = _FIRST_RUN, 0
    while True:
        n_steps = max(1, size // n_lanes)
        started = time.monotonic()
        status = lib.lmz_coder_run(coder, n_steps)
        if status != lib.LMZ_MORE:
            break
        spent = time.monotonic() - started
        if spent > _RUN_TIME:
            size = max(n_lanes, size // 2)
        elif spent < _RUN_TIME / 2:
            size = min(_MAX_RUN, size * 2)
        if progress:
            position = lib.lmz_coder_position(coder)
            progress(position - done)
            done = position
    if progress and status == lib.LMZ_DONE:
        progress(raw_size - done)
    return status


def encode_block(
    raw,
    method: int,
    n_lanes: int = 1,
    progress: Progress | None = None,
    net: Net | None = None,
    n_threads: int = 1,
    transformer: HasHandle | None = None,
    token_sizes: bytes = b"",
) -> bytes | None:
    """Return the payload of a block, or None when it would not be smaller than the block itself.

    raw: contiguous bytes-like object, not empty.  progress is called with the number of raw bytes done since its last
    call; what it raises abandons the block.  net: for methods from NET_METHOD on.  n_threads: two may share the work of
    a block with a net and several lanes; the payload is the same.  transformer: for methods from TOKEN_METHOD on, which
    want token_sizes too: how each lane's chunk is cut into tokens.  Raises ValueError for bad arguments, MemoryError.
    """
    _check(method, n_lanes, net, transformer)
    source = ffi.from_buffer("uint8_t[]", raw)
    if not len(source):
        raise ValueError("an empty block has no payload")
    capacity = len(source) - 1
    payload = _new_bytes("uint8_t[]", capacity + 1)
    models = _handle(net), _handle(transformer)
    coder = lib.lmz_encoder_new(method, n_lanes, simd_number(), *models, source, len(source), payload, capacity)
    if coder == ffi.NULL:
        raise MemoryError("not enough memory for a block")
    lib.lmz_coder_set_threads(coder, n_threads)
    try:
        sizes = ffi.from_buffer("uint8_t[]", token_sizes)
        if transformer and lib.lmz_encoder_set_tokens(coder, sizes, len(sizes)) != lib.LMZ_DONE:
            raise ValueError("these are not the sizes of tokens")
        status = _run(coder, len(source), n_lanes, progress)
        return bytes(ffi.buffer(payload, lib.lmz_coder_payload_size(coder))) if status == lib.LMZ_DONE else None
    finally:
        lib.lmz_coder_free(coder)


def decode_block(
    payload,
    raw_size: int,
    method: int,
    n_lanes: int = 1,
    progress: Progress | None = None,
    net: Net | None = None,
    n_threads: int = 1,
    transformer: HasHandle | None = None,
) -> memoryview:
    """Return the raw_size bytes that a payload stands for.

    Memory for them is touched only as they are decoded, so a payload that ends early costs little whatever it claims.

    A payload damaged in the middle usually gives wrong bytes, not an error: the caller compares a check of the data.
    Raises DamagedError when the payload is too short or too long for its block, ValueError, MemoryError.
    """
    _check(method, n_lanes, net, transformer)
    source = ffi.from_buffer("uint8_t[]", payload)
    raw = _new_bytes("uint8_t[]", raw_size)
    models = _handle(net), _handle(transformer)
    coder = lib.lmz_decoder_new(method, n_lanes, simd_number(), *models, source, len(source), raw, raw_size)
    if coder == ffi.NULL:
        if not raw_size:
            raise ValueError("an empty block has no payload")
        raise MemoryError("not enough memory for a block")
    lib.lmz_coder_set_threads(coder, n_threads)
    try:
        if _run(coder, raw_size, n_lanes, progress) != lib.LMZ_DONE:
            raise DamagedError("damaged payload")
    finally:
        lib.lmz_coder_free(coder)
    return memoryview(ffi.buffer(raw))

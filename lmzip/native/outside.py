"""Binding of the kernel's blocks of tokens whose exponentials come from outside it (ARITHMETIC 9.10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lmzip.errors import DamagedError
from lmzip.native import TOKEN_METHOD, Progress, simd_number
from lmzip.native._kernel import ffi, lib

MAX_LANES: int = lib.LMZ_MAX_LANES // 2

# predict(lanes, tokens): lanes (n) are the numbers of those that have not ended, rising; tokens (n) the last token of
# each, n_vocab for the start.  Returns a contiguous buffer (n, n_vocab) uint32: the exponentials of their next tokens.
Predict = Callable[[list[int], list[int]], Any]


class Vocabulary:
    """Tokens in the kernel, in the place of a transformer; read only: any number of blocks may be coded with it."""

    def __init__(self, strings: Sequence[bytes]) -> None:
        """strings: the tokens' byte strings.

        Raises ValueError where they are not sorted, one is empty, twice there or longer than 255 bytes, or a single
        byte is none of them, and where there is no memory.
        """
        sizes = bytes(map(len, strings))  # ValueError for more than 255
        data = b"".join(strings)
        handle = lib.lmz_transformer_new_outside(data, len(data), sizes, len(sizes))
        if handle == ffi.NULL:
            raise ValueError("not a vocabulary: tokens are sorted, different, and every byte is one")
        self.handle = ffi.gc(handle, lib.lmz_transformer_free)
        self.n_vocab = len(sizes)


def encode_block(
    raw, n_lanes: int, vocabulary: Vocabulary, token_sizes: bytes, predict: Predict, progress: Progress | None = None
) -> bytes | None:
    """Return the payload of a block, or None when it would not be smaller than the block itself.

    raw, token_sizes, progress: as of native.encode_block.  Raises ValueError for bad arguments, MemoryError, and what
    predict raises.
    """
    _check(n_lanes)
    source = ffi.from_buffer("uint8_t[]", raw)
    if not len(source):
        raise ValueError("an empty block has no payload")
    capacity = len(source) - 1
    payload = ffi.new("uint8_t[]", capacity + 1)
    models = ffi.NULL, vocabulary.handle
    arguments = TOKEN_METHOD, n_lanes, simd_number(), *models, source, len(source), payload, capacity
    coder = lib.lmz_encoder_new(*arguments)
    if coder == ffi.NULL:
        raise MemoryError("not enough memory for a block")
    try:
        sizes = ffi.from_buffer("uint8_t[]", token_sizes)
        if lib.lmz_encoder_set_tokens(coder, sizes, len(sizes)) != lib.LMZ_DONE:
            raise ValueError("these are not the sizes of tokens")
        if _run(coder, vocabulary, n_lanes, predict, progress) != lib.LMZ_DONE:
            return None
        return bytes(ffi.buffer(payload, lib.lmz_coder_payload_size(coder)))
    finally:
        lib.lmz_coder_free(coder)


def decode_block(
    payload, raw_size: int, n_lanes: int, vocabulary: Vocabulary, predict: Predict, progress: Progress | None = None
) -> memoryview:
    """Return the raw_size bytes that a payload stands for.

    Raises DamagedError as native.decode_block, ValueError, MemoryError, and what predict raises.
    """
    _check(n_lanes)
    source = ffi.from_buffer("uint8_t[]", payload)
    if not raw_size:
        raise ValueError("an empty block has no payload")
    raw = ffi.new_allocator(should_clear_after_alloc=False)("uint8_t[]", raw_size)
    models = ffi.NULL, vocabulary.handle
    arguments = TOKEN_METHOD, n_lanes, simd_number(), *models, source, len(source), raw, raw_size
    coder = lib.lmz_decoder_new(*arguments)
    if coder == ffi.NULL:
        raise MemoryError("not enough memory for a block")
    try:
        if _run(coder, vocabulary, n_lanes, predict, progress) != lib.LMZ_DONE:
            raise DamagedError("damaged payload")
    finally:
        lib.lmz_coder_free(coder)
    return memoryview(ffi.buffer(raw))


def _check(n_lanes: int) -> None:
    if not 1 <= n_lanes <= MAX_LANES:
        raise ValueError(f"with tokens lanes must be 1 to {MAX_LANES}, not {n_lanes}")


def _run(coder, vocabulary: Vocabulary, n_lanes: int, predict: Predict, progress: Progress | None) -> int:
    """Run a coder to its end; return the kernel's last status.  Raises ValueError for wrong exponentials."""
    lanes, coded = ffi.new("uint32_t[]", n_lanes), ffi.new("uint32_t[]", n_lanes)
    last, done = [vocabulary.n_vocab] * n_lanes, 0
    while True:
        active = ffi.unpack(lanes, lib.lmz_coder_lanes(coder, lanes))
        exponentials = ffi.from_buffer("uint32_t[]", predict(active, [last[lane] for lane in active]))
        if len(exponentials) != len(active) * vocabulary.n_vocab:
            raise ValueError("exponentials of another shape")
        status = lib.lmz_coder_run_tokens(coder, exponentials, coded)
        position = lib.lmz_coder_position(coder)
        if progress and status in (lib.LMZ_MORE, lib.LMZ_DONE):
            progress(position - done)
            done = position
        if status != lib.LMZ_MORE:
            return status
        for lane, token in zip(active, ffi.unpack(coded, len(active)), strict=True):
            last[lane] = token

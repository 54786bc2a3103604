"""What the tests of tokens share: tiny transformers with a chosen vocabulary, cuts, and payloads of any size."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache

import numpy as np
from kernel_tools import beside
from lmzip.native._kernel import ffi, lib
from tiny_net import Tensors, weight_file
from tiny_transformer import kernel_transformer, tiny_transformer

from lmzip import native
from lmzip.block import Run
from lmzip.errors import DamagedError
from lmzip.native.llama import Transformer

PROFILE = 6  # the one that takes models of tokens
BYTES = [bytes([byte]) for byte in range(256)]
LONGEST = b"x" * 255  # of its prefixes only the first is a token
NESTED = [b"t", b"th", b"the", b"then", b" the", b"  ", b"    ", b"\xff\xff", b"\0\0\0", b"<s>", b"\xc3\xa9", b"zzz"]
STRINGS = sorted({*BYTES, *NESTED, LONGEST})


@cache
def tiny_tensors(kind: str = "plausible", window: int = 128) -> tuple[Tensors, dict]:
    """Return tensors and metadata of a transformer whose tokens are STRINGS.

    kind: as of tiny_transformer, or sharp: it is sure where tokens end that begin others, for or against.
    """
    sharp = kind == "sharp"
    changes = {"n_vocab": len(STRINGS), "int15": ["down"], "tied": not sharp, "window": window}
    tensors, config = tiny_transformer(3, "plausible" if sharp else kind, **changes)
    tensors["vocabulary"] = np.frombuffer(b"".join(STRINGS), np.uint8)
    tensors["vocabulary.size"] = np.array([len(string) for string in STRINGS], np.uint8)
    if sharp:
        firsts = {string[:1] for string in STRINGS if len(string) > 1}
        tensors["lm_head.multiplier"] *= np.array([20 if string[:1] in firsts else 1 for string in STRINGS], np.int32)
    return tensors, config


@cache
def tiny(kind: str = "plausible", window: int = 128) -> tuple[bytes, dict]:
    """Return weight file and metadata of that transformer."""
    tensors, config = tiny_tensors(kind, window)
    return weight_file(tensors, config), config


@cache
def transformer(simd: str | None = None, kind: str = "plausible", window: int = 128) -> Transformer:
    return kernel_transformer(*tiny_tensors(kind, window), simd)


def likely_tokens(n_tokens: int, model: Transformer) -> list[bytes]:
    """Return tokens of which every other is the one that the model expects."""
    numbers: list[int] = []
    rng = random.Random(6)
    for i in range(n_tokens):
        e = model.run([*numbers, 0])[-len(STRINGS) :].tolist()
        numbers.append(e.index(max(e)) if i % 2 else STRINGS.index(rng.choice(NESTED)))
    return [STRINGS[number] for number in numbers]


def chunks(raw: bytes, n_lanes: int) -> list[bytes]:
    size = -(-len(raw) // n_lanes)
    return [raw[at : at + size] for at in range(0, len(raw), size)]


def cut(raw: bytes, n_lanes: int, choose: Callable[[list[int]], int]) -> bytes:
    """Return the sizes of the tokens of a cut; choose: of the sizes possible at a place."""
    sizes = []
    for chunk in chunks(raw, n_lanes):
        at = 0
        while at < len(chunk):
            possible = [len(string) for string in STRINGS if chunk.startswith(string, at)]
            sizes.append(choose(sorted(possible)))
            at += sizes[-1]
    return bytes(sizes)


def random_text(size: int, seed: int = 0) -> bytes:
    """Return tokens in a row, the longer ones often."""
    rng = random.Random(seed)
    return b"".join(rng.choice(NESTED if rng.random() < 0.7 else BYTES) for _ in range(size))[:size]


def encode(
    raw: bytes,
    sizes: bytes,
    n_lanes: int = 1,
    model: Transformer | None = None,
    n_threads: int = 1,
    context: int = 0,
    profile: int = PROFILE,
) -> bytes:
    """Return the payload even where it is larger than the block."""
    payload = ffi.new("uint8_t[]", 2 * len(raw) + 64)
    source, token_sizes = ffi.from_buffer("uint8_t[]", raw), ffi.from_buffer("uint8_t[]", sizes)
    spec = ffi.new("lmz_block_spec *", [len(raw), profile, n_lanes, context, []])
    handle, simd = (model or transformer()).handle, native.simd_number()
    coder = lib.lmz_encoder_new(spec, handle, simd, source, payload, len(payload))
    coder = ffi.gc(coder, lib.lmz_coder_free)
    lib.lmz_coder_set_threads(coder, n_threads)
    assert lib.lmz_coder_set_tokens(coder, token_sizes, len(sizes)) == lib.LMZ_DONE
    while lib.lmz_coder_run(coder, 5) != lib.LMZ_DONE:
        assert lib.lmz_coder_position(coder) < len(raw)
    return bytes(ffi.buffer(payload, lib.lmz_coder_payload_size(coder)))


def decode(
    payload: bytes,
    raw_size: int,
    n_lanes: int = 1,
    model: Transformer | None = None,
    n_threads: int = 1,
    context: int = 0,
    profile: int = PROFILE,
) -> bytes:
    spec = beside(raw_size, profile, n_lanes, context)
    return bytes(native.decode_block(payload, spec, model or transformer(), Run(n_threads=n_threads)))


def outcome(payload: bytes, raw_size: int, n_lanes: int = 1, model: Transformer | None = None) -> bytes | None:
    """Return what a payload decodes to, None if it is found to be damaged."""
    try:
        return decode(payload, raw_size, n_lanes, model)
    except DamagedError:
        return None

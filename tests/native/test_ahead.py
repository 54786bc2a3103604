"""Blocks whose bytes are known, predicted many at once: the payloads of the plain step, which is the decoder's; and
proofs of payloads, which see every difference."""

from __future__ import annotations

import random

import pytest
import tiny_net
from conftest import SAMPLE
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_tools import VARIANTS, beside
from test_kernel_net import SHAPES, net
from token_tools import PROFILE as TOKEN_PROFILE
from token_tools import cut, encode, random_text, transformer

from lmzip import native
from lmzip.block import BlockSpec, Run
from lmzip.errors import DamagedError
from lmzip.native.expert import Expert

TEXT = SAMPLE.read_bytes()
COLUMNS = 64  # of a stretch (ahead.h)


def text(size: int) -> bytes:
    return (TEXT * (size // len(TEXT) + 1))[:size]


def proves(payload: bytes, raw: bytes, spec: BlockSpec, expert: Expert, n_threads: int = 1, sizes: bytes = b"") -> bool:
    """Whether decoding with the bytes known gives them."""
    try:
        run = Run(n_threads=n_threads, expected=raw)
        return native.decode_block(payload, spec, expert, run, token_sizes=sizes) == raw
    except DamagedError:
        return False


def is_decoded(payload: bytes, raw: bytes, spec: BlockSpec, expert: Expert) -> bool:
    """Whether decoding without a hint gives them."""
    try:
        return native.decode_block(payload, spec, expert) == raw
    except DamagedError:
        return False


# --- nets -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_lanes", [1, 2, 3, 31, 32, 33, 64, 65, 128])
@pytest.mark.parametrize("size", [40, COLUMNS - 1, COLUMNS, COLUMNS + 1, 3 * COLUMNS, 7 * COLUMNS + 5, 5000])
def test_stretches_write_what_single_steps_read(size: int, n_lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lanes of any length, also none, that end within a stretch or with it; every variant, on up to five threads."""
    raw, spec = text(size), beside(size, SHAPES[0], n_lanes)
    payloads = set()
    for simd in VARIANTS:
        monkeypatch.setenv("LMZIP_SIMD", simd)
        for n_threads in (1, 2, 5):
            payload = native.encode_block(raw, spec, net(simd), Run(n_threads=n_threads))
            assert payload and native.decode_block(payload, spec, net(simd), Run(n_threads=n_threads)) == raw
            assert proves(payload, raw, spec, net(simd), n_threads), (simd, n_threads)
            payloads.add(payload)
    assert len(payloads) == 1


@pytest.mark.parametrize("kind", ["plausible", "ties", "extreme"])
@pytest.mark.parametrize("seed", [11, 12])
def test_stretches_of_any_net_write_what_single_steps_read(
    seed: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of nets at the edges of the overflow budget, whose states are carried from stretch to stretch."""
    raw, spec = text(4 * COLUMNS + 3), beside(4 * COLUMNS + 3, SHAPES[0], 3)
    made, payloads = tiny_net.tiny_net(seed, kind), set()
    for simd in VARIANTS:
        monkeypatch.setenv("LMZIP_SIMD", simd)
        model = tiny_net.kernel_net(*made, simd)
        payload = native.encode_block(raw, spec, model, Run(n_threads=2))
        if payload is not None:
            assert native.decode_block(payload, spec, model) == raw, simd
            assert proves(payload, raw, spec, model, 2), simd
        payloads.add(payload)
    assert len(payloads) == 1


def test_runs_may_end_anywhere() -> None:
    """Calls of the kernel that each make a few steps leave stretches half coded, and half predicted."""
    raw, spec = text(3000), beside(3000, SHAPES[0], 3)
    payload = native.encode_block(raw, spec, net())
    for seed in range(4):
        assert coded_in_pieces(raw, spec, random.Random(seed)) == payload


def coded_in_pieces(raw: bytes, spec: BlockSpec, rng: random.Random) -> bytes:
    ffi, lib = native.ffi, native.lib
    source, payload = ffi.from_buffer("uint8_t[]", raw), ffi.new("uint8_t[]", len(raw))
    c_spec = ffi.new("lmz_block_spec *", [len(raw), spec.profile, spec.n_lanes, 0, []])
    coder = lib.lmz_encoder_new(c_spec, net().handle, native.simd_number(), source, payload, len(raw))
    coder = ffi.gc(coder, lib.lmz_coder_free)
    status = lib.LMZ_MORE
    while status == lib.LMZ_MORE:
        lib.lmz_coder_set_threads(coder, rng.randint(1, 4))
        status = lib.lmz_coder_run(coder, rng.choice([1, 2, 20, 21, 22, 63, 200]))
    assert status == lib.LMZ_DONE
    return bytes(ffi.buffer(payload, lib.lmz_coder_payload_size(coder)))


@pytest.mark.parametrize(("n_lanes", "n_threads"), [(1, 1), (1, 3), (5, 2)])
def test_a_flipped_bit_anywhere_is_found(n_lanes: int, n_threads: int) -> None:
    raw, spec = text(170), beside(170, SHAPES[0], n_lanes)
    payload = native.encode_block(raw, spec, net())
    assert payload
    for at in range(8 * len(payload)):
        flipped = bytearray(payload)
        flipped[at // 8] ^= 1 << at % 8
        proven = proves(bytes(flipped), raw, spec, net(), n_threads)
        assert proven == is_decoded(bytes(flipped), raw, spec, net()), at
        assert not proven or at // 8 == len(payload) - 1, f"{at}: only the last byte has bits that do not matter"


@pytest.mark.parametrize("n_lanes", [1, 4])
def test_another_byte_anywhere_is_found(n_lanes: int) -> None:
    """What is expected is not what was coded."""
    raw, spec = text(200), beside(200, SHAPES[0], n_lanes)
    payload = native.encode_block(raw, spec, net())
    assert payload
    for at in range(len(raw)):
        other = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        assert not proves(payload, other, spec, net(), 2), at


@settings(max_examples=30, deadline=None)
@given(
    raw=st.binary(min_size=1, max_size=300), n_lanes=st.integers(1, 9), profile=st.sampled_from(SHAPES), data=st.data()
)
def test_any_payload_is_proven_as_it_is_decoded(raw: bytes, n_lanes: int, profile: int, data: st.DataObject) -> None:
    spec = beside(len(raw), profile, n_lanes)
    payload = native.encode_block(raw, spec, net())
    if payload is None:
        payload = data.draw(st.binary(max_size=300))
    assert proves(payload, raw, spec, net(), data.draw(st.integers(1, 3))) == is_decoded(payload, raw, spec, net())


def test_what_is_expected_is_as_long_as_the_block() -> None:
    with pytest.raises(ValueError, match="500 bytes"):
        native.decode_block(b"", beside(500, SHAPES[0]), net(), Run(expected=bytes(499)))


# --- transformers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_lanes", [1, 3, 32, 33, 64])
@pytest.mark.parametrize("size", [3000, 1111])
def test_steps_of_many_columns_write_what_single_tokens_read(
    size: int, n_lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An encoder predicts 32 tokens in a step, a decoder one of each lane; windows of 128 tokens are full early."""
    raw = random_text(size, n_lanes)
    sizes, spec = cut(raw, n_lanes, random.Random(size).choice), beside(size, TOKEN_PROFILE, n_lanes)
    payloads = set()
    for simd in VARIANTS:
        monkeypatch.setenv("LMZIP_SIMD", simd)
        for n_threads in (1, 2):
            model = transformer(simd, "plausible")
            payload = encode(raw, sizes, n_lanes, model, n_threads)
            assert native.decode_block(payload, spec, model, Run(n_threads=n_threads)) == raw, (simd, n_threads)
            assert proves(payload, raw, spec, model, n_threads, sizes), (simd, n_threads)
            payloads.add(payload)
    assert len(payloads) == 1


def test_another_cut_or_a_flipped_bit_of_tokens_is_found() -> None:
    raw = random_text(150)
    sizes, spec, model = cut(raw, 2, random.Random(1).choice), beside(150, TOKEN_PROFILE, 2), transformer()
    payload = encode(raw, sizes, 2)
    assert proves(payload, raw, spec, model, 1, sizes)
    single = bytes([1] * len(raw))
    assert single != sizes and not proves(payload, raw, spec, model, 1, single)
    for at in range(0, 8 * len(payload) - 8, 3):  # of the last byte, some values stand for the same
        flipped = bytearray(payload)
        flipped[at // 8] ^= 1 << at % 8
        assert not proves(bytes(flipped), raw, spec, model, 1, sizes), at


def test_a_cut_is_needed_where_tokens_are_known() -> None:
    raw = random_text(50)
    payload = encode(raw, cut(raw, 1, max), 1)
    with pytest.raises(ValueError, match="missing"):
        native.decode_block(payload, beside(50, TOKEN_PROFILE), transformer(), Run(expected=raw))

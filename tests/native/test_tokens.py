"""Blocks with a model of tokens: equal to the reference in every variant on any threads, sound for any cut."""

from __future__ import annotations

import random

import pytest
import token_tools
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_tools import VARIANTS, Reached, beside
from tiny_transformer import tiny_transformer, without_matrices
from token_tools import (
    BYTES,
    LONGEST,
    PROFILE,
    STRINGS,
    cut,
    decode,
    encode,
    likely_tokens,
    outcome,
    random_text,
    transformer,
)

from lmzip import native, reference
from lmzip.block import BlockSpec, Run
from lmzip.errors import DamagedError
from lmzip.native.llama import Transformer

EVERY_BYTE = bytes(range(256))
SPECIAL = b"<s></s><|endoftext|> <s><s>\0\xff"
SIZES = [1, 2, 4, 5, 6, 9]  # around five lanes: some have nothing, some one byte


def weight_file(kind: str = "plausible") -> bytes:
    return token_tools.tiny(kind)[0]


def random_cut(raw: bytes, n_lanes: int = 1, seed: int = 0) -> bytes:
    return cut(raw, n_lanes, random.Random(seed).choice)


# --- one payload, whoever writes it -----------------------------------------------------------------------------------


def assert_one_payload(raw: bytes, n_lanes: int, kind: str, sizes: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every variant of loop and transformer, on one thread or three, writes and reads the reference's payload."""
    expected = reference.encode_block(raw, PROFILE, n_lanes, weight_file(kind), token_sizes=sizes)
    for simd in VARIANTS:
        monkeypatch.setenv("LMZIP_SIMD", simd)
        for n_threads in (1, 3):
            model = transformer(simd, kind)
            assert encode(raw, sizes, n_lanes, model, n_threads) == expected, (simd, n_threads)
            assert decode(expected, len(raw), n_lanes, model, 4 - n_threads) == raw, (simd, n_threads)


@pytest.mark.parametrize(
    ("kind", "n_lanes", "size"),
    [("plausible", 1, 70), ("plausible", 2, 33), ("plausible", 5, 36), ("sharp", 3, 40), ("extreme", 1, 40)]
    + [("extreme", 2, 25), ("extreme", 5, 26)],
)
def test_kernel_equals_reference(kind: str, n_lanes: int, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = random_text(size, n_lanes)
    assert_one_payload(raw, n_lanes, kind, random_cut(raw, n_lanes), monkeypatch)


@pytest.mark.parametrize("n_lanes", [1, 2, 5])
@pytest.mark.parametrize("size", SIZES)
def test_kernel_equals_reference_at_borders(size: int, n_lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = b"then the "[:size]
    assert_one_payload(raw, n_lanes, "plausible", random_cut(raw, n_lanes), monkeypatch)


def test_lanes_of_different_numbers_of_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first lane is not the last to end, nor the longest chunk that of the most tokens."""
    raw = b"the  the" + b"thenthen" + b"zzzthe\0"
    sizes = bytes([4 - 1, 1, 4]) + bytes([1] * 8) + bytes([3, 3, 1])
    assert_one_payload(raw, 3, "plausible", sizes, monkeypatch)
    monkeypatch.undo()
    assert encode(raw, sizes, 3) != encode(raw, bytes([1] * len(raw)), 3), "the cut matters"


def test_matches_of_lanes_that_are_out_of_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """One lane repeats itself and the other in long tokens, the other in single bytes."""
    raw = b"then the zzz" * 8
    half = len(raw) // 2
    for sizes in (cut(raw[:half], 1, max) + bytes([1] * half), bytes([1] * half) + cut(raw[half:], 1, max)):
        assert_one_payload(raw, 2, "plausible", sizes, monkeypatch)
        monkeypatch.undo()


def test_a_long_token_in_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only its first prefix may stop; elsewhere no bit is coded, as no token goes another way."""
    raw = b"x" + LONGEST
    assert_one_payload(raw, 1, "plausible", bytes([1, 255]), monkeypatch)
    stops = len(encode(raw, bytes([1] * 256)))
    assert len(encode(raw, bytes([1, 255]))) <= 6 < stops


def test_a_halved_window_sees_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a window of 256 tokens context 0 sees all, 1 the half, and 2 and 3 the least that there is, also 128."""
    raw, sizes, model = random_text(136, 4), bytes([1] * 136), token_tools.tiny(window=256)[0]
    expected = [reference.encode_block(raw, PROFILE, 1, model, context=n, token_sizes=sizes) for n in range(4)]
    assert expected[0] != expected[1] == expected[2] != expected[3]  # which takes 8 bits everywhere
    for simd in VARIANTS:
        monkeypatch.setenv("LMZIP_SIMD", simd)
        for context, payload in enumerate(expected):
            kernel = transformer(simd, window=256)
            assert encode(raw, sizes, 1, kernel, 2, context) == payload, (simd, context)
            assert decode(payload, len(raw), 1, kernel, 1, context) == raw, (simd, context)
    for context in (-1, 4):
        with pytest.raises(ValueError):
            native.memory_size(beside(9, PROFILE, 1, context), transformer())


def test_ends_of_tokens_as_sure_as_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probabilities of ends at both of their limits, right and wrong."""
    tokens = likely_tokens(50, transformer(kind="sharp"))
    assert_one_payload(b"".join(tokens), 1, "sharp", bytes(map(len, tokens)), monkeypatch)


@pytest.mark.parametrize(("kind", "n_lanes"), [("plausible", 1), ("extreme", 2)])
def test_the_reference_decodes_payloads_of_the_kernel(kind: str, n_lanes: int) -> None:
    raw = random_text(24, 5)
    payload = encode(raw, random_cut(raw, n_lanes), n_lanes, transformer(kind=kind))
    assert reference.decode_block(payload, len(raw), PROFILE, n_lanes, weight_file(kind)) == raw


@pytest.mark.parametrize("n_lanes", [1, 2, 7, 64])
def test_variants_and_threads_agree(n_lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = random_text(200, 1) + EVERY_BYTE[::3]
    raw = raw[220:270] if n_lanes == 7 else raw  # more threads than processors wait for each other
    sizes = random_cut(raw, n_lanes)
    payloads = set()
    for simd in VARIANTS:
        monkeypatch.setenv("LMZIP_SIMD", simd)
        for n_threads in (1, 100 if n_lanes == 7 else 2):
            payloads.add(encode(raw, sizes, n_lanes, transformer(simd), n_threads))
            assert decode(min(payloads), len(raw), n_lanes, transformer(simd), n_threads) == raw
    assert len(payloads) == 1


# --- any bytes in any cut ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_lanes", [1, 2, 5, 64])
@pytest.mark.parametrize("raw", [EVERY_BYTE * 2, SPECIAL * 5, LONGEST * 3, b"t" * 90, random_text(700)])
def test_every_cut_decodes(raw: bytes, n_lanes: int) -> None:
    cuts = [cut(raw, n_lanes, choose) for choose in (min, max, random.Random(1).choice)]
    assert set(cuts[0]) == {1}
    payloads = [encode(raw, sizes, n_lanes) for sizes in cuts]
    assert len(set(payloads)) == len(set(cuts))
    assert {decode(payload, len(raw), n_lanes) for payload in payloads} == {raw}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(STRINGS), min_size=1, max_size=30), st.sampled_from([1, 2, 3, 16]), st.randoms())
def test_any_tokens_round_trip(tokens: list[bytes], n_lanes: int, rng: random.Random) -> None:
    raw = b"".join(tokens)
    sizes = cut(raw, n_lanes, rng.choice)
    assert decode(encode(raw, sizes, n_lanes), len(raw), n_lanes) == raw


def binding(raw: bytes, n_lanes: int, sizes: bytes, run: Run | None = None) -> bytes | None:
    spec = beside(len(raw), PROFILE, n_lanes)
    return native.encode_block(raw, spec, transformer(), run or Run(), token_sizes=sizes)


def test_binding_gives_the_same_payload_or_none() -> None:
    raw, done = b"the then " * 60, []
    sizes = cut(raw, 2, max)
    payload = binding(raw, 2, sizes, Run(done.append))
    assert payload == encode(raw, sizes, 2) and sum(done) == len(raw)
    assert decode(payload, len(raw), 2) == raw
    noise = random.Random(2).randbytes(200)
    assert binding(noise, 1, bytes([1] * 200)) is None


@pytest.mark.parametrize("n_threads", [1, 2])
def test_what_is_reached_is_right(n_threads: int) -> None:
    """Lanes take their tokens in step, not their bytes."""
    raw = b"then the " * 30 + b"x" * 270
    spec, half = beside(len(raw), PROFILE, 2), len(raw) // 2
    payload = encode(raw, cut(raw[:half], 1, max) + bytes([1] * half), 2)
    reached = Reached(raw, spec)
    assert native.decode_block(payload, spec, transformer(), Run(None, n_threads, reached)) == raw
    assert reached.seen
    done: list[int] = []
    reached = Reached(raw, spec, limit=1)
    native.decode_block(payload, spec, transformer(), Run(done.append, n_threads, reached))
    assert len(reached.seen) == 1 and sum(done) < len(raw), "the rest is not decoded"


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "n_lanes"),
    [
        ([], 1),
        ([3, 3, 1, 1], 1),  # a byte is missing
        ([3, 3, 1, 1, 1, 1], 1),  # one too many
        ([3, 3, 1, 1, 0, 1], 1),
        ([3, 3, 2, 1], 1),  # "xt" is no token
        ([3, 2, 1, 1, 1, 1], 1),  # nor is "zz"
        ([3, 255], 1),
        ([2, 3, 1, 1, 1, 1], 1),  # nor "ezz"
        ([3, 3, 1, 1, 1], 2),  # the second token reaches into the second lane
        ([3, 1, 1, 1, 1, 1], 2),
    ],
)
def test_wrong_token_sizes_are_refused(sizes: list[int], n_lanes: int) -> None:
    raw = b"thezzzxth"
    assert outcome(encode(raw, b"\3\3\1\1\1"), len(raw)) == raw, "those of one lane are right"
    with pytest.raises(ValueError, match="not the sizes of tokens"):
        binding(raw, n_lanes, bytes(sizes))
    with pytest.raises(ValueError):
        reference.encode_block(raw, PROFILE, n_lanes, weight_file(), token_sizes=bytes(sizes))


def test_sizes_are_missing() -> None:
    lib, ffi = token_tools.lib, token_tools.ffi
    payload, simd = ffi.new("uint8_t[]", 20), native.simd_number()
    spec = ffi.new("lmz_block_spec *", [4, PROFILE, 1, 0, []])
    coder = ffi.gc(lib.lmz_encoder_new(spec, transformer().handle, simd, b"then", payload, 20), lib.lmz_coder_free)
    assert lib.lmz_coder_run(coder, 1) == lib.LMZ_E_ARGUMENT
    decoder = ffi.gc(lib.lmz_decoder_new(spec, transformer().handle, simd, b"then", 4, payload), lib.lmz_coder_free)
    assert lib.lmz_coder_set_tokens(decoder, b"\4", 1) == lib.LMZ_E_ARGUMENT
    alone = ffi.gc(lib.lmz_encoder_new(spec, ffi.NULL, simd, b"then", payload, 20), lib.lmz_coder_free)
    assert lib.lmz_coder_set_tokens(alone, b"\4", 1) == lib.LMZ_E_ARGUMENT, "it takes no tokens"


@pytest.mark.parametrize("n_lanes", [0, 65, 128, 129])
def test_numbers_of_lanes(n_lanes: int) -> None:
    for call in (
        lambda: binding(b"the", n_lanes, b"\3"),
        lambda: decode(b"the", 3, n_lanes),
        lambda: native.memory_size(beside(3, PROFILE, n_lanes), transformer()),
    ):
        with pytest.raises(ValueError, match="lanes must be 1 to 64"):
            call()
    assert native.memory_size(beside(3, PROFILE, 64), transformer()) > 0


def test_other_profiles_take_no_tokens() -> None:
    for profile in range(1, native.N_PROFILES + 1):
        if profile == PROFILE:
            continue
        spec = beside(3, profile)
        for call in (
            lambda spec=spec: native.encode_block(b"the", spec, transformer(), token_sizes=b"\3"),
            lambda spec=spec: native.decode_block(b"the", spec, transformer()),
            lambda spec=spec: native.memory_size(spec, transformer()),
        ):
            with pytest.raises(ValueError, match="no such profile"):
                call()


def test_a_model_is_needed() -> None:
    for call in (
        lambda: native.encode_block(b"the", beside(3, PROFILE), token_sizes=b"\3"),
        lambda: native.decode_block(b"the", beside(3, PROFILE)),
        lambda: native.memory_size(beside(3, PROFILE)),
        lambda: native.encode_block(b"the", BlockSpec(3, PROFILE, False), transformer(), token_sizes=b"\3"),
    ):
        with pytest.raises(ValueError, match="with a model needs one"):
            call()


def without_vocabulary(n_vocab: int = len(STRINGS)) -> Transformer:
    return without_matrices(*tiny_transformer(0, n_vocab=n_vocab))


def set_vocabulary(model: Transformer, strings: list[bytes]) -> None:
    model.set_vocabulary(b"".join(strings), bytes(map(len, strings)))


@pytest.mark.parametrize(
    "strings",
    [
        STRINGS[::-1],
        [*STRINGS[:-2], STRINGS[-1], STRINGS[-2]],
        [*STRINGS[:100], STRINGS[100], *STRINGS[100:-1]],  # twice
        [b"", *STRINGS[1:]],
        [string if string != b"q" else b"qq" for string in STRINGS],  # a byte is none
        [string if string != b"\0\0\0" else b"\0" for string in STRINGS],
        sorted(string if string != b"\xff" else b"\xff\0" for string in STRINGS),
        sorted(STRINGS, key=len),
        STRINGS[1:],
        [*STRINGS, b"\xff\xff\xff"],
        [],
    ],
)
def test_what_is_no_vocabulary_is_refused(strings: list[bytes]) -> None:
    model = without_vocabulary()
    with pytest.raises(ValueError, match="vocabulary"):
        set_vocabulary(model, strings)
    set_vocabulary(model, STRINGS)
    with pytest.raises(ValueError):
        set_vocabulary(model, STRINGS)


def test_sizes_of_a_vocabulary_are_those_of_its_bytes() -> None:
    model, data, ones = without_vocabulary(256), b"".join(BYTES), [1] * 256
    for wrong, sizes in [(data[:-1], ones), (data + b"\xff", ones), (data, [*ones[1:], 2]), (b"", ones), (data, [])]:
        with pytest.raises(ValueError):
            model.set_vocabulary(wrong, bytes(sizes))
    with pytest.raises(ValueError):
        model.set_vocabulary(data, bytes([1] * 255))
    model.set_vocabulary(data, bytes([1] * 256))


def test_a_transformer_without_a_vocabulary_codes_nothing() -> None:
    with pytest.raises((ValueError, MemoryError)):
        native.decode_block(b"the", beside(3, PROFILE), without_vocabulary())


# --- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plausible", "extreme"])
@pytest.mark.parametrize("n_lanes", [1, 3])
def test_damaged_payloads_end_alike_in_every_variant(n_lanes: int, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong bytes or an error, whichever, but the same in every variant."""
    raw = random_text(120, 9)
    payload = encode(raw, random_cut(raw, n_lanes), n_lanes, transformer(kind=kind))
    rng, results = random.Random(4), []
    for i in range(30):
        damaged = bytearray(payload[: rng.randrange(len(payload))] if i % 3 == 0 else payload)
        if i % 3:
            for _ in range(i % 3):
                damaged[rng.randrange(len(damaged) * 3 // 4)] ^= 1 << rng.randrange(8)
        results.append(outcome(bytes(damaged), len(raw), n_lanes, transformer(VARIANTS[0], kind)))
        assert results[-1] == outcome(bytes(damaged), len(raw), n_lanes, transformer(VARIANTS[-1], kind))
        assert results[-1] is None or (len(results[-1]) == len(raw) and results[-1] != raw)
    assert None in results


def test_a_token_that_reaches_beyond_its_chunk_is_damage() -> None:
    payload = encode(LONGEST, b"\xff")
    assert decode(payload, 255) == LONGEST
    for size in (2, 100, 254):
        with pytest.raises(DamagedError):
            decode(payload, size)
        with pytest.raises(ValueError, match="damaged"):
            reference.decode_block(payload, size, PROFILE, 1, weight_file())


@pytest.mark.parametrize("n_lanes", [1, 64])
def test_random_payloads_decode_or_are_refused(n_lanes: int) -> None:
    rng = random.Random(8)
    for size in range(0, 60, 4):
        found = outcome(rng.randbytes(size), 200, n_lanes)
        assert found is None or len(found) == 200

"""The base for sound: equal to the reference, in every SIMD variant; sound for any samples and any payload."""

from __future__ import annotations

import contextlib
import math
import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_tools import VARIANTS, assert_one_payload

from lmzip import native
from lmzip.block import BIG_ENDIAN, FLOAT, SIGNED, SOUND, BlockSpec, Content
from lmzip.errors import DamagedError
from lmzip.reference import samples as reference

DEPTHS = (8, 16, 24, 32)
PROFILES = range(1, native.N_PROFILES + 1)
SHAPES = (1, 2, 4)  # the other profiles have these


def sound(channels: int, depth: int, flags: int = SIGNED, offset: int = 0) -> Content:
    return Content(SOUND, channels, depth, flags, 0, offset)


def block(raw: bytes, profile: int, content: Content) -> BlockSpec:
    return BlockSpec(len(raw), profile, False, content=content)


def packed(values: list[int], content: Content) -> bytes:
    """Return samples as raw bytes; values: those of two's complement, whatever the content's flags."""
    order = "big" if content.flags & BIG_ENDIAN else "little"
    top = 1 << (content.depth - 1)
    shift = 0 if content.flags & SIGNED else top
    return b"".join(
        ((max(-top, min(top - 1, v)) + shift) & (2 * top - 1)).to_bytes(content.depth // 8, order) for v in values
    )


def tones(n: int, depth: int, seed: int = 1) -> list[int]:
    """Return two sines with noise, at a third of full scale."""
    rng = random.Random(seed)
    size = (1 << depth) / 6
    sines = [0.7 * math.sin(i / 7) + 0.3 * math.sin(i / 3.1) for i in range(n)]
    return [round(size * (v + rng.gauss(0, 1 / 200))) for v in sines]


def header(channels: int, depth: int, rate: int, size: int) -> bytes:
    """Return that of a WAV file of `size` bytes."""
    moment = channels * depth // 8
    fmt = struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * moment, moment, depth)
    return b"RIFF" + struct.pack("<I", size - 8) + b"WAVEfmt " + fmt + b"data" + struct.pack("<I", size - 44)


def floats(values: list[float], content: Content) -> bytes:
    return struct.pack(f"{'>' if content.flags & BIG_ENDIAN else '<'}{len(values)}f", *values)


FLOATS = {
    "of 16 bits": [v / 32768 for v in tones(150, 16)],
    "of 24 bits": [v / 8388608 for v in tones(100, 24)],
    "scaled": [v / 32768 * 0.7071 for v in tones(120, 16)],
    "silence": [0.0] * 60,
    "both zeros": [0.0, -0.0] * 40,
    "loud": [v / 1000 for v in tones(100, 16)],
    "tiny": [v * 1e-42 for v in range(-50, 50)],
    "edges": [1.0, -1.0, 2.0, -2.0, 1.9999999, 3.4e38, -3.4e38, 0.5, 1.2e-38, -1.2e-38] * 8,
    "no numbers": [math.inf, -math.inf, math.nan, 1.0] * 20,
    "click": [0.0] * 40 + [0.9] + [0.0] * 40,
}


def signals(depth: int) -> dict[str, list[int]]:
    top = (1 << (depth - 1)) - 1
    rng = random.Random(depth)
    return {
        "tones": tones(130, depth),
        "silence": [0] * 90,
        "constant": [top // 3] * 60,
        "square": [top if i % 2 else -top - 1 for i in range(90)],
        "slow square": [top if i // 20 % 2 else -top - 1 for i in range(100)],
        "click": [0] * 40 + [-top - 1] + [0] * 40,
        "noise": [rng.randint(-top - 1, top) for _ in range(70)],
        "quiet": [rng.randint(-2, 1) for _ in range(90)],
        "ramp": [top * i // 60 for i in range(-60, 60)],
        "loud after silence": [0] * 48 + tones(60, depth),
        "coarse": [v >> 4 << 4 for v in tones(80, depth)],
        "impulses": [top if i % 9 == 0 else 0 for i in range(80)],
    }


def assert_as_reference(raw: bytes, profile: int, content: Content, monkeypatch: pytest.MonkeyPatch) -> None:
    payload = reference.encode_block(raw, profile, content)
    assert_one_payload(raw, block(raw, profile, content), payload, monkeypatch)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("name", signals(16))
def test_kernel_equals_reference(name: str, depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    content = sound(1, depth, SIGNED if depth > 8 else 0)
    assert_as_reference(packed(signals(depth)[name], content), 4, content, monkeypatch)


@pytest.mark.parametrize("content", [sound(1, 32, FLOAT), sound(2, 32, FLOAT | BIG_ENDIAN, offset=3)])
@pytest.mark.parametrize("name", FLOATS)
def test_floats_are_coded_as_by_the_reference(name: str, content: Content, monkeypatch: pytest.MonkeyPatch) -> None:
    for profile in SHAPES:
        assert_as_reference(bytes(content.offset) + floats(FLOATS[name], content), profile, content, monkeypatch)


def test_numbers_of_floats_have_their_order() -> None:
    values = [-math.inf, -3e38, -2.0, -1.0, -1e-40, -0.0, 0.0, 1e-40, 0.3, 1.0, 1.9999999, 2.0, math.inf]
    bits = [int.from_bytes(struct.pack("<f", v), "little") for v in values]
    numbers = [reference.number_of_float(b) for b in bits]
    assert numbers == sorted(set(numbers))
    assert [reference.float_of_number(n) for n in numbers] == bits
    singles = struct.unpack("<13f", struct.pack("<13f", *values))
    sizes = [math.floor(abs(v) * 2**28) if abs(v) < 2 else 2**29 - 1 for v in singles]
    assert [reference.size_of_float(b) for b in bits] == sizes


@pytest.mark.parametrize("profile", SHAPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 8])
def test_channels_equal_those_of_the_reference(channels: int, profile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    content = sound(channels, 16)
    values = [v + 100 * (i % channels) for i, v in enumerate(tones(200, 16)[i // channels] for i in range(200))]
    assert_as_reference(packed(values, content), profile, content, monkeypatch)


@pytest.mark.parametrize("flags", [0, BIG_ENDIAN, SIGNED, BIG_ENDIAN | SIGNED])
@pytest.mark.parametrize("depth", DEPTHS)
def test_order_and_sign_change_nothing_but_the_bytes(depth: int, flags: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values = tones(80, depth)
    content, plain = sound(2, depth, flags), sound(2, depth, SIGNED)
    payload = reference.encode_block(packed(values, plain), 1, plain)
    raw = packed(values, content)
    assert_one_payload(raw, block(raw, 1, content), payload, monkeypatch)


@pytest.mark.parametrize("depth", DEPTHS)
def test_moments_may_be_cut_and_samples_be_missing(depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    content = sound(2, depth, SIGNED, offset=5)
    raw = b"start" + packed(tones(12, depth), content)
    for size in {1, 4, 5, 6, *range(len(raw) - 2 * depth // 8, len(raw) + 1)}:
        assert_as_reference(raw[:size], 4, content, monkeypatch)


@pytest.mark.parametrize(("channels", "rate"), [(1, 16000), (2, 44100), (1, 8000), (6, 48000)])
def test_headers_are_expected(channels: int, rate: int, monkeypatch: pytest.MonkeyPatch) -> None:
    content = sound(channels, 16, offset=44)
    data = packed(tones(60, 16), content)
    head = header(channels, 16, rate, 44 + len(data))
    assert_as_reference(head + data, 2, content, monkeypatch)
    assert_as_reference(bytes(range(44)) + data, 2, content, monkeypatch)
    known = reference.encode_block(head + data, 2, content)
    assert len(known) < len(reference.encode_block(data, 2, sound(channels, 16))) + 10
    for size in (3, 30, 44):
        assert_as_reference(head[:size], 2, content, monkeypatch)


@pytest.mark.parametrize(("channels", "depth"), [(1, 8), (1, 16), (2, 24), (1, 32)])
def test_the_reference_decodes_payloads_of_the_kernel(channels: int, depth: int) -> None:
    content = sound(channels, depth)
    raw = packed(tones(100, depth), content)
    payload = native.encode_block(raw, block(raw, 4, content))
    assert payload is not None
    assert reference.decode_block(payload, len(raw), 4, content) == raw


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("channels", "depth"), [(1, 8), (1, 16), (2, 16), (2, 24), (5, 32)])
def test_variants_agree_on_long_blocks(
    channels: int, depth: int, profile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = sound(channels, depth)
    raw = packed([v for name in signals(depth) for v in signals(depth)[name]] * 3 + tones(5000, depth), content)
    payloads = set()
    for variant in VARIANTS:
        monkeypatch.setenv("LMZIP_SIMD", variant)
        payload = native.encode_block(raw, block(raw, profile, content))
        assert payload is not None
        payloads.add(payload)
        assert native.decode_block(payload, block(raw, profile, content)) == raw
    assert len(payloads) == 1


offsets = st.sampled_from([0, 1, 44, 60])
contents = st.builds(sound, st.integers(1, 8), st.sampled_from(DEPTHS), st.integers(0, 3), offsets) | st.builds(
    sound, st.integers(1, 8), st.just(32), st.sampled_from([FLOAT, FLOAT | BIG_ENDIAN]), offsets
)


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=1, max_size=2000), st.sampled_from(PROFILES), contents)
def test_any_block_comes_back(raw: bytes, profile: int, content: Content) -> None:
    payload = native.encode_block(raw, block(raw, profile, content))
    if payload is not None:
        assert len(payload) < len(raw)
        assert native.decode_block(payload, block(raw, profile, content)) == raw


@settings(max_examples=15, deadline=None)
@given(st.data(), st.sampled_from(SHAPES), contents)
def test_any_samples_are_coded_as_by_the_reference(data: st.DataObject, profile: int, content: Content) -> None:
    top = 1 << (content.depth - 1)
    extreme = st.sampled_from([-top, top - 1, 0, -1, 1])
    values = data.draw(st.lists(extreme | st.integers(-top, top - 1), max_size=60))
    raw = bytes(content.offset) + packed(values, content) + b"."
    payload = reference.encode_block(raw, profile, content)
    assert reference.decode_block(payload, len(raw), profile, content) == raw
    assert native.decode_block(payload, block(raw, profile, content)) == raw


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.integers(1, 5000), st.sampled_from(PROFILES), contents)
def test_garbage_is_refused_or_gives_some_bytes(payload: bytes, raw_size: int, profile: int, content: Content) -> None:
    spec = BlockSpec(raw_size, profile, False, content=content)
    with contextlib.suppress(DamagedError):
        assert len(native.decode_block(payload, spec)) == raw_size


def test_a_long_silence_costs_nearly_nothing() -> None:
    content = sound(2, 16)
    raw = bytes(400_000)
    payload = native.encode_block(raw, block(raw, 4, content))
    assert payload is not None and len(payload) < 60


def test_equal_channels_cost_one() -> None:
    one, two = sound(1, 16), sound(2, 16)
    values = tones(20_000, 16)
    raw = packed(values, one), packed([v for v in values for _ in range(2)], two)
    alone, both = (native.encode_block(r, block(r, 4, c)) for r, c in zip(raw, (one, two), strict=True))
    assert alone is not None and both is not None
    assert len(both) < len(alone) * 1.1


def test_low_bits_that_are_zero_cost_little() -> None:
    coarse, fine = sound(1, 16), sound(1, 24)
    values = tones(20_000, 16)
    raw = packed(values, coarse), packed([v << 8 for v in values], fine)
    payloads = [native.encode_block(r, block(r, 4, c)) for r, c in zip(raw, (coarse, fine), strict=True)]
    assert payloads[0] is not None and payloads[1] is not None
    assert len(payloads[1]) < len(payloads[0]) * 1.02


@pytest.mark.parametrize(("depth", "full_scale"), [(16, 32768), (24, 8388608)])
def test_floats_that_were_integers_cost_little_more(depth: int, full_scale: int) -> None:
    integers, content = sound(1, depth), sound(1, 32, FLOAT)
    values = tones(20_000, depth)
    raw = packed(values, integers), floats([v / full_scale for v in values], content)
    payloads = [native.encode_block(r, block(r, 4, c)) for r, c in zip(raw, (integers, content), strict=True)]
    assert payloads[0] is not None and payloads[1] is not None
    assert len(payloads[1]) < len(payloads[0]) * 1.1


@pytest.mark.parametrize(
    "content",
    [
        sound(0, 16),
        sound(9, 16),
        sound(1, 0),
        sound(1, 12),
        sound(1, 64),
        sound(1, 16, FLOAT),
        sound(1, 24, FLOAT),
        sound(1, 32, FLOAT | SIGNED),
        sound(1, 16, 16),
        sound(1, 16, offset=-1),
        Content(SOUND, 1, 16, SIGNED, 640, 0),
    ],
)
def test_other_contents_are_refused(content: Content) -> None:
    spec = BlockSpec(1000, 4, False, content=content)
    with pytest.raises(ValueError):
        native.memory_size(spec)


def test_several_lanes_are_refused() -> None:
    with pytest.raises(ValueError):
        native.memory_size(BlockSpec(1000, 4, False, 2, content=sound(1, 16)))


def test_memory_is_bounded() -> None:
    assert native.memory_size(BlockSpec(1 << 30, 6, False, content=sound(8, 8))) < 32 << 20

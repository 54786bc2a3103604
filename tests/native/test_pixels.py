"""The base for pixels: equal to its reference, in every variant; sound for any content and any payload."""

from __future__ import annotations

import random
import resource
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_tools import VARIANTS, alone, assert_one_payload
from lmzip.native._kernel import ffi, lib
from media_tools import shaded

from lmzip import native
from lmzip.block import BIG_ENDIAN, FLOAT, IMAGE, LINE_UNIT_SHIFT, PALETTE, SIGNED, BlockSpec, Content
from lmzip.errors import DamagedError
from lmzip.native.external import ExternalBytes

T = TypeVar("T")
PROFILES = range(1, native.N_PROFILES + 1)
SHAPES = (1, 2, 4)  # the other profiles have these
MIB = 1 << 20
quick = settings(max_examples=40, deadline=None)


def padded_to(size: int) -> int:
    """Return the flags of lines that are padded to multiples of 1, 2, 4 or 8 bytes."""
    return (size.bit_length() - 1) << LINE_UNIT_SHIFT


def image(channels: int = 1, depth: int = 8, width: int = 9, offset: int = 0, flags: int = 0) -> Content:
    return Content(IMAGE, channels, depth, flags, width, offset)


def block(raw_size: int, content: Content, profile: int = 4) -> BlockSpec:
    return BlockSpec(raw_size, profile, False, content=content)


def photograph(size: int, of: Content, seed: int = 1) -> bytes:
    """Return `size` bytes of a header and of lines of something smooth with noise, as the content says."""
    source = random.Random(seed)
    is_wide = of.depth == 16
    raw = bytearray(source.randbytes(of.offset))
    y = 0
    while len(raw) < size:
        line = bytearray()
        for x in range(of.width):
            for channel in range(of.channels):
                value = 90 + 6 * x - 3 * y + 20 * channel + x * y // 4 + source.randrange(5)
                value = value * 257 % 65536 if is_wide else value % 256
                line += value.to_bytes(1 + is_wide, "big" if of.flags & BIG_ENDIAN else "little")
        raw += line + bytes(of.line_size - len(line))
        y += 1
    return bytes(raw[:size])


def in_all_variants(action: Callable[[], T]) -> T:
    """Return what the action does, which is the same in every variant."""
    results = []
    with pytest.MonkeyPatch.context() as patch:
        for variant in VARIANTS:
            patch.setenv("LMZIP_SIMD", variant)
            results.append(action())
    assert all(result == results[0] for result in results)
    return results[0]


def decoded(payload: bytes, spec: BlockSpec) -> bytes | None:
    """Return what every variant makes of a payload, None for one that is refused."""

    def decode() -> bytes | None:
        try:
            return bytes(native.decode_block(payload, spec))
        except DamagedError:
            return None

    return in_all_variants(decode)


def comes_back(raw: bytes, spec: BlockSpec) -> bytes | None:
    """Check a round trip in every variant; return the payload, None where it would not be smaller."""
    payload = in_all_variants(lambda: native.encode_block(raw, spec))
    if payload is not None:
        assert len(payload) < len(raw)
        assert decoded(payload, spec) == raw
    return payload


def reference_content(of: Content):
    from lmzip import reference

    return reference.Content(of.kind, of.channels, of.depth, of.flags, of.offset, of.width)


def reference_payload(raw: bytes, spec: BlockSpec) -> bytes:
    from lmzip import reference

    return reference.encode_block(raw, spec.profile, content=reference_content(spec.content))


def reference_raw(payload: bytes, spec: BlockSpec) -> bytes:
    from lmzip import reference

    return reference.decode_block(payload, spec.raw_size, spec.profile, content=reference_content(spec.content))


CONTENTS = {
    "grey": image(),
    "one column": image(width=1),
    "two channels": image(2, width=5),
    "colour": image(3, width=7, offset=15),
    "four channels": image(4, width=4),
    "16 bits": image(depth=16),
    "16 bits, big-endian": image(depth=16, flags=BIG_ENDIAN),
    "16 bits, signed, colour": image(3, 16, width=5, flags=SIGNED),
    "16 bits, four channels": image(4, 16, width=3),
    "signed": image(flags=SIGNED),
    "palette": image(flags=PALETTE),
    "padded to 2": image(width=7, flags=padded_to(2)),
    "padded to 4": image(3, width=3, flags=padded_to(4)),
    "padded to 8, 16 bits": image(1, 16, width=5, flags=padded_to(8), offset=3),
    "a line longer than the block": image(width=1000),
}


# --- the reference ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", SHAPES)
@pytest.mark.parametrize("name", CONTENTS)
def test_kernel_equals_reference(name: str, profile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = photograph(190, CONTENTS[name])
    spec = block(len(raw), CONTENTS[name], profile)
    assert_one_payload(raw, spec, reference_payload(raw, spec), monkeypatch)


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_have_the_shapes_of_the_reference(profile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = photograph(60, image(3, width=4))
    spec = block(len(raw), image(3, width=4), profile)
    assert_one_payload(raw, spec, reference_payload(raw, spec), monkeypatch)


@pytest.mark.parametrize("value", [0, 255])
def test_kernel_equals_reference_where_histograms_are_halved(value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = bytes([value]) * 600
    spec = block(len(raw), image(width=64), 1)
    assert_one_payload(raw, spec, reference_payload(raw, spec), monkeypatch)


@pytest.mark.parametrize("depth", [8, 16])
def test_kernel_equals_reference_at_the_ends_of_the_range(depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Black and white at random: the largest differences, clipped predictions, residuals of all signs."""
    source = random.Random(1)
    of = image(3, depth, width=5)
    raw = b"".join(source.choice([b"\0", b"\xff"]) * (depth // 8) for _ in range(300 * 8 // depth))
    spec = block(len(raw), of)
    assert_one_payload(raw, spec, reference_payload(raw, spec), monkeypatch)


@pytest.mark.parametrize("size", [1, 2, 3, 14, 15, 16, 35, 36, 37])
def test_blocks_may_end_anywhere(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("colour", "16 bits, signed, colour", "padded to 8, 16 bits"):
        raw = photograph(size, CONTENTS[name])
        spec = block(size, CONTENTS[name], 2)
        assert_one_payload(raw, spec, reference_payload(raw, spec), monkeypatch)


def test_an_offset_may_be_beyond_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = b"not one sample is in it" * 3
    for offset in (len(raw) - 1, len(raw), len(raw) + 1, 65535):
        spec = block(len(raw), image(offset=offset))
        assert_one_payload(raw, spec, reference_payload(raw, spec), monkeypatch)


@settings(max_examples=25, deadline=None)
@given(
    st.binary(min_size=1, max_size=100),
    st.builds(image, st.integers(1, 4), st.sampled_from([8, 16]), st.integers(1, 20), st.integers(0, 30)),
    st.sampled_from([0, BIG_ENDIAN, SIGNED, SIGNED | BIG_ENDIAN]),
    st.sampled_from([1, 2, 4, 8]),
    st.sampled_from(SHAPES),
)
def test_the_reference_reads_any_block_of_the_kernel(
    raw: bytes, of: Content, flags: int, padding: int, profile: int
) -> None:
    of = image(of.channels, of.depth, of.width, of.offset, flags | padded_to(padding))
    raw *= 3
    spec = block(len(raw), of, profile)
    expected = reference_payload(raw, spec)
    assert native.encode_block(raw, spec) == (expected if len(expected) < len(raw) else None)
    assert reference_raw(expected, spec) == raw
    assert native.decode_block(expected, spec) == raw


# --- variants, round trips -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", SHAPES)
@pytest.mark.parametrize("name", CONTENTS)
def test_variants_agree_on_long_blocks(name: str, profile: int) -> None:
    raw = photograph(12_000, CONTENTS[name])
    assert comes_back(raw, block(len(raw), CONTENTS[name], profile)) is not None


@pytest.mark.parametrize("profile", SHAPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 50), (50, 1), (2, 3), (13, 11), (255, 3), (256, 2)])
def test_any_shape_of_picture_comes_back(width: int, height: int, channels: int, profile: int) -> None:
    raw = shaded(width, height, channels)
    payload = comes_back(raw, block(len(raw), image(channels, width=width), profile))
    assert payload is not None or len(raw) < 20


def test_last_lines_may_be_cut() -> None:
    whole = shaded(20, 4, 3)
    for size in range(len(whole) - 61, len(whole) + 1):
        comes_back(whole[:size], block(size, image(3, width=20), 1))


@pytest.mark.parametrize("padding", [1, 2, 4, 8])
@pytest.mark.parametrize("width", range(1, 10))
def test_padded_lines_come_back(width: int, padding: int) -> None:
    of = image(width=width, flags=padded_to(padding), offset=2)
    assert of.line_size % padding == 0
    raw = photograph(300, of)
    for size in (300, 299, 298, 297):
        comes_back(raw[:size], block(size, of, 2))


def test_padding_of_zeros_costs_little() -> None:
    width = 33
    lines = [shaded(width, 1, seed=i) for i in range(100)]
    plain, padded = b"".join(lines), b"".join(line + bytes(7) for line in lines)
    without = comes_back(plain, block(len(plain), image(width=width)))
    payload = comes_back(padded, block(len(padded), image(width=width, flags=padded_to(8))))
    assert without is not None and payload is not None
    assert len(payload) < len(without) + 60


@pytest.mark.parametrize("depth", [8, 16])
def test_sign_and_order_change_nothing_but_the_bytes(depth: int) -> None:
    plain = photograph(2000, image(depth=depth))
    samples = [plain[i : i + depth // 8] for i in range(0, len(plain), depth // 8)]
    upper = depth // 8 - 1
    signed = b"".join(s[:upper] + bytes([s[upper] ^ 128]) for s in samples)
    swapped = b"".join(s[::-1] for s in samples)
    payloads = {
        comes_back(plain, block(len(plain), image(depth=depth))),
        comes_back(signed, block(len(signed), image(depth=depth, flags=SIGNED))),
        comes_back(swapped, block(len(swapped), image(depth=depth, flags=BIG_ENDIAN))),
    }
    assert len(payloads) == 1 and None not in payloads


def test_a_palette_changes_nothing() -> None:
    raw = shaded(30, 30)
    payloads = {comes_back(raw, block(len(raw), image(width=30, flags=flags))) for flags in (0, PALETTE)}
    assert len(payloads) == 1 and None not in payloads


@pytest.mark.parametrize("profile", SHAPES)
@pytest.mark.parametrize("pixel", [b"\0", b"\x64", b"\xff", b"\x07\x5a\xc8", b"\0\0\0\xff"])
def test_flat_pictures_cost_nearly_nothing(pixel: bytes, profile: int) -> None:
    raw = pixel * 10_000
    payload = comes_back(raw, block(len(raw), image(len(pixel), width=100), profile))
    assert payload is not None and len(payload) < 20


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_smaller_than_as_bytes(channels: int) -> None:
    raw = shaded(100, 40, channels)
    payload = native.encode_block(raw, block(len(raw), image(channels, width=100)))
    as_bytes = native.encode_block(raw, alone(len(raw), 4))
    assert payload is not None and as_bytes is not None
    assert len(payload) < 0.9 * len(as_bytes)


def test_noise_has_no_payload() -> None:
    raw = random.Random(1).randbytes(5000)
    assert comes_back(raw, block(len(raw), image(3, width=50))) is None


contents = st.builds(
    image,
    st.integers(1, 4),
    st.sampled_from([8, 16]),
    st.integers(1, 300),
    st.integers(0, 400),
    st.integers(0, 63).map(lambda flags: flags & ~FLOAT),
)


@quick
@given(st.binary(min_size=1, max_size=300), st.integers(1, 4), contents, st.sampled_from(SHAPES))
def test_any_bytes_come_back(raw: bytes, n: int, of: Content, profile: int) -> None:
    comes_back(raw * n, block(len(raw) * n, of, profile))


# --- hostile payloads ------------------------------------------------------------------------------------------------


@quick
@given(st.binary(max_size=300), st.integers(1, 1500), contents, st.sampled_from(SHAPES))
def test_garbage_has_one_outcome(payload: bytes, raw_size: int, of: Content, profile: int) -> None:
    raw = decoded(payload, block(raw_size, of, profile))
    assert raw is None or len(raw) == raw_size


@pytest.mark.parametrize("fill", [0x00, 0x55, 0xAA, 0xFE, 0xFF])
@pytest.mark.parametrize("name", ["grey", "colour", "16 bits, four channels"])
def test_payloads_of_one_byte_have_one_outcome(name: str, fill: int) -> None:
    for size in (0, 1, 8, 400):
        decoded(bytes([fill]) * size, block(1200, CONTENTS[name]))


@pytest.mark.parametrize("name", ["grey", "16 bits, signed, colour", "padded to 4"])
def test_cut_payloads_have_one_outcome(name: str) -> None:
    raw = photograph(400, CONTENTS[name])
    spec = block(len(raw), CONTENTS[name], 2)
    payload = native.encode_block(raw, spec)
    assert payload is not None
    for size in (0, 1, 7, 8, 9, len(payload) // 2, len(payload) - 9):
        assert decoded(payload[:size], spec) != raw
    decoded(payload[:-1], spec)  # an encoder may write one byte more than it takes (ARITHMETIC 4.3)
    assert decoded(payload + bytes(9), spec) is None


@quick
@given(st.data(), st.sampled_from(sorted(CONTENTS)))
def test_damaged_payloads_have_one_outcome(data: st.DataObject, name: str) -> None:
    raw = photograph(400, CONTENTS[name])
    spec = block(len(raw), CONTENTS[name], 1)
    payload = bytearray(native.encode_block(raw, spec) or raw)
    payload[data.draw(st.integers(0, len(payload) - 1))] ^= data.draw(st.integers(1, 255))
    decoded(bytes(payload), spec)


@pytest.mark.parametrize(("channels", "depth"), [(1, 8), (4, 16)])
def test_the_longest_line_takes_any_payload(channels: int, depth: int) -> None:
    longest = image(channels, depth, width=(1 << 20) * 8 // (channels * depth))
    decoded(random.Random(1).randbytes(200), block(1000, longest, 1))


# --- what there is ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "of",
    [
        image(0),
        image(-1),
        image(5),
        image(depth=0),
        image(depth=1),
        image(depth=12),
        image(depth=24),
        image(depth=32),
        image(width=0),
        image(width=(1 << 20) + 1),
        image(3, width=(1 << 20) // 3 + 1),
        image(4, 16, width=(1 << 17) + 1),
        image(width=2**32 - 1),
        image(offset=-1),
        image(flags=FLOAT),
        image(flags=64),
        image(flags=-1),
    ],
)
def test_what_is_no_image_is_refused(of: Content) -> None:
    for profile in SHAPES:
        spec = block(100, of, profile)
        assert not native.is_block(spec)
        for refuse in (native.memory_size, lambda s: native.encode_block(bytes(100), s)):
            with pytest.raises(ValueError):
                refuse(spec)
        with pytest.raises(ValueError):
            native.decode_block(bytes(100), spec)


@pytest.mark.parametrize("n_lanes", [0, 2, 8, 128])
def test_lanes_are_refused(n_lanes: int) -> None:
    spec = BlockSpec(100, 4, False, n_lanes, content=image())
    assert not native.is_block(spec)
    with pytest.raises(ValueError):
        native.encode_block(bytes(100), spec)
    with pytest.raises(ValueError):
        native.decode_block(bytes(100), spec)


def test_experts_are_refused() -> None:
    spec, expert = BlockSpec(100, 4, True, content=image()), ExternalBytes()
    assert native.is_block(block(100, image())) and not native.is_block(spec)
    with pytest.raises(ValueError):
        native.memory_size(spec, expert)
    with pytest.raises(ValueError):
        native.encode_block(bytes(100), spec, expert)
    with pytest.raises(ValueError):
        native.decode_block(bytes(100), spec, expert)


@pytest.mark.parametrize("profile", [-1, 0, 7, 15])
def test_other_profiles_are_refused(profile: int) -> None:
    assert not native.is_block(block(100, image(), profile))
    with pytest.raises(ValueError):
        native.encode_block(bytes(100), block(100, image(), profile))


@pytest.mark.parametrize("of", [*CONTENTS.values(), image(width=1 << 20), image(4, 16, width=1 << 17)])
def test_images_are_blocks(of: Content) -> None:
    assert all(native.is_block(block(size, of, profile)) for profile in PROFILES for size in (0, 1, 1 << 30))


# --- memory ----------------------------------------------------------------------------------------------------------


def memory(profile: int, raw_size: int, of: Content) -> int:
    return in_all_variants(lambda: native.memory_size(block(raw_size, of, profile)))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_memory_of_ordinary_pictures(channels: int) -> None:
    """The cells of the strongest shape take 32 MiB at most, those of the others 8 MiB (PIXELS 1.2)."""
    for width in (64, 640, 4000):
        of = image(channels, width=width)
        for profile in PROFILES:
            assert memory(profile, 60_000, of) < 24 * MIB
            assert memory(profile, 1 << 30, of) < (32 if profile < 4 else 56) * MIB


@pytest.mark.parametrize(("profile", "cell_bits"), [(1, 16), (2, 17), (3, 17), (4, 19), (5, 19), (6, 19)])
def test_memory_grows_with_the_lines_of_cells(profile: int, cell_bits: int) -> None:
    """The number of lines is the power of two of at least raw_size, within 2^15 and 2^cell_bits (PIXELS 1.2)."""
    of, line = image(width=100), 64
    last = memory(profile, 100, of)
    for bits in range(14, cell_bits + 2):
        now = memory(profile, 1 << bits, of)
        assert now - last == (line << min(max(15, bits), cell_bits)) - (line << min(max(15, bits - 1), cell_bits))
        assert memory(profile, (1 << bits) // 2 + 1, of) == now
        last = now


def test_memory_follows_the_block_not_the_line_it_claims() -> None:
    for depth, channels in ((8, 1), (8, 3), (16, 4)):
        longest = image(channels, depth, width=MIB // (channels * depth // 8))
        for raw_size in (1, 100, 5000):
            assert memory(4, raw_size, longest) < memory(4, raw_size, image(channels, depth, width=1)) + 200 * raw_size
        with_cells = memory(4, MIB, image(channels, depth, width=1))
        assert memory(4, MIB, longest) - with_cells > 128 * MIB, "which a whole line does need"
        assert memory(4, 2 * MIB, longest) == memory(4, MIB, longest)


def test_memory_does_not_depend_on_what_changes_no_state() -> None:
    plain = memory(4, 5000, image(3, width=50))
    for flags in (SIGNED, BIG_ENDIAN, PALETTE, padded_to(8)):
        assert memory(4, 5000, image(3, width=50, flags=flags, offset=999)) == plain


def address_space() -> int:
    """Return the bytes of address space that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc")
@pytest.mark.parametrize("profile", SHAPES)
def test_encoders_and_decoders_take_what_is_counted(profile: int) -> None:
    of = image(3, width=1000)
    raw_size = 200_000
    counted = native.memory_size(block(raw_size, of, profile))
    raw, payload = ffi.new("uint8_t[]", raw_size), ffi.new("uint8_t[]", raw_size)
    record = [of.kind, of.channels, of.depth, of.flags, of.offset, of.width]
    spec = ffi.new("lmz_block_spec *", [raw_size, profile, 1, 0, record])
    for new in (
        lambda: lib.lmz_encoder_new(spec, ffi.NULL, 0, raw, payload, raw_size),
        lambda: lib.lmz_decoder_new(spec, ffi.NULL, 0, payload, raw_size, raw),
    ):
        before = address_space()
        coder = new()
        assert coder != ffi.NULL
        taken = address_space() - before
        lib.lmz_coder_free(coder)
        assert abs(taken - counted) < MIB

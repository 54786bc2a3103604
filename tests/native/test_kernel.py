"""The native kernel: equal to the reference, in every SIMD variant; sound for any block."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_tools import VARIANTS, Reached, alone, assert_one_payload
from lmzip.native._kernel import ffi, lib

from lmzip import levels, native, reference
from lmzip.block import DEFAULT_RUN, BlockSpec, Content, Run
from lmzip.errors import DamagedError, UnsupportedError
from lmzip.native import cpu

TEXT = (ROOT / "samples").glob("*.txt")
SAMPLE = next(iter(sorted(TEXT))).read_bytes()
TABLE = b"".join(b"%d;%d;name%d;%0.2f\n" % (i, i * i, i % 7, i / 3) for i in range(90))
RECORDS = b"".join(
    i.to_bytes(2, "little") + bytes([7, i % 3, 0, 200]) + (i * 37 % 1000).to_bytes(5, "big") for i in range(200)
)

PROFILES = range(1, native.N_PROFILES + 1)
SHAPES = PROFILES[:4]  # the other profiles have the last one's, and more lines in the end

# With the number of lanes: what a reference of a kilobyte a second must see of each shape.
BLOCKS = {
    "text": (SAMPLE[5000:5700], (1, 3, 16)),
    "table": (TABLE[:600], (1, 3)),
    "records": (RECORDS[:1200], (1, 3)),  # so many that their length is found, and forgotten a little
    "zeros": (bytes(300), (1, 16)),  # a match of the largest class
    "painted": (bytes(i % 251 for i in range(540)), (1, 3)),
    "fields": (b"a;" * 80 + b"\n" + b"b;" * 70, (1, 3)),  # more than are told apart
    "random": (random.Random(5).randbytes(150), (1, 16)),
    "one": (b"a", (1, 3, 16)),
    "high": ("Ünïcödé wörds — ∑ 日本語 ".encode() * 8, (1, 3)),
}


def encode(raw: bytes, profile: int, n_lanes: int = 1, run: Run = DEFAULT_RUN) -> bytes | None:
    return native.encode_block(raw, alone(len(raw), profile, n_lanes), run=run)


def decode(payload: bytes, raw_size: int, profile: int, n_lanes: int = 1, run: Run = DEFAULT_RUN) -> memoryview:
    return native.decode_block(payload, alone(raw_size, profile, n_lanes), run=run)


@pytest.mark.parametrize("profile", SHAPES)
@pytest.mark.parametrize(("name", "n_lanes"), [(name, n) for name, (_, lanes) in BLOCKS.items() for n in lanes])
def test_kernel_equals_reference(name: str, profile: int, n_lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = BLOCKS[name][0]
    expected = reference.encode_block(raw, profile, n_lanes)
    assert_one_payload(raw, alone(len(raw), profile, n_lanes), expected, monkeypatch)


@pytest.mark.parametrize("profile", [1, 4])
def test_the_reference_decodes_payloads_of_the_kernel(profile: int) -> None:
    raw = BLOCKS["table"][0][:300]
    payload = encode(raw, profile, 2)
    assert payload is not None
    assert reference.decode_block(payload, len(raw), profile, 2) == raw


@pytest.mark.parametrize("profile", PROFILES)
def test_variants_agree_on_long_blocks(profile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = SAMPLE[:60_000] + RECORDS * 10 + TABLE
    payloads = set()
    for variant in VARIANTS:
        monkeypatch.setenv("LMZIP_SIMD", variant)
        payload = encode(raw, profile, 5)
        assert payload is not None
        payloads.add(payload)
        assert decode(payload, len(raw), profile, 5) == raw
    assert len(payloads) == 1


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=1, max_size=3000), st.sampled_from(PROFILES), st.integers(1, 128))
def test_any_block_comes_back(raw: bytes, profile: int, n_lanes: int) -> None:
    payload = encode(raw, profile, n_lanes)
    if payload is not None:
        assert len(payload) < len(raw)
        assert decode(payload, len(raw), profile, n_lanes) == raw


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.integers(1, 5000), st.sampled_from(PROFILES), st.integers(1, 128))
def test_garbage_is_refused_or_gives_some_bytes(payload: bytes, raw_size: int, profile: int, n_lanes: int) -> None:
    with contextlib.suppress(DamagedError):
        assert len(decode(payload, raw_size, profile, n_lanes)) == raw_size


@pytest.mark.parametrize("n_lanes", [1, 7, 64, 128])
def test_blocks_of_any_size_have_lanes(n_lanes: int) -> None:
    for raw_size in {1, n_lanes - 1, n_lanes, n_lanes + 1, 2 * n_lanes - 1, 2 * n_lanes + 1, 10 * n_lanes + 3} - {0}:
        raw = bytes(i % 5 for i in range(raw_size))
        payload = encode(raw, 4, n_lanes)
        if payload is not None:
            assert decode(payload, raw_size, 4, n_lanes) == raw


def test_short_and_long_payloads_are_damaged() -> None:
    raw = SAMPLE[:4000]
    payload = encode(raw, 3)
    assert payload is not None
    for wrong in (payload[:-12], payload + b"ten more bytes", b""):
        with pytest.raises(DamagedError):
            decode(wrong, len(raw), 3)


def test_progress_adds_up_and_can_abandon() -> None:
    raw = SAMPLE[:90_000] * 2
    seen: list[int] = []
    payload = encode(raw, 1, 3, Run(seen.append))
    assert payload is not None and sum(seen) == len(raw) and len(seen) > 1
    seen.clear()
    decode(payload, len(raw), 1, 3, Run(seen.append))
    assert sum(seen) == len(raw)

    def stop(n: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode(raw, 1, 3, Run(stop))


# --- how far a decoder has come ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_lanes", [1, 3, 128])
def test_what_is_reached_is_right(n_lanes: int) -> None:
    raw = SAMPLE[:70_001]
    payload = encode(raw, 2, n_lanes, Run(reached=lambda view, n: pytest.fail("an encoder reaches nothing")))
    assert payload is not None
    reached = Reached(raw, alone(len(raw), 2, n_lanes))
    assert decode(payload, len(raw), 2, n_lanes, Run(reached=reached)) == raw
    assert len(reached.seen) > 2


@pytest.mark.parametrize("n_lanes", [1, 5])
def test_decoding_stops_where_it_is_told(n_lanes: int) -> None:
    raw = SAMPLE[:80_000]
    payload = encode(raw, 2, n_lanes)
    assert payload is not None
    for limit in (1, 5000):
        seen: list[int] = []
        reached = Reached(raw, alone(len(raw), 2, n_lanes), limit)
        view = decode(payload, len(raw), 2, n_lanes, Run(seen.append, reached=reached))
        assert reached.seen[-1] >= limit and (len(reached.seen) < 2 or reached.seen[-2] < limit)
        assert sum(seen) < len(raw) == len(view), "the rest is not decoded"

    def fail(view: memoryview, n: int) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode(payload, len(raw), 2, n_lanes, Run(reached=fail))


@pytest.mark.parametrize(("raw_size", "n_lanes"), [(10, 3), (7, 5), (4, 8), (1, 1), (300, 128)])
def test_reached_counts_bytes_of_every_lane(raw_size: int, n_lanes: int) -> None:
    """Step by step: lanes that have ended, or are empty, count as all there is."""
    raw, payload = bytes(raw_size), ffi.new("uint8_t[]", 400)
    spec = alone(raw_size, 1, n_lanes)
    c_spec = ffi.new("lmz_block_spec *", [raw_size, 1, n_lanes, 0, []])
    coder = lib.lmz_encoder_new(c_spec, ffi.NULL, native.simd_number(), raw, payload, 400)
    coder = ffi.gc(coder, lib.lmz_coder_free)
    found = [lib.lmz_coder_reached(coder)]
    while lib.lmz_coder_run(coder, 1) == lib.LMZ_MORE:
        found.append(lib.lmz_coder_reached(coder))
    assert [*found, lib.lmz_coder_reached(coder)] == list(range(spec.chunk_size + 1))
    assert lib.lmz_coder_position(coder) == raw_size


# --- what there is not ------------------------------------------------------------------------------------------------


def test_bad_arguments_are_value_errors() -> None:
    for profile, n_lanes in ((0, 1), (99, 1), (native.N_PROFILES + 1, 1), (-1, 1), (1, 0), (1, 129), (1, -1)):
        spec = alone(3, profile, n_lanes)
        for call in (
            lambda spec=spec: native.encode_block(b"abc", spec),
            lambda spec=spec: native.decode_block(b"ab", spec),
            lambda spec=spec: native.memory_size(spec),
        ):
            with pytest.raises(ValueError, match="no such profile" if n_lanes == 1 else "lanes must be 1 to 128"):
                call()
    with pytest.raises(ValueError):
        encode(b"", 1)
    with pytest.raises(ValueError, match="empty block"):
        decode(b"", 0, 1)
    with pytest.raises(ValueError, match="of 4 bytes cannot be made of 3"):
        native.encode_block(b"abc", alone(4, 1))
    for raw_size in (1 << 31, (1 << 30) + 1, 1 << 63, -1):
        with pytest.raises(ValueError, match="too large"):
            native.memory_size(alone(raw_size, 1))


def test_what_no_base_codes_is_refused() -> None:
    """A window is an expert's, and no image has five channels."""
    image = Content(1, 5, 8, 0, 2)
    for spec in (BlockSpec(12, 1, False, context=1), BlockSpec(12, 1, False, content=image)):
        with pytest.raises(ValueError):
            native.memory_size(spec)
        for call in (native.encode_block, native.decode_block):
            with pytest.raises((ValueError, MemoryError)):
                call(bytes(12), spec)


def test_a_block_has_the_model_that_it_says() -> None:
    for call in (
        lambda: native.encode_block(b"abc", BlockSpec(3, 4, True)),
        lambda: native.decode_block(b"ab", BlockSpec(3, 4, True)),
        lambda: native.memory_size(BlockSpec(3, 4, True)),
    ):
        with pytest.raises(ValueError, match="with a model needs one"):
            call()


@pytest.mark.parametrize("profile", PROFILES)
def test_memory_follows_the_block_up_to_its_bound(profile: int) -> None:
    sizes = [native.memory_size(alone(1 << bits, profile)) for bits in range(10, 31)]
    assert sizes == sorted(sizes)
    assert sizes[0] < 4 << 20 and sizes[-1] < 400 << 20


# --- variants ---------------------------------------------------------------------------------------------------------


def test_forcing_a_missing_variant_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMZIP_SIMD", "altivec")
    with pytest.raises(UnsupportedError, match="portable"):
        encode(b"abc", 1)


def test_the_table_of_variants(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are different and end the table; each that is here can be asked for by its name, and one is the best."""
    names = []
    while (name := lib.lmz_simd_name(len(names))) != ffi.NULL:
        names.append(ffi.string(name).decode())
    assert names[0] == "portable" and len(set(names)) == len(names)
    for number in (-1, len(names), 1 << 30):
        assert lib.lmz_simd_name(number) == ffi.NULL and not lib.lmz_simd_available(number)
    assert [name for number, name in enumerate(names) if lib.lmz_simd_available(number)] == VARIANTS
    for for_experts in (False, True):
        monkeypatch.delenv("LMZIP_SIMD", raising=False)
        assert names[cpu.simd_number(for_experts=for_experts)] in VARIANTS
        for name in VARIANTS:
            monkeypatch.setenv("LMZIP_SIMD", name)
            assert cpu.simd_number(for_experts=for_experts) == names.index(name)
            assert cpu.simd_number("portable", for_experts=for_experts) == 0, "an argument goes before the variable"
    monkeypatch.delenv("LMZIP_SIMD")
    assert cpu.simd_number(for_experts=True) == names.index(VARIANTS[-1])


def test_profiles_have_names() -> None:
    assert list(levels.PROFILE_NAMES) == list(PROFILES)


def test_lanes_cost_little() -> None:
    """Lockstep lanes share what they learn: 16 of them cost a few per cent where strangers would cost a third."""
    raw = SAMPLE[:90_000]
    sizes = {}
    for n_lanes in (1, 16):
        payload = encode(raw, 4, n_lanes)
        assert payload is not None
        sizes[n_lanes] = len(payload)
    chunks = [raw[i : i + len(raw) // 16] for i in range(0, len(raw), len(raw) // 16)]
    strangers = sum(len(encode(chunk, 4) or chunk) for chunk in chunks)
    assert sizes[16] < 1.06 * sizes[1] < strangers


def test_tables_are_those_of_the_reference() -> None:
    script = ROOT / "scripts" / "make_tables.py"
    assert subprocess.run([sys.executable, str(script), "--check"], check=False).returncode == 0

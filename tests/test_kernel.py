"""The native kernel: equal to the reference, in every SIMD variant; sound for any block."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzip import native, reference
from lmzip.errors import DamagedError, UnsupportedError

TEXT = (Path(__file__).parent.parent / "samples").glob("*.txt")
SAMPLE = next(iter(sorted(TEXT))).read_bytes()
TABLE = b"".join(b"%d;%d;name%d;%0.2f\n" % (i, i * i, i % 7, i / 3) for i in range(90))
RECORDS = b"".join(
    i.to_bytes(2, "little") + bytes([7, i % 3, 0, 200]) + (i * 37 % 1000).to_bytes(5, "big") for i in range(200)
)

NGRAM_METHODS = range(1, native.NET_METHOD)

BLOCKS = {
    "text": SAMPLE[5000:6200],
    "table": TABLE[:1200],
    "records": RECORDS[:1500],
    "zeros": bytes(600),
    "painted": bytes(i % 251 for i in range(700)),
    "random": random.Random(5).randbytes(300),
    "one": b"a",
    "high": "Ünïcödé wörds — ∑ 日本語 ".encode() * 12,
}


@pytest.mark.parametrize("n_lanes", [1, 3, 16])
@pytest.mark.parametrize("method", NGRAM_METHODS)
@pytest.mark.parametrize("name", BLOCKS)
def test_kernel_equals_reference(name: str, method: int, n_lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = BLOCKS[name]
    expected = reference.encode_block(raw, method, n_lanes)
    for variant in native.simd_variants():
        monkeypatch.setenv("LMZIP_SIMD", variant)
        payload = native.encode_block(raw, method, n_lanes)
        assert payload == (expected if len(expected) < len(raw) else None), variant
        if len(expected):
            assert native.decode_block(expected, len(raw), method, n_lanes) == raw, variant


@pytest.mark.parametrize("method", [1, 4])
def test_reference_decodes(method: int) -> None:
    raw = BLOCKS["table"][:500]
    payload = native.encode_block(raw, method, 2)
    assert payload is not None
    assert reference.decode_block(payload, len(raw), method, 2) == raw


@pytest.mark.parametrize("method", NGRAM_METHODS)
def test_variants_agree_on_long_blocks(method: int, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = SAMPLE[:60_000] + RECORDS * 10 + TABLE
    payloads = set()
    for variant in native.simd_variants():
        monkeypatch.setenv("LMZIP_SIMD", variant)
        payload = native.encode_block(raw, method, 5)
        assert payload is not None
        payloads.add(payload)
        assert native.decode_block(payload, len(raw), method, 5) == raw
    assert len(payloads) == 1


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=1, max_size=3000), st.sampled_from(NGRAM_METHODS), st.integers(1, 128))
def test_any_block_comes_back(raw: bytes, method: int, n_lanes: int) -> None:
    payload = native.encode_block(raw, method, n_lanes)
    if payload is not None:
        assert len(payload) < len(raw)
        assert native.decode_block(payload, len(raw), method, n_lanes) == raw


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.integers(1, 5000), st.sampled_from(NGRAM_METHODS), st.integers(1, 128))
def test_garbage_is_refused_or_gives_some_bytes(payload: bytes, raw_size: int, method: int, n_lanes: int) -> None:
    with contextlib.suppress(DamagedError):
        assert len(native.decode_block(payload, raw_size, method, n_lanes)) == raw_size


@pytest.mark.parametrize("n_lanes", [1, 7, 64, 128])
def test_lane_boundaries(n_lanes: int) -> None:
    for raw_size in {1, n_lanes - 1, n_lanes, n_lanes + 1, 2 * n_lanes - 1, 2 * n_lanes + 1, 10 * n_lanes + 3} - {0}:
        raw = bytes(i % 5 for i in range(raw_size))
        payload = native.encode_block(raw, 4, n_lanes)
        if payload is not None:
            assert native.decode_block(payload, raw_size, 4, n_lanes) == raw


def test_short_and_long_payloads_are_damaged() -> None:
    raw = SAMPLE[:4000]
    payload = native.encode_block(raw, 3)
    assert payload is not None
    for wrong in (payload[:-12], payload + b"ten more bytes", b""):
        with pytest.raises(DamagedError):
            native.decode_block(wrong, len(raw), 3)


def test_progress_adds_up_and_can_abandon() -> None:
    raw = SAMPLE[:90_000] * 2
    seen: list[int] = []
    payload = native.encode_block(raw, 1, 3, seen.append)
    assert payload is not None and sum(seen) == len(raw) and len(seen) > 1
    seen.clear()
    native.decode_block(payload, len(raw), 1, 3, seen.append)
    assert sum(seen) == len(raw)

    def stop(n: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        native.encode_block(raw, 1, 3, stop)


def test_bad_arguments() -> None:
    for method, n_lanes in ((0, 1), (99, 1), (7, 1), (-1, 1), (1, 0), (1, 129)):
        with pytest.raises(ValueError):
            native.encode_block(b"abc", method, n_lanes)
    with pytest.raises(ValueError):
        native.encode_block(b"", 1)
    with pytest.raises(ValueError):
        native.memory_size(1, 1 << 31)


@pytest.mark.parametrize("method", NGRAM_METHODS)
def test_memory_follows_the_block_up_to_its_bound(method: int) -> None:
    sizes = [native.memory_size(method, 1 << bits) for bits in range(10, 31)]
    assert sizes == sorted(sizes)
    assert sizes[0] < 4 << 20 and sizes[-1] < 400 << 20


def test_forcing_a_missing_variant_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMZIP_SIMD", "altivec")
    with pytest.raises(UnsupportedError, match="portable"):
        native.encode_block(b"abc", 1)


def test_lanes_cost_little() -> None:
    """Lockstep lanes share what they learn: 16 of them cost a few per cent where strangers would cost a third."""
    raw = SAMPLE[:90_000]
    sizes = {}
    for n_lanes in (1, 16):
        payload = native.encode_block(raw, 4, n_lanes)
        assert payload is not None
        sizes[n_lanes] = len(payload)
    chunks = [raw[i : i + len(raw) // 16] for i in range(0, len(raw), len(raw) // 16)]
    strangers = sum(len(native.encode_block(chunk, 4) or chunk) for chunk in chunks)
    assert sizes[16] < 1.06 * sizes[1] < strangers


def test_tables_are_those_of_the_reference() -> None:
    script = Path(__file__).parent.parent / "scripts" / "make_tables.py"
    assert subprocess.run([sys.executable, str(script), "--check"], check=False).returncode == 0

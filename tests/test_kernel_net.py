"""Methods that mix a net in: equal to the reference in every variant and number of threads, sound for any block."""

from __future__ import annotations

import contextlib
import itertools
import random
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path

import pytest
import tiny_net
from conftest import ROOT, SAMPLE, TINY
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzip import native, reference
from lmzip.errors import DamagedError
from lmzip.models import weights

METHODS = range(native.NET_METHOD, native.TOKEN_METHOD)
LANES = (1, 2, 3, 7, 8, 16, 33, 128)
VARIANTS = native.simd_variants()
TEXT = SAMPLE.read_bytes()
BLOCKS = {
    "text": TEXT[5000:5500],
    "records": b"".join(i.to_bytes(2, "little") + bytes([7, i % 3, 0, 200, i * 37 % 251]) for i in range(60)),
    "zeros": bytes(200),
    "random": random.Random(5).randbytes(150),
    "one": b"a",
    "high": "Ünïcödé wörds — ∑ 日本語 ".encode() * 5,
}


@cache
def weight_file(kind: str = "plausible") -> bytes:
    """A net that hardly predicts, or one of the largest weights, whose predictions are as sure as can be, and wrong."""
    return tiny_net.tiny_weights(seed=3, kind=kind, **TINY)


@cache
def net(simd: str | None = None, kind: str = "plausible") -> native.Net:
    return weights.load_net(weight_file(kind), Path(kind), simd)


def payload_of(raw: bytes, *arguments) -> bytes:
    payload = native.encode_block(raw, *arguments)
    assert payload is not None, "such bytes are stored"
    return payload


@pytest.mark.parametrize("kind", ["plausible", "extreme"])
@pytest.mark.parametrize("n_lanes", [1, 3])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", BLOCKS)
def test_kernel_equals_reference(name: str, method: int, n_lanes: int, kind: str, monkeypatch) -> None:
    raw = BLOCKS[name]
    expected = reference.encode_block(raw, method, n_lanes, weight_file(kind))
    for simd in VARIANTS:
        monkeypatch.setenv("LMZIP_SIMD", simd)
        for n_threads in (1, 2):
            payload = native.encode_block(raw, method, n_lanes, None, net(simd, kind), n_threads)
            assert payload == (expected if len(expected) < len(raw) else None), (simd, n_threads)
            decoded = native.decode_block(expected, len(raw), method, n_lanes, None, net(simd, kind), n_threads)
            assert decoded == raw, (simd, n_threads)


@pytest.mark.parametrize("method", METHODS)
def test_reference_decodes(method: int) -> None:
    raw = BLOCKS["text"][:300]
    payload = payload_of(raw, method, 2, None, net())
    assert reference.decode_block(payload, len(raw), method, 2, weight_file()) == raw


@pytest.mark.parametrize("n_lanes", LANES)
@pytest.mark.parametrize("method", METHODS)
def test_variants_and_threads_agree(method: int, n_lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any variant of the predictor with any of the net, on one thread or two, gives the payload of all others; each is
    decoded with other variants and another number of threads than it was encoded with."""
    raw = TEXT[:2000] + BLOCKS["records"] + bytes(300) + BLOCKS["random"]
    mixed = [*itertools.product(VARIANTS[::-1], VARIANTS)] if n_lanes == 3 else [(VARIANTS[0], VARIANTS[-1])]
    cases = [*itertools.product([*zip(VARIANTS, VARIANTS, strict=True), *mixed], (1, 2))]
    payloads = []
    for (predictor, simd), n_threads in cases:
        monkeypatch.setenv("LMZIP_SIMD", predictor)
        payloads.append(payload_of(raw, method, n_lanes, None, net(simd), n_threads))
    assert len(set(payloads)) == 1
    for ((predictor, simd), n_threads), payload in zip(cases, reversed(payloads), strict=True):
        monkeypatch.setenv("LMZIP_SIMD", predictor)
        assert native.decode_block(payload, len(raw), method, n_lanes, None, net(simd), n_threads) == raw


def test_the_net_and_the_number_of_lanes_matter() -> None:
    raw = TEXT[:3000]
    payloads = [payload_of(raw, 6, n, None, net(kind=kind)) for n in (1, 2) for kind in ("plausible", "extreme")]
    payloads.append(payload_of(raw, 4))
    assert len(set(payloads)) == len(payloads)
    # A net that is sure of itself and wrong is soon distrusted.
    assert len(payloads[1]) < 1.1 * len(payloads[4])


@pytest.mark.parametrize("n_threads", [-1, 0, 1, 2, 3, 1000])
def test_any_number_of_threads_is_right(n_threads: int) -> None:
    raw = TEXT[:2000]
    for n_lanes in (1, 2, 5):
        payload = payload_of(raw, 5, n_lanes, None, net(), n_threads)
        assert payload == payload_of(raw, 5, n_lanes, None, net())
        assert native.decode_block(payload, len(raw), 5, n_lanes, None, net(), n_threads) == raw


def test_one_net_for_many_blocks_at_once() -> None:
    raws = [TEXT[i * 2000 : i * 2000 + 3000] for i in range(6)]
    expected = [payload_of(raw, 6, 4, None, net()) for raw in raws]
    found: list[bytes | None] = [None] * len(raws)

    def work(i: int) -> None:
        found[i] = native.encode_block(raws[i], 6, 4, None, net(), 1 + i % 2)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(raws))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


blocks = st.one_of(
    st.binary(min_size=1, max_size=600),
    st.builds(lambda piece, n: piece * n, st.binary(min_size=1, max_size=9), st.integers(1, 90)),
)


@settings(max_examples=80, deadline=None)
@given(blocks, st.sampled_from(METHODS), st.integers(1, 128), st.integers(1, 2), st.integers(1, 2))
def test_any_block_comes_back(raw: bytes, method: int, n_lanes: int, n_encoding: int, n_decoding: int) -> None:
    payload = native.encode_block(raw, method, n_lanes, None, net(), n_encoding)
    if payload is not None:
        assert len(payload) < len(raw)
        assert native.decode_block(payload, len(raw), method, n_lanes, None, net(), n_decoding) == raw


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.integers(1, 1500), st.sampled_from(METHODS), st.integers(1, 128), st.integers(1, 2))
def test_garbage_is_refused_or_gives_some_bytes(
    payload: bytes, raw_size: int, method: int, n_lanes: int, n_threads: int
) -> None:
    with contextlib.suppress(DamagedError):
        assert len(native.decode_block(payload, raw_size, method, n_lanes, None, net(), n_threads)) == raw_size


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("n_lanes", LANES)
def test_lane_boundaries(n_lanes: int, n_threads: int) -> None:
    for raw_size in {1, n_lanes - 1, n_lanes, n_lanes + 1, 2 * n_lanes - 1, 2 * n_lanes + 1, 10 * n_lanes + 3} - {0}:
        raw = bytes(i % 5 for i in range(raw_size))
        payload = native.encode_block(raw, 6, n_lanes, None, net(), n_threads)
        if payload is not None:
            assert native.decode_block(payload, raw_size, 6, n_lanes, None, net(), 3 - n_threads) == raw


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("n_lanes", [1, 2, 33])
def test_damage(n_lanes: int, n_threads: int) -> None:
    raw = TEXT[:4000]
    payload = payload_of(raw, 5, n_lanes, None, net())
    for wrong in (payload[:-12], payload + b"ten more bytes", b""):
        with pytest.raises(DamagedError):
            native.decode_block(wrong, len(raw), 5, n_lanes, None, net(), n_threads)
    outcomes = set()
    for n in (1, 2, 1):
        changed = bytearray(payload)
        changed[len(payload) // 3] ^= 4
        try:
            outcomes.add(bytes(native.decode_block(changed, len(raw), 5, n_lanes, None, net(), n)))
        except DamagedError:
            outcomes.add(b"")
    assert len(outcomes) == 1 and raw not in outcomes


def n_native_threads() -> int:
    """Return how many threads this process has, 0 where the system does not tell."""
    return len(list(Path("/proc/self/task").glob("*")))


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("n_lanes", [1, 3, 16])
def test_progress_adds_up_and_can_abandon(n_lanes: int, n_threads: int) -> None:
    raw = TEXT[:80_000]
    seen: list[int] = []
    payload = payload_of(raw, 5, n_lanes, seen.append, net(), n_threads)
    assert sum(seen) == len(raw) and len(seen) > 1
    seen.clear()
    native.decode_block(payload, len(raw), 5, n_lanes, seen.append, net(), n_threads)
    assert sum(seen) == len(raw)

    def stop(n: int) -> None:
        raise KeyboardInterrupt

    n_before = n_native_threads()
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            native.encode_block(raw, 5, n_lanes, stop, net(), n_threads)
        with pytest.raises(KeyboardInterrupt):
            native.decode_block(payload, len(raw), 5, n_lanes, stop, net(), n_threads)
    assert n_native_threads() == n_before, "the net's thread ends with the block"


def test_bad_arguments() -> None:
    for method in METHODS:
        for call in (
            lambda method=method: native.encode_block(b"abc", method),
            lambda method=method: native.decode_block(b"abc", 9, method),
            lambda method=method: native.memory_size(method, 9),
        ):
            with pytest.raises(ValueError, match="no such method"):
                call()
    for method, n_lanes in ((0, 1), (native.N_METHODS + 1, 1), (5, 0), (5, 129)):
        with pytest.raises(ValueError):
            native.encode_block(b"abc", method, n_lanes, None, net())
    with pytest.raises(ValueError):
        native.encode_block(b"", 5, 1, None, net())
    with pytest.raises(ValueError):
        native.decode_block(b"abc", 0, 5, 1, None, net())


def test_a_net_does_not_change_the_other_methods() -> None:
    raw = TEXT[:3000]
    for method in range(1, native.NET_METHOD):
        assert payload_of(raw, method, 3, None, net()) == payload_of(raw, method, 3)
        assert native.memory_size(method, 3000, 3, net()) == native.memory_size(method, 3000, 3)


@pytest.mark.parametrize("method", METHODS)
def test_memory_follows_block_and_lanes(method: int) -> None:
    sizes = [native.memory_size(method, 1 << bits, 128, net()) for bits in range(10, 31)]
    assert sizes == sorted(sizes)
    assert sizes[0] < 5 << 20 and sizes[-1] < 400 << 20
    by_lanes = [native.memory_size(method, 10_000, n, net()) for n in range(1, 129)]
    growth = {more - less for less, more in itertools.pairwise(by_lanes)}
    n_states = tiny_net.CONFIG["n_layer"] * tiny_net.CONFIG["n_state"]
    least = n_states * 4 + 512 * 4  # a lane's recurrent states and its tree of predictions
    assert all(least <= size < least + 20_000 for size in growth)
    assert by_lanes[0] > native.memory_size(min(method - 2, native.NET_METHOD - 1), 10_000, 1) + least


def test_too_little_memory_for_a_net_is_not_a_wrong_shape() -> None:
    code = """
import resource
from lmzip.native import Net, NetShape
n_rows, n_weights = 32 + 96 + 3 * 32 + 256, 32 * (32 + 96 + 3 * 32 + 256)
weights = {"byte_embedding": bytes(256 * 30), "tables": bytes(2 << 24), "weights": bytes(n_weights)}
sound, wrong = ({"multipliers": m * n_rows, "forget_biases": bytes(128)} for m in (bytes(4), b"\\xff" * 4))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
for numbers, limit in ((wrong, resource.RLIM_INFINITY), (sound, used + (16 << 20))):
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    try:
        Net(NetShape(32, 1, 32, 32, 30, 1, 24, (2, 0)), **weights, **numbers)
    except (MemoryError, ValueError) as error:
        print(type(error).__name__)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["ValueError", "MemoryError"], done.stderr

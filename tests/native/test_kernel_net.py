"""Blocks with a byte-level net: equal to the reference in every variant and number of threads, sound for any block."""

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
from kernel_tools import VARIANTS, Reached, alone, assert_one_payload, beside

from lmzip import native, reference
from lmzip.block import DEFAULT_RUN, BlockSpec, Run
from lmzip.errors import DamagedError
from lmzip.native.bytelm import Net

PROFILES = [p for p in range(1, native.N_PROFILES + 1) if native.profile_takes(p, native.BYTES)]
SHAPES = PROFILES[:2]  # the last profile has the first one's, and more lines in the end
LANES = (1, 2, 3, 7, 8, 16, 33, 128)
TEXT = SAMPLE.read_bytes()
BLOCKS = {
    "text": TEXT[5000:5350],
    "records": b"".join(i.to_bytes(2, "little") + bytes([7, i % 3, 0, 200, i * 37 % 251]) for i in range(40)),
    "zeros": bytes(120),
    "random": random.Random(5).randbytes(100),
    "one": b"a",
    "high": "Ünïcödé wörds — ∑ 日本語 ".encode() * 3,
}
# Profile, lanes and kind of net: any two of these in every combination.
CASES = [(SHAPES[i], (1, 3)[j], ("plausible", "extreme")[i ^ j]) for i in (0, 1) for j in (0, 1)]


@cache
def weight_file(kind: str = "plausible") -> bytes:
    """A net that hardly predicts, or one of the largest weights, whose predictions are as sure as can be, and wrong."""
    return tiny_net.tiny_weights(seed=3, kind=kind, **TINY)


@cache
def net(simd: str | None = None, kind: str = "plausible") -> Net:
    return tiny_net.kernel_net(*tiny_net.tiny_net(3, kind, **TINY), simd)


def encode(raw: bytes, spec: BlockSpec, run: Run = DEFAULT_RUN, model: Net | None = None) -> bytes:
    payload = native.encode_block(raw, spec, (model or net()) if spec.uses_model else None, run)
    assert payload is not None, "such bytes are stored"
    return payload


def decode(payload: bytes, spec: BlockSpec, run: Run = DEFAULT_RUN, model: Net | None = None) -> memoryview:
    return native.decode_block(payload, spec, model or net(), run)


@pytest.mark.parametrize(("profile", "n_lanes", "kind"), CASES)
@pytest.mark.parametrize("name", BLOCKS)
def test_kernel_equals_reference(name: str, profile: int, n_lanes: int, kind: str, monkeypatch) -> None:
    raw = BLOCKS[name]
    expected = reference.encode_block(raw, profile, n_lanes, weight_file(kind))
    spec = beside(len(raw), profile, n_lanes)
    assert_one_payload(raw, spec, expected, monkeypatch, lambda simd: net(simd, kind), (1, 2))


@pytest.mark.parametrize("profile", SHAPES)
def test_the_reference_decodes_payloads_of_the_kernel(profile: int) -> None:
    raw = BLOCKS["text"][:200]
    payload = encode(raw, beside(len(raw), profile, 2))
    assert reference.decode_block(payload, len(raw), profile, 2, weight_file()) == raw


@pytest.mark.parametrize("n_lanes", LANES)
@pytest.mark.parametrize("profile", PROFILES)
def test_variants_and_threads_agree(profile: int, n_lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any variant of the loop with any of the net, on one thread or two, gives the payload of all others.

    Each is decoded with other variants and another number of threads than it was encoded with.
    """
    raw = TEXT[:2000] + BLOCKS["records"] + bytes(300) + BLOCKS["random"]
    spec = beside(len(raw), profile, n_lanes)
    mixed = [*itertools.product(VARIANTS[::-1], VARIANTS)] if n_lanes == 3 else [(VARIANTS[0], VARIANTS[-1])]
    cases = [*itertools.product([*zip(VARIANTS, VARIANTS, strict=True), *mixed], (1, 2))]
    payloads = []
    for (loop, simd), n_threads in cases:
        monkeypatch.setenv("LMZIP_SIMD", loop)
        payloads.append(encode(raw, spec, Run(n_threads=n_threads), net(simd)))
    assert len(set(payloads)) == 1
    for ((loop, simd), n_threads), payload in zip(cases, reversed(payloads), strict=True):
        monkeypatch.setenv("LMZIP_SIMD", loop)
        assert decode(payload, spec, Run(n_threads=n_threads), net(simd)) == raw


def test_the_net_and_the_number_of_lanes_matter() -> None:
    raw = TEXT[:3000]
    payloads = [
        encode(raw, beside(3000, 4, n), model=net(kind=kind)) for n in (1, 2) for kind in ("plausible", "extreme")
    ]
    payloads.append(encode(raw, alone(3000, 4)))
    assert len(set(payloads)) == len(payloads)
    # A net that is sure of itself and wrong is soon distrusted.
    assert len(payloads[1]) < 1.1 * len(payloads[4])


@pytest.mark.parametrize("n_threads", [-1, 0, 1, 2, 3, 1000])
def test_any_number_of_threads_is_right(n_threads: int) -> None:
    raw = TEXT[:2000]
    for n_lanes in (1, 2, 5):
        spec, run = beside(len(raw), 5, n_lanes), Run(n_threads=n_threads)
        payload = encode(raw, spec, run)
        assert payload == encode(raw, spec)
        assert decode(payload, spec, run) == raw


def test_one_net_for_many_blocks_at_once() -> None:
    raws = [TEXT[i * 2000 : i * 2000 + 3000] for i in range(6)]
    spec = beside(3000, 4, 4)
    expected = [encode(raw, spec) for raw in raws]
    found: list[bytes | None] = [None] * len(raws)

    def work(i: int) -> None:
        found[i] = native.encode_block(raws[i], spec, net(), Run(n_threads=1 + i % 2))

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
@given(blocks, st.sampled_from(PROFILES), st.integers(1, 128), st.integers(1, 2), st.integers(1, 2))
def test_any_block_comes_back(raw: bytes, profile: int, n_lanes: int, n_encoding: int, n_decoding: int) -> None:
    spec = beside(len(raw), profile, n_lanes)
    payload = native.encode_block(raw, spec, net(), Run(n_threads=n_encoding))
    if payload is not None:
        assert len(payload) < len(raw)
        assert decode(payload, spec, Run(n_threads=n_decoding)) == raw


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.integers(1, 1500), st.sampled_from(PROFILES), st.integers(1, 128), st.integers(1, 2))
def test_garbage_is_refused_or_gives_some_bytes(
    payload: bytes, raw_size: int, profile: int, n_lanes: int, n_threads: int
) -> None:
    with contextlib.suppress(DamagedError):
        spec = beside(raw_size, profile, n_lanes)
        assert len(decode(payload, spec, Run(n_threads=n_threads))) == raw_size


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("n_lanes", LANES)
def test_blocks_of_any_size_have_lanes(n_lanes: int, n_threads: int) -> None:
    for raw_size in {1, n_lanes - 1, n_lanes, n_lanes + 1, 2 * n_lanes - 1, 2 * n_lanes + 1, 10 * n_lanes + 3} - {0}:
        raw = bytes(i % 5 for i in range(raw_size))
        spec = beside(raw_size, 4, n_lanes)
        payload = native.encode_block(raw, spec, net(), Run(n_threads=n_threads))
        if payload is not None:
            assert decode(payload, spec, Run(n_threads=3 - n_threads)) == raw


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("n_lanes", [1, 2, 33])
def test_damage_is_refused_or_gives_the_same_wrong_bytes(n_lanes: int, n_threads: int) -> None:
    raw = TEXT[:4000]
    spec = beside(len(raw), 5, n_lanes)
    payload = encode(raw, spec)
    for wrong in (payload[:-12], payload + b"ten more bytes", b""):
        with pytest.raises(DamagedError):
            decode(wrong, spec, Run(n_threads=n_threads))
    outcomes = set()
    for n in (1, 2, 1):
        changed = bytearray(payload)
        changed[len(payload) // 3] ^= 4
        try:
            outcomes.add(bytes(decode(changed, spec, Run(n_threads=n))))
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
    spec = beside(len(raw), 5, n_lanes)
    payload = encode(raw, spec, Run(seen.append, n_threads))
    assert sum(seen) == len(raw) and len(seen) > 1
    seen.clear()
    decode(payload, spec, Run(seen.append, n_threads))
    assert sum(seen) == len(raw)

    def stop(n: int) -> None:
        raise KeyboardInterrupt

    n_before = n_native_threads()
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            encode(raw, spec, Run(stop, n_threads))
        with pytest.raises(KeyboardInterrupt):
            decode(payload, spec, Run(stop, n_threads))
    assert n_native_threads() == n_before, "the net's thread ends with the block"


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("n_lanes", [1, 8, 128])
def test_what_is_reached_is_right(n_lanes: int, n_threads: int) -> None:
    raw = TEXT[:30_001]
    spec = beside(len(raw), 5, n_lanes)
    payload = encode(raw, spec)
    reached = Reached(raw, spec)
    assert decode(payload, spec, Run(None, n_threads, reached)) == raw and len(reached.seen) > 2
    n_before = n_native_threads()
    reached = Reached(raw, spec, limit=1)
    assert len(decode(payload, spec, Run(None, n_threads, reached))) == len(raw) and len(reached.seen) == 1
    assert n_native_threads() == n_before


def test_bad_arguments_are_value_errors() -> None:
    without = [p for p in range(1, native.N_PROFILES + 1) if p not in PROFILES]
    assert without
    for profile in (0, *without, native.N_PROFILES + 1):
        spec = beside(3, profile)
        for call in (
            lambda spec=spec: native.encode_block(b"abc", spec, net()),
            lambda spec=spec: native.decode_block(b"ab", spec, net()),
            lambda spec=spec: native.memory_size(spec, net()),
        ):
            with pytest.raises(ValueError, match="no such profile"):
                call()
    for n_lanes in (0, 129):
        with pytest.raises(ValueError, match="lanes"):
            native.encode_block(b"abc", beside(3, 5, n_lanes), net())
    for call in (
        lambda: native.encode_block(b"", beside(0, 5), net()),
        lambda: native.decode_block(b"abc", beside(0, 5), net()),
        lambda: native.encode_block(b"abc", alone(3, 5), net()),
        lambda: native.memory_size(beside(3, 5, context=1), net()),
    ):
        with pytest.raises(ValueError):
            call()


@pytest.mark.parametrize("profile", PROFILES)
def test_memory_follows_block_and_lanes(profile: int) -> None:
    sizes = [native.memory_size(beside(1 << bits, profile, 128), net()) for bits in range(10, 31)]
    assert sizes == sorted(sizes)
    assert sizes[0] < 5 << 20 and sizes[-1] < 400 << 20
    by_lanes = [native.memory_size(beside(10_000, profile, n), net()) for n in range(1, 129)]
    growth = {more - less for less, more in itertools.pairwise(by_lanes)}
    n_states = tiny_net.CONFIG["n_layer"] * tiny_net.CONFIG["n_state"]
    least = n_states * 4 + 512 * 4  # a lane's recurrent states and its tree of predictions
    assert all(least <= size < least + 20_000 for size in growth)
    same = {4: 4, 5: 3, 6: 6}[profile]  # which has as many contexts
    assert by_lanes[0] > native.memory_size(alone(10_000, same)) + least


def test_too_little_memory_for_a_net_is_not_a_wrong_shape() -> None:
    code = """
import resource
from lmzip.native.bytelm import Net, NetShape
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

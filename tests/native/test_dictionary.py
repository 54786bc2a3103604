"""Blocks behind a dictionary: as the reference has them, in every variant and number of threads; learned only once."""

from __future__ import annotations

import contextlib
import random
import threading
from dataclasses import replace

import pytest
from conftest import SAMPLE, TINY
from kernel_tools import VARIANTS, Reached, alone, assert_one_payload, beside
from tiny_net import kernel_net, tiny_net, tiny_weights

from lmzip import native, reference
from lmzip.block import IMAGE, BlockSpec, Content, Run
from lmzip.dictionary import MAX_STATES, Dictionary
from lmzip.errors import DamagedError

TEXT = SAMPLE.read_bytes()
LINES = b"".join(b"%d,name%d,%d.5,ok\n" % (i, i % 7, i * i % 97) for i in range(60))
RECORDS = b"".join(i.to_bytes(2, "little") + bytes([7, i % 3, 0, 200, i * 37 % 251]) for i in range(90))
PAIRS = {  # dictionary, block
    "text": (TEXT[5000:5400], TEXT[5390:5600]),
    "lines": (LINES[:500], LINES[500:730]),
    "half a line": (LINES[:505], LINES[400:600]),
    "records": (RECORDS[:350], RECORDS[350:560]),
    "the same": (TEXT[700:900], TEXT[700:900]),
    "long matches": (TEXT[:40] * 6, TEXT[:40] * 5),
    "one byte": (b"a", TEXT[:150]),
    "few bytes": (TEXT[:7], TEXT[:30] * 3),
    "of another kind": (random.Random(3).randbytes(300), TEXT[:200]),
}
NET = tiny_weights(seed=3, kind="plausible", **TINY)


def net(simd: str | None = None):
    return kernel_net(*tiny_net(3, "plausible", **TINY), simd)


def behind(spec: BlockSpec, data: bytes) -> BlockSpec:
    return replace(spec, dictionary=Dictionary(data))


CASES = [(1, 1), (3, 1), (4, 1), (2, 3), (4, 7), (3, 33)]  # profiles and lanes, two of them for each pair


def assert_like_the_reference(raw, spec, dictionary, expected, monkeypatch, expert=lambda simd: None, n_threads=(1,)):
    """Every variant learns the dictionary for itself."""
    for simd in VARIANTS:
        monkeypatch.setattr("kernel_tools.VARIANTS", [simd])
        assert_one_payload(raw, behind(spec, dictionary), expected, monkeypatch, expert, n_threads)


@pytest.mark.parametrize(
    ("name", "profile", "n_lanes"),
    [(name, *case) for i, name in enumerate(PAIRS) for case in (CASES[i % 3], CASES[3 + i % 3])],
)
def test_the_base_is_as_the_reference(name, profile, n_lanes, monkeypatch):
    dictionary, raw = PAIRS[name]
    expected = reference.encode_block(raw, profile, n_lanes, dictionary=dictionary)
    assert_like_the_reference(raw, alone(len(raw), profile, n_lanes), dictionary, expected, monkeypatch)
    if name == "text":
        assert reference.decode_block(expected, len(raw), profile, n_lanes, dictionary=dictionary) == raw


@pytest.mark.parametrize("name", ["text", "half a line", "one byte"])
@pytest.mark.parametrize(("profile", "n_lanes"), [(4, 1), (5, 3), (4, 16)])
def test_the_net_is_as_the_reference(name, profile, n_lanes, monkeypatch):
    dictionary, raw = PAIRS[name][0][-150:], PAIRS[name][1][:120]
    expected = reference.encode_block(raw, profile, n_lanes, NET, dictionary=dictionary)
    plain = beside(len(raw), profile, n_lanes)
    assert_like_the_reference(raw, plain, dictionary, expected, monkeypatch, net, (1, 2))
    spec = behind(plain, dictionary)
    for n_threads in (1, 2):
        proof = Run(n_threads=n_threads, expected=raw)
        assert native.decode_block(expected, spec, net(), proof) == raw
        with pytest.raises(DamagedError):
            native.decode_block(expected, spec, net(), replace(proof, expected=raw[:-1] + b"~"))


@pytest.mark.parametrize("raw_size", [65536, 65537])
def test_large_and_small_blocks(raw_size):
    """Their tables are of two sizes, and a payload is of one."""
    raw, dictionary = (TEXT * 2)[1000 : 1000 + raw_size], TEXT[:1000]
    for n_lanes in (1, 4):
        spec = behind(alone(raw_size, 1, n_lanes), dictionary)
        payload = native.encode_block(raw, spec)
        assert native.decode_block(payload, spec) == raw
        reached = Reached(raw, spec)
        assert native.decode_block(payload, spec, run=Run(reached=reached)) == raw and reached.seen
    small, large = (native.memory_size(behind(alone(size, 1), dictionary)) for size in (65536, 65537))
    assert native.learner_size(behind(alone(5000, 1), dictionary)) <= small < large
    assert native.learner_size(behind(alone(1, 1), dictionary)) > small
    assert large == native.memory_size(behind(alone(1 << 30, 1), dictionary))


def test_what_is_learned_helps():
    dictionary, raw = TEXT[:60000], TEXT[60000:61000]
    plain, learned = (native.encode_block(raw, spec) for spec in (alone(1000, 3), behind(alone(1000, 3), dictionary)))
    assert len(learned) < 0.7 * len(plain)
    again = native.encode_block(dictionary[:20000], behind(alone(20000, 3), dictionary))
    assert len(again) < 100, "a match points into the dictionary"


def test_it_is_learned_once_and_not_changed():
    dictionary = Dictionary(TEXT[:3000])
    spec = replace(alone(500, 2), dictionary=dictionary)
    calls: list[int] = []
    first = native.encode_block(TEXT[3000:3500], spec, None, Run(calls.append))
    (state,) = dictionary._states.values()
    for _ in range(3):
        native.encode_block(TEXT[500:1000], spec)
    assert native.encode_block(TEXT[3000:3500], spec) == first
    assert list(dictionary._states.values()) == [state]
    assert native.encode_block(TEXT[3000:3500], replace(spec, dictionary=Dictionary(TEXT[:3000]))) == first
    assert sum(calls) == 500, "progress is of the block alone"


def test_no_more_states_are_kept_than_two():
    dictionary = Dictionary(TEXT[:500])
    for profile in (1, 2, 3, 4, 1):
        native.encode_block(TEXT[:300], replace(alone(300, profile), dictionary=dictionary))
        assert len(dictionary._states) <= MAX_STATES


def test_many_threads_share_what_is_learned():
    dictionary, results = Dictionary(TEXT[:5000]), []
    spec = replace(alone(800, 3), dictionary=dictionary)

    def work():
        results.append(native.encode_block(TEXT[5000:5800], spec))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6 and len(set(results)) == 1


def test_learning_is_ended_by_what_progress_raises():
    def stop(n):
        raise KeyboardInterrupt

    dictionary = Dictionary(TEXT[:40000])
    spec = replace(alone(100, 1), dictionary=dictionary)
    with pytest.raises(KeyboardInterrupt):
        native.encode_block(TEXT[:100], spec, None, Run(stop))
    assert not dictionary._states
    assert native.encode_block(TEXT[:100], spec)


def test_damage_and_another_dictionary():
    """Wrong bytes or an error, never a crash."""
    dictionary, raw = TEXT[:2000], TEXT[2000:2400]
    spec = behind(alone(400, 2), dictionary)
    payload = native.encode_block(raw, spec)
    source = random.Random(1)
    others = [
        (payload[:at] + bytes([payload[at] ^ 1 << source.randrange(8)]) + payload[at + 1 :], spec) for at in range(60)
    ]
    others += [(payload[:-3], spec), (payload, behind(spec, TEXT[1:2001])), (payload, replace(spec, dictionary=None))]
    for damaged, of in others:
        try:
            decoded = bytes(native.decode_block(damaged, of))
        except DamagedError:
            continue
        assert len(decoded) == 400 and (decoded != raw or damaged == payload)


def test_no_samples_behind_a_dictionary():
    content = Content(IMAGE, channels=1, depth=8, width=10)
    with pytest.raises(ValueError):
        native.memory_size(behind(BlockSpec(100, 4, False, content=content), TEXT[:100]))


@pytest.mark.parametrize("data", ["text", b"", 5, None])
def test_what_is_no_dictionary(data):
    with pytest.raises((TypeError, ValueError)):
        Dictionary(data)


@pytest.mark.parametrize("size", [0, 1000, 512, 1 << 28, -1])
def test_sizes_that_there_are_not(size):
    with pytest.raises(ValueError, match="power of two"):
        Dictionary(b"abc", size)


def test_the_last_bytes_count():
    whole = Dictionary(TEXT[:5000], 4096)
    assert whole.data == TEXT[904:5000] and whole.size_log == 12 and whole.of_size(12) is whole.of_size(20) is whole
    assert whole.of_size(10).data == TEXT[3976:5000] and whole.of_size(10) is whole.of_size(10)
    assert Dictionary(bytearray(b"a")).size_log == 10 and Dictionary(memoryview(TEXT[:1025])).size_log == 11
    assert VARIANTS


def test_a_coder_stays_ready_for_small_blocks():
    """It gives what a new one gives, whatever came before: other sizes, damage, and what was broken off."""
    source, dictionary = random.Random(7), Dictionary(TEXT[:3000])

    def stop(n):
        raise KeyboardInterrupt

    for profile in (1, 3, 4):
        for turn in range(25):
            at, size = source.randrange(80000), source.choice((2, 5, 100, 1000, 4096, 4097, 6000))
            raw, spec = TEXT[at : at + size], replace(alone(size, profile), dictionary=dictionary)
            new = native.encode_block(raw, replace(spec, dictionary=Dictionary(dictionary.data)))
            assert native.encode_block(raw, spec) == new, (profile, turn)
            if new is not None:
                assert native.decode_block(new, spec) == raw
                with contextlib.suppress(DamagedError):
                    native.decode_block(new[: len(new) // 2] + b"damaged", spec)
            if turn % 5 == 0:
                with pytest.raises(KeyboardInterrupt):
                    native.encode_block(TEXT[:4000], replace(spec, raw_size=4000), None, Run(stop))
    states = dictionary._states.values()
    assert all(len(state.ready) == 1 for state in states), "one is kept, and used again"

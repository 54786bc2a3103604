"""What --estimate and --max-time count: by a model and a clock whose costs are known."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lmzip import levels
from lmzip.cli import estimate
from lmzip.cli.options import parse
from lmzip.codec import trial
from lmzip.fileio import open_source
from lmzip.models.base import Model

MIB = 1 << 20
LOADING, SAMPLE_CODING = 5.0, 0.25  # seconds: of the first use of the net, of a sample by one method
SAMPLE_SIZE = 32 << 10
NET, NGRAM = 1e-5, 1e-6  # seconds a byte


class Clocked(Model):
    """A model that turns a clock on instead of coding; shares: payload by raw size, by method."""

    name, digest, methods = "clocked", b"c" * 32, frozenset(range(1, 8))

    def __init__(self, shares):
        self.shares, self.now, self.loaded = shares, 0.0, False
        self.calls = []

    def _load(self):
        self.now += 0.0 if self.loaded else LOADING
        self.loaded = True

    def encode_block(self, raw, method, n_lanes, progress, n_threads):
        self._load()
        is_sample = len(raw) == SAMPLE_SIZE and n_lanes == 4
        if not is_sample:
            self.calls.append((method, n_lanes))
        self.now += SAMPLE_CODING if is_sample else len(raw) * (NET if method >= 5 else NGRAM)
        share = self.shares[method]
        return None if share is None else bytes(int(share * len(raw)))

    def decode_block(self, payload, raw_size, method, n_lanes, progress, n_threads):
        raise AssertionError("nothing is decoded")

    def memory_size(self, method, raw_size, n_lanes):
        self._load()
        return 1000


@pytest.fixture
def estimated(monkeypatch, tmp_path):
    """A function: (estimate of a file of zeros, model) by size, shares of methods, and options."""

    def run(size, shares, *arguments):
        model = Clocked(shares)
        (tmp_path / "a").write_bytes(b"")
        with open(tmp_path / "a", "r+b") as file:
            file.truncate(size)
        for module in (estimate, trial):
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: model.now))
        monkeypatch.setattr(
            "lmzip.codec.choice.choose", lambda level, name: (levels.Level(6, 4, 16 * MIB, ((MIB, 1),)), model)
        )
        with open_source(str(tmp_path / "a"), in_place=False) as source:
            return estimate.estimate(source, parse("lmzip", [*arguments, str(tmp_path / "a")])), model

    return run


@pytest.mark.parametrize(("verify", "passes"), [("--verify", 2), ("--no-verify", 1)])
def test_a_net_is_loaded_once_and_a_method_chosen_once_a_block(estimated, verify, passes):
    for n_blocks, threads in ((1, 1), (1, 2), (3, 1), (3, 3)):
        size = n_blocks * 16 * MIB
        expected, model = estimated(size, {4: 0.5, 6: 0.25}, verify, f"-T{threads}")
        at_once = min(n_blocks, threads)
        work = n_blocks * 2 * SAMPLE_CODING + passes * size * NET
        assert expected.seconds == pytest.approx(LOADING + work / at_once, rel=1e-6)
        assert set(model.calls) == {(6, 32)}, "the lanes of a block of the file"
        assert expected.compressed_size == pytest.approx(size / 4, rel=1e-3)
        assert expected.bits_per_byte == pytest.approx(2, rel=1e-3)


def test_lanes_are_for_the_net_only(estimated):
    size = 6_000_000
    expected, model = estimated(size, {4: 0.5, 6: 0.5}, "-T1", "-k")
    assert set(model.calls) == {(4, 1)}
    assert expected.seconds == pytest.approx(LOADING + 2 * SAMPLE_CODING + size * NGRAM, rel=1e-6)


def test_what_is_stored_takes_a_probe_and_no_time_to_verify(estimated):
    size = 6_000_000
    expected, model = estimated(size, {1: None, 4: None, 6: None}, "-T1")
    assert set(model.calls) == {(1, 1)}
    assert expected.seconds == pytest.approx(LOADING + 2 * SAMPLE_CODING + size * NGRAM, rel=1e-6)
    assert expected.compressed_size == pytest.approx(size, rel=1e-3)


def test_small_blocks_are_coded_both_ways_without_a_sample(estimated):
    size = 6_000_000
    expected, model = estimated(size, {4: 0.5, 6: 0.4}, "-T1", "-k", "--block-size=8k")
    assert {method for method, _ in model.calls} == {4, 6}
    assert expected.seconds == pytest.approx(LOADING + size * (NGRAM + NET), rel=1e-2)

"""What --estimate and --max-time count: by a model and a clock whose costs are known."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest

from lmzip import levels
from lmzip.block import DEFAULT_RUN
from lmzip.cli import estimate, pieces
from lmzip.cli.chosen_model import ChosenModel
from lmzip.cli.messages import Reporter
from lmzip.cli.options import parse
from lmzip.codec import trial
from lmzip.fileio import open_source
from lmzip.models.base import Model

MIB = 1 << 20
LOADING, SAMPLE_CODING = 5.0, 0.25  # seconds: of the first use of the net, of a sample in one way
SAMPLE_SIZE = 16 << 10  # of the pieces of a file, which are one block
NET, NGRAM = 1e-5, 1e-6  # seconds a byte


class Clocked(Model):
    """A model that turns a clock on instead of coding; shares: payload by raw size, by what codes the block."""

    name, digest, kind = "clocked", b"c" * 32, 1

    def __init__(self, shares):
        self.shares, self.now, self.loaded = shares, 0.0, False
        self.calls = []

    def load(self):
        self.now += 0.0 if self.loaded else LOADING
        self.loaded = True

    def takes(self, spec):
        return True

    def encode(self, raw, spec, run=DEFAULT_RUN):
        self.load()
        what = "model" if spec.uses_model else "probe" if spec.profile == levels.FAST else "base"
        is_sample = len(raw) == SAMPLE_SIZE and spec.n_lanes == 4
        if not is_sample:
            self.calls.append((what, spec.n_lanes))
        self.now += SAMPLE_CODING if is_sample else len(raw) * (NET if spec.uses_model else NGRAM)
        share = self.shares[what]
        return None if share is None else bytes(int(share * len(raw)))

    def decode(self, payload, spec, run=DEFAULT_RUN):
        raise AssertionError("nothing is decoded")

    def memory_size(self, spec):
        self.load()
        return 1000


@pytest.fixture
def estimated(monkeypatch, tmp_path):
    """A function: (estimate of a file, model) by size, shares, options, and what the file has over and over."""

    def run(size, shares, *arguments, content=None):
        model = Clocked(shares)
        content = content or random.Random(1).randbytes(size)
        (tmp_path / "a").write_bytes((content * (size // len(content) + 1))[:size])
        for module in (estimate, pieces, trial):
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: model.now))
        monkeypatch.setattr(
            "lmzip.codec.settings.settings_for",
            lambda *_: (levels.LevelSettings(levels.MAX, True, 16 * MIB, ((MIB, 1),)), model),
        )
        options = parse("lmzip", [*arguments, str(tmp_path / "a")])
        with open_source(str(tmp_path / "a"), in_place=False) as source:
            return estimate.estimate(source, options, ChosenModel(options, Reporter("lmzip"))), model

    return run


@pytest.mark.parametrize(("verify", "passes"), [("--verify", 2), ("--no-verify", 1)])
def test_a_net_is_loaded_once_and_a_choice_made_once_a_block(estimated, verify, passes):
    for n_blocks, threads in ((1, 1), (1, 2), (3, 1), (3, 3)):
        size = n_blocks * 16 * MIB
        expected, model = estimated(size, {"base": 0.5, "model": 0.25}, verify, f"-T{threads}")
        at_once = min(n_blocks, threads)
        work = n_blocks * 2 * SAMPLE_CODING + passes * size * NET
        assert expected.seconds == pytest.approx(LOADING + work / at_once, rel=1e-6)
        assert set(model.calls) == {("model", 32)}, "the lanes of a block of the file"
        assert expected.compressed_size == pytest.approx(size / 4, rel=1e-3)
        assert expected.bits_per_byte == pytest.approx(2, rel=1e-3)


def test_lanes_are_for_the_net_only(estimated):
    size = 6_000_000
    expected, model = estimated(size, {"base": 0.5, "model": 0.5}, "-T1", "-k")
    assert set(model.calls) == {("base", 1)}
    assert expected.seconds == pytest.approx(LOADING + 2 * SAMPLE_CODING + size * NGRAM, rel=1e-6)


def test_what_is_stored_takes_a_probe_and_no_time_to_verify(estimated):
    size = 6_000_000
    expected, model = estimated(size, {"probe": None, "base": None, "model": None}, "-T1")
    assert set(model.calls) == {("probe", 1)}
    assert expected.seconds == pytest.approx(LOADING + 2 * SAMPLE_CODING + size * NGRAM, rel=1e-6)
    assert expected.compressed_size == pytest.approx(size, rel=1e-3)


def test_small_blocks_are_coded_both_ways_without_a_sample(estimated):
    size = 6_000_000
    expected, model = estimated(size, {"base": 0.5, "model": 0.4}, "-T1", "-k", "--block-size=8k")
    assert {what for what, _ in model.calls} == {"base", "model"}
    assert expected.seconds == pytest.approx(LOADING + size * (NGRAM + NET), rel=1e-2)


def test_long_repeats_cost_nothing(estimated):
    size = 32 * MIB
    expected, model = estimated(size, {"base": 0.5, "model": 0.5}, "-T1", "-k", content=random.Random(2).randbytes(MIB))
    assert 2 * MIB / 2 < expected.compressed_size < 2 * MIB / 2 * 1.1, "a mebibyte of each of two blocks"
    assert expected.seconds == pytest.approx(LOADING + 4 * SAMPLE_CODING + 2 * MIB * NGRAM, rel=0.1)


def test_repeats_are_looked_for_in_all_blocks_alike(estimated):
    """Half of the blocks are noise: one of two that are searched has repeats."""
    noise = random.Random(3).randbytes(16 * MIB)
    expected, _ = estimated(32 * MIB, {"base": 0.5, "model": 0.5}, "-T1", "-k", content=noise + bytes(16 * MIB))
    assert expected.compressed_size == pytest.approx(8 * MIB, rel=0.1)


class Mapped:
    """A source whose bytes tell where they stand, and are like no machine code; counts those that are read."""

    whole_size, n_read = 1 << 20, 0

    def __init__(self, is_local):
        self.is_local = is_local

    def read_at(self, size, offset):
        size = max(0, min(size, self.whole_size - offset))
        self.n_read += size
        return b"".join((place // 4).to_bytes(4, "little") for place in range(offset, offset + size, 4))


@pytest.mark.parametrize("is_local", [False, True])
@pytest.mark.parametrize("level", [1, 6])
def test_pieces_come_from_all_over_a_file(level, is_local):
    source, settings = Mapped(is_local), levels.get_level(level)
    found = pieces.pieces_of_bytes(source, source.whole_size, settings.block_size, Clocked({}), settings)
    size = len(found.data) // 16
    places = [int.from_bytes(found.data[at : at + 4], "little") * 4 for at in range(0, len(found.data), size)]
    assert places[0] == 0 and places[-1] + size in range(source.whole_size - 16, source.whole_size + 1)
    assert max(b - a for a, b in zip(places, places[1:], strict=False)) < source.whole_size / 14
    assert is_local or source.n_read == len(found.data), "blocks are not fetched from afar"

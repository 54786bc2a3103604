"""Compressed sizes are pinned, so that a change of ratio is a diff in review (rewrite them with `make sizes`)."""

from __future__ import annotations

import pytest
from samples_for_sizes import LEVELS, SAMPLES, pinned_rows

import lmzip

MAX_OVERHEAD = 64  # bytes, beside 0.1 % (the promise for data that does not compress)


@pytest.mark.parametrize("name", SAMPLES)
def test_sizes_are_the_pinned_ones(name):
    raw = SAMPLES[name]()
    now = [(name, level, len(raw), len(lmzip.compress(raw, level=level))) for level in LEVELS]
    assert now == [row for row in pinned_rows() if row[0] == name], "if this is meant, run `make sizes`"


def test_every_sample_and_level_is_pinned():
    assert [row[:2] for row in pinned_rows()] == [(name, level) for name in SAMPLES for level in LEVELS]


def test_nothing_grows_beyond_the_promise():
    for name, level, raw_size, compressed_size in pinned_rows():
        assert compressed_size <= raw_size + raw_size // 1000 + MAX_OVERHEAD, (name, level)


def test_higher_levels_are_not_worse_on_text():
    sizes = [size for name, _, _, size in pinned_rows() if name == "text"]
    assert sizes[-1] < sizes[0]
    assert all(sizes[i + 1] <= sizes[i] * 1.005 for i in range(len(sizes) - 1)), "more time, hardly ever more bytes"


def test_small_frames_cost_16_bytes():
    sizes = {(name, level): (raw_size, size) for name, level, raw_size, size in pinned_rows()}
    for name in ("random", "one_byte", "empty"):
        for level in LEVELS:
            raw_size, size = sizes[name, level]
            assert size == raw_size + 16, (name, level)

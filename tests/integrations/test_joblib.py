"""joblib: values and arrays dumped in lmzip format, by name or by option, and loaded by what is in the file."""

from __future__ import annotations

import io

import numpy as np
import pytest

import lmzip
from lmzip import integrations

joblib = pytest.importorskip("joblib", reason="needs joblib: make test-integrations")

VALUE = {"numbers": np.arange(3000).reshape(30, 100), "text": ["some words"] * 100}


@pytest.fixture(autouse=True)
def registered():
    integrations.register("joblib")


def is_value(loaded):
    return loaded["text"] == VALUE["text"] and np.array_equal(loaded["numbers"], VALUE["numbers"])


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.lmz", {}), ("a", {"compress": ("lmzip", 2)}), ("a", {"compress": "lmzip"}), ("a.lmz", {"compress": 1})],
)
def test_dump_and_load(tmp_path, name, options):
    joblib.dump(VALUE, tmp_path / name, **options)
    data = (tmp_path / name).read_bytes()
    assert data.startswith(b"\x89LMZ") and b"some words" in lmzip.decompress(data)
    assert is_value(joblib.load(tmp_path / name))


def test_file_objects():
    file = io.BytesIO()
    joblib.dump(VALUE, file, compress=("lmzip", 1))
    file.seek(0)
    assert is_value(joblib.load(file))


def test_a_cache_of_results(tmp_path):
    calls = []

    def square(n):
        calls.append(n)
        return n * n

    memory = joblib.Memory(tmp_path, compress=("lmzip", 1), verbose=0)
    cached = memory.cache(square)
    assert [cached(7), cached(7)] == [49, 49] and calls == [7]
    assert any(path.read_bytes().startswith(b"\x89LMZ") for path in tmp_path.rglob("*.pkl"))

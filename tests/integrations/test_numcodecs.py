"""numcodecs: the codec "lmzip", found without importing lmzip, for arrays of any kind."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import lmzip
from lmzip.errors import LmzipError

numcodecs = pytest.importorskip("numcodecs", reason="needs numcodecs: make test-integrations")

ARRAYS = {
    "integers": np.arange(1000, dtype="i4"),
    "matrix": np.arange(600, dtype="f8").reshape(20, 30),
    "columns": np.asfortranarray(np.arange(600, dtype="u2").reshape(20, 30)),
    "dates": np.arange(100).astype("M8[s]"),
    "empty": np.zeros(0),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_come_back(kind):
    array, codec = ARRAYS[kind], numcodecs.get_codec({"id": "lmzip", "level": 1})
    packed = codec.encode(array)
    assert isinstance(packed, bytes) and lmzip.decompress(packed) == array.tobytes("A")
    assert bytes(codec.decode(packed)) == array.tobytes("A")
    out = np.empty_like(array)
    codec.decode(packed, out=out)
    assert np.array_equal(out, array)


def test_the_configuration_makes_an_equal_codec():
    for config in ({"id": "lmzip", "level": 3}, {"id": "lmzip", "level": 6, "model": "ngram"}):
        codec = numcodecs.get_codec(config)
        assert codec.get_config() == config and numcodecs.get_codec(codec.get_config()) == codec
    assert numcodecs.get_codec({"id": "lmzip"}).level == 6


def test_wrong_configurations_and_data():
    for error, config in ((ValueError, {"level": 0}), (TypeError, {"level": "6"}), (TypeError, {"levels": 6})):
        with pytest.raises(error):
            numcodecs.get_codec({"id": "lmzip", **config})
    codec = numcodecs.get_codec({"id": "lmzip"})
    with pytest.raises(LmzipError):
        codec.decode(b"no frame at all")
    with pytest.raises(ValueError):
        codec.decode(codec.encode(b"abc"), out=np.zeros(5, "u1"))


def test_it_is_found_without_an_import_of_lmzip(tmp_path):
    program = """
import sys, numcodecs
assert not any(name.startswith("lmzip") for name in sys.modules)
print(numcodecs.get_codec({"id": "lmzip"}).encode(b"abc")[:4])
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout == "b'\\x89LMZ'\n", done.stderr

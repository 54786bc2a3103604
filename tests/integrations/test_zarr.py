"""zarr: arrays of format 3 and 2 by the codec "lmzip", read back by processes that never import lmzip themselves."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import lmzip
from lmzip.errors import LmzipError

zarr = pytest.importorskip("zarr", minversion="3", reason="needs zarr: make test-integrations")

ARRAY = np.add.outer(np.arange(60), np.arange(80)).astype("i4")
CONFIGURATION = {"name": "lmzip", "configuration": {"level": 2}}


@pytest.fixture
def store(tmp_path):
    made = zarr.create_array(
        tmp_path / "x.zarr", shape=ARRAY.shape, chunks=(20, 40), dtype="i4", compressors=[CONFIGURATION]
    )
    made[:] = ARRAY
    return tmp_path / "x.zarr"


def chunks(store):
    return sorted(path for path in (store / "c").rglob("*") if path.is_file())


def test_chunks_are_frames_and_the_metadata_name_the_codec(store):
    codecs = json.loads((store / "zarr.json").read_text())["codecs"]
    assert codecs[-1] == CONFIGURATION
    assert len(chunks(store)) == 6
    assert lmzip.decompress(chunks(store)[0].read_bytes()) == ARRAY[:20, :40].astype("<i4").tobytes()
    assert np.array_equal(zarr.open_array(store, mode="r")[:], ARRAY)
    assert np.array_equal(zarr.open_array(store, mode="r")[15:25, 30:50], ARRAY[15:25, 30:50])


def test_a_store_is_read_and_written_without_an_import_of_lmzip(store):
    program = f"""
import sys, zarr
assert not any(name.startswith("lmzip") for name in sys.modules)
array = zarr.open_array({str(store)!r}, mode="r+")
array[0, 0] = array[1, 1] + 5
print(array[0, 0], array[59, 79])
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=store, capture_output=True, text=True, timeout=120)
    assert done.stdout == "7 138\n", done.stderr


def test_the_class_may_be_given_too(tmp_path):
    from lmzip.integrations.zarr import LmzCodec

    for codec in (LmzCodec(), LmzCodec(level=1, model="ngram")):
        assert LmzCodec.from_dict(codec.to_dict()) == codec
        made = zarr.create_array(tmp_path / "y.zarr", data=ARRAY, compressors=[codec], overwrite=True)
        assert np.array_equal(made[:], ARRAY)
        assert np.array_equal(zarr.open_array(tmp_path / "y.zarr", mode="r")[:], ARRAY)
    with pytest.raises(ValueError, match="level"):
        LmzCodec(level=0)


def test_sharded_arrays_and_memory():
    store = zarr.storage.MemoryStore()
    made = zarr.create_array(
        store, shape=ARRAY.shape, chunks=(10, 20), shards=(20, 40), dtype="i4", compressors=[CONFIGURATION]
    )
    made[:] = ARRAY
    assert np.array_equal(zarr.open_array(store, mode="r")[13:47], ARRAY[13:47])


def test_format_2_takes_the_codec_of_numcodecs(tmp_path):
    import numcodecs

    codec = numcodecs.get_codec({"id": "lmzip", "level": 1})
    options = {"chunks": (20, 40), "zarr_format": 2, "compressors": codec}
    made = zarr.create_array(tmp_path / "x.zarr", shape=ARRAY.shape, dtype="i4", **options)
    made[:] = ARRAY
    metadata = json.loads((tmp_path / "x.zarr" / ".zarray").read_text())
    assert metadata["compressor"] == {"id": "lmzip", "level": 1}
    assert np.array_equal(zarr.open_array(tmp_path / "x.zarr", mode="r")[:], ARRAY)


def test_damage_is_told(store):
    path = chunks(store)[0]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(LmzipError):
        zarr.open_array(store, mode="r")[0, 0]

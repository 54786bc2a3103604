"""Wrong arguments of the Python interface: ValueError or TypeError that name them, and nothing is made or left."""

from __future__ import annotations

import array
import copy
import ctypes
import gc
import io
import os
import pickle

import numpy as np
import pytest
from codec_tools import pack, unpack

import lmzip
from lmzip import codec

PACKED = lmzip.compress(b"abc" * 100, 1)

CALLS = {
    "compress": lambda **options: lmzip.compress(b"abc", **options),
    "decompress": lambda **options: lmzip.decompress(PACKED, **options),
    "open to read": lambda **options: lmzip.open(io.BytesIO(PACKED), "rb", **options),
    "open to write": lambda **options: lmzip.open(io.BytesIO(), "wb", **options),
    "open to write text": lambda **options: lmzip.open(io.BytesIO(), "wt", **options),
    "LmzFile": lambda **options: lmzip.LmzFile(io.BytesIO(), "wb", **options),
    "LmzCompressor": lambda **options: lmzip.LmzCompressor(**options),
    "LmzDecompressor": lambda **options: lmzip.LmzDecompressor(**options),
    "compress_stream": lambda **options: pack(b"abc", **options),
    "decompress_stream": lambda **options: unpack(PACKED, **options),
    "BlockReader": lambda **options: codec.BlockReader(io.BytesIO(PACKED), **options),
}
FILES = ["open to read", "open to write", "open to write text", "LmzFile", "LmzCompressor"]
TAKEN_BY = {
    "threads": ["compress", "decompress", "compress_stream", "decompress_stream", *FILES],
    "level": ["compress", "compress_stream", *FILES],
    "block_size": ["compress", "compress_stream", *FILES],
    "n_lanes": ["compress", "compress_stream"],
    "memory_limit": ["decompress", "LmzDecompressor", "compress_stream", "decompress_stream", "BlockReader"],
}
WRONG_VALUES = {
    "threads": [-1, -(10**30)],
    "level": [0, 10, -6],
    "block_size": [0, -1, (1 << 30) + 1],
    "n_lanes": [0, 3, -1, 256],
    "memory_limit": [-1],
}
CASES = [(name, call) for name, calls in TAKEN_BY.items() for call in calls]


@pytest.mark.parametrize(("name", "call"), CASES)
def test_wrong_numbers_are_refused_by_name(name, call):
    for value in WRONG_VALUES[name]:
        with pytest.raises(ValueError, match=name):
            CALLS[call](**{name: value})
    for value in ("3", 2.0, [], b"1", *([None] if name == "level" else [])):
        with pytest.raises(TypeError, match=f"{name} must be an integer, not {type(value).__name__}"):
            CALLS[call](**{name: value})


@pytest.mark.parametrize("call", TAKEN_BY["threads"])
@pytest.mark.parametrize("threads", [0, None, True, np.int64(2), 10**30])
def test_numbers_of_threads(call, threads):
    """0 and None are all that are available; what is an integer to the standard library is one here."""
    CALLS[call](threads=threads)


def test_integers_of_other_kinds():
    assert lmzip.compress(b"abc" * 100, np.int8(1)) == lmzip.compress(b"abc" * 100, True) == PACKED
    with lmzip.open(io.BytesIO(), "wb", level=np.int64(1), block_size=np.uint16(50), threads=np.int8(2)) as file:
        file.write(b"abc" * 100)


def test_ranges_are_of_integers():
    for place in (("0", 1), (0, 1.0), (None, 1)):
        with pytest.raises(TypeError, match="offset|size"):
            list(codec.read_range(io.BytesIO(PACKED), *place))


WRONG_DATA = {
    "text": ("text", TypeError),
    "None": (None, TypeError),
    "integer": (5, TypeError),
    "list": ([1, 2], TypeError),
    "every other": (memoryview(b"abcdef")[::2], ValueError),
    "transposed": (np.zeros((3, 2)).T, ValueError),
    "dates": (np.array(["2020-01-01"], dtype="M8[D]"), ValueError),
}


@pytest.mark.parametrize("kind", WRONG_DATA)
def test_what_is_no_bytes_is_refused(kind):
    data, error = WRONG_DATA[kind]
    compressor, decompressor = lmzip.LmzCompressor(), lmzip.LmzDecompressor()
    calls = (compressor.compress, decompressor.decompress, lmzip.open(io.BytesIO(), "wb").write)
    for call in (lmzip.compress, lmzip.decompress, *calls):
        with pytest.raises(error, match="data"):
            call(data)


ARRAYS = {
    "empty array": array.array("I"),
    "empty in three dimensions": np.zeros((2, 0, 3)),
    "array": array.array("d", [1.5, 2.5]),
    "matrix": np.arange(6, dtype=">i4").reshape(2, 3),
    "a number": np.array(5),
    "text": np.array(["ab", "c"]),
    "ctypes": (ctypes.c_int * 3)(1, 2, 3),
    "structure": np.zeros(3, dtype=[("a", "i2"), ("b", "f8")]),
    "of another shape": memoryview(bytes(6)).cast("B", (2, 3)),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_anything_with_bytes(kind):
    data = ARRAYS[kind]
    raw = memoryview(data).tobytes()
    assert lmzip.decompress(lmzip.compress(data)) == raw
    output = io.BytesIO()
    with lmzip.open(output, "wb", level=1, block_size=5, threads=2) as file:
        assert file.write(data) == len(raw)
    assert lmzip.decompress(np.frombuffer(output.getvalue(), dtype="u1")) == raw


@pytest.mark.parametrize("mode", ["rb", "wb", "ab", "xb", "rt", "wt"])
def test_what_is_no_file(mode):
    for file in (None, 5, object(), ["x"], io.StringIO("text")):
        with pytest.raises(TypeError, match="file must be"):
            lmzip.open(file, mode)


def test_files_of_the_wrong_direction(tmp_path):
    (tmp_path / "x").write_bytes(PACKED)
    with open(tmp_path / "x", "rb") as file, pytest.raises(io.UnsupportedOperation, match="file is not writable"):
        lmzip.open(file, "wb")
    with open(tmp_path / "y", "wb") as file, pytest.raises(io.UnsupportedOperation, match="file is not readable"):
        lmzip.open(file)
    for mode in ("rb", "wb"):
        with pytest.raises(ValueError, match="closed"):
            lmzip.open(file, mode)


@pytest.mark.parametrize("mode", ["rbb", "rtt", "bt", "U", "w+", "r ", "tb"])
def test_wrong_modes_are_refused_before_a_file_is_made(tmp_path, mode):
    with pytest.raises(ValueError, match="invalid mode"):
        lmzip.open(tmp_path / "x", mode)
    assert not os.listdir(tmp_path)


def test_modes_that_are_no_text(tmp_path):
    for mode in (None, 5, b"rb"):
        with pytest.raises(TypeError, match="mode"):
            lmzip.open(tmp_path / "x", mode)


@pytest.mark.parametrize("mode", ["rt", "wt", "xt", "at"])
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"encoding": "no such"}, LookupError),
        ({"encoding": 5}, TypeError),
        ({"errors": 5}, TypeError),
        ({"newline": "x"}, ValueError),
        ({"newline": 5}, TypeError),
        ({"threads": -1}, ValueError),
        ({"block_size": "1"}, TypeError),
        ({"level": None}, TypeError),
    ],
)
def test_a_failed_open_leaves_nothing(tmp_path, mode, options, error, monkeypatch):
    """No file, no complaint of a half-made object, no open descriptor."""
    complaints = []
    monkeypatch.setattr("sys.unraisablehook", complaints.append)
    before = os.listdir("/dev/fd")
    with pytest.raises(error):
        lmzip.open(tmp_path / "x", mode, **options)
    for make, its_mode in ((lmzip.open, mode), (lmzip.open, mode[0]), (lmzip.LmzFile, mode[0])):
        for path in (tmp_path / "no" / "such", tmp_path, "\0"):
            with pytest.raises((OSError, ValueError)):
                make(path, its_mode)
    gc.collect()
    assert not complaints and not os.listdir(tmp_path)
    assert len(os.listdir("/dev/fd")) == len(before)


def test_what_is_no_frame_leaves_nothing_open(tmp_path, monkeypatch):
    complaints = []
    monkeypatch.setattr("sys.unraisablehook", complaints.append)
    (tmp_path / "x").write_bytes(b"something else")
    before = os.listdir("/dev/fd")
    for mode in ("rb", "rt"):
        with pytest.raises(lmzip.NotLmzipError):
            lmzip.open(tmp_path / "x", mode)
    gc.collect()
    assert not complaints and len(os.listdir("/dev/fd")) == len(before)


def test_seeking_takes_places_and_known_origins():
    with lmzip.open(io.BytesIO(PACKED)) as reader, lmzip.open(io.BytesIO(), "wb") as writer:
        for file in (reader, writer):
            for whence in (-1, 3, 4, 5, 99):
                with pytest.raises(ValueError, match="whence"):
                    file.seek(0, whence)
            with pytest.raises(TypeError, match="whence"):
                file.seek(0, "0")
            for offset in ("0", None, 1.0):
                with pytest.raises(TypeError, match="offset"):
                    file.seek(offset)
        with pytest.raises(ValueError, match="negative"):
            reader.seek(-1)
        with pytest.raises(io.UnsupportedOperation):
            writer.seek(0, os.SEEK_END)


CLOSED_CALLS = {
    "read": (), "read1": (), "readline": (), "readlines": (), "peek": (), "seek": (0,), "tell": (), "write": (b"x",),
    "readinto": (bytearray(3),), "readinto1": (bytearray(3),), "fileno": (), "readable": (), "writable": (),
    "seekable": (), "flush": (), "isatty": (), "writelines": ([b"x"],), "__enter__": (), "__next__": (),
}  # fmt: skip


@pytest.mark.parametrize("mode", ["rb", "wb"])
@pytest.mark.parametrize("call", CLOSED_CALLS)
def test_closed_files_refuse_all_calls(mode, call):
    file = lmzip.open(io.BytesIO(PACKED), mode)
    file.close()
    file.close()
    with pytest.raises(ValueError, match="closed"):
        getattr(file, call)(*CLOSED_CALLS[call])


def test_calls_with_wrong_types_are_type_errors():
    with lmzip.open(io.BytesIO(PACKED)) as file:
        for call in (file.read, file.read1, file.readline, file.readinto, file.peek):
            with pytest.raises(TypeError):
                call("x")
        for buffer in (b"abc", memoryview(b"abc"), None, "x"):
            with pytest.raises(TypeError):
                file.readinto(buffer)
        for call in (file.truncate, file.detach, lambda: file.writelines([b"x"])):
            with pytest.raises(io.UnsupportedOperation):
                call()
        assert file.readinto(bytearray()) == 0
        assert file.read() == b"abc" * 100


@pytest.mark.parametrize("mode", ["rb", "wb", "rt", "wt"])
def test_files_are_not_pickled(mode):
    with lmzip.open(io.BytesIO(PACKED), mode) as file:
        for call in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="pickle"):
                call(file)

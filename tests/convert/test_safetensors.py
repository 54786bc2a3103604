"""The reader and the writer of safetensors: the same files as the package of that name, and exact refusals."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from lmzip.errors import UnsupportedError
from lmzip.weights.safetensors import MAX_HEADER_SIZE, Layout, SafetensorsFile, Writer

TENSORS = {
    "matrix": np.arange(-6, 6, dtype=np.int8).reshape(3, 4),
    "numbers": np.array([1, -(1 << 31)], np.int32),
    "halves": np.array([0.5, -2.0], np.float16),
    "floats": np.array([[1e-3], [3.0]], np.float32),
    "none": np.zeros((0, 3), np.uint8),
    "single": np.array(7, np.uint32),
}

CODES = {"int8": "I8", "int32": "I32", "uint8": "U8", "uint32": "U32", "float16": "F16", "float32": "F32"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "w.safetensors"


def file_of(header: dict | bytes, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def entry(start: int, end: int, dtype: str = "U8", shape: tuple[int, ...] | None = None) -> dict:
    return {"dtype": dtype, "shape": [end - start] if shape is None else list(shape), "data_offsets": [start, end]}


def test_what_the_package_writes_is_read(path: Path) -> None:
    path.write_bytes(save(TENSORS, {"lmzip": "{}"}))
    with SafetensorsFile(path) as file:
        assert file.metadata == {"lmzip": "{}"} and file.shapes == {name: x.shape for name, x in TENSORS.items()}
        for name, values in TENSORS.items():
            assert file.raw(name) == values.tobytes()
            file.expect({name: Layout(CODES[values.dtype.name], values.shape)})
            for wrong in (Layout("F64", values.shape), Layout(CODES[values.dtype.name], (*values.shape, 1))):
                with pytest.raises(UnsupportedError, match=f"{name} is {CODES[values.dtype.name]}"):
                    file.expect({name: wrong})
        for name in ("halves", "floats"):
            assert file.load(name).dtype == np.float32 and (file.load(name) == TENSORS[name]).all()
        with pytest.raises(UnsupportedError, match="numbers' is of the type I32, not F32, F16 or BF16"):
            file.load("numbers")
        with pytest.raises(UnsupportedError, match="has no 'other'"):
            file.raw("other")
        with pytest.raises(UnsupportedError, match="has no other"):
            file.expect({"other": Layout("U8", (1,))})


def test_bfloat16_is_the_upper_half_of_float32(path: Path) -> None:
    values = np.array([1.0, -0.15625, 3e38], np.float32)
    upper = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    path.write_bytes(file_of({"x": entry(0, 6, "BF16", (3,))}, upper))
    with SafetensorsFile(path) as file:
        assert (file.load("x").view(np.uint32) == values.view(np.uint32) & 0xFFFF0000).all()


def test_what_is_written_is_read_by_the_package(path: Path) -> None:
    tensors = {name: values for name, values in TENSORS.items() if values.dtype.kind in "iu"}
    layouts = {name: Layout(CODES[values.dtype.name], values.shape) for name, values in tensors.items()}
    written = []
    for order in (list(tensors), list(tensors)[::-1]):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        writer = Writer(descriptor, {"lmzip": "{}"}, layouts)
        for name in order:
            if tensors[name].ndim == 2 and len(tensors[name]):
                for row in range(len(tensors[name])):  # in pieces
                    writer.put(name, tensors[name][row : row + 1], row)
            elif tensors[name].ndim:
                writer.put(name, tensors[name])
        os.close(descriptor)
        written.append(path.read_bytes())
    assert written[0] == written[1]
    for name, values in load(written[0]).items():
        assert values.dtype == tensors[name].dtype and values.shape == tensors[name].shape
        assert name == "single" or (values == tensors[name]).all()


REFUSALS = {
    "empty": (b"", "truncated or no safetensors"),
    "cut in the size": (b"\2\0\0\0\0\0\0", "truncated or no safetensors"),
    "cut in the header": (file_of({})[:9], "truncated or no safetensors"),
    "header beyond a MiB": (file_of(b"{}" + b" " * MAX_HEADER_SIZE), "truncated or no safetensors"),
    "nested": (file_of(b"[" * 100_000), "JSON"),
    "a list": (file_of(b"[]"), "JSON object"),
    "NaN": (file_of(b'{"x": NaN}'), "JSON"),
    "metadata of numbers": (file_of({"__metadata__": {"a": 1}}), "damaged metadata"),
    "metadata": (file_of({"__metadata__": []}), "damaged metadata"),
    "overlap": (file_of({"a": entry(0, 4), "b": entry(2, 6)}, bytes(6)), "over one another or apart"),
    "the same place": (file_of({"a": entry(0, 4), "b": entry(0, 4)}, bytes(4)), "over one another or apart"),
    "hole": (file_of({"a": entry(0, 4), "b": entry(5, 6)}, bytes(6)), "over one another or apart"),
    "hole at the start": (file_of({"a": entry(1, 4)}, bytes(4)), "over one another or apart"),
    "bytes behind": (file_of({"a": entry(0, 4)}, bytes(5)), "bytes behind the tensors"),
    "nothing but bytes": (file_of({}, bytes(5)), "bytes behind the tensors"),
    "beyond the end": (file_of({"a": entry(0, 4)}, bytes(3)), "is truncated"),
    "backwards": (file_of({"a": entry(0, 4) | {"data_offsets": [4, 0]}}, bytes(4)), "is truncated"),
    "negative": (file_of({"a": entry(0, 4) | {"data_offsets": [-1, 3]}}, bytes(4)), "damaged header"),
    "a float": (file_of({"a": entry(0, 4, shape=(4.0,))}, bytes(4)), "damaged header"),
    "true": (file_of({"a": entry(0, 1, shape=(True,))}, bytes(1)), "damaged header"),
    "nine dimensions": (file_of({"a": entry(0, 4, shape=(4, *[1] * 8))}, bytes(4)), "damaged header"),
    "no entry": (file_of({"a": 7}), "damaged header"),
    "three offsets": (file_of({"a": entry(0, 4) | {"data_offsets": [0, 2, 4]}}, bytes(4)), "damaged header"),
    "no type": (file_of({"a": entry(0, 4, "X9")}, bytes(4)), "unknown type 'X9'"),
    "shape": (file_of({"a": entry(0, 4, "U8", (5,))}, bytes(4)), "contradicts its shape"),
    "huge shape": (file_of({"a": entry(0, 4, "U8", (1 << 47, 1 << 47))}, bytes(4)), "contradicts its shape"),
    "item size": (file_of({"a": entry(0, 4, "I32", (4,))}, bytes(4)), "contradicts its shape"),
    "twice": (file_of(b'{"a": %b, "a": %b}' % ((json.dumps(entry(0, 2)).encode(),) * 2), bytes(4)), "behind"),
}


@pytest.mark.parametrize(("data", "words"), REFUSALS.values(), ids=REFUSALS.keys())
def test_damaged_headers_are_refused_in_a_line(path: Path, data: bytes, words: str) -> None:
    path.write_bytes(data)
    with pytest.raises(UnsupportedError, match=words) as caught:
        SafetensorsFile(path)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 200
    with pytest.raises(UnsupportedError, match=words):
        SafetensorsFile(Path("w"), data=data)


def test_a_file_that_shrinks_is_truncated(path: Path) -> None:
    path.write_bytes(save({"x": np.zeros(1 << 20, np.int8)}))
    with SafetensorsFile(path) as file:
        os.truncate(path, path.stat().st_size - 1)
        with pytest.raises(UnsupportedError, match="is truncated"):
            file.raw("x")


def test_pipes_and_large_files_are_not_opened(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(UnsupportedError, match="not a regular file"):
        SafetensorsFile(path)
    path.unlink()
    path.write_bytes(bytes(100))
    with pytest.raises(UnsupportedError, match="too large"):
        SafetensorsFile(path, max_size=99)

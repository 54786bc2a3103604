"""lmzip.open and LmzFile: the habits of gzip.open, against the standard library's own file objects."""

from __future__ import annotations

import gzip
import io
import os
import threading

import pytest
from codec_tools import pack, unpack
from conftest import painted
from hypothesis import given, settings
from hypothesis import strategies as st

import lmzip
from lmzip import codec
from lmzip.errors import DamagedError, LmzipError, TruncatedError
from lmzip.format.trailer import Trailer, trailer_size

RAW = b"one\ntwo\n\nthree" * 40 + painted(500) + b"\nlast line"
DATA = pack(RAW, level=1, block_size=100)[0]
SHORT = pack(RAW, level=1)[0]  # the same in a short frame


class Pipe(io.RawIOBase):
    """A file that cannot seek and gives a few bytes at a time."""

    def __init__(self, data):
        self._left = data

    def readable(self):
        return True

    def readinto(self, buffer):
        piece, self._left = self._left[: min(len(buffer), 33)], self._left[min(len(buffer), 33) :]
        buffer[: len(piece)] = piece
        return len(piece)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.lmz"
    path.write_bytes(DATA)
    return path


@pytest.fixture(params=["seekable", "pipe"])
def kind_of_file(request):
    return {"seekable": io.BytesIO, "pipe": Pipe}[request.param]


@pytest.fixture(params=[DATA, SHORT], ids=["long", "short"])
def file(request, kind_of_file):
    with lmzip.open(kind_of_file(request.param)) as file:
        yield file


def test_reading_works_as_of_a_file(file):
    assert file.readable() and not file.writable()
    assert file.read(0) == b"" and file.read(5) == RAW[:5]
    assert RAW[5:].startswith(file.peek(1)[:1]) and file.peek(1)
    assert file.readline() == RAW[5 : RAW.index(b"\n", 5) + 1]
    rest = RAW[RAW.index(b"\n", 5) + 1 :]
    buffer = bytearray(7)
    assert file.readinto(buffer) == 7 and buffer == rest[:7]
    first = file.read1(10)
    assert first and rest[7:].startswith(first)
    assert file.read() == rest[7 + len(first) :]
    assert file.read() == file.read(5) == file.readline() == b""


def test_lines_are_those_of_gzip(file):
    with gzip.open(io.BytesIO(gzip.compress(RAW))) as other:
        assert list(file) == list(other)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["set", "current", "end", "read", "line"]), st.integers(0, 999)), max_size=9))
def test_seeking_is_that_of_bytesio(steps):
    """Any sequence of seeks and reads gives what a buffer in memory gives."""
    for data in (DATA, SHORT, pack(b"")[0] + SHORT):
        compare_with_bytesio(data, steps)


def compare_with_bytesio(data, steps):
    with lmzip.open(io.BytesIO(data)) as file:
        other = io.BytesIO(RAW)
        for step, n in steps:
            if step == "read":
                assert file.read(n) == other.read(n)
            elif step == "line":
                assert file.readline() == other.readline()
            else:
                whence = {"set": os.SEEK_SET, "current": os.SEEK_CUR, "end": os.SEEK_END}[step]
                offset = n if step != "end" else -min(n, len(RAW))
                assert file.seek(offset, whence) == other.seek(offset, whence)
            assert file.tell() == other.tell()


def test_seeking_before_the_start_and_in_pipes():
    with lmzip.open(io.BytesIO(DATA)) as file:
        assert file.seekable()
        with pytest.raises(ValueError):
            file.seek(-1)
    with lmzip.open(Pipe(DATA)) as file:
        assert not file.seekable()
        with pytest.raises(OSError):
            file.seek(3)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(1, 200), st.integers(1, 3))
def test_writing_in_any_pieces(pieces, block_size, threads):
    """The bytes are those of compressing all at once."""
    output = io.BytesIO()
    with lmzip.open(output, "wb", level=1, block_size=block_size, threads=threads) as file:
        for piece in pieces:
            assert file.write(piece) == len(piece)
    raw = b"".join(pieces)
    assert output.getvalue() == pack(raw, level=1, block_size=block_size)[0]
    assert unpack(output.getvalue())[0] == raw


def test_writing_takes_anything_with_a_buffer():
    import array

    output = io.BytesIO()
    with lmzip.open(output, "wb", level=1) as file:
        assert file.write(array.array("I", [1, 2])) == 8
        assert file.write(memoryview(b"abc")) == 3
    assert unpack(output.getvalue())[0] == array.array("I", [1, 2]).tobytes() + b"abc"


def test_the_caller_may_reuse_its_buffer():
    output, buffer = io.BytesIO(), bytearray(100)
    with lmzip.open(output, "wb", level=1, block_size=100, threads=3) as file:
        for i in range(20):
            buffer[:] = bytes([i]) * 100
            file.write(buffer)
    assert unpack(output.getvalue())[0] == b"".join(bytes([i]) * 100 for i in range(20))


def test_modes_on_paths(tmp_path):
    path = tmp_path / "a.lmz"
    with lmzip.open(path, "xb") as file:
        file.write(b"first ")
        assert file.name == os.fspath(path) and file.mode == "xb"
    with pytest.raises(FileExistsError):
        lmzip.open(path, "x")
    with lmzip.open(str(path), "a") as file:
        file.write(b"second")
    with lmzip.open(os.fsencode(path)) as file:
        assert file.read() == b"first second"
    with lmzip.open(path, "w"):
        pass
    assert len(path.read_bytes()) == 16
    with lmzip.open(path) as file:
        assert file.read() == b""


def test_text_is_coded_and_seeks(tmp_path):
    path = tmp_path / "a.lmz"
    with lmzip.open(path, "wt", encoding="utf-16", newline="\r\n") as file:
        file.write("grüße\nzwei\n")
    with lmzip.open(path, "rt", encoding="utf-16") as file:
        assert file.read() == "grüße\nzwei\n"
        file.seek(0)
        assert list(file) == ["grüße\n", "zwei\n"]
    with lmzip.open(path, "rt", encoding="utf-16", newline="") as file:
        assert file.read() == "grüße\r\nzwei\r\n"
    with lmzip.open(path) as file:
        assert file.read() == "grüße\r\nzwei\r\n".encode("utf-16")
    with lmzip.open(path, "rt", encoding="ascii", errors="replace") as file:
        assert "\ufffd" in file.read()


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_leaves_text_unfinished(tmp_path, threads):
    """As it does binary files, however little has been written; reading, it only closes."""
    for text in ("few\n", "many\n" * 5000):
        path = tmp_path / "a.lmz"
        with pytest.raises(RuntimeError), lmzip.open(path, "wt", level=1, block_size=5000, threads=threads) as file:
            file.write(text)
            raise RuntimeError
        assert file.closed
        file.close()
        with pytest.raises(LmzipError):
            lmzip.decompress(path.read_bytes())
    path.write_bytes(DATA)
    with pytest.raises(RuntimeError), lmzip.open(path, "rt", encoding="latin-1") as file:
        raise RuntimeError
    assert file.closed and path.read_bytes() == DATA


def test_text_files_are_those_of_the_standard_library(tmp_path):
    path = tmp_path / "a.lmz"
    file = lmzip.open(path, "wt", encoding="utf-8")
    assert isinstance(file, io.TextIOWrapper) and isinstance(file.buffer, lmzip.LmzFile)
    assert file.mode == "wt" and file.name == os.fspath(path) and file.encoding == "utf-8"
    assert file.write("one\n") == 4
    binary = file.detach()
    del file
    binary.write(b"two\n")
    binary.close()
    with lmzip.open(path, "rt", encoding="utf-8") as file:
        assert file.readlines() == ["one\n", "two\n"] and file.seek(0) == 0 and file.readline() == "one\n"
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.read()


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("q", {}),
        ("", {}),
        ("rw", {}),
        ("rbt", {}),
        ("wb", {"level": 0}),
        ("wb", {"block_size": 0}),
        ("rb", {"encoding": "x"}),
    ],
)
def test_bad_arguments_make_no_file(tmp_path, mode, options):
    path = tmp_path / "new.lmz"
    with pytest.raises(ValueError):
        lmzip.open(path, mode, **options)
    assert not path.exists()


def test_wrong_direction_and_closed(path):
    with lmzip.open(path) as file:
        with pytest.raises(io.UnsupportedOperation):
            file.write(b"x")
        assert file.fileno() >= 0
    file.close()
    for call in (file.read, file.readable, file.tell, lambda: file.write(b"")):
        with pytest.raises(ValueError, match="closed"):
            call()
    with lmzip.open(io.BytesIO(), "wb") as file, pytest.raises(io.UnsupportedOperation):
        file.read()


def test_seeking_forwards_while_writing():
    output = io.BytesIO()
    with lmzip.open(output, "wb", level=1, block_size=100) as file:
        file.write(b"abc")
        assert file.seekable() and file.tell() == 3
        assert file.seek(70_000) == 70_000 and file.seek(5, os.SEEK_CUR) == 70_005 == file.tell()
        for offset, whence in ((3, os.SEEK_SET), (-1, os.SEEK_CUR), (0, os.SEEK_END)):
            with pytest.raises(io.UnsupportedOperation):
                file.seek(offset, whence)
        file.write(b"d")
    assert unpack(output.getvalue())[0] == b"abc" + bytes(70_002) + b"d"


def test_a_given_file_stays_open():
    given_file = io.BytesIO(DATA)
    lmzip.open(given_file).close()
    assert not given_file.closed
    output = io.BytesIO()
    lmzip.open(output, "wb").close()
    assert unpack(output.getvalue())[0] == b""


def test_an_error_leaves_the_file_unfinished(tmp_path):
    path, n_threads = tmp_path / "a.lmz", threading.active_count()
    with pytest.raises(RuntimeError), lmzip.open(path, "wb", level=1, block_size=50, threads=3) as file:
        file.write(RAW)
        raise RuntimeError
    assert file.closed and threading.active_count() == n_threads
    with pytest.raises(LmzipError):
        lmzip.decompress(path.read_bytes())


def test_errors_of_the_file_below(tmp_path):
    class Full(io.RawIOBase):
        def writable(self):
            return True

        def write(self, data):
            raise OSError(28, "No space left on device")

    for threads in (1, 2):
        with pytest.raises(OSError, match="No space"), lmzip.open(Full(), "wb", block_size=50, threads=threads) as file:
            file.write(RAW)


@pytest.mark.parametrize("make", [io.BytesIO, Pipe], ids=["seekable", "pipe"])
@pytest.mark.parametrize(("data", "payload"), [(DATA, 6 + 17), (SHORT, 6 + 10)], ids=["long", "short"])
def test_damage_is_raised_when_reached(make, data, payload):
    changed = bytearray(data)
    changed[payload + 3] ^= 1
    with pytest.raises(DamagedError), lmzip.open(make(bytes(changed))) as file:
        file.read()
    with pytest.raises(TruncatedError), lmzip.open(make(data[:-1])) as file:
        file.read()


def test_a_pipe_compares_the_hash_of_the_whole():
    (frame,) = codec.list_frames(io.BytesIO(DATA))
    frame_end = trailer_size(frame.header, len(frame.blocks))
    table = [(block.head.raw_size, block.head_size + block.head.payload_size) for block in frame.blocks]
    wrong = DATA[:-frame_end] + Trailer(tuple(table), b"8 wrong!").pack(frame.header)
    with lmzip.open(Pipe(wrong)) as file, pytest.raises(DamagedError, match="content"):
        file.read()


@pytest.mark.parametrize("mode", ["rb", "rt", "wb", "wt"])
def test_closing_twice_and_using_it_afterwards(path, mode):
    file = lmzip.open(path, mode)
    file.close()
    before = path.read_bytes()
    file.close()
    with pytest.raises(ValueError):
        file.write("" if "t" in mode else b"") if "w" in mode else file.read()
    assert file.closed and path.read_bytes() == before

"""Files below lmzip.open: raw, with short reads and writes, at any position, or with next to nothing."""

from __future__ import annotations

import errno
import io
import os
import socket
import subprocess
import sys
import tempfile
import threading

import pytest
from codec_tools import pack
from conftest import ROOT, painted

import lmzip
from lmzip import codec
from lmzip.errors import DamagedError, TruncatedError

RAW = b"one\ntwo\n\nthree" * 40 + painted(500) + b"\nlast line"
BLOCKS = {"level": 1, "block_size": 100}
DATA = pack(RAW, **BLOCKS)[0]
THREADS = pytest.mark.parametrize("threads", [1, 3])


class ShortReads(io.BytesIO):
    """A raw file that seeks and gives a few bytes at a time."""

    def read(self, size=-1):
        return super().read(min(size, 7) if size > 0 else size)


class ShortWrites(io.RawIOBase):
    """A raw file that takes a few bytes at a time, and of some pieces all."""

    def __init__(self, counts=(1, 3, 1000)):
        self.content = bytearray()
        self._counts, self._turn = counts, 0

    def writable(self):
        return True

    def write(self, data):
        self._turn += 1
        piece = bytes(data)[: self._counts[self._turn % len(self._counts)]]
        self.content += piece
        return len(piece)


def test_short_reads_are_not_the_end():
    with lmzip.open(ShortReads(DATA)) as file:
        assert file.read() == RAW
        file.seek(150)
        assert file.read(300) == RAW[150:450]
    assert b"".join(codec.read_range(ShortReads(DATA), 5, 333)) == RAW[5:338]
    assert codec.list_frames(ShortReads(DATA)) == codec.list_frames(io.BytesIO(DATA))


def test_an_end_is_still_one():
    """A file that is cut after it was opened."""
    file = ShortReads(DATA)
    with lmzip.open(file) as content:
        file.truncate(len(DATA) // 2)
        with pytest.raises(TruncatedError, match="changed"):
            content.read()


@THREADS
def test_short_writes_lose_nothing(threads):
    file = ShortWrites()
    with lmzip.open(file, "wb", threads=threads, **BLOCKS) as content:
        content.write(RAW)
    assert file.content == DATA
    written, content = ShortWrites(), ShortWrites()
    codec.compress_stream(io.BytesIO(RAW).read, written.write, threads=threads, **BLOCKS)
    codec.decompress_stream(io.BytesIO(DATA).read, content.write, threads=threads)
    assert (written.content, content.content) == (DATA, RAW)


@THREADS
def test_an_unbuffered_file_up_to_a_limit(tmp_path, threads):
    """What the limit cuts off is not lost in silence; children set the limit, as it is one of the process."""
    program = f"""
import random, resource, signal, lmzip
file = lmzip.open(open("x", "wb", buffering=0), "wb", level=1, threads={threads})
lmzip.compress(bytes(99), 1)  # all is imported now; a module that is compiled under the limit would be cut too
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
file.write(bytes(range(256)) * 10 + random.Random(1).randbytes(20000))
try:
    file.close()
except OSError as error:
    print(error.errno, file.closed)
"""
    assert run_python(program, tmp_path) == f"{errno.EFBIG} True\n"


def run_python(program, folder):
    command = [sys.executable, "-B", "-c", program]
    environment = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    return done.stdout + done.stderr


@pytest.mark.parametrize("buffering", [0, -1])
def test_sockets_take_parts(buffering):
    raw = os.urandom(300_000)  # more than fits into a socket, so that write() takes a part
    one, other = socket.socketpair()
    received = bytearray()

    def receive():
        while piece := other.recv(1000):
            received.extend(piece)

    thread = threading.Thread(target=receive)
    thread.start()
    with one, one.makefile("wb", buffering=buffering) as file, lmzip.open(file, "wb", level=1) as content:
        content.write(raw)
    one.close()
    thread.join()
    other.close()
    assert lmzip.decompress(bytes(received)) == raw


def test_reading_a_socket():
    one, other = socket.socketpair()
    with one, other, other.makefile("rb", buffering=0) as file:
        one.sendall(DATA)
        one.shutdown(socket.SHUT_WR)
        with lmzip.open(file) as content:
            assert content.read() == RAW


@THREADS
def test_full_disks_are_told_when_closed(threads):
    for buffering in (0, -1):
        with open("/dev/full", "wb", buffering=buffering) as file:
            content = lmzip.open(file, "wb", threads=threads, **BLOCKS)
            with pytest.raises(OSError, match="No space"):
                content.write(RAW)
                content.close()
                file.flush()
            if buffering:
                with pytest.raises(OSError, match="No space"):
                    file.close()
    content = lmzip.open("/dev/full", "wb", threads=threads, level=1)
    content.write(RAW)
    with pytest.raises(OSError, match="No space"):
        content.close()
    assert content.closed
    content.close()


def test_full_disks_and_text():
    content = lmzip.open("/dev/full", "wt", level=1)
    content.write("text")
    with pytest.raises(OSError, match="No space"):
        content.close()
    assert content.closed
    content.close()
    with pytest.raises(OSError, match="No space"), lmzip.open("/dev/full", "wt", level=1) as content:
        content.write("text")
    assert content.closed


@THREADS
def test_what_failed_once_goes_on_failing(threads):
    """Nothing is written behind a gap: the block that was lost is not taken as written."""

    class FailsOnce(io.BytesIO):
        fails = True

        def write(self, data):
            if self.tell() > 50 and self.fails:
                self.fails = False
                raise OSError(errno.EIO, "once")
            return super().write(data)

    file = FailsOnce()
    content = lmzip.open(file, "wb", threads=threads, **BLOCKS)
    with pytest.raises(OSError, match="once"):
        content.write(RAW)
        content.write(RAW)
    size = len(file.getvalue())
    for call in (lambda: content.write(b"more"), content.close):
        with pytest.raises(OSError, match="once"):
            call()
    assert content.closed and len(file.getvalue()) == size
    with pytest.raises(lmzip.LmzipError):
        lmzip.decompress(file.getvalue())


def test_a_stream_that_failed_does_not_seem_to_end():
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

    damaged = bytearray(DATA)
    damaged[len(DATA) // 2] ^= 1
    with lmzip.open(Pipe(bytes(damaged))) as file:
        for _ in range(3):
            with pytest.raises(DamagedError):
                file.read()

    class Interrupted(Pipe):
        def read(self, size=-1):
            if self.tell() > 200:
                raise KeyboardInterrupt
            return super().read(size)

    with lmzip.open(Interrupted(DATA)) as file:
        with pytest.raises(KeyboardInterrupt):
            file.read()
        with pytest.raises(OSError, match="broken off"):
            file.read()


@pytest.mark.parametrize("count", [-1, 0, 10**6])
def test_counts_that_cannot_be(count):
    class Wrong(io.RawIOBase):
        def writable(self):
            return True

        def write(self, data):
            return count

    with pytest.raises(OSError, match=f"returned {count} for"), lmzip.open(Wrong(), "wb") as file:
        file.write(RAW)


@pytest.mark.parametrize("answer", [None, True, "done", b""])
def test_objects_with_no_more_than_write(answer):
    """They may return anything that is no count; then they have taken all."""

    class Collector:
        def __init__(self):
            self.content = b""

        def write(self, data):
            self.content += data
            return answer

    file = Collector()
    with lmzip.open(file, "wb", **BLOCKS) as content:
        content.write(RAW)
        assert content.name is None
        with pytest.raises(io.UnsupportedOperation):
            content.fileno()
    assert file.content == DATA


def test_objects_with_no_more_than_read():
    class Giver:
        def __init__(self):
            self.read = io.BytesIO(DATA).read

    with lmzip.open(Giver()) as content:
        assert content.read() == RAW and not content.seekable()
        with pytest.raises(io.UnsupportedOperation):
            content.fileno()


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_read_may_return_any_bytes(kind):
    file = io.BytesIO(DATA)
    content = io.BytesIO()
    codec.decompress_stream(lambda size: kind(file.read(size)), content.write)
    assert content.getvalue() == RAW


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (None, BlockingIOError, "would block"),
        ("text", TypeError, "str"),
        (5, TypeError, "int"),
        (bytes(1 << 21), OSError, "asked for"),
    ],
)
def test_read_functions_that_return_what_they_must_not(answer, error, message):
    for work in (codec.compress_stream, codec.decompress_stream):
        with pytest.raises(error, match=message):
            work(lambda size: answer, lambda data: None)

    class File:
        def read(self, size):
            return answer

    with pytest.raises(error, match=message), lmzip.open(File()) as file:
        file.read()


def test_files_that_do_not_block():
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    with open(reader, "rb", buffering=0) as source, open(writer, "wb", buffering=0) as target:
        with lmzip.open(source) as file:
            for _ in range(2):
                with pytest.raises(BlockingIOError, match="would block"):
                    file.read()
        with pytest.raises(BlockingIOError, match="would block"), lmzip.open(target, "wb", level=1) as file:
            file.write(os.urandom(1 << 20))


@pytest.mark.parametrize("buffering", [0, -1])
def test_reading_from_where_the_file_stands(tmp_path, buffering):
    (tmp_path / "x").write_bytes(b"something before" + DATA)
    with open(tmp_path / "x", "rb", buffering=buffering) as file:
        file.seek(16)
        with lmzip.open(file) as content:
            assert content.read() == RAW
            assert content.seek(0) == 0 and content.read(20) == RAW[:20]
            assert content.seek(-30, os.SEEK_END) == len(RAW) - 30 and content.read() == RAW[-30:]
        file.seek(16)
        with lmzip.open(file, "rt", encoding="latin-1", newline="") as text:
            assert text.read() == RAW.decode("latin-1")
    with open(tmp_path / "x", "rb") as file, pytest.raises(lmzip.NotLmzipError):
        lmzip.open(file)


def test_reading_at_and_behind_the_end():
    for place in (len(DATA), len(DATA) + 5):
        file = io.BytesIO(DATA)
        file.seek(place)
        with pytest.raises(TruncatedError, match="empty"):
            lmzip.open(file)


def test_places_in_messages_count_from_where_the_file_stood():
    damaged = bytearray(DATA)
    damaged[6 + 17 + 3] ^= 1
    file = io.BytesIO(b"before" + damaged)
    file.seek(6)
    with pytest.raises(DamagedError, match="block at byte 6:"), lmzip.open(file) as content:
        content.read()


@pytest.mark.parametrize("mode", ["wb", "ab", "xb"])
def test_writing_where_the_file_stands(mode):
    file = io.BytesIO(b"12345678 and what is overwritten")
    file.seek(8)
    with lmzip.open(file, mode, **BLOCKS) as content:
        content.write(RAW[:5])
        assert content.tell() == 5 and content.seek(10) == 10
        content.write(RAW[5:])
    expected = pack(RAW[:5] + bytes(5) + RAW[5:], **BLOCKS)[0]
    assert file.getvalue() == b"12345678" + expected


def test_seek_may_return_nothing():
    class Old(io.BytesIO):
        def seek(self, *arguments):
            super().seek(*arguments)

    with lmzip.open(Old(DATA)) as content:
        content.seek(99)
        assert content.read() == RAW[99:]


@pytest.mark.parametrize("kind", ["TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile"])
def test_temporary_files_are_written_and_read(kind):
    with getattr(tempfile, kind)(buffering=0) as file:
        with lmzip.open(file, "wb", **BLOCKS) as content:
            content.write(RAW)
        file.seek(0)
        with lmzip.open(file) as content:
            assert content.read() == RAW

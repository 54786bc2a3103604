"""Several threads at one file object, and the threads that it uses itself."""

from __future__ import annotations

import io
import re
import signal
import threading
from collections import Counter

import pytest
from codec_tools import pack
from conftest import painted

import lmzip
from lmzip import codec
from lmzip.codec.workers import Workers
from lmzip.errors import LmzipError

RAW = painted(5000)
BLOCKS = {"level": 1, "block_size": 100}


def run_threads(*functions):
    """Run functions at once; return what they raised."""
    errors = []

    def run(function):
        barrier.wait()
        try:
            function()
        except Exception as error:
            errors.append(error)

    barrier = threading.Barrier(len(functions))
    threads = [threading.Thread(target=run, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


@pytest.mark.parametrize("n_threads", [1, 3])
def test_writes_of_several_threads_are_taken_whole(n_threads):
    """The content is a permutation of them, each thread's own in its order."""

    def write_lines(name):
        for i in range(200):
            file.write(f"<{name}{i}{'.' * (i % 37)}>".encode())

    output = io.BytesIO()
    with lmzip.open(output, "wb", threads=n_threads, **BLOCKS) as file:
        assert not run_threads(*(lambda name=name: write_lines(name) for name in "abcd"))
    found = re.findall(r"<([a-d])(\d+)(\.*)>", content := lmzip.decompress(output.getvalue()).decode())
    assert sum(len(match[0]) + len(match[1]) + len(match[2]) + 2 for match in found) == len(content)
    for name in "abcd":
        assert [(int(i), len(dots)) for letter, i, dots in found if letter == name] == [(i, i % 37) for i in range(200)]


@pytest.mark.parametrize("kind", ["seekable", "stream"])
def test_reads_of_several_threads_get_pieces_of_their_own(kind):
    class Stream(io.BytesIO):
        def seekable(self):
            return kind == "seekable"

    raw = b"".join(i.to_bytes(4, "big") for i in range(5000))
    pieces = []

    def read():
        while piece := file.read(4):
            pieces.append(piece)

    with lmzip.open(Stream(pack(raw, **BLOCKS)[0])) as file:
        assert not run_threads(*4 * [read])
    assert Counter(pieces) == Counter(raw[i : i + 4] for i in range(0, len(raw), 4))


def test_closing_while_others_write():
    """Nothing that write() took is missing; later ones are refused."""
    taken = []

    def write():
        for i in range(10_000):
            piece = b"<%d>" % i
            file.write(piece)
            taken.append(piece)

    def close():
        while len(taken) < 50:
            pass
        file.close()

    output = io.BytesIO()
    file = lmzip.open(output, "wb", threads=2, **BLOCKS)
    (error,) = run_threads(write, close)
    assert isinstance(error, ValueError) and "closed" in str(error)
    assert lmzip.decompress(output.getvalue()) == b"".join(taken)


def test_an_error_while_another_thread_waits():
    """The one that waits for room is not left waiting."""

    class Stuck(io.BytesIO):
        def write(self, data):
            stuck.set()
            may_go_on.wait()
            return super().write(data)

    stuck, may_go_on = threading.Event(), threading.Event()
    output, errors = Stuck(), []

    def write():
        try:
            file.write(RAW)
        except Exception as error:
            errors.append(error)

    with pytest.raises(KeyError), lmzip.open(output, "wb", threads=2, **BLOCKS) as file:
        thread = threading.Thread(target=write)
        thread.start()
        stuck.wait()
        threading.Timer(0.1, may_go_on.set).start()
        raise KeyError
    thread.join()
    assert len(errors) == 1 and file.closed
    with pytest.raises(LmzipError):
        lmzip.decompress(output.getvalue())


def test_writing_from_a_signal_handler_is_refused():
    """It cannot wait for the write that it interrupts."""
    errors = []

    def handle(*_):
        try:
            file.write(b"from the handler")
        except RuntimeError as error:
            errors.append(str(error))

    class Raising(io.BytesIO):
        def write(self, data):
            signal.raise_signal(signal.SIGUSR1)
            return super().write(data)

    old = signal.signal(signal.SIGUSR1, handle)
    try:
        output = Raising()
        with lmzip.open(output, "wb", threads=1, **BLOCKS) as file:
            file.write(RAW)
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert errors and all("while another call was writing" in error for error in errors)
    assert lmzip.decompress(output.getvalue()) == RAW


@pytest.fixture
def started(monkeypatch):
    """Threads that were started, by their names; setting `limit` lets the system refuse more."""

    class Started(list):
        limit = 100

    started = Started()
    start = threading.Thread.start

    def refuse_or_start(thread):
        if thread.name == "lmzip":
            if len(started) >= started.limit:
                raise RuntimeError("can't start new thread")
            started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_or_start)
    return started


def test_what_is_small_needs_no_threads(started, tmp_path):
    for mode, data in (("wb", b"abc" * 1000), ("wt", "abc" * 1000)):
        with lmzip.open(tmp_path / "x", mode, threads=8) as file:
            file.write(data)
    assert lmzip.decompress(lmzip.compress(b"abc" * 1000), threads=1) == b"abc" * 1000
    assert not started


def test_none_are_left(started, tmp_path):
    with lmzip.open(tmp_path / "x", "wb", threads=3, **BLOCKS) as file:
        file.write(RAW)
    assert started and not any(thread.is_alive() for thread in started)


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_where_no_more_threads_can_be_started(started, limit):
    """Work goes on in those that there are, or in the caller's own."""
    started.limit = limit
    packed, summary = pack(RAW, threads=4, verify=True, **BLOCKS)
    assert packed == pack(RAW, threads=1, **BLOCKS)[0] and summary.verified
    started.clear()
    assert lmzip.decompress(packed, threads=4) == RAW
    started.clear()
    output = io.BytesIO()
    with lmzip.open(output, "wb", threads=4, **BLOCKS) as file:
        file.write(RAW)
    assert output.getvalue() == packed


@pytest.mark.parametrize("limit", [0, 1])
def test_verifying_where_no_more_threads_can_be_started(started, limit):
    started.limit = limit
    output = io.BytesIO()

    def read_at(size, offset):
        return output.getvalue()[offset : offset + size]

    codec.compress_stream(io.BytesIO(RAW).read, output.write, threads=4, verify=read_at, **BLOCKS)
    assert lmzip.decompress(output.getvalue(), threads=1) == RAW


def test_work_that_another_thread_ends():
    """Its waits end with an error."""
    may_go_on, waits = threading.Event(), threading.Event()
    workers, errors = Workers(2), []

    def submit():
        try:
            for _ in range(9):
                workers.submit(may_go_on.wait, lambda value: None)
                waits.set()
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=submit)
    thread.start()
    waits.wait()
    threading.Timer(0.1, may_go_on.set).start()
    with workers:
        pass
    thread.join()
    assert len(errors) == 1 and "ended by another thread" in errors[0]

"""LmzCompressor and LmzDecompressor: the habits of lzma's, by pieces, limits, threads, forks and ends."""

from __future__ import annotations

import copy
import io
import pickle
import random
import signal
import subprocess
import sys
import threading
import tracemalloc

import pytest
from codec_tools import pack
from conftest import ROOT, painted
from hypothesis import given, settings
from hypothesis import strategies as st

import lmzip
from lmzip.errors import DamagedError, LmzipError, MemoryLimitError, NotLmzipError

RAW = b"one\ntwo\n\nthree" * 40 + painted(500)
BLOCKS = {"level": 1, "block_size": 100}
LONG = pack(RAW, **BLOCKS)[0]
SHORT = pack(RAW, level=1)[0]
FAR = pack(RAW * 3, **BLOCKS, long=10)[0]


def decompressed(data, step, max_length=-1, **options):
    """Return (content, decompressor) of data given in pieces, more only when it is needed."""
    decompressor, content, position = lmzip.LmzDecompressor(**options), [], 0
    while not decompressor.eof:
        piece = b""
        if decompressor.needs_input:
            assert position < len(data), "needs input behind the end"
            piece = data[position : position + step]
            position += step
        content.append(decompressor.decompress(piece, max_length))
        assert max_length < 0 or len(content[-1]) <= max_length
    return b"".join(content), decompressor


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(1, 200), st.integers(1, 3))
def test_compressing_in_any_pieces(pieces, block_size, threads):
    """The bytes are those of compressing all at once."""
    options = {"level": 1, "block_size": block_size, "threads": threads}
    compressor = lmzip.LmzCompressor(**options)
    packed = b"".join([*map(compressor.compress, pieces), compressor.flush()])
    assert packed == lmzip.compress(b"".join(pieces), **options)


@pytest.mark.parametrize("options", [{}, {"model": "ngram"}, {"level": 3, "long": 20}], ids=str)
def test_options_are_those_of_compress(options):
    compressor = lmzip.LmzCompressor(**options)
    assert compressor.compress(RAW) + compressor.flush() == lmzip.compress(RAW, **options)


@pytest.mark.parametrize("dictionary", [RAW[:300], lmzip.Dictionary(RAW[:300])], ids=["bytes", "made before"])
def test_a_dictionary_is_that_of_compress(dictionary):
    compressor = lmzip.LmzCompressor(1, dictionary=dictionary)
    packed = compressor.compress(RAW[:200]) + compressor.compress(RAW[200:]) + compressor.flush()
    assert packed == lmzip.compress(RAW, 1, dictionary=dictionary)
    assert lmzip.LmzDecompressor(dictionary=dictionary).decompress(packed) == RAW
    with pytest.raises(lmzip.DictionaryMissingError):
        lmzip.LmzDecompressor().decompress(packed)


def test_output_comes_as_blocks_fill():
    """What was taken and is not returned yet is no more than threads and a block hold."""
    compressor, raw = lmzip.LmzCompressor(1, block_size=1000, threads=1), random.Random(3).randbytes(50_000)
    taken = returned = 0
    for start in range(0, len(raw), 500):
        returned += len(compressor.compress(raw[start : start + 500]))
        taken += 500
        assert taken - returned <= 2000
    assert len(compressor.flush()) < 3000


def test_compressor_after_flush():
    compressor = lmzip.LmzCompressor(1)
    assert lmzip.decompress(compressor.flush()) == b""
    for call in (compressor.flush, lambda: compressor.compress(b"x")):
        with pytest.raises(ValueError, match="has been flushed"):
            call()


@pytest.mark.parametrize("data", [LONG, SHORT, FAR, lmzip.compress(b"")], ids=["long", "short", "far", "empty"])
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize("max_length", [-1, 1, 33, 1 << 20])
def test_decompressing_in_any_pieces(data, step, max_length):
    content, decompressor = decompressed(data, step, max_length)
    assert content == lmzip.decompress(data)
    assert decompressor.eof and not decompressor.needs_input and decompressor.unused_data == b""


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([LONG, SHORT, FAR]), st.lists(st.tuples(st.integers(0, 400), st.integers(-1, 300))))
def test_any_calls_give_a_beginning(data, calls):
    """Whatever is given and asked for, content comes in order, and needs_input tells that no more would."""
    decompressor, content, position, raw = lmzip.LmzDecompressor(), b"", 0, lmzip.decompress(data)
    for size, max_length in calls:
        if decompressor.eof:
            break
        piece, position = data[position : position + size], position + size
        content += decompressor.decompress(piece, max_length)
        if decompressor.needs_input:
            assert decompressor.decompress(b"") == b"" and decompressor.needs_input
    assert raw.startswith(content)
    while not decompressor.eof:
        content += decompressor.decompress(data[position:])
        position = len(data)
    assert content == raw


def test_a_block_comes_out_as_soon_as_it_is_complete():
    decompressor = lmzip.LmzDecompressor()
    sizes = [len(decompressor.decompress(LONG[at : at + 1])) for at in range(len(LONG))]
    assert set(sizes) == {0, 100, len(RAW) % 100} and sizes.count(100) == len(RAW) // 100
    assert sizes[len(LONG) // 2 :].count(100) < len(RAW) // 100


@pytest.mark.parametrize("behind", [b"x", bytes(5), LONG, SHORT + b"garbage"], ids=lambda data: repr(data[:4]))
@pytest.mark.parametrize("max_length", [-1, 50])
def test_what_stands_behind_the_frame_is_left(behind, max_length):
    content, decompressor = decompressed(LONG + behind, 1 << 20, max_length)
    assert content == RAW and decompressor.unused_data == behind


def test_several_frames_one_after_another():
    left, content = LONG + SHORT + LONG, []
    while left:
        piece, decompressor = decompressed(left, 1 << 20)
        content.append(piece)
        left = decompressor.unused_data
    assert content == [RAW] * 3


def test_before_and_behind_the_end():
    decompressor = lmzip.LmzDecompressor()
    assert decompressor.needs_input and not decompressor.eof and decompressor.unused_data == b""
    decompressor.decompress(LONG[:-1])
    assert decompressor.needs_input and not decompressor.eof and decompressor.unused_data == b""
    assert decompressor.decompress(LONG[-1:] + b"abc") == b"" and decompressor.eof
    with pytest.raises(EOFError):
        decompressor.decompress(b"def")
    assert decompressor.unused_data == b"abc"


def test_a_limit_of_nothing_and_wrong_limits():
    decompressor = lmzip.LmzDecompressor()
    assert decompressor.decompress(LONG, 0) == b"" and not decompressor.needs_input
    for wrong in (1.0, "1", None):
        with pytest.raises(TypeError, match="max_length must be an integer"):
            decompressor.decompress(b"", wrong)
    assert decompressor.decompress(b"", max_length=5) == RAW[:5]
    assert decompressor.decompress(b"") == RAW[5:]


def test_memory_is_bounded_by_the_block():
    """However much content a little input stands for."""
    size = 64 << 20
    data = lmzip.compress(bytes(size), 1, block_size=1 << 20)
    lmzip.decompress(lmzip.compress(bytes(1000), 1))  # what stays loaded
    decompressor, n_bytes, piece = lmzip.LmzDecompressor(), 0, data
    tracemalloc.start()
    try:
        while not decompressor.eof:
            n_bytes += len(decompressor.decompress(piece, 10_000))
            piece = b""
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert n_bytes == size and peak < 4 << 20


@pytest.mark.parametrize("at", [0, 3])
@pytest.mark.parametrize("step", [1, 1 << 20])
def test_what_is_no_frame_is_refused(at, step):
    data = bytearray(LONG)
    data[at] ^= 0x40
    with pytest.raises(NotLmzipError):
        decompressed(bytes(data), step)


@pytest.mark.parametrize("step", [7, 1 << 20])
def test_every_damage_is_told_and_lasts(step):
    for at in range(5, len(LONG), 4):
        data = bytearray(LONG)
        data[at] ^= 0x10
        decompressor, content = lmzip.LmzDecompressor(), b""
        try:
            for start in range(0, len(data), step):
                content += decompressor.decompress(data[start : start + step])
        except LmzipError as error:
            with pytest.raises(type(error)):
                decompressor.decompress(b"")
            assert not decompressor.needs_input and decompressor.unused_data == b""
        assert not decompressor.eof and RAW.startswith(content)


def test_a_wrong_hash_of_the_whole_is_no_end():
    """The last thing that is checked, when all blocks are out."""
    data = pack(RAW, **BLOCKS)[0]
    other = pack(RAW[:-1] + b"?", **BLOCKS)[0]
    start = next(at for at in range(len(data)) if data[at] != other[at])
    decompressor = lmzip.LmzDecompressor()
    decompressor.decompress(data[:start])
    with pytest.raises(DamagedError):
        decompressor.decompress(data[start:-20] + other[-20:])
    assert not decompressor.eof and not decompressor.needs_input


def test_the_limit_of_memory_holds():
    with pytest.raises(MemoryLimitError):
        decompressed(LONG, 100, memory_limit=1000)
    assert decompressed(LONG, 100, memory_limit=1 << 30)[0] == RAW


def test_neither_is_pickled_or_copied():
    for thing in (lmzip.LmzCompressor(1), lmzip.LmzDecompressor()):
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="cannot pickle"):
                attempt(thing)


def test_several_threads_share_a_compressor():
    """Each call is taken as a whole, and what the calls return is a frame in the order in which they returned it."""
    compressor, lock, packed = lmzip.LmzCompressor(1, block_size=100, threads=2), threading.Lock(), []
    lines = [b"thread %d line %d\n" % (number, n) for number in range(4) for n in range(40)]

    def work(number):
        for line in lines[number * 40 : number * 40 + 40]:
            with lock:
                packed.append(compressor.compress(line))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    packed.append(compressor.flush())
    assert sorted(lmzip.decompress(b"".join(packed)).splitlines(keepends=True)) == sorted(lines)


def test_several_threads_share_a_decompressor():
    """No byte is lost or comes twice."""
    decompressor, pieces = lmzip.LmzDecompressor(), []

    def work():
        while not decompressor.eof and not decompressor.needs_input:
            try:
                pieces.append(decompressor.decompress(b"", 10))
            except EOFError:  # another thread got the last piece since
                return

    pieces.append(decompressor.decompress(LONG, 10))
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(b"".join(pieces)) == sorted(RAW) and decompressor.eof


def test_a_signal_handler_that_comes_in_is_refused():
    """It cannot wait for the call that it interrupts."""
    errors = []

    def handle(*_):
        try:
            decompressor.decompress(b"")
        except RuntimeError as error:
            errors.append(str(error))

    decompressor = lmzip.LmzDecompressor()
    decode = decompressor._frame.decode

    def raising_decode():
        signal.raise_signal(signal.SIGUSR1)
        return decode()

    decompressor._frame.decode = raising_decode
    old = signal.signal(signal.SIGUSR1, handle)
    try:
        assert decompressor.decompress(LONG) == RAW
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert errors and all("while another call was decompressing" in error for error in errors)


PROLOGUE = """
import gc, os, sys, threading, time
import lmzip
BLOCKS = {"level": 1, "block_size": 10, "threads": 3}
RAW = b"line\\n" * 50
def compressor():
    compressor = lmzip.LmzCompressor(**BLOCKS)
    compressor.compress(RAW)
    return compressor
"""


def run(body):
    """Return what a program prints; one that hangs fails by the limit of time, which is there for nothing else."""
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PROLOGUE + body]
    done = subprocess.run(command, capture_output=True, timeout=120, env=environment, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_a_compressor_in_a_forked_child_is_refused():
    body = """
it = compressor()
if not (child := os.fork()):
    for call in (it.flush, lambda: it.compress(b"x")):
        try:
            call()
        except RuntimeError as error:
            print(error, flush=True)
    del it
    gc.collect()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
it.flush()
print("parent done")
"""
    assert run(body) == "only the process that made a compressor can use it\n" * 2 + "parent done\n"


def test_a_decompressor_goes_on_in_a_forked_child():
    body = """
data = lmzip.compress(RAW, **BLOCKS)
it = lmzip.LmzDecompressor()
first = it.decompress(data, 30)
child = os.fork()
assert first + it.decompress(b"") == RAW and it.eof
if not child:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    assert run(body) == ""


def test_a_fork_while_another_thread_decompresses_hangs_nobody():
    body = """
import lmzip.stream.turns as turns
turns.JOIN_SECONDS = 0.2
it = lmzip.LmzDecompressor()
entered, leave = threading.Event(), threading.Event()
def stuck(view):
    entered.set()
    leave.wait()
it._frame.feed = stuck
thread = threading.Thread(target=it.decompress, args=(b"x",))
thread.start()
entered.wait()
if not (child := os.fork()):
    try:
        it.decompress(b"x")
    except RuntimeError as error:
        print(error, flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
leave.set()
thread.join()
"""
    assert run(body) == "a thread of the parent process was decompressing during the fork\n"


@pytest.mark.parametrize(
    "end", ["pass", "sys.exit(0)", "del it; gc.collect()", "it = [it]; it.append(it); del it; gc.collect()"]
)
def test_one_that_is_never_flushed_holds_up_nothing(end):
    assert run(f"it = compressor()\n{end}\n") == ""


def test_threads_end_with_a_compressor_that_is_dropped():
    body = """
it = compressor()
assert threading.active_count() > 1
del it
gc.collect()
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        thread.join()
print(threading.active_count())
"""
    assert run(body) == "1\n"


@pytest.mark.parametrize("when", ["atexit", "__del__"])
def test_flushed_while_the_interpreter_ends(when):
    """By a function that runs after ours: it works; when modules are gone it may be an error, but never waits."""
    body = {
        "atexit": """
import atexit
it = compressor()
def later():
    more = lmzip.LmzCompressor(**BLOCKS)
    assert lmzip.decompress(more.compress(RAW) + more.flush()) == RAW
    it.compress(RAW)
    it.flush()
    print("flushed", flush=True)
atexit.register(later)
""",
        "__del__": """
class Late:
    def __init__(self):
        self.it = compressor()
    def __del__(self, write=os.write):
        try:
            self.it.flush()
        except BaseException:
            pass
        write(1, b"flushed\\n")
sys.late = Late()
""",
    }[when]
    assert "flushed\n" in run(body)


def test_an_error_of_compressing_lasts(monkeypatch):
    compressor = lmzip.LmzCompressor(1, block_size=10, threads=1)

    def fail(*_, **__):
        raise MemoryLimitError("no memory")

    monkeypatch.setattr("lmzip.stream.writing.encode_block", fail)
    for call in (lambda: compressor.compress(RAW), compressor.flush, compressor.flush):
        with pytest.raises(MemoryLimitError):
            call()


def test_the_tools_of_the_standard_library_read_by_it():
    """As gzip and lzma read files: a raw reader asks for more only where needs_input says so."""
    source, decompressor = io.BytesIO(LONG), lmzip.LmzDecompressor()

    class Reader(io.RawIOBase):
        def readable(self):
            return True

        def readinto(self, buffer):
            while not decompressor.eof:
                data = source.read(9) if decompressor.needs_input else b""
                if piece := decompressor.decompress(data, len(buffer)):
                    buffer[: len(piece)] = piece
                    return len(piece)
            return 0

    assert list(io.BufferedReader(Reader())) == list(io.BytesIO(RAW))

"""Files that are never closed: at the end of the interpreter, when collected as garbage, and on both sides of a fork.

Each case is a program of its own; the limit of time is there only so that one that hangs fails.
"""

from __future__ import annotations

import gc
import io
import subprocess
import sys
import threading

import pytest
from conftest import ROOT

import lmzip
from lmzip.errors import LmzipError

PROLOGUE = """
import atexit, io, os, sys, threading
import lmzip
BLOCKS = {"level": 1, "block_size": 10, "threads": 3}
def main():
    global file
"""
LINES = b"line\n" * 20


@pytest.fixture
def run(tmp_path):
    def run(body, prologue=PROLOGUE):
        """Run lines inside a function, whose `file` is global; return exit status, what was printed, and content."""
        program = prologue + "".join(f"    {line}\n" for line in body.splitlines()) + "main()\n"
        (tmp_path / "program.py").write_text(program)
        command = [sys.executable, "-W", "ignore::DeprecationWarning", tmp_path / "program.py"]
        environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120, env=environment)
        return done.returncode, done.stdout + done.stderr, lmzip.decompress((tmp_path / "x.lmz").read_bytes())

    return run


WRITERS = {
    "text": ('file = lmzip.open("x.lmz", "wt"); file.write("line\\n" * 20)', LINES),
    "binary": ('file = lmzip.open("x.lmz", "wb"); file.write(b"line\\n" * 20)', LINES),
    "empty": ('file = lmzip.open("x.lmz", "wb")', b""),
    "several blocks in threads": ('file = lmzip.open("x.lmz", "wb", **BLOCKS); file.write(b"line\\n" * 20)', LINES),
    "several blocks of text": ('file = lmzip.open("x.lmz", "wt", **BLOCKS); file.write("line\\n" * 20)', LINES),
    "text of one's own": ('file = io.TextIOWrapper(lmzip.open("x.lmz", "wb")); file.write("line\\n" * 20)', LINES),
    "a buffer of one's own": (
        'file = io.BufferedWriter(lmzip.open("x.lmz", "wb", **BLOCKS)); file.write(b"line\\n" * 20)',
        LINES,
    ),
    "in a cycle": ('file = [lmzip.open("x.lmz", "wt")]; file.append(file); file[0].write("line\\n" * 20)', LINES),
    "of a file that is given": (
        'file = lmzip.open(open("x.lmz", "wb"), "wb", **BLOCKS); file.write(b"line\\n" * 20)',
        LINES,
    ),
}
ENDS = {
    "plain": ("", 0, b""),
    "sys.exit": ("sys.exit(7)", 7, b""),
    "unrelated exception": ("raise KeyError('unrelated')", 1, b"KeyError: 'unrelated'\n"),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("end", ENDS)
def test_a_file_never_closed_is_finished_at_exit(run, writer, end):
    statement, expected = WRITERS[writer]
    last, status, message = ENDS[end]
    code, printed, content = run(f"{statement}\n{last}")
    assert (code, content) == (status, expected)
    assert printed.endswith(message) and b"ignored" not in printed and (message or not printed)


def test_written_while_the_interpreter_ends(run):
    """By a function of the program that runs after ours, to a file from before and to one of its own."""
    prologue = """
import atexit, os, sys
def later():
    file.write(b"later\\n" * 9)
    global other
    import lmzip
    other = lmzip.open("y.lmz", "wb", level=1, block_size=10, threads=3)
    other.write(b"other\\n" * 20)
    atexit.register(print, "end")
atexit.register(later)
import lmzip
def main():
    global file
"""
    body = 'file = lmzip.open("x.lmz", "wb", level=1, block_size=10, threads=3); file.write(b"line\\n" * 20)'
    code, printed, content = run(body, prologue)
    assert (code, content) == (0, LINES + b"later\n" * 9) and not printed.replace(b"end\n", b"")


def test_written_while_the_interpreter_ends_is_whole(run, tmp_path):
    test_written_while_the_interpreter_ends(run)
    assert lmzip.decompress((tmp_path / "y.lmz").read_bytes()) == b"other\n" * 20


@pytest.mark.parametrize("mode", ["wb", "wt"])
def test_an_error_at_exit_is_told_once(run, tmp_path, mode):
    (tmp_path / "x.lmz").write_bytes(lmzip.compress(b""))
    data = {"wb": b"line\n", "wt": "line\n"}[mode]
    code, printed, _ = run(f'file = lmzip.open("/dev/full", {mode!r}); file.write({data!r})')
    assert code == 0 and printed.count(b"OSError: [Errno 28]") == 1 and b"ignored" not in printed


def test_a_daemon_thread_that_is_stuck_in_a_write_does_not_hold_up_the_end(run, tmp_path):
    """Nor do the threads that it waits for."""
    (tmp_path / "x.lmz").write_bytes(lmzip.compress(b""))
    body = """
class Stuck:
    name = "stuck"
    def write(self, data):
        started.set()
        threading.Event().wait()
started = threading.Event()
file = lmzip.open(Stuck(), "wb", **BLOCKS)
threading.Thread(target=file.write, args=(bytes(1000),), daemon=True).start()
started.wait()
"""
    code, printed, _ = run(body)
    assert code == 0 and b"stays unfinished" in printed


def test_threads_of_a_daemon_thread_do_not_hold_up_the_end(run, tmp_path):
    (tmp_path / "x.lmz").write_bytes(lmzip.compress(b""))
    body = """
started = threading.Event()
def compress():
    while True:
        lmzip.compress(bytes(100_000), 1, block_size=1000, threads=3)
        started.set()
threading.Thread(target=compress, daemon=True).start()
started.wait()
"""
    assert run(body)[:2] == (0, b"")


FORKS = {
    "sys.exit": ("sys.exit(5)", 5),
    "os._exit": ("os._exit(5)", 5),
    "plain end": ("return", 0),
    "close": ("file.close(); sys.exit(5)", 5),
    "leaving with": ("with file: pass\n    sys.exit(5)", 5),
    "compressing": ("assert lmzip.decompress(lmzip.compress(b'x' * 99, **BLOCKS), threads=3) == b'x' * 99", 0),
    "a file of its own": ("with lmzip.open('y', 'wb', **BLOCKS) as own: own.write(b'x' * 99)\n    sys.exit(5)", 5),
    "garbage": ("del file\n    sys.exit(5)", 5),
}


@pytest.mark.parametrize("mode", ["wb", "wt"])
@pytest.mark.parametrize("action", FORKS)
def test_a_child_neither_hangs_nor_writes(run, mode, action):
    """What the parent had taken is written once, by the parent, which goes on; several blocks are on their way."""
    lines, status = FORKS[action]
    line = {"wb": b"line\n", "wt": "line\n"}[mode]
    body = f"""
file = lmzip.open("x.lmz", {mode!r}, **BLOCKS)
file.write({line!r} * 19)
pid = os.fork()
if not pid:
    {lines}
    return
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == {status}
file.write({line!r})
"""
    code, printed, content = run(body)
    assert (code, printed, content) == (0, b"", LINES)


def test_a_child_is_told_that_it_cannot_write(run):
    body = """
file = lmzip.open("x.lmz", "wb", **BLOCKS)
file.write(b"line\\n" * 20)
pid = os.fork()
if not pid:
    for call in (lambda: file.write(b"line"), lambda: file.seek(1000)):
        try:
            call()
        except io.UnsupportedOperation as error:
            assert "process" in str(error)
        else:
            os._exit(9)
    os._exit(5)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
"""
    assert run(body) == (0, b"", LINES)


def test_multiprocessing_with_fork(run):
    """A pool whose workers inherit an open file and use threads of their own."""
    body = """
import multiprocessing
file = lmzip.open("x.lmz", "wt", **BLOCKS)
file.write("line\\n" * 20)
with multiprocessing.get_context("fork").Pool(2) as pool:
    packed = pool.map(lmzip.compress, [b"a" * 50, b"b" * 50])
assert [lmzip.decompress(data) for data in packed] == [b"a" * 50, b"b" * 50]
"""
    assert run(body) == (0, b"", LINES)


def test_a_fork_inside_of_a_stream(run, tmp_path):
    """By the function that is read from, while threads are at work: the child gets an error and can end."""
    (tmp_path / "x.lmz").write_bytes(lmzip.compress(b""))
    body = """
from lmzip.codec import compress_stream
data, pids = io.BytesIO(b"line\\n" * 20), []
def read(size):
    if data.tell() > 50 and not pids:
        pids.append(os.fork())
    return data.read(size)
try:
    compress_stream(read, lambda data: None, **BLOCKS)
except RuntimeError as error:
    assert "process" in str(error)
    sys.exit(5)
assert os.waitstatus_to_exitcode(os.waitpid(pids[0], 0)[1]) == 5
"""
    assert run(body)[:2] == (0, b"")


@pytest.mark.parametrize("mode", ["wb", "wt"])
@pytest.mark.parametrize("in_cycle", [False, True])
def test_garbage_is_finished(tmp_path, mode, in_cycle):
    file = lmzip.open(tmp_path / "x", mode, level=1, block_size=10, threads=3)
    file.write("line\n" * 20 if mode == "wt" else LINES)
    if in_cycle:
        file.itself = file
    del file
    gc.collect()
    assert lmzip.decompress((tmp_path / "x").read_bytes()) == LINES


def test_garbage_that_one_of_its_own_threads_finds(tmp_path):
    """That thread cannot wait for itself; another finishes the file."""

    class Collecting(io.BytesIO):
        threads: set = set()

        def write(self, data):
            may_go_on.wait()
            Collecting.threads.add(threading.current_thread().name)
            gc.collect()
            return super().write(data)

    may_go_on, output, before = threading.Event(), Collecting(), threading.enumerate()
    file = lmzip.open(output, "wb", level=1, block_size=10, threads=2)
    file.itself = file
    file.write(LINES[:30])
    del file
    may_go_on.set()
    for thread in set(threading.enumerate()) - set(before):
        thread.join()
    for thread in set(threading.enumerate()) - set(before):
        thread.join()
    assert lmzip.decompress(output.getvalue()) == LINES[:30]


def test_what_was_broken_off_is_not_finished_as_garbage(tmp_path):
    path = tmp_path / "x"
    with pytest.raises(KeyError), lmzip.open(path, "wt", level=1, block_size=10, threads=3) as file:
        file.write("line\n" * 20)
        raise KeyError
    del file
    gc.collect()
    with pytest.raises(LmzipError):
        lmzip.decompress(path.read_bytes())


READING = """
inner, outer = os.pipe()
data = lmzip.compress(b"line\\n" * 20, 1)
file = lmzip.open(open(inner, "rb", buffering=0), {mode!r})
entered = threading.Event()
class Waiting(threading.Thread):
    def run(self):
        entered.set()
        self.content = file.read()
"""


@pytest.mark.parametrize("mode", ["rb", "rt"])
def test_a_fork_while_another_thread_reads_hangs_nobody(run, tmp_path, mode):
    """The child gets an error instead of waiting for a thread that is not there; the parent reads on."""
    (tmp_path / "x.lmz").write_bytes(lmzip.compress(b"", 1))
    body = (
        READING.format(mode=mode)
        + """
thread = Waiting(daemon=True)
thread.start()
entered.wait()
binary = getattr(file, "buffer", file)
while binary._reading.acquire(blocking=False):  # until the thread is at it
    binary._reading.release()
if not (child := os.fork()):
    for call in (lambda: binary.read(1), binary.tell, binary.readline):
        try:
            call()
        except RuntimeError as error:
            print(error, flush=True)
    binary.close()
    binary.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
os.write(outer, data)
os.close(outer)
thread.join()
print(len(thread.content))
"""
    )
    code, printed, _ = run(body)
    assert (code, printed) == (0, b"a thread of the parent process was reading during the fork\n" * 3 + b"100\n")


def test_a_reader_goes_on_in_a_forked_child(run, tmp_path):
    """Which shares the place in the file below with its parent, as any file object does."""
    (tmp_path / "x.lmz").write_bytes(lmzip.compress(b"line\n" * 20, 1))
    body = """
file = lmzip.open("x.lmz")
first = file.readline()
if not os.fork():
    assert first + file.read() == b"line\\n" * 20
    file.close()
    os._exit(7)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    assert run(body) == (0, b"7\n", b"line\n" * 20)

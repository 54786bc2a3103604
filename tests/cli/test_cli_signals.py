"""Signals, pipes whose other end is gone, full disks, closed descriptors."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from cli_tools import (
    MAGIC,
    compress,
    decompress,
    environment,
    finish,
    has_open,
    long_text,
    names_in,
    run,
    run_python,
    start,
    stopped_in_work,
    wait_until,
)

# Without unnamed files, as on file systems that have none: the output then has a temporary name.
NO_UNNAMED = "del os.O_TMPFILE"


@pytest.fixture
def text(tmp_path):
    """A file `a` that takes the program a while."""
    path = tmp_path / "a"
    path.write_bytes(long_text())
    return path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU])
def test_ending_signals_leave_the_input_alone(text, number):
    process = start("lmzip", text)
    with stopped_in_work(process, text):
        process.send_signal(number)
    status, stdout, stderr = finish(process)
    assert (status, stdout, stderr) == (-number, b"", b"")
    assert names_in(text.parent) == ["a"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ending_signals_with_a_temporary_name(text, number):
    process = run_python(NO_UNNAMED, text)
    with stopped_in_work(process, text):
        assert len(names_in(text.parent)) == 2
        assert all(len(name) <= 16 for name in names_in(text.parent))
        process.send_signal(number)
    assert finish(process)[0] == -number
    assert names_in(text.parent) == ["a"]


def test_ending_signal_with_threads(text):
    process = start("lmzip", "-4", "-T4", "--block-size=64k", text)
    with stopped_in_work(process, text):
        process.send_signal(signal.SIGTERM)
    assert finish(process)[0] == -signal.SIGTERM
    assert names_in(text.parent) == ["a"]


def test_ending_signal_while_decompressing(text):
    packed = text.with_name("b.lmz")
    packed.write_bytes(compress(text.read_bytes()[:60_000]))
    process = start("lmunzip", packed)
    with stopped_in_work(process, packed):
        process.send_signal(signal.SIGTERM)
    assert finish(process)[0] == -signal.SIGTERM
    assert names_in(text.parent) == ["a", "b.lmz"]


def test_kill_leaves_nothing_under_the_final_name(text):
    for process in (start("lmzip", text), run_python(NO_UNNAMED, text)):
        with stopped_in_work(process, text):
            process.kill()
        assert finish(process)[0] == -signal.SIGKILL
        assert "a.lmz" not in names_in(text.parent) and "a" in names_in(text.parent)
    assert run("lmzip", "-1", text).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=["SIGINT", "SIGHUP"])
def test_ignored_signals_stay_ignored(text, number):
    """As under nohup and, for SIGINT, of a command that a script starts with &."""
    process = start("lmzip", "-4", text, preexec_fn=lambda: signal.signal(number, signal.SIG_IGN))
    with stopped_in_work(process, text):
        process.send_signal(number)
    assert finish(process)[0] == 0
    assert names_in(text.parent) == ["a.lmz"]


def test_progress_on_request(text):
    process = start("lmzip", "-4qq", text)
    with stopped_in_work(process, text):
        process.send_signal(signal.SIGUSR1)
    status, stdout, stderr = finish(process)
    assert (status, stdout) == (0, b"")
    assert stderr.count(b"\n") == 1 and stderr.startswith(b"lmzip: " + bytes(text) + b": compress ")
    assert b"verify" in stderr and b"kB/s" in stderr


def test_progress_request_between_files_does_not_kill():
    process = start("lmzip", "-1")
    wait_until(lambda: catches(process.pid, signal.SIGUSR1), "the handler")
    process.send_signal(signal.SIGUSR1)
    time.sleep(0.1)
    status, stdout, _ = finish(process)
    assert status == 0 and stdout.startswith(MAGIC)


def catches(pid: int, number: int) -> bool:
    """Tell whether a process has a handler for a signal."""
    with open(f"/proc/{pid}/status") as status:
        fields = dict(line.split(":", 1) for line in status)
    return bool(int(fields["SigCgt"], 16) >> (number - 1) & 1)


def test_signal_while_loading(text):
    """Ctrl-C right after the start: no traceback."""
    for delay in (0.03, 0.06, 0.09, 0.12):
        process = start("lmzip", "-k", text)
        wait_until(lambda p=process: catches(p.pid, signal.SIGTERM) or p.poll() is not None, "the handlers")
        time.sleep(delay - 0.03)
        process.send_signal(signal.SIGINT)
        status, _, stderr = finish(process)
        assert (status, stderr) == (-signal.SIGINT, b"")
    assert names_in(text.parent) == ["a"]


# Sees every import of the program from its first one on; sends Ctrl-C when that of the module in AT begins.
SEES_IMPORTS = """
import os, sys
class Finder:
    def find_spec(name, path=None, target=None):
        if "LOG" in os.environ:
            with open(os.environ["LOG"], "a") as log:
                log.write(name + "\\n")
        if name == os.environ.get("AT"):
            os.kill(os.getpid(), 2)
sys.meta_path.insert(0, Finder)
"""


@pytest.fixture
def seeing_imports(tmp_path):
    """A function: the environment in which a program sees its imports."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SEES_IMPORTS)
    return lambda **changes: environment(PYTHONPATH=str(tmp_path / "site"), **changes)


@pytest.mark.parametrize("program", ["lmzip", "lmcat"])
def test_signal_at_each_import(tmp_path, seeing_imports, program):
    """In the first milliseconds too, before there are handlers: silently by the signal, from the first module on."""
    data = b"hello" if program == "lmzip" else compress(b"hello")
    log = tmp_path / "log"
    assert run(program, data=data, env=seeing_imports(LOG=str(log))).returncode == 0
    names = log.read_text().split()
    names = list(dict.fromkeys(names[names.index("lmzip_launcher") + 1 :]))
    assert names[0] == "lmzip" and {"signal", "click", "lmzip.cli.main", "lmzip.codec"} < set(names)

    def ends(name: str) -> tuple[int, bytes, bytes]:
        done = run(program, data=data, env=seeing_imports(AT=name))
        return done.returncode, done.stdout, done.stderr

    with ThreadPoolExecutor(2) as pool:
        for name, ending in zip(names, pool.map(ends, names), strict=True):
            assert ending == (-signal.SIGINT, b"", b""), name


def test_signal_at_an_import_is_ignored_where_it_is_to_be(seeing_imports):
    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    for name in ("lmzip", "lmzip.cli.signals", "lmzip.codec"):
        done = run("lmzip", data=b"hello", env=seeing_imports(AT=name), preexec_fn=ignore)
        assert (done.returncode, done.stderr) == (0, b"") and done.stdout.startswith(MAGIC)


def test_the_module_as_a_program(tmp_path):
    """python -m lmzip: the same status."""
    for arguments, status in (([tmp_path / "none"], 1), (["--version"], 0)):
        assert subprocess.run([sys.executable, "-m", "lmzip", *arguments], capture_output=True).returncode == status


@pytest.mark.parametrize("program", ["lmzip", "lmcat"])
def test_reader_that_goes_away(tmp_path, program):
    """As with `| head -c 1`: dies silently by SIGPIPE."""
    data = os.urandom(1 << 20)
    path = tmp_path / "a"
    path.write_bytes(data if program == "lmzip" else compress(data, "-1"))
    process = start(program, "-1", "-c", path)
    assert process.stdout.read(1)
    process.stdout.close()
    process.wait(timeout=60)
    assert (process.returncode, process.stderr.read()) == (-signal.SIGPIPE, b"")


def test_reader_of_messages_that_goes_away(text):
    """With `2>&1 | true` a message has nowhere to go; the data are safe whatever becomes of the process."""
    reading, writing = os.pipe()
    os.close(reading)
    done = run("lmzip", "-v1", text, stderr=writing)
    os.close(writing)
    assert done.returncode in (0, -signal.SIGPIPE)
    assert names_in(text.parent) in (["a.lmz"], ["a"])


def test_full_device_as_output(tmp_path):
    data = b"data" * 500
    path = tmp_path / "a.lmz"
    path.write_bytes(compress(data))
    for unbuffered in ({}, {"PYTHONUNBUFFERED": "1"}):
        for arguments in (
            ["lmzip", "-c", path],
            ["lmcat", path],
            ["lmzip", "-l", path],
            ["lmzip", "--json", "-t", path],
        ):
            with open("/dev/full", "wb") as full:
                done = run(*arguments, stdout=full, env=environment(**unbuffered))
            assert done.returncode == 1 and b"standard output: No space left on device" in done.stderr
            assert done.stderr.count(b"\n") == 1
        with open("/dev/full", "wb") as full:
            assert run("lmzip", data=data, stdout=full, env=environment(**unbuffered)).returncode == 1


def limited(size: int):
    """Return a function for a child to call: files may grow to `size` bytes, which is seen as an error of write."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def test_file_that_may_not_grow(tmp_path):
    """A limit of size stands for a full disk where none can be mounted."""
    data = os.urandom(30_000)
    (tmp_path / "a").write_bytes(data)
    (tmp_path / "b").write_bytes(b"fits")
    done = run("lmzip", "-1", tmp_path / "a", tmp_path / "b", preexec_fn=limited(20_000))
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1 and b"a.lmz: File too large" in done.stderr
    assert names_in(tmp_path) == ["a", "b.lmz"]  # the others get their turn
    (tmp_path / "a.lmz").write_bytes(b"old")
    assert run("lmzip", "-1f", tmp_path / "a", preexec_fn=limited(20_000)).returncode == 1
    assert (tmp_path / "a.lmz").read_bytes() == b"old" and (tmp_path / "a").read_bytes() == data
    process = run_python(NO_UNNAMED, "-1f", tmp_path / "a", preexec_fn=limited(20_000))
    assert finish(process)[0] == 1 and names_in(tmp_path) == ["a", "a.lmz", "b.lmz"]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 kB, mounted for the test."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a file system cannot be mounted here; test_file_that_may_not_grow stands in")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_the_input_alone(small_disk):
    data = os.urandom(150_000)
    (small_disk / "a").write_bytes(data)
    (small_disk / "b").write_bytes(b"fits")
    done = run("lmzip", "-1", small_disk / "a", small_disk / "b")
    assert done.returncode == 1 and b"a.lmz: No space left on device" in done.stderr
    assert names_in(small_disk) == ["a", "b.lmz"] and (small_disk / "a").read_bytes() == data
    (small_disk / "a.lmz").write_bytes(b"old")
    assert run("lmzip", "-1f", small_disk / "a").returncode == 1
    assert (small_disk / "a.lmz").read_bytes() == b"old"
    (small_disk / "c.lmz").write_bytes(compress(bytes(100_000) + data[:1000] * 140, "-1"))
    assert run("lmunzip", small_disk / "c.lmz").returncode == 1
    assert names_in(small_disk) == ["a", "a.lmz", "b.lmz", "c.lmz"]


def closed(*descriptors: int):
    """Return a function for a child to call: closes descriptors."""

    def close() -> None:
        for fd in descriptors:
            os.close(fd)

    return close


def start_with_closed(program: str, descriptors, *arguments):
    """Run a program with descriptors closed; return its status."""
    return run(program, *arguments, preexec_fn=closed(*descriptors)).returncode


@pytest.mark.parametrize("descriptors", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)], ids=str)
def test_closed_descriptors_never_get_data(tmp_path, descriptors):
    """No data file gets the number of a standard stream and is written into."""
    data = b"data" * 500
    path = tmp_path / "a"
    path.write_bytes(data)
    assert start_with_closed("lmzip", descriptors, path) == 0
    assert names_in(tmp_path) == ["a.lmz"]
    packed = (tmp_path / "a.lmz").read_bytes()
    assert packed == compress(data)
    # A message is due; with standard error closed it must not land in a file.
    assert start_with_closed("lmunzip", descriptors, "-v", path, f"{path}.lmz") == 1
    assert path.read_bytes() == data
    assert start_with_closed("lmzip", descriptors, "-c", path) == (1 if 1 in descriptors else 0)
    if 0 in descriptors:
        assert start_with_closed("lmzip", descriptors) == 1
    assert (tmp_path / "a").read_bytes() == data


def test_input_that_cannot_be_read(tmp_path):
    """Standard input is open for writing only: an error of read(), told in one line."""
    fd = os.open(tmp_path / "a", os.O_WRONLY | os.O_CREAT)
    for program in ("lmzip", "lmunzip"):
        done = run(program, stdin=fd)
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (1, b"", 1)
    os.close(fd)


def test_standard_output_that_is_the_input(tmp_path):
    """`lmzip -c a >> a` would feed on itself."""
    path = tmp_path / "a"
    path.write_bytes(b"data" * 500)
    with open(path, "ab") as same:
        for arguments in (["lmzip", "-c", path], ["lmcat", path]):
            assert run(*arguments, stdout=same).returncode == 1
        with open(path, "rb") as stdin:
            assert run("lmzip", stdin=stdin, stdout=same).returncode == 1
    assert path.read_bytes() == b"data" * 500


def test_the_module_starts_the_program(tmp_path):
    """`python -m lmzip` is the same program."""
    done = subprocess.run([sys.executable, "-m", "lmzip", "-c"], input=b"data", capture_output=True, timeout=60)
    assert done.returncode == 0 and decompress(done.stdout) == b"data"


def test_data_written_are_on_their_way_before_the_input_goes(text):
    """The input is still there while the output has no name: never both missing."""
    process = start("lmzip", "-1", text)
    wait_until(lambda: has_open(process.pid, text) or process.poll() is not None, "the input to be opened")
    seen = set()
    while process.poll() is None:
        seen.add(tuple(names_in(text.parent)))
    finish(process)
    assert seen <= {("a",), ("a", "a.lmz"), ("a.lmz",)}

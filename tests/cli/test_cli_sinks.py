"""-o with devices, named pipes and descriptors: written, and nothing is published, changed or removed."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import stat
import subprocess
from pathlib import Path

import pytest
from cli_tools import compress, finish, has_open, names_in, run, run_python, start, wait_until

DATA = b"contents of a file\n" * 30

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs to be root, to make devices")


@pytest.fixture
def file(tmp_path):
    """A file `a` with DATA in a folder of its own."""
    path = tmp_path / "a"
    path.write_bytes(DATA)
    return path


@pytest.fixture(scope="module")
def packed():
    """DATA, compressed."""
    return compress(DATA)


@pytest.fixture
def pipe(tmp_path):
    """A named pipe `pipe`."""
    path = tmp_path / "pipe"
    os.mkfifo(path, 0o640)
    return path


def identity(path: Path) -> tuple:
    """Return what must not change of a node."""
    status = path.lstat()
    return status.st_dev, status.st_ino, status.st_rdev, status.st_mode, status.st_uid, status.st_gid


def device(path: Path, kind: int, *numbers: int) -> Path:
    """Make a node that the test may lose: a program with a fault here removes or replaces it."""
    try:
        os.mknod(path, 0o600 | kind, os.makedev(*numbers))
    except OSError as error:
        pytest.skip(f"no devices can be made here: {error}")
    return path


def refused(*arguments, **options) -> bytes:
    """Run, expect an error told in one line and nothing on standard output; return the line."""
    done = run(*arguments, **options)
    assert (done.returncode, done.stdout or b"", done.stderr.count(b"\n")) == (1, b"", 1), done.stderr
    return done.stderr


def test_the_null_device_stays_a_device(file, packed):
    before = identity(Path("/dev/null"))
    for options in ([], ["-k"], ["-f"], ["-kf", "--sync"]):
        done = run("lmzip", *options, "-o", "/dev/null", file)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert run("lmzip", "-o", "/dev/null", data=DATA).returncode == 0
    assert run("lmunzip", "-o", "/dev/null", data=packed).returncode == 0
    assert run("lmunzip", "-o", "/dev/null", data=packed[:-1]).returncode == 1
    assert identity(Path("/dev/null")) == before
    assert names_in(file.parent) == ["a"] and file.read_bytes() == DATA


def test_what_is_told_of_it(file):
    done = run("lmzip", "-v", "-o", "/dev/null", file)
    assert done.stderr.count(b"\n") == 1 and b"written to /dev/null" in done.stderr and b"verified" not in done.stderr
    assert b"verified" in run("lmzip", "-v", "--verify", "-o", "/dev/null", file).stderr
    record = json.loads(run("lmzip", "--json", "-o", "/dev/null", file).stdout)
    assert record["output"] == "/dev/null" and not record["input_removed"]


def test_an_input_does_not_go_for_it(file, pipe, packed):
    file.with_name("b.lmz").write_bytes(packed)
    for place in ("/dev/null", pipe, "/dev/stdout"):
        assert b"-k keeps the input" in refused("lmzip", "--rm", "-o", place, file)
        assert b"-k keeps the input" in refused("lmunzip", "--rm", "-f", "-o", place, file.with_name("b.lmz"))
    assert names_in(file.parent) == ["a", "b.lmz", "pipe"]


@needs_root
def test_devices_are_written_to_not_replaced(file, packed):
    null = device(file.with_name("null"), stat.S_IFCHR, 1, 3)
    full = device(file.with_name("full"), stat.S_IFCHR, 1, 7)
    (file.parent / "link").symlink_to("null")
    before = identity(null), identity(full)
    for options in ([], ["-k"], ["-f"]):
        assert run("lmzip", *options, "-o", null, file).returncode == 0
        assert run("lmzip", *options, "-o", file.with_name("link"), file).returncode == 0
        assert b"full: No space left on device" in refused("lmzip", *options, "-o", full, file)
        assert b"full: No space left on device" in refused("lmunzip", *options, "-o", full, data=packed)
    assert (identity(null), identity(full)) == before and file.with_name("link").is_symlink()
    assert names_in(file.parent) == ["a", "full", "link", "null"]


@needs_root
def test_block_devices_are_refused(file):
    """The node has a number that no driver has."""
    block = device(file.with_name("block"), stat.S_IFBLK, 240, 255)
    (file.parent / "link").symlink_to("block")
    for options in ([], ["-k"], ["-f"]):
        for name in ("block", "link"):
            assert b"is a block device" in refused("lmzip", *options, "-o", file.with_name(name), file)
    assert stat.S_ISBLK(block.lstat().st_mode) and file.with_name("link").is_symlink()


@pytest.mark.parametrize("options", [[], ["-k"], ["-f"]])
@pytest.mark.parametrize("name", ["pipe", "link"])
def test_named_pipes_are_written_to_not_replaced(file, pipe, packed, name, options):
    (file.parent / "link").symlink_to("pipe")
    before = identity(pipe)
    place = file.with_name(name)
    with reader(pipe) as received:
        for arguments, data, expected in (
            (["lmzip", "-o", place, file], b"", packed),
            (["lmzip", "-o", place], DATA, packed),
            (["lmunzip", "-o", place], packed, DATA),
        ):
            done = run(*arguments, *options, data=data)
            assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
            assert received.read() == expected
    assert identity(pipe) == before and names_in(file.parent) == ["a", "link", "pipe"]


def reader(path: Path):
    """Return a pipe opened for reading, which waits neither for a writer nor for data."""
    return open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0)


def test_a_pipe_is_waited_for(file, pipe, packed):
    process = start("lmzip", "-o", pipe, file)
    wait_until(lambda: has_open(process.pid, file) or process.poll() is not None, "the input to be opened")
    with reader(pipe) as received:
        assert finish(process) == (0, b"", b"")
        assert received.read() == packed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_pipe_that_nobody_reads_can_be_left(file, pipe, number):
    told = "real = os.open\ndef told(path, *more, **options):\n"
    told += "    if str(path).endswith('pipe'): os.write(1, b'opening')\n    return real(path, *more, **options)\n"
    process = run_python(told + "os.open = told", "-o", pipe, file)
    assert process.stdout.read(7) == b"opening"
    wait_until(lambda: Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S", "a sleep")
    process.send_signal(number)
    assert finish(process) == (-number, b"", b"")
    assert names_in(file.parent) == ["a", "pipe"]


def test_reader_that_goes_away(file, pipe):
    file.write_bytes(os.urandom(1 << 20))
    process = start("lmzip", "-1", "-o", pipe, file)
    with reader(pipe) as received:
        wait_until(lambda: received.read(1) or process.poll() is not None, "data")
    assert finish(process) == (-signal.SIGPIPE, b"", b"")
    assert names_in(file.parent) == ["a", "pipe"]


def test_descriptors_are_written_where_they_stand(file, packed):
    """Written where the caller is in the file, not from its start."""
    for name in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
        assert run("lmzip", "-o", name, file).stdout == packed
        with open(file.with_name("log"), "wb") as log:
            log.write(b"head")
            log.flush()
            assert run("lmzip", "-f", "-o", name, file, stdout=log).returncode == 0
        assert file.with_name("log").read_bytes() == b"head" + packed
    with open(file.with_name("log"), "wb") as log:
        log.write(b"head")
        log.flush()
        name = f"/dev/fd/{log.fileno()}"
        assert run("lmzip", "-o", name, file, pass_fds=[log.fileno()]).returncode == 0
    assert file.with_name("log").read_bytes() == b"head" + packed
    done = run("lmzip", "--json", "-o", "/dev/stdout", file)
    assert done.stdout == packed and json.loads(done.stderr)["output"] == "/dev/stdout"
    assert names_in(file.parent) == ["a", "log"]


def test_descriptors_that_cannot_be_written(file):
    assert b"/dev/fd/99: Bad file descriptor" in refused("lmzip", "-o", "/dev/fd/99", file)
    for number in range(3, 9):  # where the program's own files are by then
        assert b"Bad file descriptor" in refused("lmzip", "-f", "-o", f"/dev/fd/{number}", file)
    with open(file, "rb") as reading:
        fd = reading.fileno()
        assert b"Bad file descriptor" in refused("lmzip", "-o", f"/dev/fd/{fd}", data=DATA, pass_fds=[fd])
    with open(file, "ab") as same:
        assert b"same file" in refused("lmzip", "-o", "/dev/stdout", file, stdout=same)
        assert b"same file" in refused("lmzip", "-o", f"/dev/fd/{same.fileno()}", file, pass_fds=[same.fileno()])
    assert file.read_bytes() == DATA


def test_terminals_get_no_compressed_data(file, packed):
    """By its name, too, one gets text only."""
    master, slave = pty.openpty()
    try:
        name = os.ttyname(slave)
        assert b"terminal" in refused("lmzip", "-o", name, file)
        assert b"terminal" in refused("lmzip", "-o", "/dev/stdout", file, stdout=slave)
        os.set_blocking(master, False)
        with pytest.raises(BlockingIOError):
            os.read(master, 1)
        os.set_blocking(master, True)
        process = start("lmunzip", "-o", name, stdin=subprocess.PIPE)
        process.communicate(packed, timeout=60)
        assert process.returncode == 0 and os.read(master, 9) == b"contents "
        assert run("lmzip", "-f", "-o", name, file).returncode == 0
    finally:
        os.close(master)
        os.close(slave)


def test_sockets_are_refused(file, tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "socket"))
        for options in ([], ["-k"], ["-f"]):
            assert b"not a regular file" in refused("lmzip", *options, "-o", tmp_path / "socket", file)
    assert stat.S_ISSOCK((tmp_path / "socket").lstat().st_mode)


def test_outputs_beside_the_input_are_files(file, pipe):
    """Only what was named with -o is written as it is: nobody waits for data at a.lmz."""
    pipe.rename(file.with_name("a.lmz"))
    for options in ([], ["-k"], ["-f"]):
        assert b"not a regular file" in refused("lmzip", *options, file)
    assert stat.S_ISFIFO(file.with_name("a.lmz").lstat().st_mode)

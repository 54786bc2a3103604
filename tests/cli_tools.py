"""Helpers of the tests of the command line: run the installed programs, catch them in the middle of their work."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from conftest import SAMPLE, find_program

TIMEOUT = 240  # seconds; long beside any work here, as the machine may be busy
MAGIC = b"\x89LMZ"


def environment(**changes: str) -> dict[str, str]:
    """Return the environment without what changes lmzip's output or messages, and with `changes`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LMZIP_", "PYTHON"))}
    return kept | {"LC_ALL": "C.UTF-8"} | changes


def command(program: str, *arguments) -> list[str]:
    """Return the command line of an installed program."""
    return [str(find_program(program)), *map(os.fspath, arguments)]


def run(program: str, *arguments, data: bytes | None = b"", env=None, **options) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end; `data` is its standard input.  A traceback fails the test, whatever it expects."""
    if "stdin" not in options:
        options["input"] = data
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    done = subprocess.run(
        command(program, *arguments), timeout=TIMEOUT, env=env or environment(), check=False, **options
    )
    no_traceback(done.stderr or b"")
    return done


def no_traceback(stderr: bytes) -> None:
    """Fail if Python's own words came through."""
    for word in (b"Traceback", b"Exception ignored", b"internal error", b"Error in sys.excepthook"):
        assert word not in stderr, stderr.decode(errors="replace")


def start(program: str, *arguments, **options) -> subprocess.Popen[bytes]:
    """Start a program and return without waiting."""
    for stream in ("stdout", "stderr"):
        options.setdefault(stream, subprocess.PIPE)
    options.setdefault("stdin", subprocess.PIPE)
    options.setdefault("env", environment())
    return subprocess.Popen(command(program, *arguments), **options)


def compress(data: bytes, *options: str) -> bytes:
    """Return data compressed by the program, through pipes."""
    done = run("lmzip", *options, data=data)
    assert done.returncode == 0, done.stderr
    return done.stdout


def decompress(data: bytes, *options: str) -> bytes:
    """Return data decompressed by the program, through pipes."""
    done = run("lmunzip", *options, data=data)
    assert done.returncode == 0, done.stderr
    return done.stdout


def long_text(size: int = 300_000) -> bytes:
    """Return text that takes level 4 most of a second: different enough everywhere to be no cheap copy."""
    sample = SAMPLE.read_bytes()
    parts = []
    for number in range(-(-size // len(sample))):
        shift = 7919 * number % len(sample)
        parts.append(bytes(sample[shift:] + sample[:shift]).replace(b"e", b"%d" % number))
    return b"".join(parts)[:size]


def liked_by(weights: bytes, size: int) -> bytes:
    """Return bytes of which a net predicts each as one of the four likeliest, and which follow no other rule.

    What a net from a seed predicts of ordinary data is of no use, so for those the compressor would leave it out.
    """
    from lmzip.models.weights import load_net

    net, rng, data = load_net(weights, Path("a net")), random.Random(0), bytearray(b" ")
    while len(data) < size:
        leaves = net.run(bytes(data) + b"\0")[-256:]
        data.append(rng.choice(sorted(range(256), key=lambda byte: -leaves[byte])[:4]))
    return bytes(data)


def names_in(folder: Path) -> list[str]:
    """Return the sorted names in a folder, hidden ones too."""
    return sorted(os.listdir(folder))


def wait_until(condition, what: str, seconds: float = 120.0) -> None:
    """Wait for condition() to be true; fail the test if it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.002)


def has_open(pid: int, path: Path) -> bool:
    """Tell whether a process has a file open."""
    folder = f"/proc/{pid}/fd"
    try:
        return any(os.readlink(f"{folder}/{fd}") == str(path) for fd in os.listdir(folder))
    except OSError:
        return False


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def stopped_in_work(process: subprocess.Popen[bytes], path: Path):
    """Stop a process once it has an input open and is at work on it; let it go on afterwards.

    The inputs are large enough that the work takes much longer than the time it is let run here.
    """
    wait_until(lambda: has_open(process.pid, path) or process.poll() is not None, "the input to be opened")
    before = cpu_seconds(process.pid)
    wait_until(lambda: process.poll() is not None or cpu_seconds(process.pid) > before + 0.1, "work to begin")
    assert process.poll() is None, process.communicate()
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


def finish(process: subprocess.Popen[bytes]) -> tuple[int, bytes, bytes]:
    """Wait for a process; return status (negative: the signal it died by), standard output and error."""
    stdout, stderr = process.communicate(timeout=TIMEOUT)
    no_traceback(stderr or b"")
    return process.returncode, stdout, stderr


def run_python(code: str, *arguments, main: str = "lmzip_main", **options) -> subprocess.Popen[bytes]:
    """Start the main of lmzip, or of another program, in an interpreter that has executed `code` before."""
    program = f"import os, sys\n{code}\nfrom lmzip.cli import {main}\nsys.exit({main}())"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment()} | options
    return subprocess.Popen([sys.executable, "-c", program, *map(os.fspath, arguments)], **pipes)


# The interpreter may lie where another user cannot reach it, so everything is loaded before the user is changed, but
# for what needs a package that is not here.
AS_NOBODY = """
import contextlib, importlib, pkgutil, lmzip.cli, lmzip.codec, lmzip.models
for package in (lmzip.cli, lmzip.codec, lmzip.models):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(module.name)
import lmzip.native
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
"""

"""What differs at a terminal: refusals, no questions, the progress bar."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import termios

import pytest
from cli_tools import MAGIC, compress, environment, finish, long_text, names_in, no_traceback, run, run_python

DATA = b"some text\n" * 50

# Work that is over sooner gets no bar; on a busy machine any work may take long, on a fast one none does.
BAR_AFTER = "import lmzip.cli.progress\nlmzip.cli.progress._BAR_DELAY = {}"
AT_ONCE, NEVER = BAR_AFTER.format(0), BAR_AFTER.format("float('inf')")


class Terminal:
    """A pseudo-terminal: `end` is the program's, what it shows is collected by shown()."""

    def __enter__(self):
        self.own, self.end = os.openpty()
        fcntl.ioctl(self.end, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 100, 0, 0))
        return self

    def __exit__(self, *_):
        os.close(self.own)
        os.close(self.end)

    def shown(self) -> bytes:
        """Return what has been written to the terminal and not been asked for yet."""
        text = b""
        while select.select([self.own], [], [], 0.1)[0]:
            text += os.read(self.own, 65536)
        return text


@pytest.fixture
def terminal():
    """A pseudo-terminal."""
    with Terminal() as terminal:
        yield terminal


def test_compressed_data_are_not_written_to_a_terminal(tmp_path, terminal):
    path = tmp_path / "a"
    path.write_bytes(DATA)
    for arguments, data in (([], DATA), (["-c", path], b""), (["-9c"], DATA), ([path, "-"], DATA)):
        done = run("lmzip", *arguments, data=data, stdout=terminal.end)
        assert done.returncode == 1 and b"terminal" in done.stderr and done.stderr.count(b"\n") == 1
    assert terminal.shown() == b"" and names_in(tmp_path) == ["a"]
    assert run("lmzip", "-cf", path, stdout=terminal.end).returncode == 0
    assert terminal.shown().startswith(MAGIC)


def test_files_are_replaced_at_a_terminal_too(tmp_path, terminal):
    path = tmp_path / "a"
    path.write_bytes(DATA)
    process = run_python(NEVER, path, stdin=terminal.end, stdout=terminal.end, stderr=terminal.end)
    assert finish(process)[0] == 0
    assert terminal.shown() == b"" and names_in(tmp_path) == ["a.lmz"]
    assert run("lmcat", f"{path}.lmz", stdout=terminal.end).returncode == 0
    assert terminal.shown().replace(b"\r\n", b"\n") == DATA


def test_nothing_is_read_from_a_terminal(terminal):
    for program, options in (
        ("lmunzip", []),
        ("lmunzip", ["-f"]),
        ("lmzip", ["-t"]),
        ("lmcat", []),
        ("lmzip", ["-dc", "-"]),
    ):
        done = run(program, *options, stdin=terminal.end)
        assert (done.returncode, done.stdout) == (1, b"") and b"terminal" in done.stderr


def test_no_arguments_at_a_terminal(terminal):
    for program in ("lmzip", "lmunzip", "lmcat"):
        done = run(program, stdin=terminal.end, stdout=terminal.end)
        assert done.returncode == 1 and done.stderr.count(b"\n") == 1 and b"-h" in done.stderr


def test_no_question_about_an_existing_output(tmp_path, terminal):
    (tmp_path / "a").write_bytes(DATA)
    (tmp_path / "a.lmz").write_bytes(b"old")
    os.write(terminal.own, b"y\n")
    done = run("lmzip", tmp_path / "a", stdin=terminal.end, stdout=terminal.end)
    assert done.returncode == 1 and (tmp_path / "a.lmz").read_bytes() == b"old"


def shown_while_running(terminal: Terminal, code: str, *arguments) -> tuple[int, bytes]:
    """Run lmzip after `code` with standard error on a terminal; return its status and what the terminal got."""
    process = run_python(code, *arguments, stderr=terminal.end)
    text = b""
    while process.poll() is None:
        text += terminal.shown()
    status = finish(process)[0]
    text += terminal.shown()
    no_traceback(text)
    return status, text


def test_the_progress_bar_tells_phase_share_and_speed(tmp_path, terminal):
    path = tmp_path / "a"
    path.write_bytes(long_text(500_000))
    status, text = shown_while_running(terminal, AT_ONCE, "-4v", "--block-size=100k", path)
    assert status == 0
    for word in (b"compress", b"verify", b"%", b"B/s", b"left", b"bits/byte"):
        assert word in text, text
    last = text.replace(b"\r\n", b"\n").rstrip(b"\n").rpartition(b"\r")[2]
    assert b"replaced with" in last  # the bar is gone when the line comes


def test_progress_bar_not_wanted(tmp_path, terminal):
    path = tmp_path / "a"
    path.write_bytes(long_text(500_000))
    for option in ("--no-progress", "-q"):
        assert shown_while_running(terminal, AT_ONCE, option, "-4kf", path) == (0, b"")


def test_short_work_shows_no_bar(tmp_path, terminal):
    path = tmp_path / "a"
    path.write_bytes(DATA)
    assert shown_while_running(terminal, NEVER, path) == (0, b"")


def test_control_characters_do_not_reach_the_terminal(tmp_path, terminal):
    path = tmp_path / "\x1b]0;title\x07"
    path.write_bytes(DATA)
    for arguments in (["lmzip", "-v", path], ["lmunzip", "-l", f"{path}.lmz"], ["lmzip", path]):
        run(*arguments, stdout=terminal.end, stderr=terminal.end)
        text = terminal.shown()
        assert b"\\x1b" in text and b"\x1b" not in text and b"\x07" not in text


def test_compressed_data_from_a_pipe_to_a_terminal(terminal):
    done = run("lmunzip", data=compress(DATA), stdout=terminal.end)
    assert done.returncode == 0 and terminal.shown().replace(b"\r\n", b"\n") == DATA


def test_controlling_terminal_is_not_taken(tmp_path):
    """A session leader that opens a terminal by name would get it as its own; names of terminals are refused."""
    with Terminal() as terminal:
        (tmp_path / "link").symlink_to(os.ttyname(terminal.end))
        done = run("lmzip", "-c", tmp_path / "link", start_new_session=True, env=environment())
        assert done.returncode == 2 and b"regular file" in done.stderr

"""--resume: a call goes on where one like it was cut off, and does nothing twice."""

from __future__ import annotations

import fcntl
import json
import os
import signal

import pytest
from cli_tools import long_text, names_in, run, start, wait_until
from conftest import SAMPLE

TEXT = SAMPLE.read_bytes()[:5_000]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with three files, in which programs run."""
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        (tmp_path / f"{number}.txt").write_bytes(TEXT + b"%d" % number)
    return tmp_path


def records(path) -> list[dict]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_what_is_done_is_left_out(folder) -> None:
    assert run("lmzip", "-1", "-v", "--resume", "list", "0.txt", "1.txt").returncode == 0
    done = run("lmzip", "-1", "-v", "--resume", "list", "0.txt", "1.txt", "2.txt")
    assert done.returncode == 0, done.stderr
    assert b"0.txt" not in done.stderr and b"1.txt" not in done.stderr and b"2.txt" in done.stderr
    assert names_in(folder) == ["0.txt.lmz", "1.txt.lmz", "2.txt.lmz", "list"]
    assert records(folder / "list")[0] == {"work": "compress"}
    assert run("lmzip", "-1", "-v", "--resume", "list", "0.txt").stderr == b""


def test_an_input_that_changed_is_done_again(folder) -> None:
    options = ["-1", "-k", "-v", "--resume", "list"]
    assert run("lmzip", *options, "0.txt", "1.txt").returncode == 0
    (folder / "1.txt").write_bytes(b"another day")
    again = run("lmzip", *options, "-f", "0.txt", "1.txt")
    assert b"0.txt" not in again.stderr and b"1.txt" in again.stderr
    assert run("lmcat", "1.txt.lmz").stdout == b"another day"


def test_what_failed_is_tried_again(folder) -> None:
    (folder / "1.txt").rename(folder / "away")
    assert run("lmzip", "-1", "--resume", "list", "0.txt", "1.txt").returncode == 1
    (folder / "away").rename(folder / "1.txt")
    assert run("lmzip", "-1", "--resume", "list", "0.txt", "1.txt").returncode == 0
    assert "1.txt.lmz" in names_in(folder)


def test_from_another_folder_files_are_the_same(folder, monkeypatch) -> None:
    assert run("lmzip", "-1", "--resume", "list", "0.txt").returncode == 0
    monkeypatch.chdir("/")
    done = run("lmzip", "-1", "-v", "--resume", folder / "list", folder / "0.txt", folder / "1.txt")
    assert done.returncode == 0 and b"0.txt" not in done.stderr


def test_decompression_and_tests_have_lists_too(folder) -> None:
    run("lmzip", "-1", "0.txt", "1.txt")
    assert run("lmunzip", "-k", "-t", "--resume", "tested", "0.txt").returncode == 0
    assert run("lmunzip", "-t", "-v", "--resume", "tested", "0.txt", "1.txt").stderr.count(b"ok") == 1
    assert run("lmunzip", "--resume", "list", "0.txt").returncode == 0
    assert run("lmunzip", "-v", "--resume", "list", "0.txt.lmz", "1.txt").stderr.count(b"\n") == 1
    assert names_in(folder) == ["0.txt", "1.txt", "2.txt", "list", "tested"]
    other = run("lmzip", "--resume", "list", "2.txt")
    assert (other.returncode, other.stderr) == (
        1,
        b"lmzip: list is of a call to decompress, this one is to compress\n",
    )
    assert "2.txt" in names_in(folder)


def test_a_torn_line_is_as_if_it_were_not_there(folder) -> None:
    run("lmzip", "-1", "--resume", "list", "0.txt", "1.txt")
    whole = (folder / "list").read_bytes()
    (folder / "list").write_bytes(whole[:-5])
    # Of 1.txt there is still that its output was about to get its name, and the output.
    assert run("lmzip", "-1", "-v", "--resume", "list", "0.txt", "1.txt").stderr == b""
    lines = whole.splitlines(keepends=True)
    (folder / "list").write_bytes(b"".join(lines[:-2]) + lines[-2][:9])
    (folder / "1.txt").write_bytes(TEXT)
    assert run("lmzip", "-1", "-f", "-v", "--resume", "list", "0.txt", "1.txt").stderr.startswith(b"1.txt: ")
    assert all(records(folder / "list"))
    (folder / "list").write_bytes(b'{"wo')
    assert run("lmzip", "-1", "--resume", "list", "2.txt").returncode == 0
    assert records(folder / "list")[0] == {"work": "compress"}


def test_an_older_output_does_not_pass_for_the_new_one(folder) -> None:
    """The call was cut off when the output was about to be overwritten: what is there may be the old one."""
    run("lmzip", "-1", "-k", "0.txt")
    (folder / "0.txt").write_bytes(b"another day")
    assert run("lmzip", "-1", "-k", "-f", "--resume", "list", "0.txt").returncode == 0
    lines = (folder / "list").read_bytes().splitlines(keepends=True)
    (folder / "list").write_bytes(b"".join(lines[:-1]))  # without the one that says it is done
    assert run("lmzip", "-1", "-k", "-f", "-v", "--resume", "list", "0.txt").stderr.startswith(b"0.txt: ")


def test_a_file_of_another_kind_is_refused_and_left_alone(folder) -> None:
    for content in (TEXT, b"[]\n", b'{"name": "x"}\n', b"no line"):
        (folder / "list").write_bytes(content)
        done = run("lmzip", "-1", "--resume", "list", "0.txt")
        assert (done.returncode, done.stderr) == (1, b"lmzip: list: is no list of what --resume has done\n")
        assert (folder / "list").read_bytes() == content
    assert "0.txt" in names_in(folder)
    assert run("lmzip", "-1", "--resume", "nowhere/list", "0.txt").returncode == 1


def test_two_calls_do_not_share_a_list(folder) -> None:
    with open("list", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = run("lmzip", "-1", "--resume", "list", "0.txt")
    assert (done.returncode, done.stderr) == (1, b"lmzip: list is in use by another call\n")
    assert "0.txt" in names_in(folder)


def test_a_killed_call_goes_on(folder) -> None:
    (folder / "1.txt").write_bytes(long_text(3_000_000))
    names = ["0.txt", "1.txt", "2.txt"]
    program = start("lmzip", "-4", "-T1", "--resume", "list", *names)
    wait_until(lambda: "0.txt.lmz" in names_in(folder), "the first file")
    os.kill(program.pid, signal.SIGKILL)
    program.communicate()
    assert names_in(folder) == ["0.txt.lmz", "1.txt", "2.txt", "list"]
    done = run("lmzip", "-1", "-v", "--resume", "list", *names)
    assert done.returncode == 0, done.stderr
    assert names_in(folder) == ["0.txt.lmz", "1.txt.lmz", "2.txt.lmz", "list"]
    assert b"0.txt" not in done.stderr


@pytest.mark.parametrize("options", [["-c"], ["-l"], ["--estimate"], ["--bench"]])
def test_it_is_for_outputs_with_names(folder, options) -> None:
    done = run("lmzip", *options, "--resume", "list", "0.txt")
    assert done.returncode == 1 and b"--resume" in done.stderr and done.stderr.count(b"\n") == 1
    assert "list" not in names_in(folder)

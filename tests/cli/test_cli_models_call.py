"""How lmzip-models is called: help, statuses, a line for every error, signals, full standard output."""

from __future__ import annotations

import os
import signal
import subprocess

import click
import pytest
from cli_tools import command, environment, finish, names_in, run, run_python

from lmzip.cli.models.commands import models_program

COMMANDS = ["list", "get", "import", "bench", "sample", "plot", "add-dictionary", "train-dictionary", "train"]
EVERYWHERE = [[], *([name] for name in COMMANDS)]


def test_the_commands_are_these():
    assert list(models_program.commands) == COMMANDS


@pytest.mark.parametrize("words", EVERYWHERE, ids=" ".join)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_is_everywhere_and_has_every_option(words, option):
    done = run("lmzip-models", *words, option)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    assert text.startswith(" ".join(["Usage: lmzip-models", *words])) and max(map(len, text.splitlines())) <= 100
    described: click.Command = models_program.commands[words[0]] if words else models_program
    for param in described.params:
        for name in param.opts if isinstance(param, click.Option) else []:
            assert f" {name}" in text
    if not words:
        assert all(f"\n  {name} " in text for name in COMMANDS)


@pytest.mark.parametrize("words", EVERYWHERE, ids=" ".join)
@pytest.mark.parametrize("option", ["-V", "--version"])
def test_version_is_everywhere(words, option):
    done = run("lmzip-models", *words, option)
    assert (done.returncode, done.stderr) == (0, b"") and done.stdout.startswith(b"lmzip-models ")
    assert done.stdout.split()[1] == run("lmzip", "-V").stdout.split()[1]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nope"],
        ["--nope"],
        ["-q", "list"],
        ["list", "x"],
        ["list", "--nope"],
        ["list", "--jso=1"],
        ["bench", "-Z"],
        ["get", "-M", "much", "smollm2"],
        ["import", "-o"],
        ["--completion", "tcsh"],
        ["nope\n\x1b[31m"],
    ],
    ids=repr,
)
def test_usage_errors_are_a_line_and_status_1(arguments):
    done = run("lmzip-models", *arguments)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"lmzip-models: ") and done.stderr.count(b"\n") == 1
    assert b"Try 'lmzip-models" in done.stderr and b"\x1b" not in done.stderr


@pytest.mark.parametrize(
    "words", [["-h"], ["-V"], ["--completion", "bash"], ["list"], ["list", "-h"], ["bench", "ngram"]]
)
def test_full_standard_output_fails(words):
    with open("/dev/full", "wb") as full:
        done = run("lmzip-models", *words, stdout=full)
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1 and b"No space left" in done.stderr


def test_closed_standard_output_fails():
    shell = ["sh", "-c", 'exec "$@" >&-', "sh", *command("lmzip-models", "list")]
    done = subprocess.run(shell, capture_output=True, env=environment(), check=False, timeout=60)
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1


def test_a_reader_that_is_gone_ends_it_silently():
    reading, writing = os.pipe()
    os.close(reading)
    done = run("lmzip-models", "list", stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")


WAITING = """
from lmzip.cli.models import here
import time
here.entries = lambda _: (print(flush=True), time.sleep(60))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_it_silently(number):
    process = run_python(WAITING, "list", main="models_main")
    assert process.stdout.readline() == b"\n"
    process.send_signal(number)
    assert finish(process) == (-number, b"", b"")


def test_nothing_is_written_by_what_only_tells(tmp_path):
    for words in (["list"], ["bench", "ngram"], ["-h"], ["get", "-V"]):
        assert run("lmzip-models", *words, cwd=tmp_path, env=environment(HOME=str(tmp_path))).returncode == 0
    assert names_in(tmp_path) == []

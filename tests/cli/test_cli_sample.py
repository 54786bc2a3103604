"""lmzip-models sample: what could follow a prompt, on standard output."""

from __future__ import annotations

import os

import pytest
from cli_tools import environment, run
from conftest import SAMPLE
from media_tools import picture
from tiny_net import tiny_weights

from lmzip.codec import sample
from lmzip.dictionary import Dictionary
from lmzip.models.registry import Registry

TEXT = SAMPLE.read_bytes()[:1000]


@pytest.fixture
def prompt(tmp_path):
    path = tmp_path / "prompt.txt"
    path.write_bytes(TEXT)
    return path


def drawn(*arguments: object, **settings) -> bytes:
    done = run("lmzip-models", "sample", *map(str, arguments), **settings)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def test_it_writes_what_the_library_draws(prompt) -> None:
    of_library = sample(TEXT, 200, seed=7, model=Registry().built_in())
    assert drawn("--prompt", prompt, "--bytes", 200, "--seed", 7, "--model", "ngram") == of_library
    assert drawn("--prompt", "-", "--bytes", 200, "--seed", 7, "--model", "ngram", data=TEXT) == of_library
    assert len(drawn("-4")) == 1000


def test_a_level_and_a_content_are_taken(prompt) -> None:
    found = {drawn("--prompt", prompt, "--bytes", 100, f"-{level}", "--model", "ngram") for level in (1, 4)}
    assert len(found) == 2
    prompt.write_bytes(picture()[:1500])
    as_picture, as_bytes = (drawn("--prompt", prompt, "--bytes", 64, "-4", *w) for w in ([], ["--content", "bytes"]))
    assert as_picture != as_bytes


def test_a_net_draws(prompt, tmp_path) -> None:
    weights = tmp_path / "tiny.safetensors"
    weights.write_bytes(tiny_weights(0))
    with_net = drawn("--prompt", prompt, "--bytes", 50, "--model", weights)
    assert len(with_net) == 50 and with_net != drawn("--prompt", prompt, "--bytes", 50, "--model", "ngram")


def test_it_goes_on_behind_a_dictionary(prompt, tmp_path) -> None:
    (tmp_path / "d").write_bytes(TEXT * 3)
    given = ("--prompt", prompt, "--bytes", 60, "-2")
    behind = drawn(*given, "-D", tmp_path / "d")
    assert behind == sample(TEXT, 60, level=2, dictionary=Dictionary(TEXT * 3))
    end = drawn(*given, "-D", tmp_path / "d", "--dictionary-size=1k")
    assert end == sample(TEXT, 60, level=2, dictionary=Dictionary(TEXT * 3, 1024))
    assert drawn(*given) not in (behind, end)


@pytest.mark.parametrize(
    "arguments, status, text",
    [
        (["-D", "missing"], 3, "cannot use the dictionary missing"),
        (["--dictionary-size", "1k"], 1, "is for --dictionary"),
        (["-D", "missing", "--dictionary-size", "3k"], 1, "power of two"),
        (["--prompt", "missing"], 1, "missing: No such file"),
        (["--prompt", ""], 1, "empty"),
        (["--bytes", "0"], 1, "at least one"),
        (["--bytes", "2g"], 1, "at most"),
        (["--bytes", "much"], 1, "--bytes"),
        (["--seed", "-1"], 1, "--seed"),
        (["--model", "no-such-model"], 3, "no-such-model"),
        (["--model", "hf:some"], 3, "do not sample"),
        (["--content", "smell"], 1, "content"),
    ],
)
def test_what_cannot_be_is_one_line(arguments: list[str], status: int, text: str, tmp_path) -> None:
    done = run("lmzip-models", "sample", *arguments, cwd=tmp_path)
    assert done.returncode == status and done.stdout == b""
    assert done.stderr.count(b"\n") == 1 and text in done.stderr.decode()


def test_a_full_output_is_an_error(prompt) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    with open("/dev/full", "wb") as full:
        done = run("lmzip-models", "sample", "-4", "--bytes", "10", stdout=full, env=environment())
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1

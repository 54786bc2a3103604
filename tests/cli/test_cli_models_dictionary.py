"""lmzip-models add-dictionary and train-dictionary: made, kept, found by digest, and told in a line or JSON."""

from __future__ import annotations

import hashlib
import json
import os
import random

import pytest
from cli_tools import environment, names_in, run
from conftest import SAMPLE

LINES = SAMPLE.read_bytes()[:30000].replace(b". ", b".\n")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "lines").write_bytes(LINES)
    return tmp_path


@pytest.fixture
def home(folder):
    """Return an environment whose user has data of their own in a folder."""
    return environment(XDG_DATA_HOME=folder / "home")


def models(*arguments: object, env=None, **settings) -> str:
    done = run("lmzip-models", *map(str, arguments), env=env, **settings)
    assert (done.returncode, done.stderr) == (0, b""), done.stderr
    return done.stdout.decode()


def test_what_is_added_is_found_by_its_digest(folder, home) -> None:
    text = models("add-dictionary", folder / "lines", env=home)
    digest = hashlib.sha256(LINES).hexdigest()
    path = folder / "home/lmzip/dictionaries" / f"{digest[:16]}.dictionary"
    assert text == f"{path}: {len(LINES)} bytes, sha256 {digest}\n" and path.read_bytes() == LINES
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()
    assert models("add-dictionary", folder / "lines", env=home) == text, "twice is once"
    packed = run("lmzip", "-1", "-D", folder / "lines", data=LINES[:3000]).stdout
    assert run("lmunzip", data=packed, env=home).stdout == LINES[:3000]
    assert run("lmunzip", data=packed).returncode == 3
    added = json.loads(models("add-dictionary", "--size=4k", "--json", folder / "lines", env=home))
    assert added["size"] == 4096 and added["sha256"] == hashlib.sha256(LINES[-4096:]).hexdigest()
    assert len(names_in(path.parent)) == 2


def test_a_dictionary_is_trained(folder, home) -> None:
    text = models("train-dictionary", "--lines", "-1", "--size=8k", "-o", "d", "lines", cwd=folder, env=home)
    made = (folder / "d").read_bytes()
    assert len(made) == 8192 and text.startswith(f"d: 8192 bytes, sha256 {hashlib.sha256(made).hexdigest()}; of ")
    again = models("train-dictionary", "--lines", "-1", "--size=8k", "lines", "--json", cwd=folder, env=home)
    facts = json.loads(again)
    assert facts["sha256"] == hashlib.sha256(made).hexdigest(), "the same again"
    assert facts["size_with"] < 0.85 * facts["size_without"]
    assert facts["samples"] + facts["held_out_samples"] == len(LINES.splitlines())
    assert names_in(folder / "home/lmzip/dictionaries") == [facts["path"].rpartition("/")[2]]
    packed = run("lmzip", "-1", "-D", "d", data=LINES[:3000], cwd=folder).stdout
    assert run("lmunzip", data=packed, env=home).stdout == LINES[:3000]


def test_files_in_folders_are_samples(folder) -> None:
    drawing = random.Random(1)
    (folder / "messages").mkdir()
    for i in range(16):
        (folder / "messages" / f"{i}.json").write_text(json.dumps({"number": drawing.random(), "name": "the same"}))
    assert "; of 2 other samples, " in models("train-dictionary", "-1", folder / "messages", "-o", folder / "d")
    assert b"the same" in (folder / "d").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train-dictionary", "missing", "-o", "d"], "missing: No such file"),
        (["train-dictionary", "lines", "-o", "d"], "takes 8 samples or more, here are 1; --lines makes"),
        (["train-dictionary", "lines", "--lines", "-o", "d", "--size=5000"], "power of two"),
        (["train-dictionary", "lines", "--lines", "-o", "lines"], "output lines: already exists; -f overwrites"),
        (["train-dictionary", "lines", "--lines", "-o", "no/d"], "output no/d: No such file"),
        (["train-dictionary", "lines", "--lines", "-o", "-"], "not written to standard output"),
        (["train-dictionary", "lines", "--lines", "-o", ""], "empty"),
        (["train-dictionary", ""], "empty"),
        (["train-dictionary"], "missing"),
        (["add-dictionary", "missing"], "missing: No such file"),
        (["add-dictionary", "empty"], "empty: the dictionary is empty"),
        (["add-dictionary", "lines", "--size=5000"], "power of two"),
        (["add-dictionary", ""], "empty"),
    ],
)
def test_errors_are_a_line_and_leave_nothing(folder, home, arguments, words) -> None:
    (folder / "empty").touch()
    done = run("lmzip-models", *arguments, cwd=folder, env=home)
    text = done.stderr.decode()
    assert (done.returncode, done.stdout) == (1, b"") and words.lower() in text.lower() and text.count("\n") <= 2, text
    assert text.startswith("lmzip-models: ") and "Traceback" not in text
    assert names_in(folder) == ["empty", "lines"] and (folder / "lines").read_bytes() == LINES


def test_an_output_is_overwritten_if_that_is_wanted(folder) -> None:
    (folder / "d").write_bytes(b"old")
    models("train-dictionary", "--lines", "-1", "-f", "-o", "d", "lines", cwd=folder)
    assert (folder / "d").stat().st_size > 3


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

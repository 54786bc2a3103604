"""lmzip-models plot and lmzip --bench --plot: a page or picture, and errors in one line."""

from __future__ import annotations

import pytest
from cli_tools import names_in, run
from conftest import SAMPLE

TEXT = SAMPLE.read_bytes()[:2000]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.txt").write_bytes(TEXT)
    return tmp_path


def test_a_page_and_a_picture(folder) -> None:
    done = run("lmzip-models", "plot", "-1", "a.txt", cwd=folder)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"a.txt.html: 2000 bytes come to ") and done.stdout.endswith(b" bits/byte\n")
    assert names_in(folder) == ["a.txt", "a.txt.html"]
    page = (folder / "a.txt.html").read_text()
    assert "<title>a.txt: bits per byte</title>" in page and "by lmzip -1 with ngram" in page
    assert run("lmzip-models", "plot", "-1", "a.txt", cwd=folder).stderr.count(b"already exists") == 1
    assert run("lmzip-models", "plot", "-1", "-f", "--range=100,50", "a.txt", cwd=folder).returncode == 0
    assert "50 bytes come to" in (folder / "a.txt.html").read_text()
    assert run("lmzip-models", "plot", "-1", "-", "-o", "b.html", data=TEXT, cwd=folder).returncode == 0
    assert "standard input" in (folder / "b.html").read_text()
    pytest.importorskip("matplotlib")
    assert run("lmzip-models", "plot", "-1", "-o", "a.png", "a.txt", cwd=folder).returncode == 0
    assert (folder / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["missing"], 1, "missing: No such file"),
        (["a.txt", "-o", "a.gif"], 1, "must end in .html or .png"),
        (["a.txt", "-o", "no/a.html"], 1, "output no/a.html: No such file"),
        (["a.txt", "-o", "-"], 1, "not written to standard output"),
        (["a.txt", "--range=5"], 1, "is not OFFSET,LENGTH"),
        (["a.txt", "--model=hf:x"], 3, "import them"),
        (["a.txt", "--model=nosuch"], 3, "nosuch"),
        ([""], 1, "empty"),
    ],
)
def test_errors_are_a_line_and_leave_nothing(folder, arguments, status, words) -> None:
    done = run("lmzip-models", "plot", *arguments, cwd=folder)
    text = done.stderr.decode()
    assert (done.returncode, done.stdout) == (status, b"") and words in text and text.count("\n") <= 2, text
    assert names_in(folder) == ["a.txt"]


def test_a_picture_of_all_levels(folder) -> None:
    pytest.importorskip("matplotlib")
    (folder / "b").write_bytes(b"")
    done = run("lmzip", "--bench", "--plot=speeds.png", "--model=ngram", "a.txt", "b", cwd=folder)
    assert (done.returncode, done.stderr) == (0, b"") and done.stdout.count(b"a.txt: level ") == 9
    assert (folder / "speeds.png").read_bytes().startswith(b"\x89PNG")
    again = run("lmzip", "--bench", "--plot=speeds.png", "--model=ngram", "a.txt", cwd=folder)
    assert again.returncode == 1 and b"output speeds.png: already exists" in again.stderr and not again.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--plot=a.png", "a.txt"], "--plot is for --bench"),
        (["--bench", "--plot=a.gif", "a.txt"], "must end in .png"),
        (["--bench", "--plot=no/a.png", "a.txt"], "output no/a.png: No such file"),
    ],
)
def test_errors_of_a_picture_of_all_levels(folder, arguments, words) -> None:
    if "no/a.png" in words:
        pytest.importorskip("matplotlib")
    done = run("lmzip", *arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (1, b"") and words in done.stderr.decode(), done.stderr
    assert names_in(folder) == ["a.txt"]

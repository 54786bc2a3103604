"""Manual pages, completion scripts and magic: generated files are fresh and say what the program does."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest
from cli_tools import compress, run
from conftest import ROOT

from lmzip import container
from lmzip.cli.completion import completion_script
from lmzip.cli.option_table import SHELLS, option_groups

SHARE = ROOT / "share"
PAGE = SHARE / "man" / "man1" / "lmzip.1"


def needs(program: str):
    """Return a mark that skips a test where a program is not installed."""
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def option_names() -> list[str]:
    """Return every name of every option."""
    return [name for group in option_groups().values() for option in group for name in option.opts]


def tool(*command, **options) -> str:
    """Run a tool and return its output; it must succeed without a word on standard error."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_generated_files_are_fresh(tmp_path):
    subprocess.run([sys.executable, ROOT / "scripts" / "make_share.py", tmp_path], check=True, timeout=60)
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert len(made) == 6
    for path in made:
        assert (SHARE / path).read_text() == (tmp_path / path).read_text(), f"run scripts/make_share.py for {path}"


def test_manual_page_has_every_option():
    labels = re.findall(r"^\.TP\n(\\fB.*)$", PAGE.read_text(), re.MULTILINE)
    named = re.findall(r"(?<![\w-])--?[\w-]+", " ".join(labels).replace("\\-", "-").replace("\\fB", " "))
    assert sorted(named) == sorted(option_names())


def test_manual_page_has_its_sections():
    sections = re.findall(r'^\.SH "?([A-Z ]+)"?$', PAGE.read_text(), re.MULTILINE)
    assert {"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES"} <= set(
        sections
    )
    for variable in ("LMZIP_THREADS", "LMZIP_MODEL", "LMZIP_DEVICE", "LMZIP_MODEL_PATH"):
        assert variable in PAGE.read_text()


@needs("man")
@pytest.mark.parametrize("name", ["lmzip", "lmunzip", "lmcat"])
def test_manual_pages_have_no_faults(name):
    # From the folder above man1, which is what .so in the links is relative to.
    shown = tool("man", "--warnings", "-E", "UTF-8", "-l", f"man1/{name}.1", cwd=SHARE / "man", env={"MANWIDTH": "100"})
    assert "EXIT STATUS" in shown and "tar -I lmzip -cf" in shown


def test_program_prints_the_completion_scripts():
    for shell in SHELLS:
        done = run("lmzip", "--completion", shell)
        assert done.returncode == 0 and done.stdout.decode() == completion_script(shell)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_scripts_know_every_option(shell):
    words = set(re.findall(r"(?<![\w-])--?[\w-]+", completion_script(shell)))
    assert set(option_names()) <= words


@pytest.fixture
def folder(tmp_path):
    """A folder with a plain file, three compressed ones and a folder."""
    for name in ("plain.txt", "a b.lmz", "c.tlmz", "D.LMZ"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder").mkdir()
    return tmp_path


PACKED = ["a b.lmz", "c.tlmz", "D.LMZ", "folder"]
ALL = [*PACKED, "plain.txt"]
CASES = [
    (["lmunzip", ""], PACKED),
    (["lmzip", ""], ALL),
    (["lmzip", "-d", ""], PACKED),
    (["lmzip", "-vdc", ""], PACKED),
    (["lmzip", "--test", ""], PACKED),
    (["lmzip", "--device", ""], ["auto", "cpu", "cuda"]),
    (["lmzip", "--model", "b"], ["bytelm3"]),
    (["lmunzip", "--model", ""], ["auto", "bytelm3", "ngram", *ALL]),
    (["lmzip", "--no-v"], ["--no-verify"]),
    (["lmzip", "-d", "pl"], []),
]


@needs("bash")
@pytest.mark.parametrize(("words", "expected"), CASES, ids=lambda value: " ".join(value))
def test_bash_completion(folder, words, expected):
    script = '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _lmzip; printf "%s\\n" "${COMPREPLY[@]}"'
    path = SHARE / "completions" / "lmzip.bash"
    assert sorted(filter(None, tool("bash", "-c", script, path, *words, cwd=folder).splitlines())) == sorted(expected)


@needs("fish")
@pytest.mark.parametrize(("words", "expected"), CASES, ids=lambda value: " ".join(value))
def test_fish_completion(folder, words, expected):
    path = SHARE / "completions" / "lmzip.fish"
    shown = tool("fish", "-c", f'source {path}; complete -C "{" ".join(words)}"', cwd=folder, env={"HOME": str(folder)})
    found = {line.split("\t")[0].rstrip("/").replace("\\ ", " ") for line in shown.splitlines()}
    assert found - {".config", ".local"} == set(expected)


@needs("zsh")
def test_zsh_completion_loads():
    path = SHARE / "completions"
    tool("zsh", "-f", "-n", str(path / "_lmzip"))
    tool("zsh", "-f", "-c", f"fpath=({path} $fpath); autoload -Uz +X _lmzip")


@needs("file")
def test_magic(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(compress(b"abc", "-1"))
    assert "LMZ compressed data, format version 1, model ngram" in tool("file", "-m", SHARE / "magic" / "lmzip", path)
    assert "application/x-lmz" in tool("file", "--mime-type", "-m", SHARE / "magic" / "lmzip", path)
    path.write_bytes(b"\x89LMZ\x81\x01\x00" + bytes(range(32)) + bytes(16) + b"tiny-v1".ljust(32, b"\0") + bytes(41))
    assert "model tiny-v1, sha256 0001020304050607" in tool("file", "-m", SHARE / "magic" / "lmzip", path)
    path.write_bytes(b"\x89LMZ\x41\x09" + bytes(range(128, 132)) + bytes(20))
    assert "format version 1, model number 9, sha256 80818283..." in tool("file", "-m", SHARE / "magic" / "lmzip", path)
    for number, (name, _) in container.REGISTERED.items():
        path.write_bytes(b"\x89LMZ\x61" + bytes([number]) + bytes(24))
        assert f"format version 1, model {name}, sha256" in tool("file", "-m", SHARE / "magic" / "lmzip", path)
    path.write_bytes(b"\x89LMZ\x02\x03" + bytes(20))
    assert tool("file", "-m", SHARE / "magic" / "lmzip", path).endswith("LMZ compressed data, format version 2\n")


def test_mime_type_is_well_formed():
    import xml.etree.ElementTree as tree

    globs = [
        node.get("pattern") for node in tree.parse(SHARE / "mime" / "lmzip.xml").iter() if node.tag.endswith("glob")
    ]
    assert globs == ["*.lmz", "*.tlmz"]

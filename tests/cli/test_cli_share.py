"""Manual pages, completion scripts and magic: generated files are fresh and say what the program does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from cli_tools import MAGIC, compress, environment, run
from conftest import ROOT, find_program

from lmzip.cli.completion import completion_script
from lmzip.cli.models.commands import models_program
from lmzip.cli.option_table import OPTIONS, SHELLS, make_command
from lmzip.format.header import REFERENCED

SHARE = ROOT / "share"
PAGE = SHARE / "man" / "man1" / "lmzip.1"
MODELS_PAGE = SHARE / "man" / "man1" / "lmzip-models.1"
PROGRAMS = ["lmzip", "lmunzip", "lmcat", "lmzip-models"]


def needs(program: str):
    """Return a mark that skips a test where a program is not installed."""
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def option_names() -> list[str]:
    """Return every name of every option."""
    return [name for group in OPTIONS.values() for option in group for name in option.opts]


def tool(*command, **options) -> str:
    """Run a tool and return its output; it must succeed without a word on standard error."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def made_files(folder: Path) -> list[Path]:
    """Return what make_share.py makes, relative to the folder that it was made in."""
    subprocess.run([sys.executable, ROOT / "scripts" / "make_share.py", folder], check=True, timeout=60)
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def test_generated_files_are_fresh(tmp_path):
    made = made_files(tmp_path)
    pages = [path for path in made if path.parts[0] == "man"]
    assert len(pages) == len(PROGRAMS) and len(made) == len(PROGRAMS) * (1 + len(SHELLS))
    for path in pages:
        assert (SHARE / path).read_text() == (tmp_path / path).read_text(), f"run scripts/make_share.py for {path}"


@pytest.mark.skipif(version("click").startswith("8.1."), reason="click has other scripts since 8.2")
def test_completion_files_are_fresh(tmp_path):
    made = [path for path in made_files(tmp_path) if path.parts[0] == "completions"]
    assert len(made) == len(PROGRAMS) * len(SHELLS)
    for path in made:
        assert (SHARE / path).read_text() == (tmp_path / path).read_text(), f"run scripts/make_share.py for {path}"


def test_every_generated_file_is_installed(tmp_path):
    text = (ROOT / "pyproject.toml").read_text()
    assert not [path for path in made_files(tmp_path) if f'"share/{path}"' not in text]


def labels(page: str) -> list[str]:
    """Return the names of the options that a manual page, or a part of it, describes."""
    found = re.findall(r"^\.TP\n(\\fB.*)$", page, re.MULTILINE)
    return re.findall(r"(?<![\w-])--?[\w-]+", " ".join(found).replace("\\-", "-").replace("\\fB", " "))


def test_manual_page_has_every_option():
    assert sorted(labels(PAGE.read_text())) == sorted(option_names())


def test_manual_page_of_models_has_every_command_and_option():
    group = models_program
    commands, rest = MODELS_PAGE.read_text().split(".SH COMMANDS\n")[1].split(".SH OPTIONS\n")
    described = dict(part.split("\n", 1) for part in commands.replace("\\-", "-").split(".SS ")[1:])
    assert list(described) == list(group.commands)
    for name, part in described.items():
        command = group.commands[name]
        assert sorted(labels(part)) == sorted(own_names(command)) and part.split(".TP")[0].strip()
        for param in command.params:
            if isinstance(param, click.Argument):
                assert param.metavar.strip("[].") in part.split(".TP")[0]
    assert sorted(labels(rest.split(".SH ")[0])) == sorted(own_names(group))


def own_names(command: click.Command) -> list[str]:
    """Return every name of every option of a command."""
    return [name for param in command.params if isinstance(param, click.Option) for name in param.opts]


@pytest.mark.parametrize(
    ("page", "more"), [(PAGE, {"LMZIP_THREADS", "LMZIP_MODEL", "LMZIP_DEVICE"}), (MODELS_PAGE, {"XDG_DATA_HOME"})]
)
def test_manual_pages_have_their_sections(page, more):
    text = page.read_text()
    sections = re.findall(r'^\.SH "?([A-Z ]+)"?$', text, re.MULTILINE)
    assert {"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES"} <= set(
        sections
    )
    assert all(variable in text for variable in more | {"LMZIP_MODEL_PATH"})


@needs("man")
@pytest.mark.parametrize("name", PROGRAMS)
def test_manual_pages_have_no_faults(name):
    # From the folder above man1, which is what .so in the links is relative to.
    shown = tool("man", "--warnings", "-E", "UTF-8", "-l", f"man1/{name}.1", cwd=SHARE / "man", env={"MANWIDTH": "100"})
    expected = "lmzip-models get smollm2" if name == "lmzip-models" else "tar -I lmzip -cf"
    assert "EXIT STATUS" in shown and expected in shown


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_print_the_completion_scripts(program):
    command = models_program if program == "lmzip-models" else make_command(program)
    for shell in SHELLS:
        done = run(program, "--completion", shell)
        assert done.returncode == 0 and done.stdout.decode() == completion_script(command, shell)
        variable = f"_{program.upper().replace('-', '_')}_COMPLETE"
        assert variable in done.stdout.decode()
        assert run(program, env=environment(**{variable: f"{shell}_source"})).stdout == done.stdout


@pytest.fixture
def folder(tmp_path):
    """A folder with a plain file, compressed ones and a folder."""
    for name in ("plain.txt", "b.lmz", "c.tlmz", "D.LMZ", "e.xz", ".hidden.lmz"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "in.lmz").write_bytes(b"")
    return tmp_path


# <default>, <dirnames>: what is left to the shell, files or folders
PACKED = ["b.lmz", "c.tlmz", "D.LMZ", "folder/"]
CASES = [
    (["lmunzip", ""], PACKED),
    (["lmzip", ""], ["<default>"]),
    (["lmcat", ""], ["<default>"]),
    (["lmunzip", "-z", ""], ["<default>"]),
    (["lmzip", "-d", ""], PACKED),
    (["lmzip", "-vdc", ""], PACKED),
    (["lmzip", "--test", ""], PACKED),
    (["lmzip", "-lv", ""], PACKED),
    (["lmzip", "--salvage", ""], PACKED),
    (["lmzip", "-d", "b.lmz", ""], PACKED),
    (["lmzip", "-d", "-S", ".xz", ""], [*PACKED, "e.xz"]),
    (["lmzip", "-d", "pl"], ["<dirnames>"]),
    (["lmzip", "-d", "fol"], ["<dirnames>"]),
    (["lmzip", "-d", "folder/"], ["folder/in.lmz"]),
    (["lmzip", "-d", ".h"], [".hidden.lmz"]),
    (["lmzip", "-d", "~/"], ["<default>"]),
    (["lmzip", "-o", ""], ["<default>"]),
    (["lmzip", "--device", ""], ["auto", "cpu", "cuda"]),
    (["lmzip", "--dtype", "b"], ["bfloat16"]),
    (["lmzip", "--model", "n"], ["<default>", "ngram"]),
    (["lmunzip", "--model", ""], ["<default>", "auto", "bytelm-s", "bytelm3", "ngram"]),
    (["lmzip", "--no-v"], ["--no-verify"]),
    (
        ["lmzip-models", ""],
        ["add-dictionary", "bench", "get", "import", "list", "plot", "sample", "train", "train-dictionary"],
    ),
    (["lmzip-models", "l"], ["list"]),
    (["lmzip-models", "--v"], ["--version"]),
    (["lmzip-models", "get", ""], ["smollm2", "gemma3-270m", "smollm2-135m-base@", "smollm2-360m-base@"]),
    (["lmzip-models", "import", ""], ["<default>"]),
    (["lmzip-models", "list", "--j"], ["--json"]),
    (["lmzip-models", "bench", "ng"], ["<default>", "ngram"]),
]


def surroundings(folder: Path) -> dict[str, str]:
    """Return an environment in which the programs are found, and no models but those that ship."""
    places = f"{find_program('lmzip').parent}:{os.environ['PATH']}"
    home = str(folder) + "-home"  # fish makes folders there
    return environment(PATH=places, HOME=home, XDG_DATA_HOME=home)


@needs("bash")
@pytest.mark.parametrize(("words", "expected"), CASES, ids=lambda value: " ".join(value))
def test_bash_completes(folder, words, expected):
    script = """
        LEFT=(); compopt() { LEFT+=("<$2>"); }; complete() { FUNCTION=$4; }
        . "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); $FUNCTION "$1"; printf "%s\\n" "${LEFT[@]}" "${COMPREPLY[@]}"
    """
    path = SHARE / "completions" / f"{words[0]}.bash"
    shown = tool("bash", "-c", script, path, *words, cwd=folder, env=surroundings(folder)).splitlines()
    assert sorted(filter(None, shown)) == sorted(expected)


@needs("bash")
@pytest.mark.parametrize("name", ["a b.lmz", "$(touch x).lmz", "a*.lmz", "a\n.lmz", "'.lmz", b"\xff.lmz"], ids=repr)
def test_names_that_need_quotes_are_left_to_the_shell(name, folder):
    (folder / os.fsdecode(name)).write_bytes(b"")
    test_bash_completes(folder, ["lmunzip", ""], ["<default>"])
    assert not (folder / "x").exists()


def test_models_of_the_user_are_completed(folder, tiny_path):
    models = folder / "home" / "lmzip" / "models"
    models.mkdir(parents=True)
    (models / "any.safetensors").write_bytes(tiny_path.read_bytes())
    (models / "none.safetensors").write_bytes(b"no model")
    words = {"_LMZIP_COMPLETE": "bash_complete", "COMP_WORDS": "lmzip --model t", "COMP_CWORD": "2"}
    done = run("lmzip", env=environment(XDG_DATA_HOME=str(folder / "home"), **words))
    assert (done.returncode, done.stderr, done.stdout) == (0, b"", b"file,t\nplain,tiny\n")


@needs("fish")
@pytest.mark.parametrize(("words", "expected"), CASES, ids=lambda value: " ".join(value))
def test_fish_completes(folder, words, expected):
    if expected[0].startswith("<"):
        return
    path = SHARE / "completions" / f"{words[0]}.fish"
    command = f'source {path}; complete -C "{" ".join(words)}"'
    shown = tool("fish", "-c", command, cwd=folder, env=surroundings(folder))
    assert {line.split("\t")[0] for line in shown.splitlines()} == set(expected)


@needs("zsh")
@pytest.mark.parametrize("program", PROGRAMS)
def test_zsh_completion_loads(program):
    path = SHARE / "completions"
    tool("zsh", "-f", "-n", str(path / f"_{program}"))
    tool("zsh", "-f", "-c", f"fpath=({path} $fpath); autoload -Uz +X _{program}")


@pytest.mark.parametrize(
    "words", [["lmunzip", ""], ["lmzip", "--model", ""], ["lmzip-models", "get", ""]], ids=" ".join
)
def test_a_completion_loads_neither_kernel_nor_torch(words, folder, tiny_path):
    variable = f"_{words[0].upper().replace('-', '_')}_COMPLETE"
    main = "models_main" if words[0] == "lmzip-models" else f"{words[0]}_main"
    code = f"import sys; from lmzip.cli import {main}; status = {main}(); print(status, *sys.modules)"
    asked = {variable: "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    env = environment(LMZIP_MODEL_PATH=str(tiny_path), **asked)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, env=env, check=True, timeout=60
    )
    *answers, last = done.stdout.decode().splitlines()
    status, *modules = last.split()
    assert (status, done.stderr) == ("0", b"") and answers
    assert not {"lmzip.native", "lmzip.native._kernel", "lmzip.codec", "torch"} & set(modules)


@pytest.mark.parametrize(
    "asked",
    [
        {"_LMZIP_COMPLETE": "x"},
        {"_LMZIP_COMPLETE": "bash_nothing"},
        {"_LMZIP_COMPLETE": "bash_complete"},
        {"_LMZIP_COMPLETE": "bash_complete", "COMP_WORDS": "lmzip", "COMP_CWORD": "x"},
    ],
    ids=repr,
)
def test_what_no_script_asks_is_a_line_and_status_1(asked):
    done = run("lmzip", env=environment(**asked))
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (1, b"", 1)


@needs("file")
def test_magic_tells_the_type_of_a_file(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(compress(b"abc", "-1"))
    assert "LMZ compressed data, format version 1, model ngram" in tool("file", "-m", SHARE / "magic" / "lmzip", path)
    assert "application/x-lmz" in tool("file", "--mime-type", "-m", SHARE / "magic" / "lmzip", path)
    record = b"\1\0" + bytes(range(32)) + bytes(16) + b"tiny-v1".ljust(32, b"\0") + bytes(41)
    path.write_bytes(MAGIC + b"\x41\x06" + record)
    assert "model tiny-v1, sha256 0001020304050607" in tool("file", "-m", SHARE / "magic" / "lmzip", path)
    path.write_bytes(MAGIC + b"\x21\x06" + bytes(range(128, 132)) + bytes(20))
    assert "format version 1, model with sha256 80818283..." in tool("file", "-m", SHARE / "magic" / "lmzip", path)
    for digest, (name, _) in REFERENCED.items():
        for start in (b"\x21\x06", b"\x31\x06"):
            path.write_bytes(MAGIC + start + bytes.fromhex(digest[:8]) + bytes(24))
            shown = tool("file", "-m", SHARE / "magic" / "lmzip", path)
            assert shown.endswith(f"format version 1, model {name}, sha256 {digest[:8]}...\n")
    path.write_bytes(MAGIC + b"\x02\x03" + bytes(20))
    assert tool("file", "-m", SHARE / "magic" / "lmzip", path).endswith("LMZ compressed data, format version 2\n")


def test_mime_type_is_well_formed():
    import xml.etree.ElementTree as tree

    globs = [
        node.get("pattern") for node in tree.parse(SHARE / "mime" / "lmzip.xml").iter() if node.tag.endswith("glob")
    ]
    assert globs == ["*.lmz", "*.tlmz"]

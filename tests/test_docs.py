"""What the documents say is what the program does: options, statuses, cited sections, links, memory."""

from __future__ import annotations

import re
import subprocess

import pytest
from conftest import ROOT

import lmzip

README = ROOT / "README.md"
DOCS = ROOT / "docs"
OPTION = re.compile(r"(?<![\w-])--?[A-Za-z0-9][\w-]*")
CITATION = re.compile(r"\b(FORMAT|ARITHMETIC)\s+(\d+(?:\.\d+)*)")
HEADING = re.compile(r"^#+\s+(\d+(?:\.\d+)*)\b", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
SOURCES = sorted(p for folder in ("lmzip", "scripts", "fuzz", "tests") for p in (ROOT / folder).rglob("*.[pch]*"))


def section(text: str, title: str) -> str:
    """Return the text of a level-2 section of a Markdown document."""
    return re.split(r"^## ", text.split(f"\n## {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def help_options(program) -> set[str]:
    """Return the options at the starts of --help's lines: `-k, --keep` names two, a wrapped description none."""
    text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True, timeout=30).stdout
    named = (re.match(r"\s{1,8}(-\S.*?)(?:\s{2,}|$)", line) for line in text.splitlines())
    return {option for match in named if match for option in OPTION.findall(match[1])}


def readme_options() -> set[str]:
    """Return the options in the first column of README's table."""
    rows = [
        line.split("|")[1] for line in section(README.read_text(), "Options").splitlines() if line.startswith("| `")
    ]
    return {option for cell in rows for option in OPTION.findall(cell)}


def test_readme_has_every_option_and_no_other(lmzip_path):
    assert readme_options() == help_options(lmzip_path)


def test_options_are_found_at_all(lmzip_path):
    """Guards the test above against a change of layout that would make both sets empty."""
    assert {"-d", "--decompress", "-9", "-T", "--threads", "--verify", "--no-verify"} <= help_options(lmzip_path)


def test_readme_has_every_exit_status():
    from lmzip import errors

    classes = [thing for thing in vars(errors).values() if isinstance(thing, type) and issubclass(thing, Exception)]
    statuses = {0} | {thing.exit_status for thing in classes}
    table = section(README.read_text(), "Exit status")
    assert {int(status) for status in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == statuses


def test_changelog_has_this_version():
    assert re.search(rf"^## {re.escape(lmzip.__version__)}\b", (DOCS / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_format_has_the_header_sizes_of_the_program():
    from lmzip import container

    sizes = [container.PLAIN_HEADER_SIZE, container.REGISTERED_HEADER_SIZE, container.MODEL_HEADER_SIZE]
    text = (DOCS / "FORMAT.md").read_text()
    headings = re.findall(r"^### 3\.\d .*, (\d+) bytes$", text, re.MULTILINE)
    assert sorted(map(int, headings)) == sizes
    reasons = section(text, "8. Rationale")
    assert "**Three header sizes," in reasons and "of 5, 10 and 128 bytes" in reasons


@pytest.mark.parametrize("document", ["FORMAT", "ARITHMETIC"])
def test_cited_sections_exist(document):
    headings = set(HEADING.findall((DOCS / f"{document}.md").read_text()))
    cited = {
        (number, str(path.relative_to(ROOT)))
        for path in SOURCES
        for name, number in CITATION.findall(path.read_text(errors="replace"))
        if name == document
    }
    assert cited, "the code cites its specification"
    assert not {citation for citation in cited if citation[0] not in headings}


@pytest.mark.parametrize(
    "path", [README, *sorted(DOCS.glob("*.md")), ROOT / "samples" / "README.md"], ids=lambda p: p.name
)
def test_links_lead_somewhere(path):
    missing = [link for link in LINK.findall(path.read_text()) if not (path.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("path", [README, DOCS / "ARCHITECTURE.md"], ids=lambda p: p.name)
def test_files_named_in_backticks_exist(path):
    named = re.findall(r"`((?:lmzip|tests|scripts|docs|fuzz)/[\w./*]*)`", path.read_text())
    assert not [name for name in named if not list(ROOT.glob(name.rstrip("/")))]


def test_every_test_file_is_named_with_what_it_proves():
    path = DOCS / "ARCHITECTURE.md"
    named = re.findall(r"`(tests/test_[\w*]*\.py)`", path.read_text())
    proofs = {file for name in named for file in ROOT.glob(name)}
    assert proofs == set((ROOT / "tests").glob("test_*.py"))


def test_block_sizes_in_readme_are_those_of_the_levels():
    from lmzip import levels

    rows = re.findall(
        r"^\| (`-.*?) \|.*?\| (\d+) MiB \|", section(README.read_text(), "Memory and speed"), re.MULTILINE
    )
    documented = {}
    for names, mebibytes in rows:
        numbers = [int(number) for number in re.findall(r"`-(\d)`", names)]
        documented |= dict.fromkeys(range(numbers[0], numbers[-1] + 1), int(mebibytes) << 20)
    assert documented == {level: levels.get_level(level).block_size for level in range(1, 10)}


def test_targets_named_in_readme_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(
        re.findall(
            r"\bmake ([a-z-]+)(?= |`|$)",
            "\n".join(re.findall(r"^    make.*|`make [^`]*`", README.read_text(), re.MULTILINE)),
        )
    )
    assert {"demo", "test"} <= named <= targets


def test_every_target_has_its_reason_above():
    lines = (ROOT / "Makefile").read_text().splitlines()
    targets = [number for number, line in enumerate(lines) if re.match(r"[a-z-]+:(?!=)", line)]
    assert targets and all(lines[number - 1].startswith("# ") for number in targets)


def test_memory_is_below_what_readme_says():
    from lmzip.codec import compress_memory

    promised = re.search(r"below (\d+) MB at every\s+level", README.read_text())
    assert promised
    for level in range(1, 10):
        assert compress_memory(level, threads=1) <= int(promised[1]) * 10**6, f"level {level}"

"""What the documents say is what the program does: options, statuses, links, memory."""

from __future__ import annotations

import re
import subprocess

import pytest
from conftest import ROOT

import lmzip

README = ROOT / "README.md"
DOCS = ROOT / "docs"
OPTION = re.compile(r"(?<![\w-])--?[A-Za-z0-9][\w-]*")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def section(text: str, title: str) -> str:
    """Return the text of a level-2 section of a Markdown document."""
    return re.split(r"^## ", text.split(f"\n## {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def help_options(program) -> set[str]:
    """Return the options at the starts of --help's lines: `-k, --keep` names two, a wrapped description none."""
    text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True, timeout=30).stdout
    named = (re.match(r"\s{1,8}(-\S.*?)(?:\s{2,}|$)", line) for line in text.splitlines())
    return {option for match in named if match for option in OPTION.findall(match[1])}


def section_of_page(page: str, title: str) -> str:
    """Return the text of a section of a manual page."""
    return re.split(r"^\.SH ", page.split(f"\n.SH {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def readme_options() -> set[str]:
    """Return the options in the first column of README's table."""
    rows = [
        line.split("|")[1] for line in section(README.read_text(), "Options").splitlines() if line.startswith("| `")
    ]
    return {option for cell in rows for option in OPTION.findall(cell)}


def test_options_in_readme_are_the_program_s(lmzip_path):
    assert {"-d", "-t", "-k", "--model"} <= readme_options() <= help_options(lmzip_path)


def test_manual_page_has_every_option_and_no_other(lmzip_path):
    page = (ROOT / "share" / "man" / "man1" / "lmzip.1").read_text()
    page = re.sub(r"\\f[BIR]", "", page).replace("\\-", "-")
    listed = re.findall(r"^\.TP\n(.*)", section_of_page(page, "OPTIONS"), re.MULTILINE)
    assert {option for line in listed for option in OPTION.findall(line)} == help_options(lmzip_path)


def test_readme_has_every_command_of_lmzip_models():
    from lmzip.cli.models.commands import models_program

    table = section(README.read_text(), "Models: `lmzip-models`")
    assert re.findall(r"^\| `lmzip-models ([\w-]+)`", table, re.MULTILINE) == list(models_program.commands)


def test_commands_of_lmzip_models_in_documents_are_its_own():
    from lmzip.cli.models.commands import models_program

    paths = [README, *DOCS.glob("*.md"), ROOT / "Makefile", *(ROOT / "lmzip").rglob("*.py")]
    text = "".join(path.read_text() for path in paths)
    named = set(re.findall(r"(?:`|^ {4}|/|; |for |here; )lmzip-models ([\w-]+)", text, re.MULTILINE))
    assert {"list", "get", "import", "bench"} <= named <= set(models_program.commands)
    assert not re.search(r"--(get|import|list)-models?\b", text)


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


def test_format_has_the_sizes_of_the_program():
    from lmzip.format import block, header, trailer

    text = (DOCS / "FORMAT.md").read_text()
    sizes = f"and {header.DICTIONARY_SIZE} more with a dictionary, {header.SHORT_DICTIONARY_SIZE} more in a short frame"
    assert sizes in " ".join(text.split())
    assert f"\n### 3.5 Dictionary, {header.DICTIONARY_SIZE} or {header.SHORT_DICTIONARY_SIZE} bytes\n" in text
    record = 6 + header.RECORD_SIZE
    assert f"\n### 3.1 Header, 6, {6 + header.REFERENCE_SIZE}, {6 + block.CONTENT_SIZE} or {record} bytes\n" in text
    assert record + header.DICTIONARY_SIZE == header.MAX_HEADER_SIZE
    assert f"\n### 3.2 Model record, {header.RECORD_SIZE} bytes\n" in text
    following = (0, block.BODY_SIZE_SIZE, block.CONTENT_SIZE, block.FAR_SIZE)
    *sizes, largest = (str(block.HEAD_SIZE + size) for size in following)
    assert f"\n### 4.1 Head, {', '.join(sizes)} or {largest} bytes\n" in text
    assert f"\n### 4.5 Content, {block.CONTENT_SIZE} bytes\n" in text
    assert f"\n## 5. Trailer, {trailer.ROW_SIZE}·n + {trailer.TRAILER_END_SIZE} bytes for n blocks\n" in text


def test_format_has_the_models_known_by_reference():
    from lmzip.format.header import REFERENCED
    from lmzip.reference import heads

    rows = re.findall(r"^\| (\S+) \| (\d) \| `([0-9a-f]{64})` \|$", (DOCS / "FORMAT.md").read_text(), re.MULTILINE)
    assert {digest: (name, int(kind)) for name, kind, digest in rows} == REFERENCED
    assert {start.hex(): row for start, row in heads.REFERENCES.items()} == {
        digest[:8]: (digest, int(kind)) for _, kind, digest in rows
    }


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


def test_every_test_file_says_what_holds():
    """And lies in the folder that is named as the part which it tests, or in one for the project as a whole."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    assert all(re.match(r'"""\S.{20,}', path.read_text()) for path in files)
    others = {"project", "training"}
    assert {path.parent.name for path in files} - others <= {path.name for path in (ROOT / "lmzip").iterdir()}


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

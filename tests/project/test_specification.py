"""The specification holds together: citations lead to sections, tables and traces are the reference's."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from conftest import ROOT

from lmzip.reference import pixel_prior, pixels, samples
from lmzip.reference.ngram import ALONE, KIND_NUMBERS, OF_BYTES, OF_TOKENS, PROFILES

DOCS = ROOT / "docs"
DOCUMENTS = ("FORMAT", "ARITHMETIC", "TRANSFORMER", "SAMPLES", "PIXELS")
NUMBER = r"\d+(?:\.\d+)*"
CITATION = re.compile(rf"\b({'|'.join(DOCUMENTS)})\s+({NUMBER}(?:(?:, | and | to ){NUMBER}(?![\d-]))*)")
HEADING = re.compile(rf"^#+\s+({NUMBER})\b", re.MULTILINE)
FOLDERS = ("lmzip", "scripts", "fuzz", "tests", "docs", "samples", "share")
SUFFIXES = {".py", ".c", ".h", ".inc", ".md"}
SOURCES = [ROOT / "README.md"] + [
    path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*")) if path.suffix in SUFFIXES
]
SETS = {"c0", "c1", "c2", "class", "shared", "field", "top"}


def text_of(document: str) -> str:
    return (DOCS / f"{document}.md").read_text(encoding="utf-8")


def headings(document: str) -> set[str]:
    return set(HEADING.findall(text_of(document)))


def citations(text: str) -> set[tuple[str, str]]:
    """Return document and section of each citation, `A 1, 2.3 and 4` being three of them."""
    return {(document, number) for document, list_ in CITATION.findall(text) for number in re.findall(NUMBER, list_)}


def table(document: str, title: str) -> list[list[str]]:
    """Return the cells of the first table of a section, without its head."""
    text = re.split(r"^#", text_of(document).split(f" {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    rows = [line for line in f"\n{text}".split("\n\n|")[1].splitlines() if "|" in line]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip("| "))] for row in rows[2:]]


def test_lists_of_sections_are_cited_one_by_one():
    """The test of the test below."""
    cited = citations("(ARITHMETIC 8.1, 8.9) (FORMAT 4) TRANSFORMER 5 to 7, ARITHMETIC\n 2 and 9: 3 of")
    assert cited == {
        *(("ARITHMETIC", number) for number in ("8.1", "8.9", "2", "9")),
        ("FORMAT", "4"),
        ("TRANSFORMER", "5"),
        ("TRANSFORMER", "7"),
    }


@pytest.mark.parametrize("document", DOCUMENTS)
def test_cited_sections_exist(document):
    cited = {
        (number, str(path.relative_to(ROOT)))
        for path in SOURCES
        for name, number in citations(path.read_text(encoding="utf-8", errors="replace"))
        if name == document and path.name != "test_specification.py"
    }
    assert len(cited) > 10, "the code cites its specification"
    known = headings(document)
    assert not {citation for citation in cited if citation[0] not in known}


@pytest.mark.parametrize("document", ["ARITHMETIC", "TRANSFORMER"])
def test_sections_named_within_a_document_exist(document):
    named = set(re.findall(rf"§({NUMBER})", text_of(document)))
    assert len(named) > 10
    assert named <= headings(document)


@pytest.mark.parametrize("document", ["ARITHMETIC", "TRANSFORMER"])
def test_state_has_its_sections(document):
    rows = table(document, "3. All state" if document == "ARITHMETIC" else "12.6 State")
    named = {number for row in rows for number in re.findall(NUMBER, row[-1])}
    assert len(rows) > 5 and named <= headings(document)


@pytest.mark.parametrize("document", ["ARITHMETIC", "TRANSFORMER"])
def test_lines_are_not_too_long(document):
    assert not [line for line in text_of(document).splitlines() if len(line) > 120 and not line.startswith("|")]


def test_profiles_are_those_of_the_reference():
    lists = {
        name: [one, several]
        for name, one, several in re.findall(r"^\| ([A-Z]) \| ([\d ]+) \| ([\d ]+) \|$", text_of("ARITHMETIC"), re.M)
    }
    documented = {}
    for profile, _, beside, contexts, n_own, sets, maps, slots, bits in table("ARITHMETIC", "8.1 Profiles"):
        assert set(sets.split()) <= SETS
        unit = ("nothing", "bytes", "tokens").index(beside)
        n_apms = 0 if maps == "none" else len(maps.split())
        counts = (int(n_own), len(sets.split()), n_apms, int(slots), int(bits))
        documented[int(profile), unit] = (*lists[contexts], *counts)
    assert documented == {
        (profile, unit): (
            *(" ".join(str(KIND_NUMBERS[kind]) for kind in kinds.split()) for kinds in shape[:2]),
            *shape[2:],
        )
        for profile, shapes in PROFILES.items()
        for unit, shape in enumerate(shapes)
        if shape
    }


def test_experts_are_those_of_the_reference():
    rows = {row[0]: [re.sub(r" \(.*\)", "", cell) for cell in row[1:4]] for row in table("ARITHMETIC", "8.2 Experts")}
    for column, prior in enumerate((ALONE, OF_BYTES, OF_TOKENS)):
        stretch, confidence = prior.expert_weights or ("–", "–")
        assert rows["base_weight"][column] == str(prior.base_weight)
        assert rows["stretch_weight"][column] == str(stretch)
        assert rows["confidence_weight"][column] == str(confidence)
        assert rows["rate_extra"][column] == str(prior.rate_extra)
        assert rows["final_rate"][column] == str(prior.final_rate)
        assert rows["map_count"][column] == str(prior.map_count)


def test_context_kinds_are_those_of_the_reference():
    assert {row[1]: int(row[0]) for row in table("ARITHMETIC", "7.5 Contexts")} == KIND_NUMBERS


def test_tables_have_the_checks_that_are_told(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import make_tables

    told = {row[0].strip("`"): row[3].strip("`") for row in table("ARITHMETIC", "5.1 Tables")}
    assert told == {name: f"{check:08x}" for name, check in make_tables.checks().items()}
    assert "```\n" + "\n".join(make_tables.state_rows(20)) + "\n```\n" in text_of("ARITHMETIC")


def test_shapes_of_sound_are_those_of_the_reference():
    documented = {}
    for profiles, n_rows, linear, taps in table("SAMPLES", "2.1 Shapes"):
        numbers = [[int(n) for n in re.findall(r"\d+", one)] for one in linear.split(";")]
        shapes = tuple(samples.Linear(n, (first, second), every) for n, first, second, every in numbers)
        for profile in profiles.split(", "):
            documented[int(profile)] = samples.Shape(int(n_rows), shapes, tuple(map(int, taps.split(", "))))
    assert documented == samples.PROFILES


def test_depths_and_initial_values_of_sound_are_those_of_the_reference():
    depths = {int(row[0]): samples.Depth(*map(int, row[1:])) for row in table("SAMPLES", "2.2 Depths")}
    assert depths == samples.DEPTHS
    text = " ".join(text_of("SAMPLES").split())
    for name, values in (
        (" products = ", samples.PRODUCTS),
        (" byte_weights = ", samples.BYTE_WEIGHTS),
        (" weights = ", samples.WEIGHTS),
        ("step being ", samples.STEPS),
    ):
        assert name + ", ".join(map(str, values)) in text


def test_shapes_of_pixels_are_those_of_the_reference():
    documented = {}
    for profiles, _, *numbers in table("PIXELS", "1.2 Shapes"):
        documented |= {int(profile): tuple(map(int, numbers)) for profile in profiles.split(", ")}
    assert documented == pixels.SHAPES


def test_initial_values_of_pixels_are_those_of_the_reference():
    text = " ".join(text_of("PIXELS").split())
    for name, lists in (("share", pixel_prior.SHARE), ("lms_start", pixel_prior.LMS_START)):
        for number, values in enumerate(lists):
            assert f"{name}[{number}] = {', '.join(map(str, values))} " in text
    for name in ("MASS", "TOTAL_WEIGHT", "CELL_WEIGHT", "RATE", "RATE_EXTRA", "RATE_DELAY", "FINAL_RATE", "LMS_RATE"):
        assert f" {name.lower()} = {getattr(pixel_prior, name)} " in text
    assert f"lms_margin = {pixel_prior.LMS_MARGIN} " in text


def test_rows_of_pixels_are_those_of_the_reference():
    names = list(pixels.PLACES)
    rows = (zip(names, row[1:], strict=False) for row in table("PIXELS", "4.5 Rows"))
    documented = [{name: int(cell) for name, cell in row if cell} for row in rows]
    assert documented == pixels.ROWS


def test_trace_is_that_of_the_reference():
    subprocess.run([sys.executable, ROOT / "scripts" / "make_trace.py", "--check"], cwd=ROOT, check=True, timeout=300)

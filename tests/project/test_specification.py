"""The specification holds together: citations lead to sections, tables and traces are the reference's."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from conftest import ROOT

from lmzip.reference import pixel_prior, pixels, pixels_learned, samples
from lmzip.reference.profiles import ALONE, CODE_CONTEXTS, KIND_NUMBERS, OF_BYTES, OF_TOKENS, PROFILES

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
SETS = {"c0", "c1", "c2", "peers", "class", "shared", "field", "top"}


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


STATES = {
    "ARITHMETIC": "3. All state",
    "TRANSFORMER": "12.6 State",
    "SAMPLES": "2.3 All state",
    "PIXELS": "2. All state",
}


@pytest.mark.parametrize("document", STATES)
def test_sections_named_within_a_document_exist(document):
    """`A §` is one of ARITHMETIC."""
    named = set(re.findall(rf"(A )?§({NUMBER})", text_of(document)))
    assert len(named) > 10
    assert {number for elsewhere, number in named if elsewhere} <= headings("ARITHMETIC")
    assert {number for elsewhere, number in named if not elsewhere} <= headings(document)


@pytest.mark.parametrize("document", STATES)
def test_state_has_its_sections(document):
    rows = table(document, STATES[document])
    named = {number for row in rows for number in re.findall(NUMBER, row[-1])}
    assert len(rows) > 5 and named <= headings(document)


@pytest.mark.parametrize("document", STATES)
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
        assert rows["rate_extra"][column] == str(prior.rate_extra)
        assert rows["final_rate"][column] == str(prior.final_rate)
        assert rows["map_count"][column] == str(prior.map_count)


def test_first_weights_are_the_same_everywhere():
    command = [sys.executable, str(ROOT / "scripts" / "train_mixer.py"), "--check"]
    assert subprocess.run(command, capture_output=True, text=True).returncode == 0


def test_context_kinds_are_those_of_the_reference():
    rows = table("ARITHMETIC", "7.5 Contexts") + table("ARITHMETIC", "7.7 Contexts of instructions")
    assert {row[1]: int(row[0]) for row in rows} == KIND_NUMBERS
    code = " ".join(str(KIND_NUMBERS[kind]) for kind in CODE_CONTEXTS.split())
    assert f" has, in place of D, {code}, " in text_of("ARITHMETIC").replace("\n", " ")


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
        (" shift = ", samples.SCALE_SHIFTS),
        ("fade being that of §2.1, and ", samples.BLEND.fade),
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


def test_learned_predictions_of_pixels_are_those_of_the_reference():
    """Places of inputs, and the numbers of least squares and of corrections, wherever they stand."""
    r = pixels_learned
    cells = [cell for row in table("PIXELS", "4.6 Learned predictions") for cell in row if cell]
    assert [tuple(map(int, cell.split(", "))) for cell in cells] == list(r.LMS_PLACES)
    listed = [f"{line}, {x}" for line, x in r.OTHER_PLACES]
    for told in (
        f"of the places {' '.join(listed[:4])} ",
        f"of {' '.join(listed[4:])} ",
        f"the smallest {r.MIN_STRETCH} * 2^k with {r.MAX_STRETCHES} * stretch >= width",
        f"(start[i] * {r.RIDGE} >> 22)",
        f"with n_rows = n_taps + 1 and ridge {r.RIDGE} ",
        f"level(|d| >> extra, {r.DIFFERENCE_LIMITS}) + ({len(r.DIFFERENCE_LIMITS)} if ",
        f"gram[t][i][j] - (gram[t][i][j] >> {r.GRAM_FADE}) + stretch_gram[i][j]",
        f"(line_gram[i][j] >> {r.LINE_FADE}) + stretch_gram[i][j]",
        f"c + ((64 * (4 * sample - uncorrected) - c + {1 << r.CORRECTION_RATE - 1}) >> {r.CORRECTION_RATE})",
        f"error * {pixel_prior.LMS_RATE} * 2^12 / (energy + {pixel_prior.LMS_MARGIN}) ",
        f"error * {pixel_prior.LMS_RATE} * 2^20 / (energy + {pixel_prior.LMS_MARGIN} * 2^16) ",
        f"65535 * {pixel_prior.LMS_RATE} * 2^20 ",
    ):
        assert told in " ".join(text_of("PIXELS").split())


def test_numbers_of_histograms_and_mixers_of_pixels_are_those_of_the_reference():
    text = " ".join(text_of("PIXELS").split())
    for told in (
        f"adds {pixels.STEP} to the mass",
        f"added(b, k) = {pixels.STEP} if k == 127, else {pixels.STEP} * clip(",
        f"If sums[127] > {pixels.LIMIT} then",
        f"texture = level(range, {pixels.TEXTURE_LIMITS})",
        f"distance = level(|d|, {pixels.DISTANCE_LIMITS}) ",
        f"level(|d| * 4 >> (error_class / 4), {pixels.EDGE_LIMITS}) ",
        f"gradient(bit, p_mixed, {pixel_prior.FINAL_RATE})",
        f"its count going up to {pixels.CELL_LIMIT} only",
        f"| 2 * n_cells | | {pixels.BIAS} | 1 |",
        f"| rate | {pixel_prior.RATE} .. {pixel_prior.RATE + pixel_prior.RATE_EXTRA // pixel_prior.RATE_DELAY} |",
    ):
        assert told in text


def test_trace_is_that_of_the_reference():
    subprocess.run([sys.executable, ROOT / "scripts" / "make_trace.py", "--check"], cwd=ROOT, check=True, timeout=300)

"""Pictures of costs: maps that cover a file, words of a text, pages without anything that was not escaped."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
import tiny_llama
from conftest import SAMPLE
from media_tools import picture

from lmzip import codec
from lmzip.convert import import_model
from lmzip.models.registry import Registry
from lmzip.plot.costs import Measured, measured
from lmzip.plot.page import colour, page

TEXT = SAMPLE.read_bytes()[:5000]


def of(raw: bytes, name: str = "a.txt", **settings) -> Measured:
    return measured(name, raw, list(codec.costs(raw, **{"level": 1, **settings})), "lmzip -1")


def test_cells_cover_a_file_and_its_bits() -> None:
    drawn = of(TEXT)
    for most in (1, 7, 5000, 10000):
        cells = drawn.cells(most)
        assert len(cells) <= most and cells[0].start == 0 and cells[-1].end == len(TEXT)
        assert all(a.end == b.start for a, b in zip(cells, cells[1:], strict=False))
        assert sum(cell.bits for cell in cells) == pytest.approx(drawn.total, rel=1e-4)
    assert drawn.total == pytest.approx(sum(block.bits for block in drawn.blocks), rel=1e-5)


def test_words_are_those_of_the_text() -> None:
    raw = "Größe: der Fluß, der\r\n\tFluß?  (ein Wort\x80)".encode("latin-1")
    for data in (raw, raw.decode("latin-1").encode(), TEXT):
        words = list(of(data).words(len(data)))
        assert b"".join(data[word.start : word.end] for word in words) == data
    assert [data for data, *_ in of("der Fluß, der Fluß".encode()).costliest(9)][:3] == ["Fluß", "der", ","]
    word, count, bits = next(found for found in of(TEXT).costliest(50) if found[0].isalpha())
    assert count == len(re.findall(rf"(?<!\w){word}(?!\w)", TEXT.decode()))
    assert 0 < bits < of(TEXT).total


def test_tokens_are_words_where_a_model_has_them(tmp_path) -> None:
    pytest.importorskip("tokenizers")
    weights = tmp_path / "tiny.safetensors"
    source = tiny_llama.save_directory(tmp_path / "tiny", *tiny_llama.tiny_llama())
    import_model(source, weights, name="tiny-tokens", window=128)
    drawn = of(TEXT[:500], level=1, model=Registry().model(str(weights)))
    assert drawn.has_tokens and "Tokens that cost most" in page(drawn)
    assert [word.end for word in drawn.words(500)] == list(drawn.ends)


def test_a_page_stands_by_itself_and_escapes() -> None:
    raw = b"<script>alert('&')</script> " * 20
    text = page(of(raw, "<b>&.txt"))
    assert "<script" not in text and "<title>&lt;b&gt;&amp;.txt: bits per byte</title>" in text
    assert "http" not in text.replace("http-equiv", "")
    body = text[text.index("<svg") : text.index("</svg>") + 6]
    cells = ElementTree.fromstring(body).findall("rect")
    assert len(cells) == len(raw)


def test_a_page_of_what_is_no_text() -> None:
    raw = TEXT + picture(300, 250)
    text = page(of(raw, "mixed"))
    assert "image 300 x grey, 8 bits" in text and 'stroke="#000"' in text
    assert "<h2>Text" not in page(of(bytes(range(256)) * 20))
    assert "0 bytes come to 0" in page(of(b""))


def test_colours_go_from_white_to_dark() -> None:
    shades = [sum(bytes.fromhex(colour(rate)[1:])) for rate in (-1, 0, 1, 2, 4, 6, 8, 20)]
    assert shades == sorted(shades, reverse=True) and colour(0) == "#ffffff" and colour(9) == colour(8)


def test_a_picture_is_the_same_again() -> None:
    pytest.importorskip("matplotlib")
    from lmzip.plot.figure import picture as draw

    made = draw(of(TEXT))
    assert made.startswith(b"\x89PNG") and draw(of(TEXT)) == made
    assert draw(of(b"")).startswith(b"\x89PNG")

"""A page of HTML that needs nothing else: a map of a file, its blocks, and of a text the words that cost most."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from string import Template

from lmzip.plot.costs import Measured, Part

_COLUMNS, _MOST_CELLS, _CELL = 96, 4096, 9  # cells of a line, of all, pixels of one
_MOST_BLOCKS, _MOST_WORDS = 100, 30
_TEXT_SIZE = 30_000  # bytes of a text that are shown
_MOST_BITS = 8.0  # a byte, at which colours end
# ColorBrewer's YlOrRd, on white: light is cheap, and the order can be seen without colours too.
_COLOURS = ((255, 255, 255), (255, 237, 160), (254, 178, 76), (240, 59, 32), (128, 0, 38))

_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>$title: bits per byte</title>
<style>
body { font: 14px/1.5 sans-serif; margin: 2em auto; max-width: 64em; padding: 0 1em; color: #222; background: #fff }
table { border-collapse: collapse } td, th { padding: 0 1em 0 0; text-align: right } td:first-child { text-align: left }
.text { font: 13px/1.6 monospace; white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid #ccc; padding: 1em }
.legend span { padding: 0 .7em; border: 1px solid #ccc }
rect:hover { stroke: #000 }
</style>
</head>
<body>
<h1>$title</h1>
<p>$facts</p>
<p class="legend">Bits per byte: $legend</p>
$sections
</body>
</html>
""")


def colour(rate: float) -> str:
    """Return the colour of a number of bits per byte."""
    at = min(max(rate / _MOST_BITS, 0.0), 1.0) * (len(_COLOURS) - 1)
    low = min(int(at), len(_COLOURS) - 2)
    mixed = (a + (b - a) * (at - low) for a, b in zip(_COLOURS[low], _COLOURS[low + 1], strict=True))
    return "#" + "".join(f"{round(x):02x}" for x in mixed)


def page(of: Measured) -> str:
    """Return the page of a file."""
    n = len(of.raw)
    rate = f", {of.total / n:.3f} bits per byte" if n else ""
    facts = f"{n:,} bytes come to {of.total / 8:,.0f}{rate}, by {of.settings}; container not counted."
    sections = [_map(of), _blocks(of)]
    if of.is_text:
        sections += [_words(of), _text(of)]
    legend = "".join(f'<span style="{_style(bits)}">{bits}</span>' for bits in range(int(_MOST_BITS) + 1))
    return _PAGE.substitute(title=_shown(of.name), facts=_shown(facts), legend=legend, sections="\n".join(sections))


def _style(rate: float) -> str:
    return f"background:{colour(rate)}" + (";color:#fff" if rate > 0.6 * _MOST_BITS else "")


def _shown(text: str) -> str:
    """Return text for HTML, what cannot be shown as U+FFFD."""
    return escape("".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text))


def _map(of: Measured) -> str:
    cells = of.cells(_MOST_CELLS)
    width, height = _COLUMNS * _CELL, -(-len(cells) // _COLUMNS) * _CELL
    borders = {block.start // max(1, cells[0].end) for block in of.blocks[1:]} if cells else set()
    size = cells[0].end if cells else 0
    return (
        f"<h2>Map</h2>\n<p>A cell is {size:,} byte{'s' * (size != 1)}, lines of {_COLUMNS} cells; a black line is the "
        f'border of a block.</p>\n<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}">\n'
        + "\n".join(_cell(i, cell, i in borders) for i, cell in enumerate(cells))
        + "\n</svg>"
    )


def _cell(i: int, cell: Part, is_border: bool) -> str:
    x, y = i % _COLUMNS * _CELL, i // _COLUMNS * _CELL
    line = f'<path d="M{x} {y}v{_CELL}" stroke="#000" stroke-width="2"/>' if is_border else ""
    return (
        f'<rect x="{x}" y="{y}" width="{_CELL}" height="{_CELL}" fill="{colour(cell.rate)}">'
        f"<title>bytes {cell.start:,} to {cell.end - 1:,}: {cell.rate:.2f}</title></rect>{line}"
    )


def _table(title: str, head: tuple[str, ...], rows: Iterator[tuple[str, ...]], behind: str = "") -> str:
    lines = [f"<h2>{title}</h2>", "<table>", "<tr>" + "".join(f"<th>{name}</th>" for name in head) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{_shown(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    return "\n".join([*lines, f"</table>{behind}"])


def _blocks(of: Measured) -> str:
    rows = (
        (b.content, f"{b.start:,}", f"{b.size:,}", f"{b.bits / 8:,.0f}", f"{b.bits / b.size:.3f}")
        for b in of.blocks[:_MOST_BLOCKS]
    )
    more = len(of.blocks) - _MOST_BLOCKS
    behind = f"\n<p>and {more} more</p>" if more > 0 else ""
    return _table("Blocks", ("of", "from byte", "bytes", "come to", "bits per byte"), rows, behind)


def _words(of: Measured) -> str:
    rows = (
        (word, f"{count:,}", f"{bits / count:.1f}", f"{bits / 8:,.0f}", f"{100 * bits / max(of.total, 1e-9):.1f} %")
        for word, count, bits in of.costliest(_MOST_WORDS)
    )
    what = "Tokens" if of.has_tokens else "Words"
    return _table(f"{what} that cost most", ("", "times", "bits each", "bytes in all", "of the file"), rows)


def _text(of: Measured) -> str:
    spans = []
    for word in of.words(_TEXT_SIZE):
        text = of.raw[word.start : word.end].decode("utf-8", "replace")
        spans.append(f'<span style="{_style(word.rate)}" title="{word.bits:.1f} bits">{_shown(text)}</span>')
    cut = f"<p>The first {_TEXT_SIZE:,} bytes.</p>\n" if len(of.raw) > _TEXT_SIZE else ""
    return f'<h2>Text</h2>\n{cut}<div class="text">{"".join(spans)}</div>'

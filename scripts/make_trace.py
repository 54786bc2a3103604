"""Writes the traces at the end of the specifications: what a decoder computes, decision by decision, for small blocks.

The numbers of its traces are the reference's, taken by hooks while it decodes; `--check` fails when a document has
others.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from trace_sections import ngram, pixels, samples

DOCS = Path(__file__).resolve().parent.parent / "docs"
SECTIONS: dict[str, tuple[str, Callable[[], str]]] = {  # by document, the title of the section and what renders it
    "ARITHMETIC": (ngram.TITLE, ngram.render),
    "PIXELS": (pixels.TITLE, pixels.render),
    "SAMPLES": (samples.TITLE, samples.render),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only compare with the documents")
    args = parser.parse_args()
    is_same = True
    for document, (title, render) in SECTIONS.items():
        path = DOCS / f"{document}.md"
        text = path.read_text(encoding="utf-8")
        before, _, behind = text.partition(title)
        _, next_title, rest = behind.partition("\n## ")
        written = before + render() + next_title + rest
        is_same = is_same and written == text
        if not args.check:
            path.write_text(written, encoding="utf-8")
    return 0 if is_same or not args.check else 1


if __name__ == "__main__":
    sys.exit(main())

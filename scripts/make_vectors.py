"""Writes tests/vectors: small files that are good, bad or unsupported, and a README with one sentence for each.

The checked-in files are compared with what this makes (tests/test_vectors.py).  Content is painted (byte i is i % 251),
so that swapped blocks show.  Run it again after a change of the predictor before a release; after one, never:
old files stay readable.  Methods are given, not chosen by a level, and the net is a tiny one that is checked in: the
files hang on neither the choice of methods nor the weights that ship.
"""

from __future__ import annotations

from vector_files import bad, good
from vector_files.frames import FOLDER, WEIGHTS, Vector, make_weights


def vectors() -> list[Vector]:
    """Return all vectors; the same bytes each time."""
    return [*good.vectors(), *bad.vectors()]


def readme() -> str:
    """Return the text of the README."""
    rows = [f"| `{v.name}.lmz` | {v.sentence} | {v.error or f'{len(v.content):,} bytes'} |" for v in vectors()]
    return "\n".join(
        [
            "# Test vectors",
            "",
            "Written by `scripts/make_vectors.py`, which knows the contents. A reader must decode every `good-` file,",
            "reject every `bad-` file as damaged and every `unsupported-` file as unsupported (FORMAT 1).",
            "",
            f"The files whose names contain `-net-` need the weights in `{WEIGHTS.name}`, which predict nothing: with",
            "`LMZIP_MODEL_PATH=tests/vectors` lmzip finds them.",
            "",
            "| file | what it is, or what is wrong with it | result |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def main() -> None:
    """Write all files, remove those that are no longer made."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    make_weights()
    made = vectors()
    for old in FOLDER.glob("*.lmz"):
        old.unlink()
    for vector in made:
        (FOLDER / f"{vector.name}.lmz").write_bytes(vector.data)
    (FOLDER / "README.md").write_text(readme(), encoding="utf-8")


if __name__ == "__main__":
    main()

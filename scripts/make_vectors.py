"""Writes tests/vectors: small files that are good, bad or unsupported, and a README with one sentence for each.

    python scripts/make_vectors.py [--all | --weights FOLDER]

The kernel codes the payloads; what a reader must make of the files is what the decoder in plain Python says, which
takes minutes: it is asked about files that are new or other ones, with --all about each.  The checked-in files are
compared with what this makes (tests/format/test_vectors.py).  Run it again after a change of format or predictor before
a release; after one, never: old files stay readable.  Profiles are given, not chosen by a level, and the net is a tiny
one that is checked in: the files hang on neither the choice by samples nor the weights that ship.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import re
from pathlib import Path
from typing import Any

from vector_files import bad, contents, copies, dictionaries, far, good, patches, programs
from vector_files.frames import DICTIONARY, FOLDER, LINES, NOTE, TEXT, WEIGHTS, Vector, make_weights
from vector_files.nets import FORMULA_NETS, LIMIT, ORDERS
from vector_files.transformers import CONFIG, FORMULA_TRANSFORMER

from lmzip.reference import container, faults

SHIPPED = Path(container.__file__).parent.parent / "models" / "data"
FORMULAS = FORMULA_NETS | {CONFIG["name"]: FORMULA_TRANSFORMER}
DAMAGED, UNSUPPORTED = "damaged", "unsupported"
RESULTS = {"good": None, "bad": DAMAGED, "unsupported": UNSUPPORTED}  # by the first word of a name


def vectors() -> list[Vector]:
    """Return all vectors; the same bytes each time."""
    groups = (good, contents, copies, far, dictionaries, patches, programs, bad)
    return [vector for group in groups for vector in group.vectors()]


def weights(digest: bytes) -> bytes:
    """Return the file of weights with this digest that is here; raises KeyError."""
    paths = (WEIGHTS, *sorted(SHIPPED.glob("*.safetensors")))
    for weight_file in (*FORMULAS.values(), *(path.read_bytes() for path in paths)):
        if hashlib.sha256(weight_file).digest() == digest:
            return weight_file
    raise KeyError(digest)


def result(data: bytes) -> str:
    """Return what the reference decoder makes of a file, as the README has it."""
    try:
        content = container.decode(data, weights, [DICTIONARY.data])
    except faults.DamagedFile:
        return DAMAGED
    except faults.UnsupportedFile:
        return UNSUPPORTED
    return of_content(content)


def of_content(content: bytes) -> str:
    """Return how the README tells of a content."""
    size = f"{len(content):,} byte{'s' * (len(content) != 1)}"
    return f"{size}, `{hashlib.sha256(content).hexdigest()[:16]}`"


def net_sentence(config: dict[str, Any]) -> str:
    """Return what a formula net has besides what all have."""
    numbers = ", ".join(f"{key} {config[key]}" for key in ("byte_dim", "table_dim", "table_bits"))
    return f"`{config['name']}` has {numbers} and orders {', '.join(map(str, config['orders']))}"


def readme(results: dict[str, str]) -> str:
    """Return the text of the README."""
    rows = [f"| `{v.name}.lmz` | {v.sentence} | {results[v.name]} |" for v in vectors()]
    return "\n".join(
        [
            "# Test vectors",
            "",
            "Written by `scripts/make_vectors.py`. A reader must decode every `good-` file, reject every `bad-` file",
            "as damaged and every `unsupported-` file as unsupported (FORMAT 1.2). The last column is what the decoder",
            "in `lmzip/reference` makes of a file: of a content its size and the first 16 digits of its SHA-256.",
            "",
            "Byte i of painted content is i % 251, i = 0, 1, 2 ... The text is in UTF-8 the lines `<n> green bottles,",
            "hanging on the wall; <n * n> Füße`, each with a newline behind it, for n = 99 down to 1:",
            f"{len(LINES)} lines, {len(TEXT):,} bytes. Its first 20 lines have {len(NOTE):,} bytes.",
            "",
            f"Files that need the weights in `{WEIGHTS.name}`, which predict nothing, say so: with",
            "`LMZIP_MODEL_PATH=tests/vectors` lmzip finds them. Two nets are not here, as ARITHMETIC 12.2 has",
            "the formula of their tensors; `scripts/make_vectors.py --weights FOLDER` writes their files. Both have",
            "n_embd, n_hidden and n_state 32 and a layer.",
            f"{net_sentence(ORDERS)}.",
            f"{net_sentence(LIMIT)}.",
            "Of the latter all multipliers but the head's are the largest that ARITHMETIC 10.3 admits.",
            "",
            f"`{CONFIG['name']}` is the transformer that TRANSFORMER 14 has the formula of; `--weights` writes it too.",
            "",
            "The dictionary, or the original, of the files that have one is its lines 21 to 42,",
            f"{len(DICTIONARY):,} bytes with the SHA-256 `{DICTIONARY.digest.hex()}`.",
            "",
            "| file | what it is, or what is wrong with it | result |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def results_in(text: str) -> dict[str, str]:
    """Return name -> result of the rows of a README."""
    return dict(re.findall(r"^\| `([^`]+)\.lmz` \| .* \| (.+) \|$", text, re.MULTILINE))


def known_results(made: list[Vector]) -> dict[str, str]:
    """Return the results in the README that is there of those files that are the same there."""
    path = FOLDER / "README.md"
    results = results_in(path.read_text(encoding="utf-8")) if path.exists() else {}
    files = {v.name: FOLDER / f"{v.name}.lmz" for v in made}
    same = {v.name for v in made if files[v.name].exists() and files[v.name].read_bytes() == v.data}
    return {name: text for name, text in results.items() if name in same}


def main() -> None:
    """Write all files, remove those that are no longer made."""
    parser = argparse.ArgumentParser(description="write the test vectors")
    parser.add_argument("--all", action="store_true", help="ask the decoder in plain Python about every file")
    parser.add_argument("--weights", type=Path, metavar="FOLDER", help="write what a formula makes, no more")
    options = parser.parse_args()
    if options.weights:
        for name, weight_file in FORMULAS.items():
            (options.weights / f"{name}.safetensors").write_bytes(weight_file)
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    make_weights()
    made = vectors()
    results = {} if options.all else known_results(made)
    new = sorted((v for v in made if v.name not in results), key=lambda v: -len(v.content))
    with multiprocessing.Pool() as pool:
        results |= zip((v.name for v in new), pool.map(result, [v.data for v in new], chunksize=1), strict=True)
    for v in made:
        expected = RESULTS[v.name.split("-")[0]] or of_content(v.content)
        if results[v.name] != expected:
            raise SystemExit(f"{v.name}: the reference decoder says {results[v.name]}, not {expected}")
    for old in FOLDER.glob("*.lmz"):
        old.unlink()
    for v in made:
        (FOLDER / f"{v.name}.lmz").write_bytes(v.data)
    (FOLDER / "README.md").write_text(readme(results), encoding="utf-8")


if __name__ == "__main__":
    main()

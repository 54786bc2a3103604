"""Any compressor as a conditional generator: texts, image halves and sound continued, side by side as in the paper.

    PYTHONPATH=scripts python -m paper.generate --text FILE --images FOLDER --speech FOLDER --llm smollm2

gzip and LZMA (its bare stream): byte after byte, with 2^-(bits that the compressed prefix grows by) as the weight of
each of the 256.  lmzip: what its decoder makes of random bits (`lmzip-models sample`).  OUT/generated.json gets the
bytes, in hexadecimal; OUT/generated.svg shows images and sound, OUT/generated.txt the texts.
"""

from __future__ import annotations

import json
import lzma
import random
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import numpy as np

from lmzip.codec import sample
from lmzip.contents import parse_content
from lmzip.models.registry import Registry
from paper.data import CHUNK, HEIGHT, WIDTH, DataSet, Places, data_sets
from paper.figures import pyplot
from paper.options import of_data, of_llm, to_out

TEXT_PROMPT, TEXT_SIZE = 1948, 100  # bytes, as in the paper
HALF = CHUNK // 2
_LZMA = [{"id": lzma.FILTER_LZMA1, "preset": 6, "dict_size": 4096}]

Generator = Callable[[bytes, int, str], bytes]  # prompt, bytes wanted, what lmzip is told that they are


def by_growth(size: Callable[[bytes], int], seed: int) -> Generator:
    """Return the paper's generator of a compressor, of which `size` tells what bytes come to."""

    def generate(prompt: bytes, n_bytes: int, content: str) -> bytes:
        drawing, out = random.Random(seed), bytearray(prompt)
        for _ in range(n_bytes):
            sizes = [size(bytes([*out, byte])) for byte in range(256)]
            least = min(sizes)
            out.append(drawing.choices(range(256), [2.0 ** (8 * (least - n)) for n in sizes])[0])
        return bytes(out[len(prompt) :])

    return generate


def by_lmzip(level: int, model: str | None, is_told: bool, seed: int, registry: Registry) -> Generator:
    """Return lmzip's; is_told: whether it knows images and sound from bytes."""

    def generate(prompt: bytes, n_bytes: int, content: str) -> bytes:
        of = parse_content(content if is_told else "bytes")
        chosen = registry.model(model) if model else None
        return sample(prompt, n_bytes, seed=seed, level=level, model=chosen, registry=registry, content=of)

    return generate


def generators(llm: str | None, seed: int) -> dict[str, Generator]:
    registry = Registry()
    found = {
        "gzip": by_growth(lambda data: len(zlib.compress(data, 9)), seed),
        "LZMA": by_growth(lambda data: len(lzma.compress(data, lzma.FORMAT_RAW, filters=_LZMA)), seed),
        "lmzip, ngram": by_lmzip(4, None, False, seed, registry),
        "lmzip, net": by_lmzip(6, None, False, seed, registry),
        "lmzip, as what it is": by_lmzip(6, None, True, seed, registry),
    }
    return found | ({f"lmzip, {llm}": by_lmzip(9, llm, False, seed, registry)} if llm else {})


class Kept:
    """What was generated, in a JSON file, so that a run goes on where the last one ended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}

    def get(self, key: str, make: Callable[[], bytes]) -> bytes:
        if key not in self.found:
            click.echo(key, err=True)
            self.found[key] = make().hex()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(self.found, indent=0))
        return bytes.fromhex(self.found[key])


def continued(
    kept: Kept, of: DataSet, prompt_size: int, size: int, n: int, made: dict[str, Generator]
) -> list[tuple[bytes, dict[str, bytes]]]:
    """Return n chunks, and for each what every generator makes of its beginning."""
    result = []
    for i, chunk in enumerate(of.some(n)):
        of_chunk = {}
        for name, generate in made.items():
            if name.endswith("as what it is") and of.content == "bytes":
                continue
            prompt = chunk[:prompt_size]
            key = f"{of.name} {i} {size} {name}"
            of_chunk[name] = kept.get(key, partial(generate, prompt, size, of.content))
        result.append((chunk[: prompt_size + size], of_chunk))
    return result


def plot(path: Path, images: list, sound: list) -> None:
    """Draw a row for each chunk: as it was, and its first half as every generator continues it."""
    names = ["as it was", *(images or sound)[0][1]]
    n_rows = len(images) + len(sound)
    plt = pyplot()
    figure, axes = plt.subplots(
        n_rows, len(names), figsize=(1.7 * len(names), 1.1 * n_rows), squeeze=False, layout="constrained"
    )
    for row, (chunk, made) in enumerate([*images, *sound]):
        for pane, name in zip(axes[row], names, strict=True):
            data = chunk if name == "as it was" else chunk[:HALF] + made[name]
            values = np.frombuffer(data, np.uint8)
            if row < len(images):
                pane.imshow(values.reshape(HEIGHT, WIDTH), "gray", vmin=0, vmax=255, interpolation="nearest")
                pane.axhline(HEIGHT / 2 - 0.5, color="C3", linewidth=0.5)
            else:
                pane.plot(values, linewidth=0.4, color="C0")
                pane.axvline(HALF, color="C3", linewidth=0.5)
                pane.set_ylim(0, 255)
            pane.set_xticks([])
            pane.set_yticks([])
            if not row:
                pane.set_title(name, fontsize=7)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def shown(data: bytes) -> str:
    """Return text with what could not be read as dots."""
    return "".join(c if c.isprintable() and c != "\ufffd" else "." for c in data.decode("utf-8", "replace"))


def texts(found: list, prompt_size: int) -> str:
    """Return the texts: the end of each prompt, what followed, and what was generated."""
    parts = []
    for chunk, made in found:
        parts.append(f"prompt ends: ...{shown(chunk[:prompt_size][-100:])}\n")
        parts.append(f"{'as it was':22} {shown(chunk[prompt_size:])}\n")
        parts += [f"{name:22} {shown(data)}\n" for name, data in made.items()]
    return "".join(parts)


@click.command()
@of_data
@of_llm
@to_out
@click.option("--chunks", "n", type=int, default=3, show_default=True, help="Chunks of each set.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--quick", is_flag=True, help="Some bytes of one text, to try it out.")
def main(
    text: tuple[Path, ...],
    images: Path | None,
    speech: Path | None,
    llm: str | None,
    out: Path,
    n: int,
    seed: int,
    quick: bool,
) -> None:
    """Continue texts, images and sound by every compressor."""
    sets = {of.name: of for of in data_sets(Places(text, images, speech), 4096)}
    made, kept = generators(llm, seed), Kept(out / "generated.json")
    found = {}
    for name, (prompt_size, size) in {
        "text": (TEXT_PROMPT, 4 if quick else TEXT_SIZE),
        "images": (HALF, HALF),
        "speech": (HALF, HALF),
    }.items():
        if name in sets and not (quick and name != "text"):
            found[name] = continued(kept, sets[name], prompt_size, size, 1 if quick else n, made)
    if "text" in found:
        (out / "generated.txt").write_text(texts(found["text"], TEXT_PROMPT))
    if found.keys() - {"text"}:
        plot(out / "generated.svg", found.get("images", []), found.get("speech", []))


if __name__ == "__main__":
    main()

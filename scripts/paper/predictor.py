"""Is a predictor a compressor?  The size of payloads against -sum log2 p of the decisions in them, for every model.

    PYTHONPATH=scripts python -m paper.predictor --text FILE --images FOLDER --speech FOLDER --model PATH

The reference codes a piece, and sums what its decisions cost; the kernel's payload must be the same.  Its bits above
that sum, in parts per million, are what the range coder, its end and whole bytes cost.  Slow: the reference is plain.
"""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import click

from lmzip import levels, reference
from lmzip.block import BlockSpec, Content
from lmzip.contents import parse_content
from lmzip.models.base import Model
from lmzip.models.registry import Registry
from lmzip.reference.range_coder import RangeEncoder
from paper.data import DataSet, Places, data_sets
from paper.options import of_data, to_out
from paper.store import Store

COLUMNS = (("model", "set", "raw_size"), ("bits", "payload_size"))


class Summing(RangeEncoder):
    """A range encoder that sums the bits of information in its decisions."""

    def __init__(self) -> None:
        super().__init__()
        self.bits = 0.0

    def code_bit(self, bit: int | None, p1: int) -> int:
        self.bits -= math.log2((p1 if bit else (1 << 32) - p1) / (1 << 32))
        return super().code_bit(bit, p1)


def measure(model: Model, raw: bytes, content: Content) -> tuple[str, int]:
    """Return -sum log2 p and the payload's bytes; raises ValueError unless the kernel writes and reads the same one."""
    settings = levels.get_level(9 if model.has_tokens else 6, uses_model=bool(model.kind), has_tokens=model.has_tokens)
    spec = settings.spec(len(raw), uses_model=settings.uses_model, n_lanes=1)
    if content.kind:
        spec = BlockSpec(len(raw), settings.profile, False, content=content)
    sizes = model.token_sizes(raw, spec) if model.has_tokens else b""  # type: ignore[attr-defined]
    weights = model.path.read_bytes() if spec.uses_model else None
    c = spec.content
    of = reference.Content(c.kind, c.channels, c.depth, c.flags, c.offset, c.width) if c.kind else None
    coder = Summing()
    reference.code_block(coder, raw, len(raw), spec.profile, 1, weights, spec.context, sizes, of)
    payload = coder.finish()
    written = model.encode(raw, spec)  # None where it is not worth it
    is_same = len(payload) >= len(raw) if written is None else written == payload
    if not is_same or bytes(model.decode(payload, spec)) != raw:
        raise ValueError(f"{model.name}: the kernel's payload is another")
    return f"{coder.bits:.1f}", len(payload)


def measure_set(store: Store, of: DataSet, models: list[tuple[str, Model, int]]) -> None:
    """Add the rows of a set; models: with their names, and how many bytes they get."""
    content = parse_content(of.content)
    for name, model, size in models:
        if content.kind and not model.kind:
            name = "pixels" if of.name == "images" else "samples"
        elif content.kind:
            continue
        raw = of.data[:size]
        store.measure((name, of.name, len(raw)), partial(measure, model, raw, content))


@click.command()
@of_data
@click.option("--model", "paths", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@to_out
@click.option("--size", type=int, default=32768, show_default=True, help="Bytes for the bases, a quarter for others.")
@click.option("--quick", is_flag=True, help="A few bytes, to try it out.")
def main(
    text: tuple[Path, ...],
    images: Path | None,
    speech: Path | None,
    paths: tuple[Path, ...],
    out: Path,
    size: int,
    quick: bool,
) -> None:
    """Compare payloads with what their decisions say; OUT/predictor.csv gets both."""
    size = 512 if quick else size
    registry = Registry()
    models = [("ngram", registry.built_in(), size)]
    if not quick:
        models.append(("net", registry.default(), size // 4))
    models += [(path.stem, registry.model(str(path)), size // 16) for path in paths]
    store = Store(out / "predictor.csv", *COLUMNS)
    for of in data_sets(Places(text, images, speech), 64):
        if of.name != "random":
            measure_set(store, of, models)
    for row in store.rows.values():
        overhead = 1e6 * (8 * int(row["payload_size"]) / float(row["bits"]) - 1)
        click.echo(
            f"{row['model']:10} {row['set']:8} {row['payload_size']:>7} bytes, {overhead:8.1f} ppm above the sum"
        )


if __name__ == "__main__":
    main()

"""lmzip-models plot: where in a file the bits are."""

from __future__ import annotations

import os

from lmzip import codec, levels
from lmzip.block import Content
from lmzip.cli import signals
from lmzip.cli.completing import AUTO
from lmzip.cli.inputs import STDIN, open_input
from lmzip.cli.messages import UNSUPPORTED, CallError, Reporter, printable, reason
from lmzip.cli.progress import Meter
from lmzip.cli.writing import target, write_file
from lmzip.codec.settings import settings_for
from lmzip.errors import LmzipError, MemoryLimitError, ModelMissingError, UnsupportedError
from lmzip.models.hf.numerics import PREFIX
from lmzip.models.registry import Registry

SUFFIXES = (".html", ".png")
MOST = 64 << 20  # bytes, which take some GiB
_PIECE = 1 << 20


def plot(
    reporter: Reporter,
    name: str,
    *,
    output: str | None,
    force: bool,
    level: str | None,
    model: str | None,
    content: Content | None,
    part: tuple[int, int] | None,
) -> str:
    """Write the page or picture of a file, and return a line on it; raises CallError, after which there is none."""
    shown = "standard input" if name == STDIN else os.path.basename(name)
    path = output or f"{'stdin' if name == STDIN else name}{SUFFIXES[0]}"
    if not path.lower().endswith(SUFFIXES):
        raise CallError(f"{printable(path)}: the name must end in {' or '.join(SUFFIXES)}")
    if model and model.startswith(PREFIX):
        raise CallError("models of Hugging Face in floating point do not say what bytes cost; import them", UNSUPPORTED)
    target(path, force).close()
    raw = _read(name, part)
    registry = Registry()
    of_level = int(level or levels.DEFAULT_LEVEL)
    try:
        given = None if model in (None, AUTO) else registry.model(str(model))
        chosen = settings_for(of_level, given, registry)[1]
        meter = Meter(reporter, shown, ("measure",), len(raw))
        with meter, signals.reporting(meter.report):
            blocks = list(
                codec.costs(
                    raw,
                    level=of_level,
                    model=given,
                    registry=registry,
                    content=content,
                    n_threads=codec.available_threads(),
                    progress=lambda n: meter.advance("measure", n),
                )
            )
        data, total = _drawn(shown, raw, blocks, f"lmzip -{of_level} with {chosen.name}", path)
    except (ModelMissingError, UnsupportedError) as error:
        raise CallError(reason(error), UNSUPPORTED) from None
    except (MemoryLimitError, MemoryError, ValueError) as error:
        raise CallError(reason(error)) from None
    write_file(path, data, force=force)
    rate = f", {total / len(raw):.3f} bits/byte" if raw else ""
    return f"{printable(path)}: {len(raw)} bytes come to {total / 8:.0f}{rate}\n"


def _drawn(name: str, raw: bytes, blocks: list[codec.BlockCosts], settings: str, path: str) -> tuple[bytes, float]:
    """Return the page or picture, and the bits in all."""
    from lmzip.plot.costs import measured

    of = measured(name, raw, blocks, settings)
    if path.lower().endswith(SUFFIXES[0]):
        from lmzip.plot.page import page

        return page(of).encode("utf-8", "replace"), of.total
    from lmzip.plot.figure import picture

    return picture(of), of.total


def _read(name: str, part: tuple[int, int] | None) -> bytes:
    """Return the bytes of a file, or a part of them; raises CallError."""
    offset, size = part or (0, MOST + 1)
    size = min(size, MOST + 1)
    raw = bytearray()
    try:
        with open_input(name) as source:
            while offset and (passed := source.read(min(offset, _PIECE))):
                offset -= len(passed)
            while len(raw) < size and (piece := source.read(min(size - len(raw), _PIECE))):
                raw += piece
    except (OSError, LmzipError) as error:
        raise CallError(f"{printable(name)}: {reason(error)}", getattr(error, "exit_status", 1)) from None
    if len(raw) > MOST:
        raise CallError(f"{printable(name)}: more than {MOST >> 20} MiB are not drawn; --range takes a part")
    return bytes(raw)

"""--list-models: the models that are here, what they need, and how fast and how good they are on a short text."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from lmzip.cli.messages import Reporter, printable, reason
from lmzip.cli.options import Options
from lmzip.errors import LmzipError

if TYPE_CHECKING:
    from lmzip.levels import Level
    from lmzip.models.base import Model
    from lmzip.models.hf.directory import ModelFiles

_WARM_UP_SIZE = 1 << 10  # bytes; the first ones wait for the weights to be unpacked
_PILOT_SIZE = 4 << 10
_TOKEN_WARM_UP_SIZE, _TOKEN_PILOT_SIZE = 64, 1 << 10  # with a transformer, which takes a second for that
_MAX_TEXT_SIZE = 48 << 10
_SECONDS = 0.8  # for the measurements of all models together
_MAX_HASHED_SIZE = 64 << 20  # bytes of weights of a model of Hugging Face: more would take seconds
_SAMPLE_SIZE = 1000  # bytes whose size is told, the same for all models; a transformer takes a second for them


@dataclass(frozen=True)
class Row:
    """What is told of a model; memory, speed and bits are those of one thread at `level`, sizes in bytes."""

    model: str
    level: int
    levels: list[int]  # that use it by default
    size: int  # of the weights
    memory_per_thread: int | None  # None from here on: not looked at, since that would load torch or read gigabytes
    kb_per_second: float | None  # measured; 1 kB = 1000 bytes
    bits_per_byte: float | None  # of the start of the bundled text by itself, container and weights not counted
    sha256: str | None
    licence: str | None
    path: str | None


def models_text(options: Options, reporter: Reporter) -> str:
    """Return what --list-models prints; warns of weight files that turn out to be unusable."""
    from lmzip.models import registry

    models = registry.models()
    rows = []
    for model in models:
        try:
            rows.append(_row(model, _SECONDS / len(models)))
        except (LmzipError, MemoryError) as error:
            reporter.warning(None, f"model {printable(model.name)} passed over: {reason(error)}", status=0)
    for files in registry.foreign_models():
        try:
            rows.append(_foreign_row(files))
        except (LmzipError, OSError) as error:
            reporter.warning(None, f"model {printable(files.name)} passed over: {reason(error)}", status=0)
    return _json(rows) if options.json else _table(rows)


def _row(model: Model, seconds: float) -> Row:
    """Return what is to be told of a model, measured in about so many seconds; raises UnsupportedError, MemoryError."""
    from lmzip import codec, levels

    level = levels.DEFAULT_LEVEL
    path = getattr(model, "path", None)
    licence = getattr(model, "config", {}).get("licence")
    memory = codec.compress_memory(level, threads=1, model=str(path) if path else model.name)
    return Row(
        model=model.name,
        level=level,
        levels=[n for n in range(levels.MIN_LEVEL, levels.MAX_LEVEL + 1) if _is_default(model, n)],
        size=getattr(model, "size", 0),
        memory_per_thread=memory,
        kb_per_second=_measure(model, level, seconds),
        bits_per_byte=_bits_per_byte(model, level),
        sha256=model.digest.hex() or None,
        licence=str(licence) if licence else None,
        path=str(path) if path else None,
    )


def _foreign_row(files: ModelFiles) -> Row:
    """Return what the files of a model of Hugging Face tell, its digest only if that is taken quickly.

    Raises OSError, UnsupportedError.
    """
    from lmzip import levels
    from lmzip.models.hf.directory import digest_of
    from lmzip.models.hf.settings import PREFIX

    size = files.size
    return Row(
        model=PREFIX + files.name,
        level=levels.DEFAULT_LEVEL,
        levels=[],
        size=size,
        memory_per_thread=None,
        kb_per_second=None,
        bits_per_byte=None,
        sha256=digest_of(files).hex() if size <= _MAX_HASHED_SIZE else None,
        licence=None,
        path=str(files.path),
    )


def _is_default(model: Model, level: int) -> bool:
    """Return whether a level uses this very model if no other is asked for: names may occur twice."""
    from lmzip.codec.choice import choose

    try:
        return choose(level, None)[1] is model
    except LmzipError:  # the net that ships is not here
        return False


def _choice(model: Model, level: int) -> Level:
    from lmzip import levels

    return levels.get_level(level, net=bool(model.digest), tokens=levels.TOKEN_METHOD in model.methods)


def _bits_per_byte(model: Model, level: int) -> float:
    """Return what the start of the bundled text comes to: no model has seen anything before it."""
    text = bundled_text()[:_SAMPLE_SIZE]
    payload = model.encode_block(text, _choice(model, level).method, 1, None, 1)
    return round(8 * len(text if payload is None else payload) / len(text), 3)


def _measure(model: Model, level: int, seconds: float) -> float:
    """Return the kB/s at which a thread compresses a long text at a level, with as many lanes as its blocks get."""
    from lmzip import levels

    choice = _choice(model, level)
    has_tokens = choice.method >= levels.TOKEN_METHOD
    warm_up, pilot = (_TOKEN_WARM_UP_SIZE, _TOKEN_PILOT_SIZE) if has_tokens else (_WARM_UP_SIZE, _PILOT_SIZE)
    lanes = levels.n_lanes(choice, choice.block_size)
    text = bundled_text()

    def timed(size: int) -> float:
        start = time.perf_counter()
        model.encode_block(text[:size], choice.method, lanes, None, 1)
        return max(time.perf_counter() - start, 1e-6)

    timed(warm_up)
    if has_tokens:  # so few bytes take hardly longer than to begin a block
        begun, taken = timed(warm_up), timed(pilot)
        return round((pilot - warm_up) / max(taken - begun, taken / 10) / 1000, 1)
    rate = pilot / timed(pilot)
    size = min(len(text), _MAX_TEXT_SIZE, int(rate * seconds))
    if size > 2 * pilot:
        rate = size / timed(size)
    return round(rate / 1000, 1)


def bundled_text() -> bytes:
    """Return some tens of kB of text that are always here: what the programs say of themselves."""
    from lmzip.cli.completion import completion_script
    from lmzip.cli.helptext import SUMMARIES, help_text
    from lmzip.cli.option_table import SHELLS

    return "".join([*map(help_text, SUMMARIES), *map(completion_script, SHELLS)]).encode()


def _json(rows: list[Row]) -> str:
    import json

    return "".join(json.dumps(asdict(row)) + "\n" for row in rows)


def _table(rows: list[Row]) -> str:
    """Return the rows as aligned columns; numbers stand at their right end."""
    bits = f"bits/byte of {_SAMPLE_SIZE} bytes"
    cells = [("model", "levels", "weights", "memory a thread", "kB/s a thread", bits, "licence", "sha256", "path")]
    for row in rows:
        cells.append(
            (
                printable(row.model),
                f"-{row.levels[0]} to -{row.levels[-1]}" if row.levels else "-",
                str(row.size) if row.size else "none",
                "-" if row.memory_per_thread is None else str(row.memory_per_thread),
                "-" if row.kb_per_second is None else f"{row.kb_per_second:.{0 if row.kb_per_second >= 10 else 1}f}",
                "-" if row.bits_per_byte is None else f"{row.bits_per_byte:.3f}",
                printable(row.licence or "-"),
                row.sha256 or (f"not read: over {_MAX_HASHED_SIZE >> 20} MiB" if row.size > _MAX_HASHED_SIZE else "-"),
                printable(row.path or "-"),
            )
        )
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    numbers = (2, 3, 4, 5)
    lines = []
    for line in cells:
        padded = [
            cell.rjust(width) if i in numbers else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip() + "\n")
    return "".join(lines)

"""What models need, and how fast and how good they are on a short text."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from lmzip.cli.messages import Reporter, printable, reason
from lmzip.cli.models.tables import json_lines, table
from lmzip.errors import LmzipError

if TYPE_CHECKING:
    from lmzip.block import BlockSpec
    from lmzip.levels import LevelSettings
    from lmzip.models.base import Model
    from lmzip.models.registry import Registry

_WARM_UP_SIZE = 1 << 10  # bytes; the first ones wait for the weights to be unpacked
_PILOT_SIZE = 4 << 10
_TOKEN_WARM_UP_SIZE, _TOKEN_PILOT_SIZE = 64, 1 << 10  # with a transformer, which takes a second for that
_MAX_TEXT_SIZE = 48 << 10
_SECONDS = 0.8  # for the measurements of all models together
_SAMPLE_SIZE = 1000  # bytes whose size is told, the same for all models; a transformer takes a second for them


@dataclass(frozen=True)
class Row:
    """What is measured of a model: by one thread at `level`."""

    name: str
    sha256: str | None
    path: str | None
    level: int
    levels: list[int]  # that use it by default
    memory_per_thread: int  # bytes
    kb_per_second: float  # 1 kB = 1000 bytes
    bits_per_byte: float  # of the start of the bundled text by itself, container and weights not counted


def measured(models: list[Model], registry: Registry, reporter: Reporter, *, json: bool) -> str:
    """Return a table of models, or JSON; warns of weight files that turn out to be unusable."""
    rows = []
    for model in models:
        try:
            rows.append(_row(model, _SECONDS / len(models), registry))
        except (LmzipError, MemoryError) as error:
            reporter.warning(None, f"model {printable(model.name)} passed over: {reason(error)}", status=0)
    return json_lines(map(asdict, rows)) if json else _table(rows)


def _row(model: Model, seconds: float, registry: Registry) -> Row:
    """Return what is to be told of a model, measured in about so many seconds; raises UnsupportedError, MemoryError."""
    from lmzip import codec, levels

    level = levels.DEFAULT_LEVEL
    path = getattr(model, "path", None)
    memory = codec.compress_memory(level, threads=1, model=model)
    return Row(
        name=model.name,
        sha256=model.digest.hex() or None,
        path=str(path) if path else None,
        level=level,
        levels=[n for n in range(levels.MIN_LEVEL, levels.MAX_LEVEL + 1) if _is_default(model, n, registry)],
        memory_per_thread=memory,
        kb_per_second=_measure(model, level, seconds),
        bits_per_byte=_bits_per_byte(model, level),
    )


def _is_default(model: Model, level: int, registry: Registry) -> bool:
    """Return whether a level uses this very model if no other is asked for: names may occur twice."""
    from lmzip.codec.settings import settings_for

    try:
        return settings_for(level, None, registry)[1] is model
    except LmzipError:  # the net that ships is not here
        return False


def _choice(model: Model, level: int) -> LevelSettings:
    from lmzip import levels

    return levels.get_level(level, uses_model=bool(model.kind), has_tokens=model.has_tokens)


def _spec(choice: LevelSettings, size: int, n_lanes: int) -> BlockSpec:
    return choice.spec(size, uses_model=choice.uses_model, n_lanes=n_lanes)


def _bits_per_byte(model: Model, level: int) -> float:
    """Return what the start of the bundled text comes to: no model has seen anything before it."""
    text = bundled_text()[:_SAMPLE_SIZE]
    payload = model.encode(text, _spec(_choice(model, level), len(text), 1))
    return round(8 * len(text if payload is None else payload) / len(text), 3)


def _measure(model: Model, level: int, seconds: float) -> float:
    """Return the kB/s at which a thread compresses a long text at a level, with as many lanes as its blocks get."""
    choice = _choice(model, level)
    has_tokens = choice.uses_model and model.has_tokens
    warm_up, pilot = (_TOKEN_WARM_UP_SIZE, _TOKEN_PILOT_SIZE) if has_tokens else (_WARM_UP_SIZE, _PILOT_SIZE)
    lanes = choice.n_lanes(choice.block_size) if choice.uses_model else 1
    text = bundled_text()

    def timed(size: int) -> float:
        start = time.perf_counter()
        model.encode(text[:size], _spec(choice, min(size, len(text)), lanes))
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
    from lmzip.cli.helptext import SUMMARIES, help_text

    return "".join(map(help_text, SUMMARIES)).encode()


def _table(rows: list[Row]) -> str:
    bits = f"bits/byte of {_SAMPLE_SIZE} bytes"
    cells = [("name", "levels", "memory a thread", "kB/s a thread", bits)]
    for row in rows:
        cells.append(
            (
                row.name,
                f"-{row.levels[0]} to -{row.levels[-1]}" if row.levels else "-",
                str(row.memory_per_thread),
                f"{row.kb_per_second:.{0 if row.kb_per_second >= 10 else 1}f}",
                f"{row.bits_per_byte:.3f}",
            )
        )
    return table(cells, numbers=(2, 3, 4))

"""What models need, how fast they are, and how good on a short text: for bench, and for what was imported."""

from __future__ import annotations

import time
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lmzip import codec, levels
from lmzip.cli.helptext import SUMMARIES, help_text
from lmzip.cli.messages import UNSUPPORTED, CallError, Reporter, printable, reason
from lmzip.cli.models.tables import json_lines, table
from lmzip.codec.settings import settings_for
from lmzip.errors import LmzipError, UnsupportedError
from lmzip.models.hf.numerics import PREFIX
from lmzip.models.registry import Registry

if TYPE_CHECKING:
    from lmzip.models.base import Model

_WARM_UP_SIZE = 1 << 10  # bytes; the first ones wait for the weights to be unpacked
_PILOT_SIZE = 4 << 10
_TOKEN_WARM_UP_SIZE, _TOKEN_PILOT_SIZE = 64, 1 << 10  # with a transformer, which takes a second for that
_MAX_TEXT_SIZE = 48 << 10
_SECONDS = 0.8  # for the measurements of all models together
_SAMPLE_SIZE = 1000  # bytes whose size is told, the same for all models; a transformer takes a second for them
_COST_TOKENS, _LEAST_COST_TOKENS = 400, 64  # with a model of the size below; larger ones take longer for each
_COST_SIZE = 150_000_000
_HEADINGS = ("name", "levels", "memory a thread", "kB/s a thread", f"bits/byte of {_SAMPLE_SIZE} bytes")


class Row(NamedTuple):
    """What is measured of a model: by one thread at `level`."""

    name: str
    sha256: str | None
    path: str | None
    level: int
    levels: list[int]  # that use it by default
    memory_per_thread: int  # bytes
    kb_per_second: float  # 1 kB = 1000 bytes
    bits_per_byte: float  # of the start of the bundled text by itself, container and weights not counted

    @property
    def cells(self) -> tuple[str, ...]:
        """What the table says."""
        levels_text = f"-{self.levels[0]} to -{self.levels[-1]}" if self.levels else ""
        speed = f"{self.kb_per_second:.{0 if self.kb_per_second >= 10 else 1}f}"
        return self.name, levels_text, str(self.memory_per_thread), speed, f"{self.bits_per_byte:.3f}"


def bench(names: tuple[str, ...], reporter: Reporter, *, json: bool) -> str:
    """Return a table of models, or JSON; warns of weight files that turn out to be unusable.

    names: none for all that are here.  Raises CallError for a name that is none, or that of a model in floating point.
    """
    registry = Registry()
    for name in names:
        if name.startswith(PREFIX):
            raise CallError(f"{name!r}: lmzip --bench --model {PREFIX}PATH FILE measures models of Hugging Face")
    try:
        models = [registry.model(name) for name in dict.fromkeys(names)] if names else registry.models()
    except LmzipError as error:
        raise CallError(reason(error), UNSUPPORTED) from None
    rows = []
    for model in models:
        try:
            rows.append(_row(model, _SECONDS / len(models), registry))
        except (LmzipError, MemoryError) as error:
            reporter.warning(None, f"model {printable(model.name)} passed over: {reason(error)}", status=0)
    return json_lines(rows) if json else table([_HEADINGS, *(row.cells for row in rows)], {2, 3, 4})


def _row(model: Model, seconds: float, registry: Registry) -> Row:
    """Return what is to be told of a model, measured in about so many seconds; raises UnsupportedError, MemoryError."""
    level = levels.DEFAULT_LEVEL
    path = getattr(model, "path", None)
    return Row(
        name=model.name,
        sha256=model.digest.hex() or None,
        path=str(path) if path else None,
        level=level,
        levels=[n for n in range(levels.MIN_LEVEL, levels.MAX_LEVEL + 1) if _is_default(model, n, registry)],
        memory_per_thread=codec.compress_memory(level, threads=1, model=model),
        kb_per_second=_measure(model, level, seconds),
        bits_per_byte=_bits_per_byte(model, level),
    )


def _is_default(model: Model, level: int, registry: Registry) -> bool:
    """Return whether a level uses this very model if no other is asked for: names may occur twice."""
    try:
        return settings_for(level, None, registry)[1] is model
    except LmzipError:  # the net that ships is not here
        return False


def _bits_per_byte(model: Model, level: int) -> float:
    """Return what the start of the bundled text comes to: no model has seen anything before it."""
    text = bundled_text()[:_SAMPLE_SIZE]
    settings = settings_for(level, model, None)[0]
    payload = model.encode(text, settings.spec(len(text), uses_model=settings.uses_model, n_lanes=1))
    return round(8 * len(text if payload is None else payload) / len(text), 3)


def _measure(model: Model, level: int, seconds: float) -> float:
    """Return the kB/s at which a thread compresses a long text at a level, with as many lanes as its blocks get."""
    settings = settings_for(level, model, None)[0]
    has_tokens = settings.uses_model and model.has_tokens
    warm_up, pilot = (_TOKEN_WARM_UP_SIZE, _TOKEN_PILOT_SIZE) if has_tokens else (_WARM_UP_SIZE, _PILOT_SIZE)
    lanes = settings.n_lanes(settings.block_size) if settings.uses_model else 1
    text = bundled_text()

    def timed(size: int) -> float:
        piece = text[:size]
        start = time.perf_counter()
        model.encode(piece, settings.spec(len(piece), uses_model=settings.uses_model, n_lanes=lanes))
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


def cost_text(path: Path) -> str:
    """Return a line on what the integers of an imported model cost; raises UnsupportedError, OSError, MemoryError.

    That is its bits per byte on a text, and with finer activations.  What 8 bits for weights cost is not in it: that
    takes the model in floating point, hence torch.
    """
    from lmzip.models import transformer_file, weights

    config, size = weights.inspect(path)
    n_tokens = max(_LEAST_COST_TOKENS, min(_COST_TOKENS, _COST_TOKENS * _COST_SIZE // size))
    text = bundled_text()[: 16 * n_tokens]
    sizes = transformer_file.tokenizer(path, config).sizes(text)[:n_tokens]
    n_bytes = sum(sizes)
    line = f"{_bits(path, config, text, sizes) / n_bytes:.3f} bits/byte on {n_bytes} bytes of lmzip's own help"
    try:
        finest = _bits(path, config | {"int15": list(transformer_file.MATRICES)}, text, sizes) / n_bytes
    except UnsupportedError:  # beyond the overflow budget
        return line
    return f"{line}, {finest:.3f} if all activations had 15 bits; what 8-bit weights cost only the float model tells"


def _bits(path: Path, config: dict[str, Any], text: bytes, sizes: bytes) -> float:
    """Return the bits that the model needs for the first tokens of text."""
    import numpy as np

    from lmzip.models import transformer_file
    from lmzip.weights.safetensors import SafetensorsFile

    model = transformer_file.load(path, config)
    with SafetensorsFile(path) as file:
        numbers = {token: number for number, token in enumerate(transformer_file.read_token_bytes(file))}
    tokens = [numbers[text[end - size : end]] for size, end in zip(sizes, accumulate(sizes), strict=True)]
    exponentials = np.asarray(model.run(tokens, 1, codec.available_threads())).reshape(len(tokens), -1)
    shares = exponentials[np.arange(len(tokens)), tokens] / exponentials.sum(1, dtype=np.uint64)
    return float(-np.log2(shares).sum())


def bundled_text() -> bytes:
    """Return some tens of kB of text that are always here: what the programs say of themselves."""
    return "".join(map(help_text, SUMMARIES)).encode()

"""lmzip-models sample: what a model says could follow a prompt."""

from __future__ import annotations

import os
from pathlib import Path

from lmzip import codec, levels
from lmzip.block import Content
from lmzip.cli import signals
from lmzip.cli.chosen_dictionary import ChosenDictionary
from lmzip.cli.completing import AUTO
from lmzip.cli.messages import UNSUPPORTED, CallError, Reporter, printable, reason
from lmzip.cli.option_table import STANDARD_OUTPUT
from lmzip.cli.progress import Meter
from lmzip.errors import DictionaryMissingError, MemoryLimitError, ModelMissingError, UnsupportedError
from lmzip.models.hf.numerics import PREFIX
from lmzip.models.registry import Registry

DEFAULT_SIZE = 1000  # bytes


def sample(
    reporter: Reporter,
    prompt: str | None,
    *,
    n_bytes: int | None,
    seed: int | None,
    level: str | None,
    model: str | None,
    content: Content | None,
    dictionary: str | None,
    dictionary_size: int | None,
) -> bytes:
    """Return the bytes; prompt, dictionary: names of files, None for none.  Raises CallError."""
    if model and model.startswith(PREFIX):
        raise CallError("models of Hugging Face in floating point do not sample here; import them", UNSUPPORTED)
    given = _read(prompt)
    n_bytes = DEFAULT_SIZE if n_bytes is None else n_bytes
    registry = Registry()
    try:
        learned = ChosenDictionary(dictionary, dictionary_size).to_compress() if dictionary else None
        chosen = None if model in (None, AUTO) else registry.model(str(model))
        meter = Meter(reporter, prompt or "sample", ("sample",), len(given) + n_bytes)
        with meter, signals.reporting(meter.report):
            return codec.sample(
                given,
                n_bytes,
                seed=seed or 0,
                level=int(level or levels.DEFAULT_LEVEL),
                model=chosen,
                registry=registry,
                content=content,
                dictionary=learned,
                progress=lambda n: meter.advance("sample", n),
            )
    except (DictionaryMissingError, ModelMissingError, UnsupportedError) as error:
        raise CallError(reason(error), UNSUPPORTED) from None
    except (MemoryLimitError, ValueError) as error:
        raise CallError(reason(error)) from None


def _read(prompt: str | None) -> bytes:
    """Return what the file of that name holds; raises CallError."""
    if prompt is None:
        return b""
    try:
        if prompt == STANDARD_OUTPUT:
            with open(0, "rb", closefd=False) as file:
                return file.read(levels.MAX_BLOCK_SIZE + 1)
        with open(Path(prompt), "rb") as file:
            return file.read(levels.MAX_BLOCK_SIZE + 1)
    except OSError as error:
        raise CallError(f"{printable(os.fsdecode(prompt))}: {reason(error)}") from None

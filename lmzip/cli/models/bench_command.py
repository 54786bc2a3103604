"""lmzip-models bench: how fast models are, and how good on a short text."""

from __future__ import annotations

import click

from lmzip.cli.completing import ModelType
from lmzip.cli.messages import UNSUPPORTED, CallError, Reporter, reason
from lmzip.cli.models.common import json_option, make, quiet_option
from lmzip.errors import LmzipError


def command() -> click.Command:
    """Return the command."""
    return make(
        "bench",
        "Measure models: speed, and size of a short text.",
        "Measure the models that are here, or those of NAME, which may be a weight file, with one thread at level 6: "
        "kB/s, and bits per byte of the first 1,000 bytes of lmzip's help.",
        _run,
        [
            click.Argument(["names"], nargs=-1, type=ModelType(), metavar="[NAME]..."),
            json_option("One JSON object a model instead of a table."),
            quiet_option(),
        ],
    )


def _run(reporter: Reporter, *, names: tuple[str, ...], json: bool) -> str:
    from lmzip.cli.models.measuring import measured
    from lmzip.models.hf.numerics import PREFIX
    from lmzip.models.registry import Registry

    registry = Registry()
    floats = [name for name in names if name.startswith(PREFIX)]
    if floats:
        raise CallError(f"{floats[0]!r}: lmzip --bench --model {PREFIX}PATH FILE measures models of Hugging Face")
    try:
        models = [registry.model(name) for name in dict.fromkeys(names)] if names else registry.models()
    except LmzipError as error:
        raise CallError(reason(error), UNSUPPORTED) from None
    return measured(models, registry, reporter, json=json)

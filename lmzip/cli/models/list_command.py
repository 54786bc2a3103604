"""lmzip-models list: the models that are here."""

from __future__ import annotations

import click

from lmzip.cli.messages import Reporter, printable, reason
from lmzip.cli.models.common import json_option, make, quiet_option

_DIGITS = 12  # of a SHA-256 in the table


def command() -> click.Command:
    """Return the command."""
    return make(
        "list",
        "List the models that are here.",
        "List the models that are here: name, kind, SHA-256, bytes of the weights, licence, path.",
        _run,
        [json_option("One JSON object a model, with the whole SHA-256."), quiet_option()],
    )


def _run(reporter: Reporter, *, json: bool) -> str:
    from lmzip.cli.models.here import entries

    def passed_over(name: str, error: Exception) -> None:
        reporter.warning(None, f"model {printable(name)} passed over: {reason(error)}", status=0)

    found = list(entries(passed_over))
    if json:
        from dataclasses import asdict

        from lmzip.cli.models.tables import json_lines

        return json_lines(map(asdict, found))
    from lmzip.cli.models.tables import table

    rows = [("name", "kind", "sha256", "size", "licence", "path")]
    for entry in found:
        digest = entry.sha256[:_DIGITS] if entry.sha256 else "-"
        size = str(entry.size) if entry.size else "-"
        rows.append((entry.name, entry.kind, digest, size, entry.licence or "-", entry.path or "-"))
    return table(rows, numbers=(3,))

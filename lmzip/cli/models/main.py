"""One call of lmzip-models."""

from __future__ import annotations

from lmzip.cli.call import run_program
from lmzip.cli.messages import Reporter
from lmzip.cli.models.commands import PROGRAM, models_program


def main(arguments: list[str]) -> int:
    """Run the program and return its exit status; lets no exception out."""

    def work(reporter: Reporter) -> None:
        with models_program.make_context(PROGRAM, list(arguments), obj=reporter) as context:
            models_program.invoke(context)

    return run_program(PROGRAM, lambda: models_program, work)

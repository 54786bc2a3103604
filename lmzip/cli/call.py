"""One call of a program: the answer to a completion or its work, a line for what goes wrong, the exit status."""

from __future__ import annotations

from collections.abc import Callable

import click

from lmzip.cli import completion, signals
from lmzip.cli.messages import CallError, Reporter, print_text, printable
from lmzip.fileio import discard_pending
from lmzip.weights import temporary


def run_program(program: str, make_command: Callable[[], click.Command], work: Callable[[Reporter], None]) -> int:
    """Do the work of a program and return its exit status; lets no exception out."""
    signals.on_end(discard_pending)
    signals.on_end(temporary.discard_pending)
    reporter = Reporter(program)
    try:
        if completion.asks(program):
            print_text(completion.answer(make_command()))
        else:
            work(reporter)
    except click.exceptions.Exit:  # what was asked for has been printed
        pass
    except click.UsageError as error:
        asked = error.ctx.command_path if error.ctx else program
        reporter.error(None, f"{printable(error.format_message()).rstrip('.')}. Try '{asked} --help'.")
    except CallError as error:
        reporter.error(None, str(error), error.exit_status)
    except Exception as error:  # noqa: BLE001 - whatever it is, the user gets one line
        reporter.failure(None, error)
    finally:
        discard_pending()
    return reporter.status

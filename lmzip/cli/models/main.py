"""One call of lmzip-models: parse, do the command, return the exit status."""

from __future__ import annotations

import click

from lmzip.cli import completion, signals
from lmzip.cli.messages import CallError, Reporter, printable
from lmzip.cli.models.commands import PROGRAM, SETTINGS, make_commands, own_options, printing_option
from lmzip.cli.option_table import SHELLS
from lmzip.cli.printing import print_text
from lmzip.fileio import discard_pending

SUMMARY = "Manage the models that lmzip compresses with."
EPILOGUE = (
    "Models are found among those that come with lmzip, in LMZIP_MODEL_PATH, and in lmzip/models of XDG_DATA_HOME "
    "(~/.local/share).  Exit status: 0 done, 1 error, 3 what is needed is not here or not supported."
)


@click.pass_context
def _without_command(context: click.Context) -> None:
    if context.invoked_subcommand is None:
        raise click.UsageError("say what to do: list, get, import or bench")


def make_group() -> click.Group:
    """Return the click group that parses the arguments."""
    completions = printing_option(
        "--completion",
        "Print completions for bash, zsh or fish.",
        lambda context, shell: completion.completion_script(context.command, shell),
        metavar="SHELL",
        type=click.Choice(SHELLS),
    )
    return click.Group(
        PROGRAM,
        commands=make_commands(),
        callback=_without_command,
        params=[completions, *own_options()],
        help=SUMMARY,
        epilog=EPILOGUE,
        invoke_without_command=True,
        options_metavar="[OPTION]...",
        subcommand_metavar="COMMAND [ARGUMENT]...",
        context_settings=SETTINGS,
        add_help_option=False,
    )


def main(arguments: list[str]) -> int:
    """Run the program and return its exit status; lets no exception out."""
    signals.on_end(discard_pending)
    reporter = Reporter(PROGRAM)
    group = make_group()
    try:
        if completion.asks(PROGRAM):
            print_text(completion.answer(group))
            return 0
        with group.make_context(PROGRAM, list(arguments), obj=reporter) as context:
            group.invoke(context)
    except click.exceptions.Exit:
        pass
    except click.UsageError as error:
        asked = error.ctx.command_path if error.ctx else PROGRAM
        reporter.error(None, f"{printable(error.format_message()).rstrip('.')}. Try '{asked} --help'.")
    except CallError as error:
        reporter.error(None, str(error), error.exit_status)
    except Exception as error:  # noqa: BLE001 - whatever it is, the user gets one line
        reporter.failure(None, error)
    finally:
        discard_pending()
    return reporter.status

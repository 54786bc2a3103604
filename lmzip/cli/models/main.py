"""One call of lmzip-models: parse, do the command, return the exit status."""

from __future__ import annotations

import click

from lmzip.cli import completion, signals
from lmzip.cli.messages import CallError, Reporter, printable
from lmzip.cli.models import bench_command, get_command, import_command, list_command
from lmzip.cli.models.common import PROGRAM, SETTINGS, own_options
from lmzip.cli.option_table import SHELLS
from lmzip.cli.printing import print_text
from lmzip.fileio import discard_pending

SUMMARY = "Manage the models that lmzip compresses with."
EPILOGUE = (
    "Models are found among those that come with lmzip, in LMZIP_MODEL_PATH, and in lmzip/models of XDG_DATA_HOME "
    "(~/.local/share).  Exit status: 0 done, 1 error, 3 what is needed is not here or not supported."
)


def _show_completion(context: click.Context, _param: click.Parameter, shell: str | None) -> None:
    if shell and not context.resilient_parsing:
        print_text(completion.completion_script(context.command, shell))
        context.exit()


@click.pass_context
def _without_command(context: click.Context) -> None:
    if context.invoked_subcommand is None:
        raise click.UsageError("say what to do: list, get, import or bench")


def make_group() -> click.Group:
    """Return the click group that parses the arguments."""
    completions = click.Option(
        ["--completion"],
        metavar="SHELL",
        type=click.Choice(SHELLS),
        help="Print completions for bash, zsh or fish.",
        callback=_show_completion,
        is_eager=True,
        expose_value=False,
    )
    commands = [module.command() for module in (list_command, get_command, import_command, bench_command)]
    return click.Group(
        PROGRAM,
        commands={str(command.name): command for command in commands},
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

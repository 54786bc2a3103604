"""The options: one table from which the parser, --help and the man page are made, and completions answered."""

from __future__ import annotations

from itertools import chain

import click

from lmzip.cli.completing import DeviceType, FileType, InputType, ModelType
from lmzip.cli.option_types import ContentType, RangeType, SizeType, SuffixType, TimeType
from lmzip.models.hf.numerics import DTYPES

EPILOGUE = (
    "With no FILE, or when FILE is -, standard input goes to standard output.  FILE is replaced by FILE.lmz, which "
    "keeps its times and permissions; lmunzip does the reverse.  Exit status: 0 done, 1 error, 2 warning, 3 the file "
    "is sound but needs a model, a dictionary or a version that is not here."
)
SHELLS = ("bash", "zsh", "fish")
STANDARD_OUTPUT = "-"
LONG = "--long"  # its value may only follow an equals sign
DEFAULT_WINDOW_LOG = 27
ULTRA = "ultra"  # in the place of a model's name: the strongest that is here


def choice_flag(name: str, value: str, names: str, text: str) -> click.Option:
    """Return a flag that is one of several values of a parameter; the last one on the command line wins."""
    return click.Option([name, *names.split()], flag_value=value, default=None, type=click.UNPROCESSED, help=text)


def flag(names: str, text: str) -> click.Option:
    """Return a flag that is given or not; its parameter is called like its first long name."""
    return click.Option(names.split(), is_flag=True, default=False, help=text)


def count(names: str, text: str) -> click.Option:
    """Return a flag that may be given more than once."""
    return click.Option(names.split(), count=True, help=text)


def value(names: str, metavar: str, kind: click.ParamType, text: str) -> click.Option:
    """Return an option with a value; its parameter is called like its first long name, or the name without dashes."""
    return click.Option(names.split(), metavar=metavar, type=kind, help=text)


def memory_limit(text: str) -> click.Option:
    """Return the option -M."""
    return value("memory_limit -M --memlimit --memory", "SIZE", SizeType(percent=True), text)


def quiet_and_progress() -> list[click.Option]:
    """Return the options of what is said on standard error."""
    return [
        count("-q --quiet", "No warnings; -qq no errors; the status stays."),
        choice_flag("progress", "on", "--progress", "Show progress, also where standard error is no terminal."),
        choice_flag("progress", "off", "--no-progress", "Never show progress."),
    ]


# by the heading that they stand under in --help and the man page
OPTIONS: dict[str, list[click.Option]] = {
    "What to do": [
        choice_flag("mode", "decompress", "-d --decompress --uncompress", "Decompress."),
        choice_flag("mode", "compress", "-z --compress", "Compress; undoes a -d before it."),
        choice_flag("action", "test", "-t --test", "Decode and check; write nothing, remove nothing."),
        choice_flag("action", "list", "-l --list", "Show sizes of compressed files without decoding; -lv shows more."),
        choice_flag("action", "estimate", "--estimate", "Sample files: expected size, time and memory."),
        choice_flag("action", "bench", "--bench", "Compress and decompress in memory: sizes and speeds, checked."),
        value(
            "--plot", "FILE", FileType(), "With --bench: measure all levels, and draw them to FILE.png (matplotlib)."
        ),
    ],
    "Files": [
        choice_flag("output", STANDARD_OUTPUT, "-c --stdout --to-stdout", "Write to standard output, keep files."),
        value(
            "-o --output",
            "FILE",
            FileType(),
            "Write to FILE, which may be a device or pipe; keep the input unless --rm; the last of -c, -o counts.",
        ),
        choice_flag("removal", "keep", "-k --keep", "Keep input files."),
        choice_flag(
            "removal", "remove", "--rm", "Remove input files when done (default); the last of -k, --rm counts."
        ),
        flag("-f --force", "Overwrite; take links; use a terminal; with -dc copy what is not compressed."),
        flag("-r --recursive", "Work on all files below directories; links are passed over."),
        value(
            "-S --suffix",
            ".SUF",
            SuffixType(),
            "Use the suffix .SUF instead of .lmz; the case of letters makes no difference.",
        ),
        value("--files0-from", "FILE", FileType(), "Read names from FILE, each ended by NUL; - is standard input."),
        value("--files-from", "FILE", FileType(), "Read names from FILE, one a line; - is standard input."),
        flag("-n --no-name", "Accepted; names and times are never stored."),
        flag("-N --name", "Accepted; names and times are never stored."),
        flag("--sync", "Bring the directory to the disk too before an input is removed."),
    ],
    "How to do it": [
        *(choice_flag("level", str(level), f"-{level}", f"Level {level}.") for level in range(1, 10)),
        choice_flag("level", "1", "--fast", "The same as -1."),
        choice_flag("level", "9", "--best", "The same as -9."),
        value("-T --threads", "N", click.IntRange(0, 4096), "Threads; 0 (default): as many as fit."),
        memory_limit("Use at most SIZE of memory (64MiB, 50%): fewer threads, or refuse."),
        value("--block-size", "SIZE", SizeType(), "Compress in blocks of SIZE, 4k to 1g; small ones cost ratio."),
        value(
            LONG,
            "[=WINDOWLOG]",
            click.IntRange(10, 30),
            f"Blocks may copy long repeats from 2^WINDOWLOG bytes before (10 to 30; {DEFAULT_WINDOW_LOG}: 128 MiB), "
            "which decompressing takes as memory; to decompress, allow more than 128 MiB.",
        ),
        value(
            "-D --dictionary",
            "FILE",
            FileType(),
            "Compress what looks like FILE, of which the last 8 MiB are read before each block; decompressing needs it "
            "too.",
        ),
        value(
            "--patch-from",
            "FILE",
            FileType(),
            "Compress what is like FILE of up to 1 GiB, wherever it stands there: the last release, yesterday's dump; "
            "decompressing needs FILE too.  It takes the memory that FILE has bytes, half as much again to compress.",
        ),
        value("--dictionary-size", "SIZE", SizeType(), "Use the last SIZE of the dictionary: 1k, 2k, 4k to 128m."),
        value(
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
        value("--content", "WHAT", ContentType(), "Input is image:WIDTHxCHANNELS, audio:CHANNELSxBITS or bytes."),
        value("--device", "NAME", DeviceType(), "Where models compute: auto (default), cpu, cuda, cuda:N."),
        value(
            "--dtype",
            "TYPE",
            click.Choice(DTYPES),
            "Numbers of hf: models: float32 (default on cpu), bfloat16 (on cuda) or float16.",
        ),
        flag("--allow-download", "Get a hf: model by its name from the Hugging Face hub."),
        choice_flag(
            "verification", "on", "--verify", "Decode the output and compare; default when the input is removed."
        ),
        choice_flag("verification", "off", "--no-verify", "Do not verify."),
        flag("--salvage", "Decompress the sound blocks of a damaged file, report holes, keep the file."),
        value("--range", "OFFSET,LENGTH", RangeType(), "Decompress this stretch to standard output or -o."),
        value("--max-time", "TIME", TimeType(), "Refuse to compress what takes longer than TIME (90s, 2h)."),
    ],
    "Where to do it": [
        value(
            "--cluster",
            "ADDRESS",
            click.STRING,
            "Have blocks coded on a Ray cluster: auto, ray://HOST:PORT, HOST:PORT, or local for this machine's "
            "processors; -T limits how many are used.",
        ),
        value(
            "--resume",
            "FILE",
            FileType(),
            "Keep a list of what is done in FILE, and leave out what is in it already.",
        ),
    ],
    "What to say": [
        count("-v --verbose", "Say what was done, one line a file."),
        *quiet_and_progress(),
        flag("--json", "One JSON object a file instead of text, also after work."),
        flag("--json-progress", "As --json, and an object for what begins, each second, and for what fails."),
        value("--completion", "SHELL", click.Choice(SHELLS), "Print completions for bash, zsh or fish."),
        choice_flag("action", "help", "-h --help", "Show this help."),
        choice_flag("action", "version", "-V --version", "Show the version."),
    ],
}


def make_command(program: str) -> click.Command:
    """Return the click command that parses the arguments of a program."""
    names = click.Argument(["names"], nargs=-1, type=InputType(), metavar="[FILE]...")
    return click.Command(program, params=[*chain(*OPTIONS.values()), names], add_help_option=False)

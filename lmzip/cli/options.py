"""What the user wants: the command line, the environment and the program's name put together."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import click

from lmzip.block import Content
from lmzip.cli.completing import AUTO, DEVICES
from lmzip.cli.option_table import DEFAULT_WINDOW_LOG, LONG, STANDARD_OUTPUT, make_command
from lmzip.dictionary import check_size
from lmzip.fileio import SUFFIX
from lmzip.models.hf.numerics import PREFIX
from lmzip.twin.device import TORCH_CPU

_DEVICE = re.compile(rf"auto|cpu|cuda(:[0-9]{{1,2}})?|{TORCH_CPU}")


def is_device(name: str) -> bool:
    """Return whether there are devices of that name, if not here."""
    return _DEVICE.fullmatch(name) is not None


@dataclass
class Options:
    """What the user wants, after defaults, environment and program name."""

    program: str
    mode: str = "compress"  # or "decompress"
    action: str | None = None  # what is done instead: "test", "list", "estimate", "bench" ...
    plot: str | None = None  # file with a picture of what --bench measures
    names: list[str] = field(default_factory=list)
    output: str | None = None  # None: beside the input; "-": standard output; else a path
    removal: str | None = None  # "keep", "remove", None: not said
    force: bool = False
    recursive: bool = False
    suffix: str = SUFFIX
    files0_from: str | None = None
    files_from: str | None = None
    sync: bool = False
    level: int = 6
    threads: int | None = None
    memory_limit: int | None = None
    block_size: int | None = None
    long: int | None = None  # blocks refer back to 2 to this power bytes
    dictionary: str | None = None  # the file with it
    patch_from: str | None = None  # the file that blocks have copies of
    dictionary_size: int | None = None  # bytes of its end that are used
    content: Content | None = None  # of all input; None to look for images and sound
    model: str = AUTO  # name, path of a weight file, hf: and a path, AUTO or ULTRA
    model_variable: str | None = None  # the environment variable that `model` is from, None: it was said or is AUTO
    device: str = "auto"
    device_variable: str | None = None  # the environment variable that `device` is from
    dtype: str | None = None  # of models of Hugging Face
    allow_download: bool = False  # of such
    verification: str | None = None  # "on", "off", None: not said
    salvage: bool = False
    range: tuple[int, int] | None = None
    max_time: float | None = None
    cluster: str | None = None  # the address of one that blocks are coded on
    resume: str | None = None  # the file with a list of what is done
    verbose: int = 0
    quiet: int = 0
    progress: str | None = None  # "on", "off", None: not said
    json: bool = False
    json_progress: bool = False  # with events, which have json set too
    completion: str | None = None
    warnings: list[str] = field(default_factory=list)  # about the environment

    @property
    def to_stdout(self) -> bool:
        """Whether the data goes to standard output."""
        return self.output == STANDARD_OUTPUT

    @property
    def removes_input(self) -> bool:
        """Whether an input makes room for its output."""
        return self.action is None and self._would_remove_input()

    @property
    def verifies(self) -> bool:
        """Whether compression decodes what it wrote; --estimate counts it in too.

        What only this machine can decode is never removed on trust.
        """
        if self.verification == "on":
            return True
        return self._would_remove_input() and (self.verification is None or self.is_float_model)

    @property
    def is_float_model(self) -> bool:
        """Whether the model is one of Hugging Face, whose arithmetic is this machine's."""
        return self.model.startswith(PREFIX)

    def _would_remove_input(self) -> bool:
        if self.salvage or self.to_stdout:
            return False
        return self.removal != "keep" if self.output is None else self.removal == "remove"


def parse(program: str, arguments: list[str], environment: Mapping[str, str] | None = None) -> Options:
    """Return the options of a command line; raises click.UsageError."""
    context = make_command(program).make_context(program, _with_window_log(arguments))
    given = {name: value for name, value in context.params.items() if value is not None}
    for accepted in ("name", "no_name"):
        given.pop(accepted, None)
    if program != "lmzip":
        given.setdefault("mode", "decompress")
    if program == "lmcat":
        given.setdefault("output", STANDARD_OUTPUT)
        given["force"] = True
    if (given.get("salvage") or given.get("range")) and given.get("mode", "compress") == "compress":
        given["mode"] = "decompress"
    if given.get("range") and "output" not in given:
        given["output"] = STANDARD_OUTPUT
    given["names"] = list(given["names"])
    given["level"] = int(given.get("level", 6))
    options = Options(program, **given)
    options.json |= options.json_progress
    _from_environment(options, set(given), os.environ if environment is None else environment)
    _check(options)
    return options


def _with_window_log(arguments: list[str]) -> list[str]:
    """Return arguments with a value for --long where it has none: the next one is a file's name."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    said = f"{LONG}={DEFAULT_WINDOW_LOG}"
    return [said if argument == LONG else argument for argument in arguments[:end]] + arguments[end:]


def _from_environment(options: Options, given: set[str], environment: Mapping[str, str]) -> None:
    """Fill in what was not said from LMZIP_*; a wrong value is warned of and ignored.

    Whether there is such a model turns out when one is needed: not every call needs one.
    """
    value = environment.get("LMZIP_MODEL")
    if value and "model" not in given:
        options.model, options.model_variable = value, "LMZIP_MODEL"
    value = environment.get("LMZIP_DEVICE")
    if value and "device" not in given:
        if not is_device(value):
            options.warnings.append(f"LMZIP_DEVICE={value!r} ignored: there is {', '.join(DEVICES)} and cuda:N")
        else:
            options.device, options.device_variable = value, "LMZIP_DEVICE"
    value = environment.get("LMZIP_THREADS")
    if value and "threads" not in given:
        if value.isascii() and value.isdigit() and int(value[:5]) <= 4096:
            options.threads = int(value)
        else:
            options.warnings.append(f"LMZIP_THREADS={value!r} ignored: not a number from 0 to 4096")


def _check(options: Options) -> None:
    """Raise click.UsageError for options that contradict each other."""
    own_file = options.output not in (None, STANDARD_OUTPUT)
    many = len(options.names) > 1 or options.recursive or options.files0_from or options.files_from
    if own_file and many and not options.action:
        raise click.UsageError("-o takes one input only")
    if options.output == "":
        raise click.UsageError("the name after -o is empty")
    if options.names and (options.files0_from or options.files_from):
        raise click.UsageError("names of files stand either on the command line or in a list")
    if options.files0_from and options.files_from:
        raise click.UsageError("--files0-from and --files-from exclude each other")
    if options.cluster is not None or options.resume is not None:
        _check_batch(options)
    if options.plot is not None:
        if options.action != "bench":
            raise click.UsageError("--plot is for --bench")
        if not options.plot.lower().endswith(".png"):
            raise click.UsageError("the name after --plot must end in .png")
    if options.patch_from is not None:
        _check_patch(options)
    check_dictionary(options.dictionary, options.dictionary_size)
    # What is stored costs 25 bytes a block: in smaller ones data would grow by more than 0.6 %.
    if options.block_size is not None and not 1 << 12 <= options.block_size <= 1 << 30:
        raise click.UsageError("the block size must be 4 KiB to 1 GiB")


def check_dictionary(name: str | None, size: int | None) -> None:
    """Raise click.UsageError for a size without a dictionary, or one that none has."""
    if size is None:
        return
    if name is None:
        raise click.UsageError("--dictionary-size is for --dictionary")
    try:
        check_size(size)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _check_batch(options: Options) -> None:
    """Raise click.UsageError where there are no many files to be worked on, or not elsewhere."""
    name = "--cluster" if options.cluster is not None else "--resume"
    if options.action not in (None, "test"):
        raise click.UsageError(f"{name} is for compressing, decompressing and -t")
    if options.resume is not None and options.to_stdout and options.action is None:
        raise click.UsageError("--resume needs outputs with names")
    if options.cluster is None:
        return
    if not options.cluster:
        raise click.UsageError("the address after --cluster is empty")
    alone = {"--salvage": options.salvage, "--range": options.range, "--max-time": options.max_time}
    for what, given in alone.items():
        if given:
            raise click.UsageError(f"{what} works on this machine alone, without --cluster")
    if options.is_float_model:
        raise click.UsageError("a model of Hugging Face is bound to one machine's arithmetic, and takes no --cluster")


def _check_patch(options: Options) -> None:
    """Raise click.UsageError for what does not go with --patch-from."""
    if options.dictionary is not None:
        raise click.UsageError("--dictionary and --patch-from exclude each other")
    if options.mode != "compress" or options.action not in (None, "bench", "estimate"):
        return
    if options.long is not None:
        raise click.UsageError("--long and --patch-from exclude each other")
    if options.action == "estimate" or options.max_time is not None:
        name = "--estimate" if options.action else "--max-time"
        raise click.UsageError(f"{name} knows nothing of --patch-from: samples do not show what FILE has")

"""One call of a program: parse, refuse what concerns the whole call, do the action, return the exit status."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from lmzip._version import __version__
from lmzip.cli.call import run_program
from lmzip.cli.completing import DEVICES
from lmzip.cli.completion import completion_script
from lmzip.cli.inputs import STDIN, input_names
from lmzip.cli.messages import CallError, Reporter, print_text, printable
from lmzip.cli.option_table import make_command
from lmzip.cli.options import Options, is_device, parse
from lmzip.errors import LmzipError

if TYPE_CHECKING:
    from lmzip.cli.actions import Action


def main(program: str, arguments: list[str]) -> int:
    """Run a program and return its exit status; lets no exception out."""

    def work(reporter: Reporter) -> None:
        options = parse(program, arguments)
        reporter.quiet, reporter.verbose, reporter.progress = options.quiet, options.verbose, options.progress
        for warning in options.warnings:
            reporter.warning(None, printable(warning), status=0)
        text = _text_asked_for(options)
        if text is None:
            _refuse_call(options)
            _run(options, reporter)
        else:
            print_text(text)

    return run_program(program, partial(make_command, program), work)


def _text_asked_for(options: Options) -> str | None:
    """Return what the user wants to know of the program itself, None for work on files."""
    if options.action == "help":
        from lmzip.cli.helptext import help_text

        return help_text(options.program)
    if options.action == "version":
        return f"{options.program} {__version__}\n"
    if options.completion:
        return completion_script(make_command(options.program), options.completion)
    return None


def _refuse_call(options: Options) -> None:
    """Raise CallError for a call that cannot be right, before anything is read or loaded."""
    if not is_device(options.device):
        raise CallError(f"no device {printable(options.device)}; --device may be {', '.join(DEVICES)} or cuda:N")
    compresses = options.mode == "compress" and options.action in (None, "bench", "estimate")
    if compresses and not options.is_float_model and (options.dtype or options.allow_download):
        name = "--dtype" if options.dtype else "--allow-download"
        raise CallError(f"{name} is for models of Hugging Face: --model hf:PATH")
    if options.action:
        return
    reads_stdin = not (options.names or options.files0_from or options.files_from)
    writes_stdout = options.to_stdout or (options.output is None and (reads_stdin or STDIN in options.names))
    if options.mode == "compress" and writes_stdout and not options.force and os.isatty(1):
        raise CallError("compressed data is not written to a terminal; -f forces it, -h shows help")


def _run(options: Options, reporter: Reporter) -> None:
    """Do the action for every input; one that fails does not stop the others.  Raises CallError."""
    from lmzip.cli.actions import action_class, attempt
    from lmzip.cli.chosen_model import ChosenModel
    from lmzip.cli.output import OutputError

    action = action_class(options)(options, reporter, ChosenModel(options, reporter))
    try:
        for name in action.begin(input_names(options, reporter)):
            shown = "standard input" if name == STDIN else name
            if not attempt(reporter, shown, partial(_run_on, action, name, shown)):
                return
        action.finish()
    except OutputError as error:
        reporter.failure(error.name, error.cause)
    finally:
        action.close()


def _run_on(action: Action, name: str, shown: str) -> None:
    if name == STDIN and os.isatty(0) and (action.options.mode == "decompress" or action.options.action):
        raise LmzipError("is a terminal; -h shows help")
    action.run(name, shown)

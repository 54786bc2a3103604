"""One call of a program: parse, refuse what concerns the whole call, do the action, return the exit status."""

from __future__ import annotations

import click

from lmzip._version import __version__
from lmzip.cli import completion, signals
from lmzip.cli.completing import DEVICES
from lmzip.cli.inputs import STDIN, input_names
from lmzip.cli.messages import CallError, Reporter, printable
from lmzip.cli.option_table import make_command
from lmzip.cli.options import Options, is_device, parse
from lmzip.cli.printing import print_text
from lmzip.errors import LmzipError
from lmzip.fileio import discard_pending, is_terminal


def main(program: str, arguments: list[str]) -> int:
    """Run a program and return its exit status; lets no exception out."""
    signals.on_end(discard_pending)
    reporter = Reporter(program)
    try:
        if completion.asks(program):
            print_text(completion.answer(make_command(program)))
            return 0
        options = parse(program, arguments)
        reporter.quiet, reporter.verbose = options.quiet, options.verbose
        for warning in options.warnings:
            reporter.warning(None, printable(warning), status=0)
        if not _print_and_leave(options, reporter):
            _refuse_call(options)
            _run(options, reporter)
    except click.UsageError as error:
        reporter.error(None, f"{printable(error.format_message()).rstrip('.')}. Try '{program} --help'.")
    except CallError as error:
        reporter.error(None, str(error), error.exit_status)
    except Exception as error:  # noqa: BLE001 - whatever it is, the user gets one line
        reporter.failure(None, error)
    finally:
        discard_pending()
    return reporter.status


def _print_and_leave(options: Options, reporter: Reporter) -> bool:
    """Print what was asked for about the program itself; return whether that was all.  Raises OSError, CallError."""
    if options.action == "help":
        from lmzip.cli.helptext import help_text

        text = help_text(options.program)
    elif options.action == "version":
        text = f"{options.program} {__version__}\n"
    elif options.completion:
        text = completion.completion_script(make_command(options.program), options.completion)
    else:
        return False
    print_text(text)
    return True


def _refuse_call(options: Options) -> None:
    """Raise CallError for a call that cannot be right, before anything is read or loaded."""
    if not is_device(options.device):
        raise CallError(f"no device {printable(options.device)}; --device may be {', '.join(DEVICES)} or cuda:N")
    if options.mode == "compress" and options.action in (None, "bench", "estimate") and not options.is_float_model:
        if options.device not in ("auto", "cpu"):
            raise CallError("no model here has a CUDA path but --model hf:PATH; --device may be auto or cpu")
        if options.dtype or options.allow_download:
            name = "--dtype" if options.dtype else "--allow-download"
            raise CallError(f"{name} is for models of Hugging Face: --model hf:PATH")
    if options.action:
        return
    reads_stdin = not (options.names or options.files0_from or options.files_from)
    writes_stdout = options.to_stdout or (options.output is None and (reads_stdin or STDIN in options.names))
    if options.mode == "compress" and writes_stdout and not options.force and is_terminal(1):
        raise CallError("compressed data is not written to a terminal; -f forces it, -h shows help")


def _run(options: Options, reporter: Reporter) -> None:
    """Do the action for every input; one that fails does not stop the others.  Raises CallError."""
    from lmzip.cli.actions import make_action
    from lmzip.cli.chosen_model import ChosenModel
    from lmzip.cli.output import OutputError

    action = make_action(options, reporter, ChosenModel(options, reporter))
    for name in input_names(options, reporter):
        shown = "standard input" if name == STDIN else name
        try:
            if name == STDIN and is_terminal(0) and (options.mode == "decompress" or options.action):
                raise LmzipError("is a terminal; -h shows help")
            action.run(name, shown)
        except OutputError as error:
            reporter.failure(error.name, error.cause)
            if error.is_final:
                return
        except CallError:
            raise
        except Exception as error:  # noqa: BLE001 - no traceback, and the other files get their turn
            reporter.failure(shown, error)
    try:
        action.finish()
    except OutputError as error:
        reporter.failure(error.name, error.cause)

"""Completions of click: the scripts for bash, zsh and fish, and the answers to what they ask.

A script runs the program itself, with the words of the command line in the environment.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import ShellComplete


def _variable(program: str) -> str:
    """Return the environment variable in which the scripts ask."""
    return f"_{program.upper().replace('-', '_')}_COMPLETE"


def asks(program: str) -> bool:
    """Return whether the program was started for a completion."""
    return bool(os.environ.get(_variable(program)))


def _completion(command: click.Command, shell: str) -> ShellComplete | None:
    from click.shell_completion import get_completion_class

    kind, program = get_completion_class(shell), command.name or ""
    return kind(command, {}, program, _variable(program)) if kind else None


def completion_script(command: click.Command, shell: str) -> str:
    """Return the completion script of a program for bash, zsh or fish."""
    completion = _completion(command, shell)
    assert completion is not None
    # Not completion.source(), which for bash starts the bash that is here to ask for its version.
    return completion.source_template % completion.source_vars()


def answer(command: click.Command) -> str:
    """Return what a script is told that asks; raises click.UsageError if it is none of click's."""
    asked = os.environ[_variable(command.name or "")]
    shell, _, instruction = asked.partition("_")
    completion = _completion(command, shell)
    if completion is None or instruction not in ("source", "complete"):
        raise click.UsageError(f"{_variable(command.name or '')} takes bash_complete or the like")
    if instruction == "source":
        return completion_script(command, shell)
    try:
        return completion.complete() + "\n"
    except (KeyError, ValueError, IndexError):  # not the words of a command line
        raise click.UsageError("a completion takes COMP_WORDS and COMP_CWORD") from None

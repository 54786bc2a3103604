"""lmzip-models(1), from the commands of the program."""

from __future__ import annotations

import click

from lmzip.cli.models.commands import models_program
from share_files.roff import option_entry, roff

HEAD = r"""
.\" Made by scripts/make_share.py from the program's commands: change those, not this.
.TH LMZIP\-MODELS 1 "" "lmzip" "User Commands"
.SH NAME
lmzip\-models \- manage the models that lmzip compresses with
""".strip()

DESCRIPTION = r"""
.SH DESCRIPTION
.BR lmzip (1)
compresses with models.
Two come with it:
.BR ngram ,
which has no weights, and a small net.
Others are weight files, which
.B get
and
.B import
make of models of others: large language models of the kinds llama, qwen2, qwen3, gemma2 and gemma3.
The same model always gives the same weight file, byte for byte.
Whoever decompresses needs that file too, which a compressed file names by its SHA-256.
""".strip()

TAIL = r"""
.SH "KINDS OF MODELS"
.TP
.B base
learns from the file itself, and has no weights.
.TP
.B net
predicts byte after byte; its arithmetic is on integers, the same on every machine.
.TP
.B transformer
a large language model, which predicts tokens; its arithmetic is on integers too.
.TP
.B float
a model of Hugging Face as it is, for
.BR "lmzip \-\-model hf:" ;
its arithmetic is that of the machine.
The SHA-256 of a large one is not read, and it is not measured.
.SH "EXIT STATUS"
.TP
.B 0
All is well.
.TP
.B 1
An error: something could not be read, written or downloaded; wrong options.
.TP
.B 3
What is needed is not here or not supported: a model, a package, a kind of model.
.PP
A signal ends the program by that signal, after what was unfinished has been removed.
.SH ENVIRONMENT
.TP
.B LMZIP_MODEL_PATH
Weight files, and directories of them, separated by colons as in
.BR PATH ;
directories and GGUF files of Hugging Face too.
.TP
.B XDG_DATA_HOME
Where the directory of the user's models is, instead of
.IR ~/.local/share .
.SH FILES
.TP
.I ~/.local/share/lmzip/models/*.safetensors
The user's own models, where
.B get
and
.B import
put them.
.SH EXAMPLES
.nf
lmzip\-models list                              # what is here
lmzip\-models get smollm2                       # 93 MB, once; then: lmzip \-\-model smollm2 book.txt
lmzip\-models import \-\-name mine ./directory   # a model of Hugging Face
lmzip\-models bench                             # how fast they are here
.fi
.SH "SEE ALSO"
.BR lmzip (1)
""".strip()


def _usage(name: str, command: click.Command) -> str:
    """Return a line of the synopsis."""
    arguments = [param.metavar or "" for param in _arguments(command)]
    words = "".join(f' " " {roff(argument)}' for argument in arguments)
    return f".B {roff(name)}\n.RI [ OPTION ]...{words}"


def _arguments(command: click.Command) -> list[click.Argument]:
    return [param for param in command.params if isinstance(param, click.Argument)]


def _options(command: click.Command) -> list[str]:
    """Return the entries of a command's options."""
    return [
        option_entry(", ".join(option.opts) + (f" {option.metavar}" if option.metavar else ""), option.help or "")
        for option in command.params
        if isinstance(option, click.Option)
    ]


def models_page() -> str:
    """Return lmzip-models(1)."""
    group = models_program
    program = str(group.name)
    usages = [_usage(f"{program} {name}", command) for name, command in group.commands.items()]
    parts = [HEAD, ".SH SYNOPSIS", "\n.br\n".join(usages), DESCRIPTION, ".SH COMMANDS"]
    for name, command in group.commands.items():
        parts += [f".SS {roff(name)}", roff(command.help or ""), *_options(command)]
    return "\n".join([*parts, ".SH OPTIONS", *_options(group), TAIL]) + "\n"

"""lmzip(1), from the program's table of options."""

from __future__ import annotations

from lmzip.cli.helptext import option_rows
from lmzip.levels import MAX_LEVEL, MIN_LEVEL, get_level
from lmzip.models import registry
from share_files.roff import option_entry, roff


def level_range(levels: list[int]) -> str:
    """Return roff for the options of adjacent levels."""
    return rf"\-{levels[0]} to \-{levels[-1]}" if len(levels) > 1 else rf"\-{levels[0]}"


def model_rows() -> str:
    """Return the rows of the table of models that come with the program."""
    of_model: dict[str, list[int]] = {}
    for level in range(MIN_LEVEL, MAX_LEVEL + 1):
        settings = get_level(level)
        name = registry.default_name(small=settings.small_net) if settings.uses_model else registry.BUILT_IN
        of_model.setdefault(name, []).append(level)
    where = {
        registry.BUILT_IN: "none: it learns from the file itself",
        registry.default_name(small=True): "in the program: a very small net",
        registry.default_name(): "in the program: a small net",
    }
    return "\n".join(f"{name}\t{level_range(levels)}\t{where[name]}" for name, levels in of_model.items())


HEAD = r"""
.\" Made by scripts/make_share.py from the program's table of options: change that, not this.
.TH LMZIP 1 "" "lmzip" "User Commands"
.SH NAME
lmzip, lmunzip, lmcat \- compress files with a language model
.SH SYNOPSIS
.B lmzip
.RI [ OPTION ]... " " [ FILE ]...
.br
.B lmunzip
.RI [ OPTION ]... " " [ FILE ]...
.br
.B lmcat
.RI [ OPTION ]... " " [ FILE ]...
.SH DESCRIPTION
.B lmzip
replaces each
.I FILE
by
.IR FILE .lmz,
.B lmunzip
does the reverse, and
.B lmcat
is
.BR "lmunzip \-cf" :
it writes to standard output and copies what is not compressed.
A model predicts the bytes, and an arithmetic coder turns the predictions into bits.
This is slower than
.BR xz (1)
and makes smaller files.
.PP
Without a
.IR FILE ,
or where it is
.BR \- ,
standard input goes to standard output.
Compressed data are not written to a terminal unless
.B \-f
is given, and nothing is read from a terminal to be decompressed.
.PP
An input is removed only after its output has been written, decoded again and compared, and brought to the disk.
The output gets its name in one step when it is whole; until then nothing is there, whatever happens.
It keeps mode, owner, group, times and user's extended attributes of the input;
a mount that refuses some of them is warned of, and the status is 2.
An input that changes while it is read is kept and has no output;
where the output goes to standard output, a device or a pipe, a warning tells of it, and the status is 0.
.PP
Left alone with a warning are directories (but see
.BR \-r ),
symbolic links, files with other hard links or a set-ID bit (but see
.BR \-f ),
devices, pipes and sockets, files that the system makes up as they are read
.RI ( /proc ", " /sys ;
but see
.BR \-k ),
and names that have the suffix already or, to decompress, have none that is known:
.BR .lmz ,
.B .tlmz
(which becomes
.BR .tar )
and that of
.BR \-S ,
in small letters or capitals.
To decompress, test or list
.I NAME
where only
.IR NAME .lmz
is there means the latter.
.PP
The output of compression depends on the content, the level, the model, the dictionary and the block size only.
To decompress, no option is ever needed for the models that come with the program: a file names the one that it needs.
What was compressed with a dictionary needs it again: a file names it by its SHA-256.
""".strip()

TAIL = rf"""
.SH "EXIT STATUS"
.TP
.B 0
All is well.
.TP
.B 1
An error: a file could not be read, written, compressed or decompressed; damaged data; wrong options.
.TP
.B 2
A warning: a file was left alone, or an input could not be matched with what has its name by now.
.TP
.B 3
The file is sound, but what it needs is not here: a newer lmzip, its model, its dictionary, or its arithmetic.
.PP
Every file is tried; of several statuses 1 outranks 3, and 3 outranks 2.
A signal ends the program by that signal, after what was unfinished has been removed.
.SH SIGNALS
.B SIGUSR1
prints how far the work is on standard error: percent of each phase, rate, bits per byte, time left.
.SH ENVIRONMENT
A wrong value is warned of and ignored; an option wins.
.TP
.B LMZIP_THREADS
The default of
.BR \-T .
.TP
.BR LMZIP_MODEL ", " LMZIP_DEVICE
The defaults of
.B \-\-model
and
.BR \-\-device .
.TP
.B LMZIP_DICTIONARY_PATH
Folders and files, separated by colons, in which dictionaries are found by their digest, before those in
.IR ~/.local/share/lmzip/dictionaries .
.TP
.B LMZIP_MODEL_PATH
Weight files, and directories of them, separated by colons as in
.BR PATH .
Decompression looks there for the model that a file names, compression for the name after
.BR \-\-model .
What is no weight file is passed over, but directories and GGUF files of Hugging Face are found for files made with
.BR hf: .
.SH FILES
.TP
.IR FILE .lmz
A compressed file: one or more frames, each of blocks that know nothing of each other.
.TP
.I ~/.local/share/lmzip/models/*.safetensors
The user's own models, found like those of
.BR LMZIP_MODEL_PATH ;
the directory follows
.BR XDG_DATA_HOME .
.TP
.RI .lmz xxxxxxxx
An unfinished output, only on file systems without unnamed files and only after a crash.
It may be removed.
.SH MODELS
.TS
l l l.
model	levels	weights
{model_rows()}
.TE
.PP
The levels differ in the number of contexts and the size of blocks, hence in speed, memory and size.
A net is mixed with
.BR ngram ,
and only in blocks where a sample says that it pays;
.B \-lv
tells which they are.
.B "\-\-model ngram"
makes files that need no weights, at any level.
Another net, given by name or as a file, is used at any level, and the file can be read only where that net is:
without it the exit status is 3, and the message has its SHA-256.
.BR lmzip\-models (1)
shows the models that are here and measures them;
.B \-\-estimate
tells what they would make of a file.
.PP
A transformer, a large language model, may take the place of the net:
.B "lmzip\-models get smollm2"
downloads one once (93 MB; 137 MB on the disk), and
.B "\-\-model smollm2"
compresses with it;
.B \-\-ultra
takes the largest that is here.
Text comes out far smaller, but at some kilobytes a second and core at best, in both directions,
and with some 350 MB of memory for small files, 600 MB for long ones; where the weights do not fit, nothing is begun.
Binaries do without it.
Whoever unpacks needs the same weights: a file names them by their SHA-256.
Other models of the kinds llama, qwen2, qwen3, gemma2 and gemma3 come in by
.BR "lmzip\-models import" .
.PP
.BI "\-\-model hf:" PATH
takes any causal language model that transformers runs, from a directory with safetensors or a GGUF file.
These compute in floating point, so the file unpacks only where the same numbers come out:
the same kind of processor and versions of torch.
Elsewhere the exit status is 3, and nothing is written.
Do not archive with it.
.SH EXAMPLES
.nf
lmzip \-v report.txt                  # becomes report.txt.lmz
lmunzip report.txt.lmz               # and back
lmcat a.log.lmz b.log | grep error   # whether compressed or not
lmzip \-\-estimate big.log             # size, time and memory beforehand
lmzip \-\-ultra book.txt               # with a transformer, once one is installed
.fi
.PP
With
.BR tar (1),
both ways:
.PP
.nf
tar \-I lmzip \-cf src.tar.lmz src
tar \-I lmzip \-xf src.tar.lmz
.fi
.PP
From
.BR cron (8);
nothing to do is no error:
.PP
.nf
find /var/log/app \-name '*.log.[0-9]*' ! \-name '*.lmz' \-print0 | xargs \-0 \-r \-n 50 nice lmzip \-q
.fi
.PP
From
.BR logrotate (8):
.PP
.nf
compress
compresscmd lmzip
uncompresscmd lmunzip
compressext .lmz
.fi
.SH "SEE ALSO"
.BR lmzip\-models (1),
.BR gzip (1),
.BR xz (1),
.BR zstd (1),
.BR tar (1)
""".strip()


def manual_page() -> str:
    """Return lmzip(1)."""
    parts = [HEAD, ".SH OPTIONS"]
    for heading, rows in option_rows().items():
        parts.append(f".SS {roff(heading)}")
        parts += [option_entry(names, description) for names, description in rows]
    # tbl(1) has to be named in the first line where there is a table.
    return "'\\\" t\n" + "\n".join([*parts, TAIL]) + "\n"

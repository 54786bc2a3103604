"""Which files a call works on: names of the command line, lists of names, directories."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from lmzip.cli.messages import Reporter, reason
from lmzip.cli.options import Options
from lmzip.fileio import existing_compressed_name, has_suffix, open_source, read_some

STDIN = "-"


def input_names(options: Options, reporter: Reporter) -> Iterator[str]:
    """Yield the names of the inputs, "-" for standard input; tells of lists and directories that cannot be read."""
    for name in _given_names(options, reporter):
        if options.recursive and name != STDIN and _is_directory(name):
            yield from _walk(name, options, reporter)
        elif _takes_compressed(options) and name != STDIN:
            yield existing_compressed_name(name, options.suffix)
        else:
            yield name


def _takes_compressed(options: Options) -> bool:
    """Return whether the inputs are compressed files."""
    if options.action is None:
        return options.mode == "decompress"
    return options.action in ("test", "list")


def _given_names(options: Options, reporter: Reporter) -> Iterator[str]:
    listing = options.files0_from or options.files_from
    if listing is None:
        yield from options.names or [STDIN]
        return
    try:
        data = _read_list(listing)
    except OSError as error:
        reporter.error(listing, reason(error))
        return
    separator = b"\0" if options.files0_from else b"\n"
    for name in data.removesuffix(separator).split(separator) if data else []:
        if name and b"\0" not in name:
            yield os.fsdecode(name)
        else:
            reporter.error(listing, "a name in the list is empty or holds a NUL byte")


def _read_list(name: str) -> bytes:
    parts = []
    if name == STDIN:
        while part := read_some(0, 1 << 20):
            parts.append(part)
    else:
        with open_source(name, in_place=False) as source:
            while part := source.read(1 << 20):
                parts.append(part)
    return b"".join(parts)


def _is_directory(name: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(name).st_mode)
    except OSError:
        return False


def _walk(root: str, options: Options, reporter: Reporter) -> Iterator[str]:
    """Yield the files below a directory that there is work on, in a fixed order; the rest is passed over in silence."""
    wanted = _takes_compressed(options)
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
            below = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
            files = [entry.path for entry in entries if entry.is_file(follow_symlinks=False)]
        except OSError as error:
            reporter.error(folder, reason(error))
            continue
        folders.extend(reversed(below))
        yield from (path for path in files if has_suffix(path, options.suffix) == wanted)

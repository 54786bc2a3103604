"""Which files a call works on: names of the command line, lists of names, directories."""

from __future__ import annotations

import os
from collections.abc import Iterator

from lmzip.cli.messages import Reporter, reason
from lmzip.cli.options import Options
from lmzip.fileio import LocalSource, Source, existing_compressed_name, has_suffix, is_url, open_source

STDIN = "-"


def open_input(name: str, *, in_place: bool = False, force: bool = False) -> Source:
    """Return the input of that name, as open_source() does; raises Skipped, LmzipError, OSError."""
    if name == STDIN:
        return LocalSource(0)
    if is_url(name):
        from lmzip.remote import RemoteSource

        return RemoteSource(name)
    return open_source(name, in_place=in_place, force=force)


def input_names(options: Options, reporter: Reporter) -> Iterator[str]:
    """Yield the names of the inputs, "-" for standard input; tells of lists and directories that cannot be read."""
    for name in _given_names(options, reporter):
        if options.recursive and name != STDIN and os.path.isdir(name) and not os.path.islink(name):
            yield from _walk(name, options, reporter)
        elif _takes_compressed(options) and name != STDIN and not is_url(name):
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
        with open_input(listing) as source:
            data = source.read_all()
    except OSError as error:
        reporter.error(listing, reason(error))
        return
    separator = b"\0" if options.files0_from else b"\n"
    for name in data.removesuffix(separator).split(separator) if data else []:
        if name and b"\0" not in name:
            yield os.fsdecode(name)
        else:
            reporter.error(listing, "a name in the list is empty or holds a NUL byte")


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

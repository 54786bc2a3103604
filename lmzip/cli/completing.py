"""Kinds of values that a shell can complete: files, compressed files, models, devices; the values pass unchanged."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import click

from lmzip.fileio import SUFFIX
from lmzip.fileio.names import has_suffix

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    Items = list[CompletionItem]

AUTO = "auto"
DEVICES = ("auto", "cpu", "cuda")
# Names in which no shell sees anything but a name: click's scripts do not quote what they get.
_PLAIN = re.compile(r"[\w./+@%:=-]*")


def _item(text: str, kind: str = "plain") -> CompletionItem:
    from click.shell_completion import CompletionItem  # here, as a start without a completion need not wait for it

    return CompletionItem(text, type=kind)


def _all_files(incomplete: str) -> Items:
    return [_item(incomplete, "file")]


def starting(names: list[str], incomplete: str) -> Items:
    """Return those names that start as what is written."""
    return [_item(name) for name in names if name.startswith(incomplete)]


class FileType(click.ParamType):
    """The name of any file."""

    name = "file"

    def shell_complete(self, ctx, param, incomplete: str) -> Items:
        """Leave it to the shell."""
        return _all_files(incomplete)


class InputType(FileType):
    """The name of a file to work on: only compressed ones where they are wanted."""

    def shell_complete(self, ctx, param, incomplete: str) -> Items:
        """Return the compressed files of a folder and, to get to others, the folders in it."""
        if not _takes_compressed(ctx):
            return _all_files(incomplete)
        return _compressed_files(incomplete, ctx.params.get("suffix") or SUFFIX)


def _takes_compressed(context: click.Context) -> bool:
    """Return whether a command line works on compressed files, as far as it is written."""
    given = context.params
    if given.get("action") in ("test", "list") or given.get("salvage") or given.get("range"):
        return True
    mode = given.get("mode") or ("decompress" if context.info_name == "lmunzip" else "compress")
    return mode == "decompress"


def _compressed_files(incomplete: str, suffix: str) -> Items:
    folder, start = os.path.split(incomplete)
    files, folders = [], []
    try:
        with os.scandir(folder or os.curdir) as entries:
            for entry in entries:
                if not entry.name.startswith(start) or (entry.name.startswith(".") and not start):
                    continue
                name = os.path.join(folder, entry.name)
                if entry.is_dir():
                    folders.append(name + "/")
                elif has_suffix(entry.name, suffix):
                    files.append(name)
    except (OSError, ValueError):  # as after ~, which the shell knows
        return _all_files(incomplete)
    if not files:  # the shell completes folders without a space after them
        return [_item(incomplete, "dir")]
    names = sorted(files + folders)
    if not all(map(_PLAIN.fullmatch, names)):
        return _all_files(incomplete)
    return [_item(name) for name in names]


class ModelType(FileType):
    """The name of a model, or of its file."""

    def shell_complete(self, ctx, param, incomplete: str) -> Items:
        """Return the models that are here; files where the shell takes both, or no model starts so."""
        from lmzip.cli.models.here import names

        return _all_files(incomplete) + starting(sorted({AUTO, *names()}), incomplete)


class DeviceType(FileType):
    """A device to compute on."""

    def shell_complete(self, ctx, param, incomplete: str) -> Items:
        """Return the devices that there may be."""
        return starting(list(DEVICES), incomplete)

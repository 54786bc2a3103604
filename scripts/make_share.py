"""Writes what is installed beside the programs, from their options: manual pages and completion scripts.

Usage: make_share.py [FOLDER]   (default: share/ of this checkout; a test compares that with a fresh one)
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
from share_files.lmzip_page import manual_page
from share_files.models_page import models_page

from lmzip.cli.completion import completion_script
from lmzip.cli.helptext import SUMMARIES
from lmzip.cli.models.commands import models_program
from lmzip.cli.option_table import SHELLS, make_command

SHARE = Path(__file__).resolve().parent.parent / "share"
# As the shells look for them, each by the name of the program.
COMPLETION_NAMES = {"bash": "{}.bash", "zsh": "_{}", "fish": "{}.fish"}


def commands() -> list[click.Command]:
    """Return the command of each program."""
    return [*map(make_command, SUMMARIES), models_program]


def write_share(folder: Path) -> None:
    """Write all generated files below a folder."""
    pages, completions = folder / "man" / "man1", folder / "completions"
    pages.mkdir(parents=True, exist_ok=True)
    completions.mkdir(parents=True, exist_ok=True)
    (pages / "lmzip.1").write_text(manual_page(), encoding="utf-8")
    (pages / "lmzip-models.1").write_text(models_page(), encoding="utf-8")
    for program in SUMMARIES:
        if program != "lmzip":
            (pages / f"{program}.1").write_text(".so man1/lmzip.1\n", encoding="utf-8")
    for command in commands():
        for shell in SHELLS:
            name = COMPLETION_NAMES[shell].format(command.name)
            (completions / name).write_text(completion_script(command, shell), encoding="utf-8")


if __name__ == "__main__":
    write_share(Path(sys.argv[1]) if len(sys.argv) > 1 else SHARE)

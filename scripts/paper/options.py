"""Options that several experiments have: where their data are, what is tried on them, where results go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

of_text = click.option("--text", multiple=True, type=FILE, help="Files.")
of_images = click.option("--images", type=FOLDER, help="Folder of pictures.")
of_speech = click.option("--speech", type=FOLDER, help="Folder of recordings.")
of_models = click.option("--model", "models", multiple=True, type=FILE)
of_llm = click.option("--llm", help="A model of tokens, by name or path.")
of_kinds = click.option(
    "--kind", "kinds", multiple=True, help="Take this kind of documents of a prepared folder; repeatable."
)
to_out = click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("work/paper"), show_default=True
)


def of_data(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the places of the paper's three kinds of data: text, images, speech."""
    return of_text(of_images(of_speech(command)))

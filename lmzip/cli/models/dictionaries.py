"""lmzip-models add-dictionary and train-dictionary: dictionaries kept where lmzip finds them, or made of samples."""

from __future__ import annotations

import os
from json import dumps
from pathlib import Path

from lmzip import levels
from lmzip.cli import signals
from lmzip.cli.messages import CallError, Reporter, printable, reason
from lmzip.cli.progress import Meter
from lmzip.cli.writing import target, write_file
from lmzip.dictionary import DEFAULT_SIZE_LOG, Dictionary, check_size
from lmzip.errors import LmzipError
from lmzip.models.registry import dictionary_folder

DEFAULT_TRAINED_SIZE = 256 << 10  # bytes
_SUFFIX = ".dictionary"


def add_dictionary(path: str, *, size: int | None, json: bool) -> str:
    """Put the end of a file among the user's dictionaries, and return a line on it; raises CallError."""
    try:
        dictionary = Dictionary.from_file(path, _size(size, 1 << DEFAULT_SIZE_LOG))
    except (OSError, ValueError, LmzipError) as error:
        raise CallError(f"{printable(path)}: {reason(error)}") from None
    return _told(_keep(dictionary), dictionary, {}, "", json)


def train_dictionary(
    reporter: Reporter,
    names: tuple[str, ...],
    *,
    output: str | None,
    force: bool,
    size: int | None,
    lines: bool,
    level: str | None,
    json: bool,
) -> str:
    """Make a dictionary of samples and return what it is worth; raises CallError, after which there is none."""
    from lmzip.training.dictionary import HELD_OUT_OF, MOST_HELD_OUT, train
    from lmzip.training.samples import read_samples

    wanted = _size(size, DEFAULT_TRAINED_SIZE)
    if output:
        target(output, force).close()
    of_level = int(level or levels.DEFAULT_LEVEL)
    try:
        samples = read_samples([Path(name) for name in names], lines=lines)
        n_measured = 3 * min(sum(map(len, samples[HELD_OUT_OF - 1 :: HELD_OUT_OF])), MOST_HELD_OUT)
        meter = Meter(reporter, names[0], ("measure",), n_measured)
        with meter, signals.reporting(meter.report):
            found = train(samples, wanted, of_level, lambda n: meter.advance("measure", n))
    except (OSError, ValueError, LmzipError) as error:
        name = os.fsdecode(getattr(error, "filename", None) or names[0])
        hint = "; --lines makes a sample of each line" if isinstance(error, ValueError) and not lines else ""
        raise CallError(f"{printable(name)}: {reason(error)}{hint}", getattr(error, "exit_status", 1)) from None
    path = write_file(output, found.dictionary.data, force=force) if output else _keep(found.dictionary)
    facts = {
        "samples": found.n_samples,
        "held_out_samples": found.n_held_out,
        "held_out_size": found.raw_size,
        "size_without": found.size_without,
        "size_with": found.size_with,
        "level": of_level,
    }
    text = (
        f"; of {found.n_held_out} other samples, {found.raw_size} bytes, lmzip -{of_level} makes {found.size_with}, "
        f"without it {found.size_without}"
    )
    return _told(path, found.dictionary, facts, text, json)


def _size(size: int | None, default: int) -> int:
    """Return the size of a dictionary that was asked for; raises CallError."""
    try:
        return check_size(size or default)
    except ValueError as error:
        raise CallError(str(error)) from None


def _told(path: str, dictionary: Dictionary, facts: dict[str, int], text: str, json: bool) -> str:
    digest = dictionary.digest.hex()
    if json:
        return dumps({"path": path, "size": len(dictionary), "sha256": digest, **facts}) + "\n"
    return f"{printable(path)}: {len(dictionary)} bytes, sha256 {digest}{text}\n"


def _keep(dictionary: Dictionary) -> str:
    """Write a dictionary into the user's folder under a name of its digest, if it is not there; return its path."""
    folder = dictionary_folder()
    path = folder / f"{dictionary.digest.hex()[:16]}{_SUFFIX}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.is_file() and path.read_bytes() == dictionary.data:
            return str(path)
    except OSError as error:
        raise CallError(f"{printable(str(folder))}: {reason(error)}") from None
    return write_file(str(path), dictionary.data, force=True)

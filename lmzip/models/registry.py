"""Which models there are: from a name, a path or a digest to a model, loaded when first asked for.

Searched in this order: the built-in n-gram predictor, the nets that ship in data/, weight files that this process was
given by path, those in the folders and files of LMZIP_MODEL_PATH (separated as in PATH), those in the user's data
folder.  Directories and GGUF files of Hugging Face's models are found in the same places; only what asks for one of
them, by hf: and its path or by a frame that is bound to numerics, loads torch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from lmzip.errors import ModelMissingError, UnsupportedError
from lmzip.models.base import Model
from lmzip.models.hf import settings

if TYPE_CHECKING:
    from lmzip.models.hf.directory import ModelFiles

BUILT_IN = "ngram"
SUFFIX = ".safetensors"
_SHIPPED = Path(__file__).with_name("data")
_given: list[Path] = []  # weight files
_given_foreign: list[Path] = []  # models of Hugging Face


def default_name() -> str:
    """Return the name of the model that levels with a net use: the shipped one."""
    return "bytelm3"


def user_folder() -> Path:
    """Return the folder of the user's own models, which need not exist."""
    data = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    return Path(data) / "lmzip" / "models"


def weight_files(*, with_given: bool = True) -> Iterator[Path]:
    """Yield the weight files that are here, the shipped ones first; passes over places that cannot be read.

    with_given: those too that only this process was told of.
    """
    for place in [_SHIPPED, *(_given if with_given else []), *_configured(), user_folder()]:
        try:
            found = sorted(place.glob(f"*{SUFFIX}")) if place.is_dir() else [place] if place.is_file() else []
        except (OSError, ValueError):
            continue
        yield from found


def _configured() -> list[Path]:
    return [Path(p) for p in os.environ.get("LMZIP_MODEL_PATH", "").split(os.pathsep) if p]


def _foreign_places(*, with_given: bool = True) -> Iterator[Path]:
    """Yield what may be models of Hugging Face: directories with config.json, GGUF files; themselves or in a folder."""
    yield from _given_foreign if with_given else ()
    for place in [*_configured(), user_folder()]:
        try:
            within = sorted(place.iterdir()) if place.is_dir() else []
            yield from (path for path in (place, *within) if (path / "config.json").is_file() or path.suffix == ".gguf")
        except (OSError, ValueError):
            continue


def _nets(first: str = "", *, with_given: bool = True) -> Iterator[Model]:
    """Yield a model for each weight file, its digest known; passes over those that hold none or cannot be read.

    Files called `first` come first: a digest takes a while.
    """
    for path in sorted(weight_files(with_given=with_given), key=lambda path: path.stem != first):
        try:
            model = _load(path)
            assert model.digest
        except (OSError, ModelMissingError, UnsupportedError):
            continue
        yield model


def models() -> list[Model]:
    """Return all models that are here, each digest once."""
    found = {b"": by_name(BUILT_IN)}
    for model in _nets():
        found.setdefault(model.digest, model)
    return list(found.values())


def foreign_models() -> list[ModelFiles]:
    """Return the models of Hugging Face that are here; reads their configurations, neither weights nor torch."""
    from lmzip.models.hf.directory import find_files

    found: dict[Path, ModelFiles] = {}
    for place in _foreign_places():
        try:
            files = find_files(place)
        except (OSError, ModelMissingError, UnsupportedError):
            continue
        found.setdefault(files.path, files)
    return list(found.values())


def names() -> list[str]:
    """Return the names of the models that are here."""
    return [model.name for model in models()]


@cache
def _load(path: Path) -> Model:
    from lmzip.models import weights
    from lmzip.models.bytelm import ByteLmModel  # loads the kernel
    from lmzip.models.transformer import TransformerModel

    config, _ = weights.inspect(path)
    return (TransformerModel if config["format"] == weights.TRANSFORMER_FORMAT else ByteLmModel)(path)


@cache
def by_name(name: str) -> Model:
    """Return the model of that name, that of the weight file at that path, or behind hf: one of Hugging Face.

    Raises ModelMissingError, UnsupportedError for a file that holds no model.
    """
    if name.startswith(settings.PREFIX):
        return _hugging_face(name.removeprefix(settings.PREFIX))
    if name == BUILT_IN:
        from lmzip.models.ngram import NgramModel  # loads the kernel

        return NgramModel()
    shipped = _SHIPPED / f"{name}{SUFFIX}"
    if os.sep not in name and shipped.is_file():
        return _load(shipped)
    if os.sep in name or name.endswith(SUFFIX):
        path = Path(name).absolute()
        try:
            model = _load(path)
        except OSError as error:
            raise ModelMissingError(f"cannot read the model {name}: {error.strerror}") from None
        _given.append(path)
        return model
    for model in _nets():
        if model.name == name:
            return model
    hint = f"; --model {BUILT_IN} does without" if name == default_name() else _hint(name)
    raise ModelMissingError(f"no model {name} here; there is {', '.join(names())}{hint}")


def configure(chosen: settings.Settings) -> None:
    """Say how models of Hugging Face are run from now on."""
    settings.configure(chosen)
    by_name.cache_clear()


def tell_of(name: str) -> None:
    """Make a model of Hugging Face known to frames that need it: hf: and its path.  Raises as by_name does."""
    from lmzip.models.hf.opening import place_of

    try:
        _given_foreign.append(place_of(name.removeprefix(settings.PREFIX), settings.current()))
    except OSError as error:
        raise ModelMissingError(f"cannot read the model {name}: {error.strerror or error}") from None


def _hugging_face(name: str) -> Model:
    from lmzip.models.hf.opening import open_model

    try:
        model = open_model(name, settings.current())
    except OSError as error:
        raise ModelMissingError(f"cannot read the model {name}: {error.strerror or error}") from None
    _given_foreign.append(model.path)
    return model


def bound(
    digest: bytes, name: str, fingerprint: bytes, numerics: str, check: Callable[[Model], None] | None = None
) -> Model:
    """Return the model of a frame's record that is bound to numerics (FORMAT 3.2).

    check: called with the model before its weights are loaded; may raise.  Raises ModelMissingError, NumericsError
    where another arithmetic comes out here, UnsupportedError without torch.
    """
    from lmzip.models.hf.opening import bound_model

    return bound_model(digest, name, fingerprint, numerics, _foreign_places(), check)


@cache
def by_digest(digest: bytes, name: str) -> Model:
    """Return the model whose weight file has this SHA-256, all 32 bytes; `name` says where to look first.

    Raises ModelMissingError.
    """
    for model in _nets(name):
        if model.digest == digest:
            return model
    raise ModelMissingError(
        f"needs the model {name} (sha256 {digest.hex()}), which is not here; --model or LMZIP_MODEL_PATH can give it"
        + _hint(name, digest)
    )


def _hint(name: str, digest: bytes | None = None) -> str:
    """Return the end of a message that tells how a missing model is installed, where that is known."""
    from lmzip.models.importing import known

    how = known.hint(name, digest)
    return f"; {how} installs it" if how else ""


def strongest() -> Path:
    """Return the weight file of the largest transformer that is here; raises ModelMissingError if there is none."""
    from lmzip.models import weights

    found = []
    for path in weight_files():
        try:
            config, size = weights.inspect(path)
        except (OSError, UnsupportedError):
            continue
        if config["format"] == weights.TRANSFORMER_FORMAT:
            found.append((size, path))
    if not found:
        raise ModelMissingError("no transformer here; lmzip --get-model smollm2 installs one")
    # Of files of the same size it is the first in the order of the search.
    return max(found, key=lambda sized: sized[0])[1].absolute()


def is_installed(digest: bytes) -> bool:
    """Return whether a process that is given no path finds the model with this digest."""
    return any(model.digest == digest for model in _nets(with_given=False)) or _has_foreign(digest)


def _has_foreign(digest: bytes) -> bool:
    from lmzip.models.hf.directory import digest_of, find_files

    for place in _foreign_places(with_given=False):
        try:
            if digest_of(find_files(place)) == digest:
                return True
        except (OSError, ModelMissingError, UnsupportedError):
            continue
    return False

"""What runs on a node: jobs, in processes that keep the models and dictionaries of the last ones."""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

from lmzip._version import __version__
from lmzip.cluster.names import DictionaryName, ModelName, OriginalName
from lmzip.codec.jobs import DecodeJob, EncodeJob
from lmzip.dictionary import Dictionary
from lmzip.errors import LmzipError, MemoryLimitError
from lmzip.models.base import Model
from lmzip.models.dictionary import behind
from lmzip.models.original import patching
from lmzip.models.registry import SUFFIX, Registry
from lmzip.original import Original

_MOST_KEPT = 2  # of what came from elsewhere: models, dictionaries, originals

_registry = Registry()
_models: OrderedDict[bytes, Model] = OrderedDict()
_dictionaries: OrderedDict[tuple[bytes, int], Dictionary] = OrderedDict()
_originals: OrderedDict[bytes, Original] = OrderedDict()


def version_here() -> str:
    """Return the version of lmzip that a node has."""
    return __version__


def do(job: EncodeJob | DecodeJob, version: str) -> Any:
    """Return what a job comes to, of EncodeJob without its body; its model is a ModelName.

    version: of who asks, as another one may code otherwise.  An error of lmzip's is returned, not raised: Ray would
    make a traceback of it.
    """
    if version != __version__:
        return LmzipError(f"a node has lmzip {__version__}, this is {version}")
    try:
        job = replace(job, model=_model(job.model))
        if isinstance(job, DecodeJob):
            return bytes(job.do())
        from lmzip.codec.encode import encode_block

        return job.do(encode_block)._replace(body=None)
    except LmzipError as error:
        return error
    except MemoryError:
        return MemoryLimitError("a node has not enough memory for a block")


def _model(name: ModelName) -> Model:
    """Return the model of that name, loaded the first time."""
    model = behind(_plain_model(name), _dictionary(name.dictionary) if name.dictionary else None)
    return patching(model, _original(name.original) if name.original else None)


def _plain_model(name: ModelName) -> Model:
    if not name.kind:
        return _registry.built_in()
    if name.stored is None:
        return _registry.of_digest(name.digest, name.name)
    return _kept(_models, name.digest, lambda: _load(name))


def _load(name: ModelName) -> Model:
    """Return the model of a weight file that comes from the object store, and is on the disk only meanwhile."""
    with tempfile.TemporaryDirectory(prefix="lmzip-") as folder:
        path = Path(folder, f"{name.name}{SUFFIX}")
        path.write_bytes(_get(name.stored))
        model = Registry().model(str(path))
        model.load()
        if model.has_tokens:
            _ = model.tokenizer  # type: ignore[attr-defined]
        if model.digest != name.digest:
            raise LmzipError(f"the model {name.name} came to a node as another one")
    return model


def _dictionary(name: DictionaryName) -> Dictionary:
    return _kept(_dictionaries, (name.digest, name.max_size), lambda: Dictionary(_get(name.stored), name.max_size))


def _original(name: OriginalName) -> Original:
    return _kept(_originals, name.digest, lambda: Original(_get(name.stored)))


def _get(reference: Any) -> Any:
    """Return what is in the object store: bytes, or a view of them that is shared by the processes of the node."""
    import ray

    return memoryview(ray.get(reference))


def _kept(place: OrderedDict, key: Any, make: Any) -> Any:
    """Return what is kept under a key, made if it is not there."""
    if key not in place:
        while len(place) >= _MOST_KEPT:
            place.popitem(last=False)
        place[key] = make()
    place.move_to_end(key)
    return place[key]

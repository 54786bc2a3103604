"""From a place or a frame's record to a model of Hugging Face, or to the reason why there is none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from lmzip.errors import ModelMissingError, NumericsError, UnsupportedError
from lmzip.format.header import ModelRecord
from lmzip.models.hf.directory import TOKENIZER_FILES, ModelFiles, find_files, has_digest
from lmzip.models.hf.loading import numerics_of, resolve_device
from lmzip.models.hf.model import HfModel
from lmzip.models.hf.numerics import Numerics, Settings, parse
from lmzip.system import available_threads

_HUB_NAME = re.compile(r"((?:[A-Za-z0-9_.-]{1,96}/)?[A-Za-z0-9_.-]{1,96})(?:@([0-9a-f]{40}))?")  # name@commit
_HUB_PATTERNS = ["config.json", *TOKENIZER_FILES, "*.safetensors", "*.safetensors.index.json"]


class FloatModels:
    """Opens models of Hugging Face as they are to be run here; the same one for the same files and arithmetic."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened: dict[tuple[Path, str, Numerics], HfModel] = {}

    def open(self, name: str) -> HfModel:
        """Return the model at a path, or of that name on the hub where a download was allowed.

        Raises ModelMissingError, UnsupportedError, OSError.
        """
        chosen = self._settings
        path = self.place_of(name)
        device = resolve_device(chosen.device)
        threads = chosen.threads or available_threads()
        return self._model(path, device, numerics_of(device, chosen.dtype, threads))

    def place_of(self, name: str) -> Path:
        """Return the directory or GGUF file of that path, or of that name on the hub; loads no torch.

        Raises as open() does.
        """
        if not name:
            raise ModelMissingError("after hf: comes a directory or a GGUF file")
        path = Path(name)
        return find_files(path if path.exists() else _download(name, self._settings)).path

    def of_record(
        self, record: ModelRecord, models: Iterable[ModelFiles], check: Callable[[HfModel], None] | None = None
    ) -> HfModel:
        """Return the model of a frame, once it predicts here what the probe did there.

        models: those that are here; check: called before weights are loaded.  Raises
        ModelMissingError where none has the digest, NumericsError where another arithmetic comes out,
        UnsupportedError, what check raises.
        """
        named = f"{record.name} (sha256 {record.digest.hex()})"
        try:
            there = parse(record.numerics)
        except ValueError:
            raise NumericsError(
                f"needs the model {named} and an arithmetic that is not known here: {record.numerics}"
            ) from None
        path = _find(record.digest, record.name, models)
        try:
            device, here = self._arithmetic_for(there)
        except UnsupportedError as error:
            raise NumericsError(f"needs the model {named} on {there.text()}: {error}") from None
        if any(getattr(here, n) != getattr(there, n) for n in ("device_kind", "dtype", "threads")):
            raise _other_arithmetic(record.name, there, here)
        model = self._model(path, device, here)
        if model.digest != record.digest:
            raise ModelMissingError(f"the model {path} changed meanwhile")
        if check:
            check(model)
        if model.fingerprint != record.fingerprint:
            raise _other_arithmetic(record.name, there, here)
        return model

    def _arithmetic_for(self, there: Numerics) -> tuple[str, Numerics]:
        """Return the device, and what is computed with on it, for a frame; raises UnsupportedError."""
        chosen = self._settings
        device = resolve_device(there.device_kind if chosen.device == "auto" else chosen.device)
        return device, numerics_of(device, chosen.dtype or there.dtype, chosen.threads or there.threads)

    def _model(self, path: Path, device: str, numerics: Numerics) -> HfModel:
        key = (path, device, numerics)
        return self._opened.get(key) or self._opened.setdefault(key, HfModel(find_files(path), device, numerics))


def _find(digest: bytes, name: str, models: Iterable[ModelFiles]) -> Path:
    for files in sorted(models, key=lambda files: files.name != name):
        if has_digest(files, digest):
            return files.path
    raise ModelMissingError(
        f"needs the model {name} (sha256 {digest.hex()}) of Hugging Face, which is not here; --model hf:PATH or "
        "LMZIP_MODEL_PATH can give it"
    )


def _other_arithmetic(name: str, there: Numerics, here: Numerics) -> NumericsError:
    found = there.differences(here)
    what = f"different: {', '.join(found)}" if found else "nothing that is known differs, so it is the processor"
    return NumericsError(
        f"the file is sound, but {name} computes other numbers here: it needs {there.text()}, here is {here.text()}; "
        f"{what}; try the versions of torch and transformers, the --device and the machine that it was made with"
    )


def _download(name: str, chosen: Settings) -> Path:
    """Return the local directory of a model of the hub; raises ModelMissingError."""
    match = _HUB_NAME.fullmatch(name)
    if match is None or set(match[1].split("/")) & {".", ".."}:
        raise ModelMissingError(f"there is no {name}")
    if not chosen.allow_download:
        raise ModelMissingError(
            f"there is no {name}; if it is a name on the Hugging Face hub, --allow-download gets it"
        )
    from lmzip.models.download import hub_snapshot

    return hub_snapshot(match[1], _HUB_PATTERNS, match[2])

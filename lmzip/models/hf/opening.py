"""From a place or a frame's record to a model of Hugging Face, or to the reason why there is none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from lmzip.errors import LmzipError, ModelMissingError, NumericsError, UnsupportedError
from lmzip.models.hf import loading, settings
from lmzip.models.hf.arithmetic import fixed
from lmzip.models.hf.directory import TOKENIZER_FILES, ModelFiles, digest_of, find_files
from lmzip.models.hf.model import HfModel, Loaded
from lmzip.models.hf.numerics import Numerics, parse
from lmzip.models.hf.settings import Settings
from lmzip.models.hf.tokens import read_tokens
from lmzip.models.packages import needed
from lmzip.native import outside
from lmzip.system import available_threads

_HUB_NAME = re.compile(r"(?:[A-Za-z0-9_.-]{1,96}/)?[A-Za-z0-9_.-]{1,96}")
_HUB_PATTERNS = ["config.json", *TOKENIZER_FILES, "*.safetensors", "*.safetensors.index.json"]


def open_model(name: str, chosen: Settings) -> HfModel:
    """Return the model at a path, or of that name on the hub where a download was allowed.

    Raises ModelMissingError, UnsupportedError, OSError.
    """
    path = place_of(name, chosen)
    device = loading.resolve_device(chosen)
    threads = chosen.threads or available_threads()
    return _opened(path, device, loading.numerics_of(device, chosen.dtype, threads))


def place_of(name: str, chosen: Settings) -> Path:
    """Return the directory or GGUF file of that path, or of that name on the hub; loads no torch.

    Raises as open_model does.
    """
    if not name:
        raise ModelMissingError("after hf: comes a directory or a GGUF file")
    path = Path(name)
    return find_files(path if path.exists() else _download(name, chosen)).path


def bound_model(
    digest: bytes,
    name: str,
    fingerprint: bytes,
    text: str,
    places: Iterator[Path],
    check: Callable[[HfModel], None] | None = None,
) -> HfModel:
    """Return the model of a frame, once it predicts here what the probe did there.

    places: directories and GGUF files that may be it; check: called before weights are loaded.  Raises
    ModelMissingError where none has the digest, NumericsError where another arithmetic comes out, UnsupportedError,
    what check raises.
    """
    named = f"{name} (sha256 {digest.hex()})"
    try:
        there = parse(text)
    except ValueError:
        raise NumericsError(f"needs the model {named} and an arithmetic that is not known here: {text}") from None
    path = _find(digest, name, places)
    chosen = settings.current()
    try:
        if chosen.device == "auto":
            device = loading.resolve_device(Settings(there.device_kind))
        else:
            device = loading.resolve_device(chosen)
        here = loading.numerics_of(device, chosen.dtype or there.dtype, chosen.threads or there.threads)
    except UnsupportedError as error:
        raise NumericsError(f"needs the model {named} on {there.text()}: {error}") from None
    asked = [n for n in ("device_kind", "dtype", "threads") if getattr(here, n) != getattr(there, n)]
    if asked:
        raise _other_arithmetic(name, there, here)
    model = _opened(path, device, here)
    if model.digest != digest:
        raise ModelMissingError(f"the model {path} changed meanwhile")
    if check:
        check(model)
    if model.fingerprint != fingerprint:
        raise _other_arithmetic(name, there, here)
    return model


def _find(digest: bytes, name: str, places: Iterator[Path]) -> Path:
    for place in sorted(dict.fromkeys(places), key=lambda path: name not in (path.name, path.stem)):
        try:
            files = find_files(place)
            if digest_of(files) == digest:
                return files.path
        except (LmzipError, OSError):
            continue
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


@cache
def _opened(path: Path, device: str, numerics: Numerics) -> HfModel:
    return HfModel(find_files(path), device, numerics)


def _download(name: str, chosen: Settings) -> Path:
    """Return the local directory of a model of the hub; raises ModelMissingError."""
    if not _HUB_NAME.fullmatch(name) or set(name.split("/")) & {".", ".."}:
        raise ModelMissingError(f"there is no {name}")
    if not chosen.allow_download:
        raise ModelMissingError(
            f"there is no {name}; if it is a name on the Hugging Face hub, --allow-download gets it"
        )
    with needed("a download from the Hugging Face hub needs", "huggingface_hub"):
        from huggingface_hub import snapshot_download
        from huggingface_hub.utils import disable_progress_bars
    try:
        disable_progress_bars()
        return Path(snapshot_download(name, allow_patterns=_HUB_PATTERNS))
    except Exception as error:  # whatever the network and the hub come up with
        from lmzip.models.hf.tokens import first_line

        raise ModelMissingError(f"{name} cannot be downloaded ({first_line(error)})") from None


def load(files: ModelFiles, device: str, numerics: Numerics) -> Loaded:
    """Read a model's files and run its probe; raises UnsupportedError, NumericsError, OSError, MemoryError."""
    from lmzip.models.hf.footprint import footprint_of
    from lmzip.models.hf.probe import fingerprint_of
    from lmzip.models.hf.stepping import Runner

    module = loading.load_module(files, device, numerics.dtype)
    config = module.config.get_text_config(decoder=True)
    n_vocab = _n_vocab(module, config)
    tokens = read_tokens(files, n_vocab)
    strings, numbers = zip(*tokens.vocabulary, strict=True)
    runner = Runner(module, device, list(numbers), _start(config, n_vocab))
    try:
        vocabulary = outside.Vocabulary(strings)
        with fixed(numerics.threads, device):
            fingerprint = fingerprint_of(runner)
            footprint = footprint_of(runner)
    except (LmzipError, MemoryError):
        raise
    except Exception as error:  # of a module that does not run as others do
        raise loading.failure(error, f"{files.path} cannot be run") from None
    return Loaded(runner, vocabulary, tokens, fingerprint, footprint)


def _n_vocab(module: Any, config: Any) -> int:
    """Return how many tokens a module predicts; raises UnsupportedError."""
    head = module.get_output_embeddings()
    weight = getattr(head, "weight", None)
    size = weight.shape[0] if weight is not None else getattr(config, "vocab_size", 0)
    if type(size) is not int or size < 1:
        raise UnsupportedError("the model predicts no tokens")
    return size


def _start(config: Any, n_vocab: int) -> int:
    """Return the token that every text begins with: the model's own start, else its end, else its first."""
    for name in ("bos_token_id", "eos_token_id"):
        found = getattr(config, name, None)
        found = found[0] if isinstance(found, list) and found else found
        if type(found) is int and 0 <= found < n_vocab:
            return found
    return 0

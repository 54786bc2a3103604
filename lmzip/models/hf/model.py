"""A model of Hugging Face mixed with the n-gram predictor: frames of it are bound to the numerics of a machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from lmzip import native
from lmzip.errors import LmzipError, ModelMissingError, UnsupportedError
from lmzip.models.hf import unspelled
from lmzip.models.hf.directory import ModelFiles, count_weights, digest_of, identity_of
from lmzip.models.hf.numerics import Numerics
from lmzip.models.ngram import NgramModel
from lmzip.native import outside

if TYPE_CHECKING:
    from lmzip.models.base import Progress
    from lmzip.models.cutting import Cutter
    from lmzip.models.hf.footprint import Footprint
    from lmzip.models.hf.stepping import Runner
    from lmzip.models.hf.tokens import Tokens

_WAIT = 0.1  # seconds between two looks at whether a waiting block is still wanted
_ITEM_SIZE = {"float32": 4, "bfloat16": 2, "float16": 2}
_T = TypeVar("_T")
_torch_lock = threading.RLock()  # of all models: how torch computes is a setting of the process


@dataclass(frozen=True)
class Loaded:
    """What a model is once its files have been read."""

    runner: Runner
    vocabulary: outside.Vocabulary
    tokens: Tokens
    fingerprint: bytes
    footprint: Footprint


class HfModel(NgramModel):
    """The built-in model with one in floating point: adds the methods of tokens, keeps those without a net.

    Loading, and coding with it, takes place in one thread at a time.
    """

    methods = frozenset([*range(1, native.NET_METHOD), *range(native.TOKEN_METHOD, native.N_METHODS + 1)])

    def __init__(self, files: ModelFiles, device: str, numerics: Numerics) -> None:
        """device: by its name in torch.  Reads nothing yet."""
        self.files, self.device, self.arithmetic = files, device, numerics
        self.path, self.name, self.config = files.path, files.name, files.config
        self.numerics, self.likes_lanes = numerics.text(), numerics.device_kind == "cuda"
        self._loaded: Loaded | None = None
        self._cutter: Cutter | None = None

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of all files (HF.md), read when first asked for; raises ModelMissingError, UnsupportedError."""
        self._identity = self._read(identity_of)
        return self._read(digest_of)

    @property
    def fingerprint(self) -> bytes:
        """16 bytes that tell the arithmetic; loads the model.  Raises as encode_block does."""
        return self._load().fingerprint

    @property
    def size(self) -> int:
        """Bytes of the weights' files."""
        return self._read(lambda files: files.size)

    @property
    def cutter(self) -> Cutter:
        """What cuts text for the encoder; raises UnsupportedError without the package `tokenizers`."""
        tokens = self._load().tokens
        with _torch_lock:
            if self._cutter is None:
                self._cutter = tokens.cutter()
            return self._cutter

    def _load(self) -> Loaded:
        with _torch_lock:
            if self._loaded is None:
                from lmzip.models.hf.opening import load

                assert self.digest
                try:
                    loaded = load(self.files, self.device, self.arithmetic)
                except OSError as error:
                    raise self._missing(error) from None
                finally:
                    self._check_unchanged()
                self._loaded = loaded
            return self._loaded

    def _check_unchanged(self) -> None:
        if self._read(identity_of) != self._identity:
            raise ModelMissingError(f"the model {self.path} changed meanwhile")

    def _read(self, read: Callable[[ModelFiles], _T]) -> _T:
        try:
            return read(self.files)
        except OSError as error:
            raise self._missing(error) from None

    def _missing(self, error: OSError) -> ModelMissingError:
        return ModelMissingError(f"cannot read the model {self.path}: {error.strerror or error}")

    @contextmanager
    def _alone(self, progress: Progress | None) -> Iterator[None]:
        """Within: no other block is coded with this model, and torch computes as it is to."""
        from lmzip.models.hf.arithmetic import fixed
        from lmzip.models.hf.loading import failure

        while not _torch_lock.acquire(timeout=_WAIT):
            if progress:
                progress(0)
        try:
            with fixed(self.arithmetic.threads, self.device):
                yield
        except (LmzipError, MemoryError, ValueError, OSError):
            raise
        except RuntimeError as error:  # of torch
            raise failure(error, f"{self.path} cannot be run") from None
        finally:
            _torch_lock.release()

    def encode_block(
        self, raw, method: int, n_lanes: int = 1, progress: Progress | None = None, n_threads: int = 1
    ) -> bytes | None:
        if not self.needs_weights(method):
            return super().encode_block(raw, method, n_lanes, progress, n_threads)
        _check_lanes(n_lanes)
        loaded = self._load()
        sizes = self._cut(raw, n_lanes)
        number = unspelled.pack(_n_unspelled(raw, sizes, loaded.tokens))
        with self._alone(progress):
            predict = _predictor(loaded.runner, method, n_lanes)
            coded = outside.encode_block(raw, n_lanes, loaded.vocabulary, sizes, predict, progress)
        return number + coded if coded is not None and len(number) + len(coded) < len(raw) else None

    def _cut(self, raw, n_lanes: int) -> bytes:
        """Return the sizes of the tokens of a block, one lane's behind the other's."""
        chunk_size = -(-len(raw) // n_lanes)
        chunks = [bytes(raw[at : at + chunk_size]) for at in range(0, len(raw), chunk_size)]
        return b"".join(map(self.cutter.sizes, chunks))

    def decode_block(
        self,
        payload,
        raw_size: int,
        method: int,
        n_lanes: int = 1,
        progress: Progress | None = None,
        n_threads: int = 1,
    ):
        if not self.needs_weights(method):
            return super().decode_block(payload, raw_size, method, n_lanes, progress, n_threads)
        _check_lanes(n_lanes)
        _, number_size = unspelled.parse(payload, raw_size)
        coded = bytes(memoryview(payload)[number_size:])  # no view: CPython's collector crashes on one that cffi holds
        loaded = self._load()
        with self._alone(progress):
            predict = _predictor(loaded.runner, method, n_lanes)
            return outside.decode_block(coded, raw_size, n_lanes, loaded.vocabulary, predict, progress)

    def memory_size(self, method: int, raw_size: int, n_lanes: int = 1) -> int:
        if not self.needs_weights(method):
            return super().memory_size(method, raw_size, n_lanes)
        _check_lanes(n_lanes)
        loaded = self._load()
        own = native.memory_size(method, raw_size, n_lanes, None, loaded.vocabulary)
        state = loaded.footprint.of_window(_window(loaded.runner, method))
        # Logits and what becomes of them, in four places at once, of each lane; and its state, twice while it changes.
        return own + n_lanes * (16 * loaded.runner.n_vocab + 2 * state)

    def needs_weights(self, method: int) -> bool:
        return method >= native.TOKEN_METHOD

    def shared_size(self, method: int) -> int:
        if not self.needs_weights(method):
            return 0
        if self._loaded is None:
            return self._n_weights * _ITEM_SIZE[self.arithmetic.dtype]
        module = self._loaded.runner.module
        return sum(tensor.numel() * tensor.element_size() for tensor in [*module.parameters(), *module.buffers()])

    def loading_size(self, method: int) -> int:
        if self._loaded is not None or not self.needs_weights(method):
            return 0
        # transformers brings all of a GGUF file to float32 first, and other files a tensor at a time.
        extra = self._n_weights * _ITEM_SIZE["float32"] if self.files.is_gguf else 0
        return self.shared_size(method) + extra

    @cached_property
    def _n_weights(self) -> int:
        """As the heads of the files tell; raises ModelMissingError, UnsupportedError."""
        return self._read(count_weights).numbers


def _n_unspelled(raw, sizes: bytes, tokens: Tokens) -> int:
    """Return how many bytes of a block that is cut into tokens of these sizes are in none of the model's own."""
    if not tokens.missing:
        return 0
    import numpy as np

    ends = np.frombuffer(sizes, np.uint8).cumsum(dtype=np.int64)
    alone = np.frombuffer(raw, np.uint8)[ends[np.frombuffer(sizes, np.uint8) == 1] - 1]  # tokens of a single byte
    return int(np.isin(alone, np.frombuffer(b"".join(tokens.missing), np.uint8)).sum())


def _predictor(runner: Runner, method: int, n_lanes: int) -> outside.Predict:
    from lmzip.models.hf.stepping import Lanes

    return Lanes(runner, n_lanes, _window(runner, method)).predict


def _window(runner: Runner, method: int) -> int:
    from lmzip.models.hf.stepping import halved

    return halved(runner.window, method - native.TOKEN_METHOD)


def _check_lanes(n_lanes: int) -> None:
    if n_lanes > outside.MAX_LANES:
        raise UnsupportedError(f"needs a newer lmzip: {n_lanes} lanes with a model of tokens")

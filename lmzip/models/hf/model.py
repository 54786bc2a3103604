"""A model of Hugging Face mixed with the n-gram predictor: frames of it are bound to the numerics of a machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lmzip import native
from lmzip.block import DEFAULT_RUN, BlockSpec, Run
from lmzip.errors import LmzipError, UnsupportedError
from lmzip.format import outside
from lmzip.models.base import readable
from lmzip.models.hf.directory import ModelFiles, digest_of, tensor_sizes
from lmzip.models.hf.loading import failure, load_module
from lmzip.models.hf.numerics import Numerics
from lmzip.models.hf.probe import Footprint, fingerprint_of, fixed, footprint_of
from lmzip.models.hf.stepping import Lanes, Runner, halved
from lmzip.models.hf.tokens import Tokens, read_tokens
from lmzip.models.token_model import TokenModel
from lmzip.native.external import ExternalTokens
from lmzip.tokenizers.tokenizer import Tokenizer

_WAIT = 0.1  # seconds between two looks at whether a waiting block is still wanted
_ITEM_SIZE = {"float32": 4, "bfloat16": 2, "float16": 2}
_torch_lock = threading.RLock()  # of all models: how torch computes is a setting of the process


@dataclass(frozen=True)
class Loaded:
    """What a model is once its files have been read and its probe has run."""

    runner: Runner
    vocabulary: ExternalTokens
    tokens: Tokens
    fingerprint: bytes
    footprint: Footprint

    def window(self, spec: BlockSpec) -> int:
        """Return how many tokens a lane of such a block sees."""
        return halved(self.runner.window, spec.context)


class HfModel(TokenModel):
    """The built-in model with one in floating point: blocks without it are the base's alone.

    Loading, and coding with it, takes place in one thread at a time.
    """

    kind = 3
    takes_dictionary = False  # a dictionary's last tokens would have to be learned by torch, and kept for each lane

    def __init__(self, files: ModelFiles, device: str, numerics: Numerics) -> None:
        """device: by its name in torch.  Reads nothing yet."""
        self.files, self.device, self.arithmetic = files, device, numerics
        super().__init__(files.path, files.name)
        self.numerics, self.prefers_batching = numerics.text(), numerics.device_kind == "cuda"
        self._lock = _torch_lock
        self._loaded: Loaded | None = None

    def _files(self) -> Iterable[Path]:
        return self.files.named.values()

    def _hash(self) -> bytes:
        return digest_of(self.files)

    @property
    def fingerprint(self) -> bytes:
        """16 bytes that tell the arithmetic; loads the model.  Raises as `encode` does."""
        return self._load().fingerprint

    @property
    def size(self) -> int:
        """Bytes of the weights' files."""
        with readable(self.path):
            return self.files.size

    def _load_tokenizer(self) -> Tokenizer:
        return self._load().tokens.tokenizer()

    def _load(self) -> Loaded:
        with self._lock:
            if self._loaded is None:
                with self._unchanged():
                    loaded = _load(self.files, self.device, self.arithmetic)
                self._loaded = loaded
            return self._loaded

    @contextmanager
    def _alone(self, progress: Callable[[int], None] | None) -> Iterator[None]:
        """Within: no other block is coded with this model, and torch computes as it is to."""
        while not _torch_lock.acquire(timeout=_WAIT):
            if progress:
                progress(0)
        try:
            with fixed(self.arithmetic.threads, self.device):
                yield
        except RuntimeError as error:  # of torch
            raise failure(error, f"{self.path} cannot be run") from None
        finally:
            _torch_lock.release()

    def expert(self) -> ExternalTokens:
        return self._load().vocabulary

    def encode(self, raw, spec: BlockSpec, run: Run = DEFAULT_RUN) -> bytes | None:
        if not spec.uses_model:
            return super().encode(raw, spec, run)
        loaded = self._load()
        sizes = self.token_sizes(raw, spec)
        number = outside.pack(_n_outside(raw, sizes, loaded.tokens))
        with self._alone(run.progress):
            predict = Lanes(loaded.runner, spec.n_lanes, loaded.window(spec)).predict
            coded = native.encode_block(raw, spec, loaded.vocabulary, run, token_sizes=sizes, predict=predict)
        return number + coded if coded is not None and len(number) + len(coded) < len(raw) else None

    def decode(self, payload, spec: BlockSpec, run: Run = DEFAULT_RUN) -> memoryview:
        if not spec.uses_model:
            return super().decode(payload, spec, run)
        _, number_size = outside.parse(payload, spec.raw_size)
        coded = bytes(memoryview(payload)[number_size:])  # no view: CPython's collector crashes on one that cffi holds
        loaded = self._load()
        with self._alone(run.progress):
            predict = Lanes(loaded.runner, spec.n_lanes, loaded.window(spec)).predict
            return native.decode_block(coded, spec, loaded.vocabulary, run, predict=predict)

    def memory_size(self, spec: BlockSpec) -> int:
        own = super().memory_size(spec)
        if not spec.uses_model:
            return own
        loaded = self._load()
        state = loaded.footprint.of_window(loaded.window(spec))
        # Weights of tokens, logits and what becomes of them, in four places at once, of each lane; and its state, twice
        # while it changes.
        return own + spec.n_lanes * (16 * loaded.runner.n_vocab + 2 * state)

    def weights_size(self) -> int:
        if self._loaded is None:
            return self._n_params * _ITEM_SIZE[self.arithmetic.dtype]
        module = self._loaded.runner.module
        return sum(tensor.numel() * tensor.element_size() for tensor in [*module.parameters(), *module.buffers()])

    def loading_size(self) -> int:
        if self._loaded is not None:
            return 0
        # transformers brings all of a GGUF file to float32 first, and other files a tensor at a time.
        extra = self._n_params * _ITEM_SIZE["float32"] if self.files.is_gguf else 0
        return self.weights_size() + extra

    @cached_property
    def _n_params(self) -> int:
        """As the heads of the files tell; raises ModelMissingError, UnsupportedError."""
        with readable(self.path):
            return sum(tensor_sizes(self.files))


def _n_outside(raw, sizes: bytes, tokens: Tokens) -> int:
    """Return how many bytes of a block that is cut into tokens of these sizes are in none of the model's own."""
    if not tokens.missing:
        return 0
    import numpy as np

    ends = np.frombuffer(sizes, np.uint8).cumsum(dtype=np.int64)
    alone = np.frombuffer(raw, np.uint8)[ends[np.frombuffer(sizes, np.uint8) == 1] - 1]  # tokens of a single byte
    return int(np.isin(alone, np.frombuffer(b"".join(tokens.missing), np.uint8)).sum())


def _load(files: ModelFiles, device: str, numerics: Numerics) -> Loaded:
    """Read a model's files and run its probe; raises UnsupportedError, NumericsError, OSError, MemoryError."""
    module = load_module(files, device, numerics.dtype)
    config = module.config.get_text_config(decoder=True)
    n_vocab = _n_vocab(module, config)
    tokens = read_tokens(files, n_vocab)
    strings, numbers = zip(*tokens.vocabulary, strict=True)
    runner = Runner(module, device, list(numbers), _bos_id_of(config, n_vocab))
    try:
        vocabulary = ExternalTokens(strings)
        with fixed(numerics.threads, device):
            fingerprint = fingerprint_of(runner)
            footprint = footprint_of(runner)
    except (LmzipError, MemoryError):
        raise
    except Exception as error:  # of a module that does not run as others do
        raise failure(error, f"{files.path} cannot be run") from None
    return Loaded(runner, vocabulary, tokens, fingerprint, footprint)


def _n_vocab(module: Any, config: Any) -> int:
    """Return how many tokens a module predicts; raises UnsupportedError."""
    head = module.get_output_embeddings()
    weight = getattr(head, "weight", None)
    size = weight.shape[0] if weight is not None else getattr(config, "vocab_size", 0)
    if type(size) is not int or size < 1:
        raise UnsupportedError("the model predicts no tokens")
    return size


def _bos_id_of(config: Any, n_vocab: int) -> int:
    """Return the token that every text begins with: the model's own start, else its end, else its first."""
    for name in ("bos_token_id", "eos_token_id"):
        found = getattr(config, name, None)
        found = found[0] if isinstance(found, list) and found else found
        if type(found) is int and 0 <= found < n_vocab:
            return found
    return 0

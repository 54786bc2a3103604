"""A model whose blocks have copies of an original: any but those of tokens, told so for whoever makes the blocks."""

from __future__ import annotations

from collections.abc import Callable

from lmzip.block import DEFAULT_RUN, BlockSpec, Run
from lmzip.errors import UnsupportedError
from lmzip.models.base import Model, Steps
from lmzip.original import Original


def patching(model: Model, original: Original | None) -> Model:
    """Return the model with an original, itself where there is none; raises UnsupportedError for one of tokens."""
    if original is None:
        return model
    if model.has_tokens:
        raise UnsupportedError(f"the model {model.name} takes no original, as models of tokens do not")
    return _WithOriginal(model, original)


class _WithOriginal(Model):
    """Passes all on: what is coded of a block is the same as without."""

    def __init__(self, model: Model, original: Original) -> None:
        self.name, self.kind = model.name, model.kind
        self.prefers_batching, self.numerics = model.prefers_batching, model.numerics
        self.original = original
        self._model = model

    @property
    def plain(self) -> Model:
        return self._model.plain

    @property
    def unpatched(self) -> Model:
        return self._model

    @property
    def digest(self) -> bytes:
        return self._model.digest

    @property
    def fingerprint(self) -> bytes:
        return self._model.fingerprint

    def takes(self, spec: BlockSpec) -> bool:
        return self._model.takes(spec)

    def encode(self, raw, spec: BlockSpec, run: Run = DEFAULT_RUN) -> bytes | None:
        return self._model.encode(raw, spec, run)

    def decode(self, payload, spec: BlockSpec, run: Run = DEFAULT_RUN) -> memoryview:
        return self._model.decode(payload, spec, run)

    def sample(self, given, bits: bytes, spec: BlockSpec, progress: Callable[[int], None] | None = None) -> bytes:
        return self._model.sample(given, bits, spec, progress)

    def costs(self, raw, spec: BlockSpec, run: Run = DEFAULT_RUN) -> Steps:
        return self._model.costs(raw, spec, run)

    def load(self) -> None:
        self._model.load()

    def memory_size(self, spec: BlockSpec) -> int:
        return self._model.memory_size(spec)

    def learned_size(self, spec: BlockSpec) -> int:
        return self._model.learned_size(spec)

    def weights_size(self) -> int:
        return self._model.weights_size()

    def loading_size(self) -> int:
        return self._model.loading_size()

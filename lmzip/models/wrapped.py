"""A model that passes everything on to another, for those that change a part of it."""

from __future__ import annotations

from collections.abc import Callable

from lmzip.block import DEFAULT_RUN, BlockSpec, Run
from lmzip.models.base import Model, Steps


class WrappedModel(Model):
    """The model that it wraps, under its name."""

    def __init__(self, model: Model) -> None:
        self.name, self.kind = model.name, model.kind
        self.has_tokens, self.takes_dictionary = model.has_tokens, model.takes_dictionary
        self.prefers_batching, self.numerics = model.prefers_batching, model.numerics
        self.blocks_at_once = model.blocks_at_once
        self._model = model

    @property
    def plain(self) -> Model:
        return self._model.plain

    @property
    def digest(self) -> bytes:
        return self._model.digest

    @property
    def fingerprint(self) -> bytes:
        return self._model.fingerprint

    def _spec(self, spec: BlockSpec) -> BlockSpec:
        """Return what a block is to the model that is wrapped."""
        return spec

    def takes(self, spec: BlockSpec) -> bool:
        return self._model.takes(spec)

    def encode(self, raw, spec: BlockSpec, run: Run = DEFAULT_RUN) -> bytes | None:
        return self._model.encode(raw, self._spec(spec), run)

    def decode(self, payload, spec: BlockSpec, run: Run = DEFAULT_RUN) -> memoryview:
        return self._model.decode(payload, self._spec(spec), run)

    def sample(self, given, bits: bytes, spec: BlockSpec, progress: Callable[[int], None] | None = None) -> bytes:
        return self._model.sample(given, bits, self._spec(spec), progress)

    def costs(self, raw, spec: BlockSpec, run: Run = DEFAULT_RUN) -> Steps:
        return self._model.costs(raw, self._spec(spec), run)

    def load(self) -> None:
        self._model.load()

    def memory_size(self, spec: BlockSpec) -> int:
        return self._model.memory_size(self._spec(spec))

    def learned_size(self, spec: BlockSpec) -> int:
        return self._model.learned_size(self._spec(spec))

    def weights_size(self) -> int:
        return self._model.weights_size()

    def loading_size(self) -> int:
        return self._model.loading_size()

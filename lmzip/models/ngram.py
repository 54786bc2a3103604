"""The built-in model: the ngram base of the native kernel, without trained weights."""

from __future__ import annotations

from collections.abc import Callable

from lmzip import native
from lmzip.block import BYTES, DEFAULT_RUN, BlockSpec, Run
from lmzip.models.base import Model, Steps
from lmzip.native.costs import step_costs
from lmzip.native.sampling import sample_block


class NgramModel(Model):
    """Blocks of the base alone (ARITHMETIC 2 to 9); other models add those with an expert, and keep these."""

    name = "ngram"
    unit = native.ALONE  # of a block that uses the model

    @property
    def digest(self) -> bytes:
        return b""

    def takes(self, spec: BlockSpec) -> bool:
        if not spec.uses_model:
            return native.is_block(spec)
        is_there = self.unit != native.ALONE and native.profile_takes(spec.profile, self.unit)
        sees = spec.context == 0 or self.unit == native.TOKENS
        return is_there and sees and spec.content == BYTES and spec.n_lanes <= native.max_lanes(self.unit)

    def expert(self) -> native.Expert | None:
        """Return what the kernel needs for a block that uses the model: none here, others load it."""
        return None

    def load(self) -> None:
        self.expert()

    def _expert_for(self, spec: BlockSpec) -> native.Expert | None:
        return self.expert() if spec.uses_model else None

    def encode(self, raw, spec: BlockSpec, run: Run = DEFAULT_RUN) -> bytes | None:
        return native.encode_block(raw, spec, self._expert_for(spec), run)

    def decode(self, payload, spec: BlockSpec, run: Run = DEFAULT_RUN) -> memoryview:
        return native.decode_block(payload, spec, self._expert_for(spec), run)

    def sample(self, given, bits: bytes, spec: BlockSpec, progress: Callable[[int], None] | None = None) -> bytes:
        return sample_block(given, bits, spec, self._expert_for(spec), progress=progress)

    def costs(self, raw, spec: BlockSpec, run: Run = DEFAULT_RUN) -> Steps:
        return Steps(*step_costs(raw, spec, self._expert_for(spec), run))

    def memory_size(self, spec: BlockSpec) -> int:
        return native.memory_size(spec, self._expert_for(spec))

    def learned_size(self, spec: BlockSpec) -> int:
        return native.learner_size(spec, self._expert_for(spec))

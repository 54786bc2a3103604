"""Transformers mixed with the n-gram predictor, exact on every machine: one instance per weight file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lmzip import native
from lmzip.block import DEFAULT_RUN, BlockSpec, Run
from lmzip.models import weights
from lmzip.models.base import Steps
from lmzip.models.token_model import TokenModel
from lmzip.native.costs import step_costs
from lmzip.native.sampling import sample_block

if TYPE_CHECKING:
    from lmzip.native.llama import Transformer
    from lmzip.tokenizers.tokenizer import Tokenizer


_MODULES_SIZE = 64 << 20  # address space of NumPy and tokenizers, which come with the weights


class LlamaModel(TokenModel):
    """The built-in model with a transformer (TRANSFORMER)."""

    kind = 2

    def __init__(self, path: Path) -> None:
        """Read the header of a weight file; raises OSError, UnsupportedError if it is not one of a transformer."""
        self.config, self.size = weights.inspect(path)
        super().__init__(path, self.config["name"])
        self._loaded: Transformer | None = None

    def _files(self) -> list[Path]:
        return [self.path]

    def _hash(self) -> bytes:
        return weights.digest_of_file(self.path)

    def _load_tokenizer(self) -> Tokenizer:
        from lmzip.models import transformer_file

        with self._unchanged():
            return transformer_file.tokenizer(self.path, self.config)

    def expert(self) -> Transformer:
        """Return the transformer in the kernel, loaded when first asked for."""
        from lmzip.models import transformer_file

        with self._lock:
            if self._loaded is None:
                with self._unchanged():
                    loaded = transformer_file.load(self.path, self.config)
                self._loaded = loaded
            return self._loaded

    def encode(self, raw, spec: BlockSpec, run: Run = DEFAULT_RUN) -> bytes | None:
        if not spec.uses_model:
            return super().encode(raw, spec, run)
        return native.encode_block(raw, spec, self.expert(), run, token_sizes=self.token_sizes(raw, spec))

    def decode(self, payload, spec: BlockSpec, run: Run = DEFAULT_RUN) -> memoryview:
        if run.expected is None or not spec.uses_model:
            return super().decode(payload, spec, run)
        sizes = self.token_sizes(run.expected, spec)
        return native.decode_block(payload, spec, self.expert(), run, token_sizes=sizes)

    def sample(self, given, bits: bytes, spec: BlockSpec, progress: Callable[[int], None] | None = None) -> bytes:
        if not spec.uses_model:
            return super().sample(given, bits, spec, progress)
        sizes = self.tokenizer.sizes(bytes(given))
        return sample_block(given, bits, spec, self.expert(), token_sizes=sizes, progress=progress)

    def costs(self, raw, spec: BlockSpec, run: Run = DEFAULT_RUN) -> Steps:
        if not spec.uses_model:
            return super().costs(raw, spec, run)
        return Steps(*step_costs(raw, spec, self.expert(), run, token_sizes=self.token_sizes(raw, spec)))

    def weights_size(self) -> int:
        return self.size

    def loading_size(self) -> int:
        # While it is unpacked the file is mapped, and one of its tensors copied.  Rather too much than too little: what
        # is written in Rust panics, or even hangs, where memory ends meanwhile.
        if self._loaded is not None:
            return 0
        return self.weights_size() + self.size + self.size // 4 + _MODULES_SIZE

"""Transformers on a device (TRANSFORMER)."""

from __future__ import annotations

import random
from functools import cached_property
from itertools import cycle
from typing import NamedTuple

import numpy as np

from lmzip.block import DEFAULT_RUN, BlockSpec, Run
from lmzip.errors import UnsupportedError
from lmzip.models import transformer_file
from lmzip.models.driving import Drive
from lmzip.models.llama import LlamaModel
from lmzip.models.on_device import OnDevice, tensors_of
from lmzip.native.external import ExternalTokens
from lmzip.twin.device import free_memory
from lmzip.weights.safetensors import SafetensorsFile

_PROFILE = 6  # of blocks with models of tokens
_MEMORY_OF_THE_CPU = 1 << 28


class _Vocabulary(NamedTuple):
    strings: list[bytes]  # sorted
    numbers: dict[bytes, int]


class TransformerOnDevice(OnDevice, LlamaModel):
    """A transformer."""

    least_size = 1 << 16  # a step of one lane takes a while in the kernel
    _MOST_ROWS = 1024  # lanes
    _MOST_STEPS = 32

    @cached_property
    def _vocabulary(self) -> _Vocabulary:
        with self._unchanged(), SafetensorsFile(self.path) as file:
            strings = transformer_file.read_token_bytes(file)
        return _Vocabulary(strings, {string: number for number, string in enumerate(strings)})

    def _drive_on(self, device: str, context: int, fused: bool) -> Drive:
        from lmzip.twin.masses import Masses
        from lmzip.twin.stepping import Stepper
        from lmzip.twin.transformer import TransformerTwin, unknown_parts

        with self._unchanged():
            tensors = tensors_of(self.path)
        if unknown := unknown_parts(self.config, tensors):
            raise UnsupportedError(f"{self.name} has {min(unknown)}, which does not run on {device}; --device cpu does")
        kind = TransformerTwin
        if fused:
            from lmzip.twin.fused.transformer import FusedTransformer as kind
        twin = kind(tensors, self.config, device, context)
        memory = free_memory(device) or _MEMORY_OF_THE_CPU
        n_rows = min(self._MOST_ROWS, memory // 2 // twin.row_size())
        n_columns = max(1, memory // 8 // twin.column_size(self._MOST_STEPS))
        expert = ExternalTokens(self._vocabulary.strings)
        stepper = Stepper(twin, max(1, min(n_rows, n_columns)), Masses(expert.prefixes(), device))
        drive = Drive(stepper, expert, self.name, most_columns=n_columns, most_steps=self._MOST_STEPS)
        self._compare(drive, device, context)
        return drive

    def _compare(self, drive: Drive, device: str, context: int) -> None:
        """Raise UnsupportedError unless a small block comes to the kernel's payload, and back."""
        some = random.Random(1).sample(self._vocabulary.strings, 9)
        tokens = [token for token, _ in zip(cycle(some), range(72), strict=False)]
        raw, sizes = b"".join(tokens) * 2, bytes(map(len, tokens)) * 2
        spec = BlockSpec(len(raw), _PROFILE, True, 2, context)
        expected = self._kernel_payload(raw, spec, sizes)
        known = self._by_steps(raw, spec, sizes)
        if expected is None or drive.encode(raw, spec, DEFAULT_RUN, known, sizes) != expected:
            raise self.wrong(device)
        if drive.decode(expected, spec, DEFAULT_RUN, None) != raw:
            raise self.wrong(device)

    def _kernel_payload(self, raw: bytes, spec: BlockSpec, sizes: bytes) -> bytes | None:
        from lmzip import native

        return native.encode_block(raw, spec, self.expert(), token_sizes=sizes)

    def encode(self, raw, spec: BlockSpec, run: Run = DEFAULT_RUN) -> bytes | None:
        drive = self.drive_for(spec)
        if drive is None:
            return super().encode(raw, spec, run)
        sizes = self.token_sizes(raw, spec)
        return drive.encode(raw, spec, run, self._by_steps(raw, spec, sizes), sizes)

    def decode(self, payload, spec: BlockSpec, run: Run = DEFAULT_RUN) -> memoryview:
        drive = self.drive_for(spec)
        if drive is None:
            return super().decode(payload, spec, run)
        known = None
        if run.expected is not None:
            known = self._by_steps(run.expected, spec, self.token_sizes(run.expected, spec))
        return drive.decode(bytes(payload), spec, run, known)

    def _by_steps(self, raw, spec: BlockSpec, sizes: bytes) -> np.ndarray:
        """Return the tokens of a block (n_steps, n_lanes) int32, those of lanes that have ended arbitrary."""
        data, numbers = bytes(raw), self._vocabulary.numbers
        lanes: list[list[int]] = [[] for _ in range(spec.n_lanes)]
        at = 0
        for size in sizes:
            lanes[at // spec.chunk_size].append(numbers[data[at : at + size]])
            at += size
        found = np.zeros((max(map(len, lanes)), spec.n_lanes), np.int32)
        for lane, tokens in enumerate(lanes):
            found[: len(tokens), lane] = tokens
        return found

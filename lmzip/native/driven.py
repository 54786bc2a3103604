"""Blocks with an external expert that are driven from outside, any number of them at once (lmz_run_externals).

Whoever computes distributions for many blocks at a time, on a GPU, hands them out step by step; the coders' work is
shared by threads of the kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lmzip.block import BlockSpec
from lmzip.errors import DamagedError
from lmzip.native import TOKENS, _c_spec, _handle, _new_bytes, _set_tokens
from lmzip.native._kernel import ffi, lib
from lmzip.native.cpu import simd_number
from lmzip.native.external import External
from lmzip.native.predicted import TokenMasses, Weights


class DrivenBlock:
    """A block in the middle of being coded; used by one thread at a time."""

    def __init__(self, spec: BlockSpec, expert: External) -> None:
        """Raises ValueError for a block that there cannot be."""
        self.spec, self.expert = spec, expert
        self._c_spec = _c_spec(spec, expert)
        self.symbols = ffi.new("uint32_t[]", [expert.start] * spec.n_lanes)  # the last of each lane
        self._status: int = lib.LMZ_MORE
        self.coder: Any = None

    @property
    def is_done(self) -> bool:
        """Whether there are no more steps: all is coded, or nothing good will come of it."""
        return self._status != lib.LMZ_MORE

    @property
    def position(self) -> int:
        """Raw bytes coded so far."""
        return lib.lmz_coder_position(self.coder)

    @property
    def reached(self) -> int:
        """How many bytes of every lane's chunk are coded."""
        return lib.lmz_coder_reached(self.coder)

    def keep_symbols_in(self, memory: Any) -> None:
        """Let a buffer (n_lanes,) uint32 have the last byte or token of each lane, from its start on."""
        at = ffi.from_buffer("uint32_t[]", memory, require_writable=True)
        ffi.memmove(at, self.symbols, 4 * self.spec.n_lanes)
        self.symbols = at

    def last_symbols(self) -> Any:
        """Return the last byte or token of each lane, a buffer (n_lanes,) uint32 that changes with each step."""
        return ffi.buffer(self.symbols)

    def _take(self, coder: Any) -> None:
        if coder == ffi.NULL:
            raise MemoryError("not enough memory for a block")
        self.coder = ffi.gc(coder, lib.lmz_coder_free)

    def _check(self) -> None:
        if self._status == lib.LMZ_E_ARGUMENT:
            raise ValueError("weights of an external expert are missing or out of range")


class DrivenEncoder(DrivenBlock):
    """A block that is encoded."""

    def __init__(self, raw, spec: BlockSpec, expert: External, token_sizes: bytes = b"") -> None:
        """The arguments are those of native.encode_block(); raises ValueError, MemoryError."""
        super().__init__(spec, expert)
        if not len(raw) or memoryview(raw).nbytes != spec.raw_size:
            raise ValueError(f"a block of {spec.raw_size} bytes cannot be made of {len(raw)}")
        capacity = spec.raw_size - 1
        self._payload = _new_bytes("uint8_t[]", capacity + 1)
        self._kept = raw, ffi.from_buffer("uint8_t[]", raw), token_sizes
        arguments = (self._c_spec, _handle(expert), simd_number(), self._kept[1], self._payload, capacity)
        self._take(lib.lmz_encoder_new(*arguments))
        if expert.unit == TOKENS:
            _set_tokens(self.coder, token_sizes)

    def payload(self) -> bytes | None:
        """Return the payload of a block that is done, None where it would not be smaller than the block."""
        self._check()
        size = lib.lmz_coder_payload_size(self.coder)
        return bytes(ffi.buffer(self._payload, size)) if self._status == lib.LMZ_DONE else None


class DrivenDecoder(DrivenBlock):
    """A block that is decoded."""

    def __init__(self, payload: bytes, spec: BlockSpec, expert: External) -> None:
        """The arguments are those of native.decode_block(); raises ValueError, MemoryError."""
        super().__init__(spec, expert)
        self._raw = _new_bytes("uint8_t[]", spec.raw_size)
        self.view = memoryview(ffi.buffer(self._raw))  # the raw bytes, those that are not decoded yet are arbitrary
        self._kept = ffi.from_buffer("uint8_t[]", payload)
        size = len(self._kept)
        self._take(lib.lmz_decoder_new(self._c_spec, _handle(expert), simd_number(), self._kept, size, self._raw))

    def raw(self) -> memoryview:
        """Return the raw bytes of a block that is done, or of which no more is wanted; raises DamagedError."""
        self._check()
        if self._status not in (lib.LMZ_DONE, lib.LMZ_MORE):
            raise DamagedError("damaged payload")
        return self.view


_FIELDS = {
    "weights": "P",
    "masses": "P",
    "column": "u8",
    "step_size": "u8",
    "n_steps": "u8",
    "wanted": "P",
    "status": "i4",
    "wanted_column": "u8",
    "wanted_first": "u4",
    "wanted_end": "u4",
}


class Batch:
    """Blocks that are advanced together, any number of times: what does not change is prepared once."""

    def __init__(self, blocks: Sequence[DrivenBlock]) -> None:
        import numpy as np

        self.blocks = [*blocks]
        self._runs = ffi.new("lmz_external_run[]", len(blocks))
        for run, block in zip(self._runs, blocks, strict=True):
            run.coder, run.symbols = block.coder, block.symbols
        offsets = [ffi.offsetof("lmz_external_run", name) for name in _FIELDS]
        names, formats = [*_FIELDS], [*_FIELDS.values()]
        size = ffi.sizeof("lmz_external_run")
        layout = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": size})
        self._fields = np.frombuffer(ffi.buffer(self._runs), layout)

    def drive(self, predicted: Weights | TokenMasses, lanes: Any, n_steps: Any, n_threads: int) -> None:
        """Advance each block by its steps, on up to n_threads threads.

        lanes: (n,) where each block's lanes begin in what is predicted; n_steps: (n,), at least one and no more than
        the block has left, or one number for all.  Raises what fetching weights raises.
        """
        values = {"column": lanes, "step_size": predicted.n_lanes, "n_steps": n_steps} | predicted.fields
        for name, value in values.items():
            self._fields[name] = value
        lib.lmz_run_externals(self._runs, len(self.blocks), n_threads)
        while isinstance(predicted, TokenMasses) and (wants := self._fields["status"] == lib.LMZ_WANTS).any():
            wanted = (self._fields[f"wanted_{name}"][wants].astype("i8") for name in ("column", "first", "end"))
            self._fields["wanted"][wants] = predicted.fetch(*wanted)
            lib.lmz_run_externals(self._runs, len(self.blocks), n_threads)
        for block, status in zip(self.blocks, self._fields["status"].tolist(), strict=True):
            block._status = status

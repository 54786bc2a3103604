"""One account of many inputs: how far they are, and what they came to."""

from __future__ import annotations

import threading

from lmzip.cli.messages import Reporter
from lmzip.cli.options import Options
from lmzip.cli.progress import Meter, TellEvent, duration, speed
from lmzip.cli.results import put_json
from lmzip.codec.summary import Summary


class Batch(Meter):
    """The meter of all inputs, which those of the single ones feed."""

    def __init__(self, reporter: Reporter, n_inputs: int, phase: str, total: int | None) -> None:
        """total: raw bytes of all, None if not known."""
        super().__init__(reporter, f"0 of {n_inputs} files", (phase,), total)
        self._n_inputs, self._phase = n_inputs, phase
        self._whole = Summary()
        self._n_done = 0
        self._count_lock = threading.Lock()
        self.summary = self._whole

    def advance_share(self, phase: str, n_bytes: int) -> None:
        """Note what an input has advanced; a proof is part of the work, but not counted."""
        if phase == self._phase:
            self.advance(phase, n_bytes)

    def count(self, summary: Summary) -> None:
        """Note that an input is done."""
        whole = self._whole
        with self._count_lock:
            self._n_done += 1
            self.name = f"{self._n_done} of {self._n_inputs} files"
            whole.raw_size += summary.raw_size
            whole.compressed_size += summary.compressed_size
            whole.n_blocks += summary.n_blocks
            whole.n_stored += summary.n_stored

    def tell(self, options: Options, seconds: float, where: str) -> None:
        """Say what all came to, with -v or as an object."""
        whole, work = self._whole, options.action or options.mode
        sizes = [whole.raw_size, whole.compressed_size]
        if work != "compress":
            sizes.reverse()
        self.reporter.info(
            f"{self._n_done} of {self._n_inputs} files",
            f"{sizes[0]} -> {sizes[1]} bytes, {whole.bits_per_byte:.3f} bits/byte, {duration(seconds)}, "
            f"{speed(whole.raw_size, seconds)} on {where}",
        )
        if options.json:
            record: dict[str, object] = {"event": "end"} if options.json_progress else {}
            record |= {"name": None, "action": f"{work} all", "files": self._n_inputs, "files_done": self._n_done}
            record |= {"raw_size": whole.raw_size, "compressed_size": whole.compressed_size}
            record |= {"bits_per_byte": round(whole.bits_per_byte, 6), "seconds": round(seconds, 3)}
            put_json(record, 2 if options.to_stdout and not options.action else 1)


class ShareMeter(Meter):
    """The meter of one input of a batch: draws nothing, but tells programs of it."""

    def __init__(
        self, batch: Batch, name: str, phases: tuple[str, ...], total: int | None, tell: TellEvent | None
    ) -> None:
        super().__init__(batch.reporter, name, phases, total, tell, is_shown=False)
        self._batch = batch

    def advance(self, phase: str, n_bytes: int) -> None:
        super().advance(phase, n_bytes)
        self._batch.advance_share(phase, n_bytes)

"""Byte-level nets on a device (ARITHMETIC 10)."""

from __future__ import annotations

import numpy as np

from lmzip.block import DEFAULT_RUN, BlockSpec, Run
from lmzip.models.base import readable
from lmzip.models.bytelm import ByteLmModel
from lmzip.models.driving import Drive
from lmzip.models.on_device import OnDevice, tensors_of
from lmzip.native.external import ExternalBytes
from lmzip.native.predicted import Weights


class NetOnDevice(OnDevice, ByteLmModel):
    """A byte-level net (ARITHMETIC 10)."""

    _ROWS = 4096  # lanes
    _COLUMNS = 1 << 14
    _STEPS = 64

    def _drive_on(self, device: str, context: int, fused: bool) -> Drive:
        from lmzip.twin.net import NetTwin
        from lmzip.twin.stepping import Stepper

        kind = NetTwin
        if fused:
            from lmzip.twin.fused.net import FusedNet as kind
        with readable(self.path):
            twin = kind(tensors_of(self.path), self.config, device)
        rng = np.random.default_rng(1)
        n_steps, n_lanes = 24, 5
        data = rng.integers(0, 256, (n_steps, n_lanes), np.uint8)
        data[:, 1::2] = rng.choice(np.frombuffer(b" etaoin", np.uint8), data[:, 1::2].shape)
        trees = np.asarray(self.expert().run(data.tobytes(), n_lanes)).reshape(n_steps, n_lanes, 512)
        stepper = Stepper(twin, self._ROWS)
        rows, before = np.arange(n_lanes), np.zeros((n_steps, n_lanes), np.int64)
        before[1:] = data[:-1]
        for at, size in ((0, 1), (1, 1), (2, 16), (18, 4), (22, 2)):
            found = stepper.predict(rows, before[at : at + size]).wait()
            if not isinstance(found, Weights) or not np.array_equal(found.weights, trees[at : at + size, :, 256:]):
                raise self.wrong(device)
        columns = self._COLUMNS if device != "cpu" else 1024
        return Drive(stepper, ExternalBytes(), self.name, most_columns=columns, most_steps=self._STEPS)

    def encode(self, raw, spec: BlockSpec, run: Run = DEFAULT_RUN) -> bytes | None:
        drive = self.drive_for(spec)
        return super().encode(raw, spec, run) if drive is None else drive.encode(raw, spec, run, _by_steps(raw, spec))

    def decode(self, payload, spec: BlockSpec, run: Run = DEFAULT_RUN) -> memoryview:
        drive = self.drive_for(spec)
        if drive is None:
            return super().decode(payload, spec, run)
        known = None if run.expected is None else _by_steps(run.expected, spec)
        return drive.decode(bytes(payload), spec, run, known)


def _by_steps(raw, spec: BlockSpec) -> np.ndarray:
    """Return the bytes of a block (n_steps, n_lanes) uint8, those of shorter chunks filled up."""
    data = np.zeros(spec.n_lanes * spec.chunk_size, np.uint8)
    data[: spec.raw_size] = np.frombuffer(raw, np.uint8)
    return data.reshape(spec.n_lanes, spec.chunk_size).T

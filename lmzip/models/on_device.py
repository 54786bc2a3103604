"""Exact models whose distributions come from a device: the same bytes as the kernel's, in both directions.

The kernel keeps what does not pay on a device or what that does not do: small blocks, and blocks behind a dictionary.
What a device predicts is compared with the kernel before it is used.  Of a model's two twins, the fused one comes first
where it may run; if it does not, or predicts anything else, there is the other.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lmzip.block import BlockSpec
from lmzip.errors import UnsupportedError
from lmzip.models.driving import Drive
from lmzip.models.ngram import NgramModel
from lmzip.twin.device import TORCH_CPU, blocks_at_once, torch_device
from lmzip.twin.fused import is_usable
from lmzip.weights.safetensors import SafetensorsFile

_NUMPY = {"I8": np.int8, "U8": np.uint8, "I16": np.int16, "I32": np.int32, "U32": np.uint32}


class OnDevice(NgramModel):
    """The part of a model that has a device; a class before that of the model."""

    least_size = 1 << 20  # raw bytes of blocks for which a device is asked; smaller ones have few lanes

    def __init__(self, path: Path, wanted: str) -> None:
        """wanted: a device as for torch_device().  Raises as the model does."""
        super().__init__(path)  # type: ignore[call-arg]
        self._wanted = wanted
        self._drives: dict[int, Drive | None] = {}  # by context
        self._device_lock = threading.Lock()
        self.why_not_fused = ""  # what the fused twin raised, if it was tried
        self.blocks_at_once = blocks_at_once(wanted)
        if wanted == TORCH_CPU:
            self.least_size = 0

    def drive_for(self, spec: BlockSpec) -> Drive | None:
        """Return what codes such a block; None: the kernel does.  Raises UnsupportedError for a device that was asked
        for by name and does not do it.
        """
        if not spec.uses_model or spec.dictionary or spec.raw_size < self.least_size:
            return None
        with self._device_lock:
            if spec.context not in self._drives:
                self._drives[spec.context] = self._new_drive(spec.context)
        found = self._drives[spec.context]
        return found if found and found.has_room(spec.n_lanes) else None

    def _new_drive(self, context: int) -> Drive | None:
        try:
            device = torch_device(self._wanted)
            if device is None:
                return None
            if is_usable(device):
                try:
                    return self._drive_on(device, context, fused=True)
                except Exception as error:  # whatever it is that stands in the way of kernels there
                    self.why_not_fused = f"{type(error).__name__}: {error}"
            return self._drive_on(device, context, fused=False)
        except UnsupportedError:
            if self._wanted == "auto":
                return None
            raise

    @abstractmethod
    def _drive_on(self, device: str, context: int, fused: bool) -> Drive:
        """Return what codes on a device, which was found to predict what the kernel does; raises UnsupportedError.

        fused: by the twin with kernels of its own, which raises whatever it likes.
        """

    def wrong(self, device: str) -> UnsupportedError:
        return UnsupportedError(f"{device} does not predict what {self.name} does; --device cpu does without")


def tensors_of(path: Path) -> Mapping[str, Any]:
    """Return the arrays of a weight file by name; raises OSError, UnsupportedError."""
    with SafetensorsFile(path) as file:
        return {
            name: np.frombuffer(file.raw(name), _NUMPY[tensor.dtype]).reshape(tensor.shape)
            for name, tensor in file.tensors.items()
        }

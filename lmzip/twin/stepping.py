"""Steps of a twin for lanes that come and go: states in rows, graphs of CUDA, and weights on their way to memory.

Nothing waits for the device but what asks for weights: several steps may be on their way.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

_LEAST_LANES = 32  # of a graph; the others have powers of two
_WARM_UPS = 2  # before a graph is recorded, so that what torch chooses at first is chosen


class _Graph(NamedTuple):
    """A recorded step, and the tensors that it reads and writes."""

    graph: Any
    rows: Tensor
    symbols: Tensor
    weights: Tensor


class Weights:
    """Weights of symbols (n_steps, n_lanes, n_symbols) uint32 that a device makes."""

    def __init__(self, host: Tensor, event: Any, shape: tuple[int, int, int]) -> None:
        self._host, self._event, self._shape = host, event, shape

    def wait(self) -> np.ndarray:
        """Return them, once they are there, in memory that is theirs as long as this object."""
        if self._event is not None:
            self._event.synchronize()
        return self._host.numpy().view(np.uint32)[: int(np.prod(self._shape))].reshape(self._shape)


def new_pinned(size: int) -> Tensor:
    """Return (size,) int32 in memory that a GPU can write to by itself."""
    return torch.empty(size, dtype=torch.int32, pin_memory=True)


class Stepper:
    """A twin with states for a number of lanes."""

    def __init__(self, twin: Any, n_rows: int) -> None:
        self.twin, self.n_rows = twin, n_rows
        self._state = twin.new_state(n_rows + 1)  # the last is for lanes that fill up a graph
        self._is_cuda = torch.device(twin.device).type == "cuda"
        self._graphs: dict[tuple[int, int], _Graph] = {}
        self._pool: Any = None  # of memory, which the graphs share, as one runs at a time
        self._buffers: list[Tensor] = []  # pinned, of weights that nobody needs any more

    def restart(self, rows: np.ndarray) -> None:
        """Bring lanes (n,) to their start."""
        with torch.inference_mode():
            self.twin.restart(self._state, torch.from_numpy(rows).to(self.twin.device))

    def predict(self, rows: np.ndarray, symbols: np.ndarray) -> Weights:
        """Start to predict for lanes in rows (n_lanes,) int64 what follows symbols (n_steps, n_lanes) int64."""
        with torch.inference_mode():
            if not self._is_cuda:
                weights = self.twin.predict(self._state, torch.from_numpy(rows), torch.from_numpy(symbols))
                return Weights(weights.view(-1), None, weights.shape)
            with torch.cuda.device(self.twin.device):
                return self._predict_on_cuda(rows, symbols)

    def _predict_on_cuda(self, rows: np.ndarray, symbols: np.ndarray) -> Weights:
        n_steps, n = symbols.shape
        size = max(_LEAST_LANES, 1 << (n - 1).bit_length())
        graph = self._graphs.get((n_steps, size)) or self._record(n_steps, size)
        all_rows, all_symbols = np.full(size, self.n_rows), np.zeros((n_steps, size), np.int64)
        all_rows[:n], all_symbols[:, :n] = rows, symbols
        graph.rows.copy_(torch.from_numpy(all_rows))
        graph.symbols.copy_(torch.from_numpy(all_symbols))
        graph.graph.replay()
        weights = graph.weights[:, :n].contiguous().view(-1)
        host = self._buffer(weights.numel())
        host[: weights.numel()].copy_(weights, non_blocking=True)
        event = torch.cuda.Event()
        event.record()
        return Weights(host, event, (n_steps, n, self.twin.n_symbols))

    def _buffer(self, size: int) -> Tensor:
        for i, buffer in enumerate(self._buffers):
            if buffer.numel() >= size:
                return self._buffers.pop(i)
        if self._buffers:  # a larger one takes its place
            self._buffers.pop()
        return new_pinned(1 << (size - 1).bit_length())

    def give_back(self, weights: Weights) -> None:
        """Say that weights are not needed any more."""
        if self._is_cuda:
            self._buffers.append(weights._host)

    def _record(self, n_steps: int, size: int) -> _Graph:
        """Record the step of `size` lanes as a graph: hundreds of small kernels then start at once."""
        device = self.twin.device
        rows = torch.full((size,), self.n_rows, dtype=torch.int64, device=device)
        symbols = torch.zeros((n_steps, size), dtype=torch.int64, device=device)
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                self.twin.predict(self._state, rows, symbols)
        torch.cuda.current_stream(device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            weights = self.twin.predict(self._state, rows, symbols)
        found = _Graph(graph, rows, symbols, weights)
        return self._graphs.setdefault((n_steps, size), found)

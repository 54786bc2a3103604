"""Steps of a twin for lanes that come and go: states in rows, graphs of CUDA, and predictions on their way to memory.

Nothing waits for the device but what asks for a prediction: several steps may be on their way.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lmzip.native.predicted import TokenMasses, Weights
from lmzip.twin.masses import Layout, Masses, sent

_LEAST_LANES = 32  # of a graph; the others have powers of two
_WARM_UPS = 2  # before a graph is recorded, so that what torch chooses at first is chosen


class _Graph(NamedTuple):
    """A recorded step, and the tensors that it reads and writes."""

    graph: Any
    rows: Tensor
    symbols: Tensor
    weights: Tensor


class Prediction:
    """What a device predicts, on its way to memory."""

    def __init__(self, host: Tensor, size: int, event: Any, of: Callable[[np.ndarray], Weights | TokenMasses]) -> None:
        """of: makes of the (size,) uint32 that came what a batch of blocks takes."""
        self.host, self.size = host, size
        self._event, self._of = event, of

    def wait(self) -> Weights | TokenMasses:
        """Return it once it is there, in memory that is its own until it is given back."""
        if self._event is not None:
            self._event.synchronize()
        return self._of(self.host.numpy().view(np.uint32)[: self.size])


def new_pinned(size: int) -> Tensor:
    """Return (size,) int32 in memory that a GPU can write to by itself."""
    return torch.empty(size, dtype=torch.int32, pin_memory=True)


class Stepper:
    """A twin with states for a number of lanes."""

    def __init__(self, twin: Any, n_rows: int, masses: Masses | None = None) -> None:
        """masses: for a twin of tokens, what makes sums of their weights, and only these are brought to memory."""
        self.twin, self.n_rows, self._masses = twin, n_rows, masses
        self._state = twin.new_state(n_rows + 1)  # the last is for lanes that fill up a graph
        self._is_cuda = torch.device(twin.device).type == "cuda"
        self._graphs: dict[tuple[int, int], _Graph] = {}
        self._pool: Any = None  # of memory, which the graphs share, as one runs at a time
        self._buffers: list[Tensor] = []  # pinned, of predictions that nobody needs any more
        self.n_columns = self.n_bytes = 0  # lanes times steps that were predicted, and what came to memory of them
        self._fetching: Any = None  # stream of CUDA, as what is fetched does not wait for the next step

    def restart(self, rows: np.ndarray) -> None:
        """Bring lanes (n,) to their start."""
        with torch.inference_mode():
            self.twin.restart(self._state, torch.from_numpy(rows).to(self.twin.device))

    def predict(self, rows: np.ndarray, symbols: np.ndarray, known: np.ndarray | None = None) -> Prediction:
        """Start to predict for lanes in rows (n_lanes,) int64 what follows symbols (n_steps, n_lanes) int64.

        known: what does follow them, of the same shape, if that is known.
        """
        layout = None if self._masses is None or known is None else self._masses.layout_of(known.reshape(-1))
        with torch.inference_mode():
            if not self._is_cuda:
                weights = self.twin.predict(self._state, torch.from_numpy(rows), torch.from_numpy(symbols))
                return self._sent(weights, layout)
            with torch.cuda.device(self.twin.device):
                return self._sent(self._predict_on_cuda(rows, symbols), layout)

    def _predict_on_cuda(self, rows: np.ndarray, symbols: np.ndarray) -> Tensor:
        """Return weights (n_steps, n_lanes, n_symbols) that are there until the next call, in the order of a stream."""
        n_steps, n = symbols.shape
        size = max(_LEAST_LANES, 1 << (n - 1).bit_length())
        graph = self._graphs.get((n_steps, size)) or self._record(n_steps, size)
        all_rows, all_symbols = np.full(size, self.n_rows), np.zeros((n_steps, size), np.int64)
        all_rows[:n], all_symbols[:, :n] = rows, symbols
        graph.rows.copy_(torch.from_numpy(all_rows))
        graph.symbols.copy_(torch.from_numpy(all_symbols))
        graph.graph.replay()
        return graph.weights[:, :n]

    # --- what is brought to memory ------------------------------------------------------------------------------------

    def _sent(self, weights: Tensor, layout: Layout | None) -> Prediction:
        """Send what coding needs of weights (n_steps, n_lanes, n_symbols)."""
        shape, masses = weights.shape, self._masses
        self.n_columns += shape[0] * shape[1]
        n_lanes, rows = shape[1], weights.reshape(-1, shape[2])
        if masses is None:
            return self._begin(rows, lambda found: Weights(found.reshape(shape)))
        if layout is not None:
            return self._begin(
                masses.of_paths(rows, layout), lambda found: TokenMasses(n_lanes, layout.entries(found), None)
            )
        # What may be fetched is not to be overwritten by the next step.
        kept = weights.clone(memory_format=torch.contiguous_format).view(rows.shape) if self._is_cuda else rows
        return self._begin(
            masses.of_likely(kept), lambda found: TokenMasses(n_lanes, masses.likely(found), partial(self._fetch, kept))
        )

    def _begin(self, found: Tensor, of: Callable[[np.ndarray], Weights | TokenMasses]) -> Prediction:
        """Begin to bring found, int32, to memory."""
        flat = found.reshape(-1)
        self.n_bytes += 4 * flat.numel()
        if not self._is_cuda:
            return Prediction(flat, flat.numel(), None, of)
        host = self._buffer(flat.numel())
        host[: flat.numel()].copy_(flat, non_blocking=True)
        event = torch.cuda.Event()
        event.record()
        return Prediction(host, flat.numel(), event, of)

    def _fetch(self, weights: Tensor, columns: np.ndarray, firsts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Return weights of some tokens firsts .. ends - 1 (n,) of columns (n,), which are there."""
        sizes = ends - firsts
        stops = sizes.cumsum()
        self.n_bytes += 4 * int(stops[-1])
        places = np.arange(stops[-1]) + np.repeat(columns * weights.shape[1] + firsts - (stops - sizes), sizes)
        with torch.inference_mode():
            if not self._is_cuda:
                return weights.view(-1)[torch.from_numpy(places)].numpy().view(np.uint32)
            with torch.cuda.device(self.twin.device):
                self._fetching = self._fetching or torch.cuda.Stream(self.twin.device)
                with torch.cuda.stream(self._fetching):
                    return weights.view(-1)[sent(places, weights.device)].cpu().numpy().view(np.uint32)

    def _buffer(self, size: int) -> Tensor:
        for i, buffer in enumerate(self._buffers):
            if buffer.numel() >= size:
                return self._buffers.pop(i)
        if self._buffers:  # a larger one takes its place
            self._buffers.pop()
        return new_pinned(1 << (size - 1).bit_length())

    def give_back(self, prediction: Prediction) -> None:
        """Say that what came is not needed any more."""
        if self._is_cuda:
            self._buffers.append(prediction.host)

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

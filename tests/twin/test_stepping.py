"""Steps that are recorded as graphs give what steps at once do; on a stand-in for CUDA where there is no GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny_net

torch = pytest.importorskip("torch")

from lmzip.twin import stepping  # noqa: E402
from lmzip.twin.net import NetTwin  # noqa: E402

N_ROWS = 90


class Recorder:
    """A twin that knows the last call of predict, as a graph of CUDA knows the kernels that it recorded."""

    def __init__(self, twin: NetTwin) -> None:
        self._twin = twin
        self.device, self.n_symbols = twin.device, twin.n_symbols
        self.new_state, self.restart = twin.new_state, twin.restart
        self.calls: list[tuple[Any, ...]] = []

    def predict(self, *arguments: Any) -> Any:
        weights = self._twin.predict(*arguments)
        self.calls.append((*arguments, weights))
        return weights


class StandIn:
    """torch.cuda as far as steps use it: a graph does its call again, with what its tensors hold then."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.n_replays = 0
        stream = SimpleNamespace(wait_stream=lambda other: None)
        self.Stream = self.current_stream = lambda device: stream
        self.stream = self.device = lambda _: nullcontext()
        self.CUDAGraph = SimpleNamespace
        self.graph_pool_handle = object
        self.Event = lambda: SimpleNamespace(record=lambda: None, synchronize=lambda: None)

    @contextmanager
    def graph(self, graph: Any, pool: Any, capture_error_mode: str) -> Iterator[None]:
        yield
        state, rows, symbols, weights = self._recorder.calls[-1]

        def replay() -> None:
            self.n_replays += 1
            weights.copy_(self._recorder._twin.predict(state, rows, symbols))

        graph.replay = replay


@pytest.fixture
def stepper(monkeypatch: pytest.MonkeyPatch) -> stepping.Stepper:
    tensors, config = tiny_net.tiny_net()
    if torch.cuda.is_available():
        return stepping.Stepper(NetTwin(tensors, config, "cuda:0"), N_ROWS)
    recorder = Recorder(NetTwin(tensors, config, "cpu"))
    stepper = stepping.Stepper(recorder, N_ROWS)
    monkeypatch.setattr(torch, "cuda", StandIn(recorder))
    monkeypatch.setattr(stepping, "new_pinned", lambda size: torch.full((size,), -1, dtype=torch.int32))
    stepper._is_cuda = True
    return stepper


def test_graphs_give_what_steps_at_once_do(stepper: stepping.Stepper) -> None:
    """Batches of changing lanes and lengths, two on their way at a time, and lanes that begin anew."""
    tensors, config = tiny_net.tiny_net()
    plain = stepping.Stepper(NetTwin(tensors, config, "cpu"), N_ROWS)
    rng = np.random.default_rng(4)
    launched = []
    for turn in range(18):
        rows = rng.permutation(N_ROWS)[: (1, 31, 32, 33, 90, 5)[turn % 6]].astype(np.int64)
        symbols = rng.integers(0, 256, ((1, 1, 4)[turn % 3], len(rows)))
        if turn % 5 == 4:
            stepper.restart(rows[:3])
            plain.restart(rows[:3])
        launched.append((stepper.predict(rows, symbols), plain.predict(rows, symbols)))
        if len(launched) == 2:
            found, expected = launched.pop(0)
            assert np.array_equal(found.wait(), expected.wait()), turn
            stepper.give_back(found)
    assert len(stepper._buffers) <= 2, "memory is used again"
    assert set(stepper._graphs) == {(steps, size) for _, steps, size in SHAPES}


SHAPES = [(turn, (1, 1, 4)[turn % 3], (32, 32, 32, 64, 128, 32)[turn % 6]) for turn in range(6)]

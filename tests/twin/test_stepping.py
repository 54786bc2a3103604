"""Steps that are recorded as graphs give what steps at once do; on a stand-in for CUDA where there is no GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny_net
from token_tools import STRINGS, tiny_tensors

torch = pytest.importorskip("torch")

from lmzip.native.external import ExternalTokens  # noqa: E402
from lmzip.twin import stepping  # noqa: E402
from lmzip.twin.masses import Masses  # noqa: E402
from lmzip.twin.net import NetTwin  # noqa: E402
from lmzip.twin.transformer import TransformerTwin  # noqa: E402

N_ROWS = 90


class Recorder:
    """A twin that knows the last call of predict, as a graph of CUDA knows the kernels that it recorded."""

    def __init__(self, twin: Any) -> None:
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


def on_cuda(monkeypatch: pytest.MonkeyPatch, make: Callable[[str], Any], prefixes: Any = None) -> stepping.Stepper:
    """Return a stepper of a twin on CUDA, or on the stand-in."""
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    masses = None if prefixes is None else Masses(prefixes, device)
    if torch.cuda.is_available():
        return stepping.Stepper(make(device), N_ROWS, masses)
    recorder = Recorder(make(device))
    stepper = stepping.Stepper(recorder, N_ROWS, masses)
    monkeypatch.setattr(torch, "cuda", StandIn(recorder))
    monkeypatch.setattr(stepping, "new_pinned", lambda size: torch.full((size,), -1, dtype=torch.int32))
    stepper._is_cuda = True
    return stepper


@pytest.fixture
def stepper(monkeypatch: pytest.MonkeyPatch) -> stepping.Stepper:
    return on_cuda(monkeypatch, lambda device: NetTwin(*tiny_net.tiny_net(), device))


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
            assert np.array_equal(found.wait().weights, expected.wait().weights), turn
            stepper.give_back(found)
    assert len(stepper._buffers) <= 2, "memory is used again"
    assert set(stepper._graphs) == {(steps, size) for _, steps, size in SHAPES}


def test_sums_are_those_of_their_own_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what is fetched when the next step has begun: with graphs as without."""
    prefixes = ExternalTokens(STRINGS).prefixes()
    monkeypatch.setattr("lmzip.twin.masses.MOST_LIKELY", 2)

    def make(device: str) -> TransformerTwin:
        return TransformerTwin(*tiny_tensors(), device)

    steppers = [stepping.Stepper(make("cpu"), N_ROWS, Masses(prefixes, "cpu")), on_cuda(monkeypatch, make, prefixes)]
    rng, rows, n = np.random.default_rng(8), np.arange(5), len(STRINGS)
    wanted = np.array([4, 0, 4]), np.array([3, n - 9, 100]), np.array([5, n, 260])
    for turn in range(4):
        n_steps = 1 + turn % 2 * 3
        calls = []
        for _ in range(2):
            symbols, known = (rng.integers(0, n, (n_steps, 5)) for _ in range(2))
            calls.append((symbols, known if turn % 2 else None))
        found = []
        for stepper in steppers:
            launched = [stepper.predict(rows, *call) for call in calls]
            found.append([prediction.wait() for prediction in launched])
            if not turn % 2:
                assert all(one.fetch(*wanted).shape == (3,) for one in found[-1])
        for one, other in zip(*found, strict=True):
            assert all(map(np.array_equal, one.entries, other.entries))
            assert all(map(np.array_equal, one._kept, other._kept)) and bool(one._kept) == (not turn % 2)


SHAPES = [(turn, (1, 1, 4)[turn % 3], (32, 32, 32, 64, 128, 32)[turn % 6]) for turn in range(6)]

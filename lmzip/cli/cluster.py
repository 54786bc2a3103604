"""Work on a cluster (--cluster): many inputs at once, whose blocks are its tasks, whether large or small.

Everything but the work on blocks is done here, so that inputs and outputs are as safe as on one machine.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from lmzip import levels
from lmzip.cli import signals
from lmzip.cli.actions import Action, attempt
from lmzip.cli.batch import Batch, ShareMeter
from lmzip.cli.chosen_model import ChosenModel
from lmzip.cli.crew import Crew, Share
from lmzip.cli.inputs import STDIN
from lmzip.cli.messages import CallError, Reporter, reason
from lmzip.cli.options import Options
from lmzip.cli.output import Output
from lmzip.cli.progress import Meter, TellEvent
from lmzip.cli.work import Work
from lmzip.codec import Summary
from lmzip.errors import LmzipError
from lmzip.fileio import Source, is_url

_COMPRESSED_SHARE = 4  # as many raw bytes are taken for one of a compressed file, to guess its blocks


class ClusterWork(Action):
    """Brings inputs to a cluster, which is joined before the first."""

    def __init__(self, options: Options, reporter: Reporter, chosen: ChosenModel) -> None:
        super().__init__(options, reporter, chosen)
        self._held = ExitStack()

    def begin(self, names: Iterator[str]) -> Iterable[str]:
        """Join the cluster.  Raises CallError."""
        from lmzip.cluster import Cluster

        options = self.options
        assert options.cluster is not None
        self._start = time.monotonic()
        try:
            with signals.kept():
                self._cluster = Cluster(options.cluster, options.threads or None)
        except LmzipError as error:
            raise CallError(reason(error), error.exit_status) from None
        self._held.callback(self._cluster.close)
        signals.on_end(self._cluster.discard)
        self._crew = Crew(self._cluster)
        self._work = _BatchWork(options, self.reporter, self.chosen)
        self._held.callback(self._work.close)
        left = list(self._work.begin(names))
        phase = options.action or options.mode
        self._work.batch = Batch(self.reporter, len(left), phase, _size_of(left) if phase == "compress" else None)
        self._held.enter_context(self._work.batch)
        self._held.enter_context(signals.reporting(self._work.batch.report))
        return left

    def run(self, name: str, shown: str) -> None:
        """Bring an input to the crew; what goes to one place goes there one after the other."""
        if name == STDIN or self.options.to_stdout or self.options.output is not None:
            self._crew.finish()
            self._run_with(self._cluster, name, shown)
        else:
            self._crew.submit(partial(self._attempt, name, shown), self._n_blocks(name))

    def _attempt(self, name: str, shown: str, share: Share) -> None:
        attempt(self.reporter, shown, partial(self._run_with, share, name, shown))

    def _run_with(self, engine, name: str, shown: str) -> None:
        work = copy.copy(self._work)
        work.engine = engine
        work.run(name, shown)

    def _n_blocks(self, name: str) -> int | None:
        """Return how many blocks an input is likely to have, None where that cannot be told."""
        if is_url(name):
            return None
        try:
            size = os.stat(name).st_size
        except OSError:
            return 1  # whatever it is, it takes no time
        if self.options.mode == "decompress" or self.options.action:
            size *= _COMPRESSED_SHARE
        block_size = self.options.block_size or levels.get_level(self.options.level).block_size
        return max(1, -(-size // block_size))

    def finish(self) -> None:
        """Wait for all; say what it came to."""
        self._crew.finish()
        self._work.batch.close()
        where = f"{self._cluster.n_processors} processors of {self._cluster.n_nodes} nodes"
        self._work.batch.tell(self.options, time.monotonic() - self._start, where)

    def close(self) -> None:
        """Leave the cluster."""
        self._held.close()


class _BatchWork(Work):
    """Work on one of many inputs, of which there is one account."""

    batch: Batch

    @contextmanager
    def _metered(
        self, shown: str, phases: tuple[str, ...], total: int | None, tell_event: TellEvent | None
    ) -> Iterator[Meter]:
        with ShareMeter(self.batch, shown, phases, total, tell_event) as meter:
            yield meter

    def tell(self, source: Source, summary: Summary, seconds: float, output: Output | None) -> None:
        self.batch.count(summary)
        super().tell(source, summary, seconds, output)


def _size_of(names: list[str]) -> int | None:
    """Return the raw bytes of all files, None where they are not known."""
    size = 0
    for name in names:
        if name == STDIN or is_url(name):
            return None
        try:
            size += os.stat(name).st_size
        except OSError:
            continue
    return size

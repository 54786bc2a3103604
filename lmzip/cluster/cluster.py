"""A Ray cluster as an engine of the codec: tasks of one processor and as much memory as they say, placed by Ray.

Where a node dies, Ray does its tasks again on another.  Everything else, reading, order, proof of what was written, is
the codec's in the process that asked.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

from lmzip._version import __version__
from lmzip.cluster.names import DictionaryName, ModelName, OriginalName
from lmzip.codec.jobs import MAX_JOBS, DecodeJob, EncodeJob
from lmzip.dictionary import Dictionary
from lmzip.errors import LmzipError, MemoryLimitError, UnsupportedError
from lmzip.models.base import Model
from lmzip.models.registry import ships
from lmzip.original import Original
from lmzip.packages import needed

LOCAL = "local"  # the address of a cluster that is begun here
_CHECK_SECONDS = 0.5  # how soon a task that nobody wants any more is given up
_SIZE_SECONDS = 5.0  # how long what is known of the cluster's size is good
_REACH_SECONDS = 10.0
_MOST_DEATHS = 8  # of nodes and processes that had a task, until it fails
_PROCESS_SIZE = 192 << 20  # bytes of memory of a process of Ray with lmzip before it does anything
_MOST_OF_A_PATH = 24  # bytes, so that Ray's names of sockets behind it stay below the system's limit
PATIENCE = 600.0  # seconds that a task waits where no node could ever take it, but one may still come


class Cluster:
    """An engine over a Ray cluster; may be used by several threads.  close() leaves it."""

    def __init__(self, address: str, n_processors: int | None = None) -> None:
        """Join the cluster at an address: `local` for one of this machine, which ends with close(), `auto` for that of
        RAY_ADDRESS or of this machine, else what ray.init() takes, as ray://HOST:PORT and HOST:PORT.

        n_processors: how many to use at most; None for all.  Raises UnsupportedError without the package ray, or where
        nodes have no lmzip or another one, LmzipError where there is no such cluster.
        """
        with needed("a cluster needs", "ray"):
            import ray
        self._ray = ray
        self._most = n_processors
        self._lock = threading.Lock()
        self._stored: dict[bytes, Any] = {}  # by digest
        self._n_processors, self._known_until = 0, 0.0
        self._folder = _own_folder() if address == LOCAL else None
        try:
            _join(ray, address, n_processors, self._folder)
            from lmzip.cluster import node

            self._task = ray.remote(node.do)
            self._check_nodes()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave the cluster; tasks that are still there are ended."""
        self._ray.shutdown()
        self.discard()

    def discard(self) -> None:
        """Remove what a cluster of this machine has on the disk; its processes end with this one, however that ends."""
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _check_nodes(self) -> None:
        """Raise UnsupportedError unless a node has this lmzip; others are asked with each job."""
        from lmzip.cluster import node

        try:
            there = self._ray.get(self._ray.remote(node.version_here).options(num_cpus=0).remote())
        except self._ray.exceptions.RayError as error:
            raise UnsupportedError(f"the cluster's nodes need lmzip {__version__}: {_line(error)}") from None
        if there != __version__:
            raise UnsupportedError(f"the cluster's nodes need lmzip {__version__}, they have {there}")

    # --- size ---------------------------------------------------------------------------------------------------------

    @property
    def n_processors(self) -> int:
        """Processors that are there now and may be used, at least 1."""
        with self._lock:
            if time.monotonic() >= self._known_until:
                there = int(self._ray.cluster_resources().get("CPU", 0))
                self._n_processors = max(1, min(there, self._most or there))
                self._known_until = time.monotonic() + _SIZE_SECONDS
            return self._n_processors

    @property
    def n_nodes(self) -> int:
        """Nodes that are alive."""
        return sum(node["Alive"] for node in self._ray.nodes())

    @property
    def n_jobs(self) -> int:
        """A task for each processor, and some that wait on nodes for one to be free; which has a cluster grow, too."""
        n = self.n_processors
        if self._most is not None and n >= self._most:
            return n
        return min(n + max(2, n // 4), MAX_JOBS)

    # --- work ---------------------------------------------------------------------------------------------------------

    def do(self, job: EncodeJob | DecodeJob, check: Callable[[], None]) -> Any:
        """Return what came of a job on some node (see Engine); raises LmzipError where nodes die again and again."""
        memory = job.memory() + _PROCESS_SIZE
        task = self._task.options(num_cpus=1, memory=memory, max_retries=_MOST_DEATHS)
        ray = self._ray
        try:
            result = task.remote(_travelling(job, self._name_of(job.model)), __version__)
            answer = self._wait(result, memory, check)
        except ray.exceptions.RayTaskError as error:
            raise LmzipError(f"a node failed: {_line(error)}") from None
        except (ray.exceptions.RayError, ConnectionError) as error:
            raise LmzipError(f"the cluster lost a block: {_line(error)}") from None
        if isinstance(answer, LmzipError):
            raise answer
        return answer

    def _wait(self, result: Any, memory: int, check: Callable[[], None]) -> Any:
        ray, patient_until = self._ray, time.monotonic() + PATIENCE
        try:
            while not ray.wait([result], timeout=_CHECK_SECONDS)[0]:
                check()
                if time.monotonic() > patient_until:
                    self._check_fits(memory)
                    patient_until = time.monotonic() + PATIENCE
        except BaseException:
            ray.cancel(result)
            raise
        return ray.get(result)

    def _check_fits(self, memory: int) -> None:
        """Raise MemoryLimitError if no node has a processor and so much memory, busy or not."""
        for node in self._ray.nodes():
            there = node["Resources"]
            if node["Alive"] and there.get("CPU", 0) >= 1 and there.get("memory", 0) >= memory:
                return
        raise MemoryLimitError(
            f"no node of the cluster has a processor and {-(-memory >> 20)} MiB of memory for a block"
        )

    # --- what jobs need -----------------------------------------------------------------------------------------------

    def _name_of(self, model: Model) -> ModelName:
        """Return what a node finds a model by, its weights put into the object store if not every node has them."""
        dictionary = self._name_of_dictionary(model.dictionary) if model.dictionary else None
        original = self._name_of_original(model.original) if model.original else None
        model = model.plain
        stored = None if ships(model) else self._store(model.digest, model.path.read_bytes)
        return ModelName(model.kind, model.name, model.digest, stored, dictionary, original)

    def _name_of_dictionary(self, dictionary: Dictionary) -> DictionaryName:
        stored = self._store(dictionary.digest, lambda: dictionary.data)
        return DictionaryName(dictionary.digest, 1 << dictionary.size_log, stored)

    def _name_of_original(self, original: Original) -> OriginalName:
        return OriginalName(original.digest, self._store(original.digest, lambda: original.data))

    def _store(self, digest: bytes, read: Callable[[], bytes | bytearray]) -> Any:
        with self._lock:
            if digest not in self._stored:
                import numpy as np  # whose arrays the processes of a node share

                self._stored[digest] = self._ray.put(np.frombuffer(read(), np.uint8))
            return self._stored[digest]


def _own_folder() -> str:
    """Return a new folder for sockets and logs, whose path is short enough for a socket's."""
    place = tempfile.gettempdir()
    return tempfile.mkdtemp(prefix="lmzip-", dir=place if len(place) <= _MOST_OF_A_PATH else "/tmp")


def _join(ray: Any, address: str, n_processors: int | None, folder: str | None) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anyone
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if folder:
        os.environ.setdefault("RAY_worker_niceness", "0")  # as nice as this process; Ray's own default is 15
    own: dict[str, Any] = {"num_cpus": n_processors, "include_dashboard": False, "_temp_dir": folder} if folder else {}
    try:
        if ":" in address:
            _check_reachable(address)
        ray.init(address=address, **own, **quiet)
    except (ConnectionError, OSError, RuntimeError, ValueError, TypeError) as error:
        raise LmzipError(f"cannot join the cluster {address}: {_line(error)}") from None


def _check_reachable(address: str) -> None:
    """Raise OSError or ValueError for an address that nobody listens at: Ray would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH_SECONDS):
        pass


def _travelling(job: EncodeJob | DecodeJob, name: ModelName) -> EncodeJob | DecodeJob:
    """Return a job that can be sent: of bytes, not of views, and with the name of its model."""
    from dataclasses import replace

    if isinstance(job, DecodeJob):
        return replace(job, model=name, payload=bytes(job.payload))
    body = job.body and job.body._replace(coded=bytes(job.body.coded))
    return replace(job, model=name, raw=bytes(job.raw), body=body)


def _line(error: BaseException) -> str:
    """Return the line of an error that says most: of a traceback that came as text, the last one."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__

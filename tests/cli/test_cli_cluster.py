"""--cluster: what does not go with it, and without the package ray; the crew that feeds an engine."""

from __future__ import annotations

import importlib.util
import threading
import time

import pytest
from cli_tools import names_in, run
from conftest import SAMPLE

from lmzip.cli.crew import Crew

TEXT = SAMPLE.read_bytes()[:2_000]


@pytest.mark.parametrize(
    "options",
    [
        ["-l"],
        ["--estimate"],
        ["--bench"],
        ["--salvage"],
        ["--range=0,1"],
        ["--max-time=9h"],
        ["--model=hf:x"],
        ["--cluster="],
    ],
)
def test_what_is_for_one_machine_is_refused(tmp_path, options) -> None:
    (tmp_path / "a").write_bytes(TEXT)
    done = run("lmzip", "--cluster", "auto", *options, tmp_path / "a")
    assert done.returncode == 1 and done.stdout == b""
    assert b"--cluster" in done.stderr and done.stderr.count(b"\n") == 1
    assert names_in(tmp_path) == ["a"]


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="ray is installed")
def test_without_ray_it_says_what_is_missing(tmp_path) -> None:
    (tmp_path / "a").write_bytes(TEXT)
    done = run("lmzip", "--cluster", "local", tmp_path / "a")
    assert (done.returncode, done.stdout) == (3, b"")
    assert done.stderr == b"lmzip: a cluster needs the package ray: pip install 'ray>=2.31,<3'\n"
    assert names_in(tmp_path) == ["a"]


# --- crews ------------------------------------------------------------------------------------------------------------


class Engine:
    """Takes a while for each job, and notes how many it has at once."""

    def __init__(self, n_jobs: int) -> None:
        self.n_jobs = n_jobs
        self.n_now = self.most = 0
        self.lock = threading.Lock()

    def do(self, job, check):
        with self.lock:
            self.n_now += 1
            self.most = max(self.most, self.n_now)
        time.sleep(0.02)
        with self.lock:
            self.n_now -= 1
        return job


def work_of(n_blocks: int, begun: list[int], name: int):
    """Return work on an input of so many blocks, which are brought one after the other as a codec's workers do."""

    def work(share):
        begun.append(name)
        threads = []
        for _ in range(n_blocks):
            while sum(thread.is_alive() for thread in threads) >= share.n_jobs:
                time.sleep(0.001)
            threads.append(threading.Thread(target=share.do, args=(None, lambda: None)))
            threads[-1].start()
        for thread in threads:
            thread.join()

    return work


def test_small_inputs_fill_an_engine_together() -> None:
    engine, begun = Engine(4), []
    crew = Crew(engine)
    for name in range(20):
        crew.submit(work_of(1, begun, name), 1)
    crew.finish()
    assert sorted(begun) == list(range(20))
    assert engine.most == 4


def test_a_large_input_has_the_engine_until_its_end_leaves_room() -> None:
    engine, begun = Engine(4), []
    crew = Crew(engine)
    crew.submit(work_of(30, begun, 0), 30)
    start = time.monotonic()
    crew.submit(work_of(30, begun, 1), 30)
    assert time.monotonic() - start > 0.02 * (30 - 4) / 4 / 2
    crew.finish()
    assert begun == [0, 1]
    assert engine.most <= 2 * 4


def test_nothing_is_begun_beside_what_may_be_endless() -> None:
    engine, begun = Engine(4), []
    crew = Crew(engine)
    ended = threading.Event()
    crew.submit(lambda share: ended.wait(60), None)
    threading.Timer(0.2, ended.set).start()
    crew.submit(work_of(1, begun, 1), 1)
    assert ended.is_set()
    crew.finish()


def test_what_work_raises_comes_to_who_brings_more() -> None:
    crew = Crew(Engine(2))

    def fail(share):
        raise RuntimeError("no more")

    crew.submit(fail, 1)
    with pytest.raises(RuntimeError, match="no more"):
        crew.finish()
    with pytest.raises(RuntimeError, match="no more"):
        crew.submit(fail, 1)

"""--cluster: a Ray cluster of three nodes on this machine, of which some die at work (`make test-cluster`)."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from cli_tools import environment, long_text, names_in, run, start, wait_until
from conftest import SAMPLE

from lmzip import codec
from lmzip.codec.headers import Headers
from lmzip.codec.jobs import EncodeJob
from lmzip.errors import LmzipError, MemoryLimitError
from lmzip.levels import get_level
from lmzip.models.registry import Registry

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="not installed: ray")

TEXT = SAMPLE.read_bytes()[:60_000]


@pytest.fixture(scope="module")
def nodes():
    """A cluster of three nodes with a processor each."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


@pytest.fixture
def there(nodes) -> list[str]:
    return ["--cluster", nodes.address]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with large and small files, in which programs run."""
    monkeypatch.chdir(tmp_path)
    for number in range(6):
        (tmp_path / f"small-{number}").write_bytes(TEXT[: 1 + 4_000 * number] + b"%d" % number)
    (tmp_path / "large").write_bytes(TEXT * 3 + bytes(30_000))
    (tmp_path / "empty").write_bytes(b"")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names_in(folder)}


def compressed_here(folder: Path, *options) -> dict[str, bytes]:
    """Return what the files of a folder become without a cluster."""
    other = folder.parent / f"{folder.name}-here"
    shutil.copytree(folder, other)
    done = run("lmzip", *options, "-r", other)
    assert done.returncode == 0, done.stderr
    return contents(other)


def test_the_same_files_as_on_one_machine_and_back(folder, there) -> None:
    raw, options = contents(folder), ["-4", "--block-size", "20k"]
    expected = compressed_here(folder, *options)
    done = run("lmzip", *there, *options, "-v", "--json", *raw)
    assert done.returncode == 0, done.stderr
    assert contents(folder) == expected
    *told, whole = map(json.loads, done.stdout.splitlines())
    assert {record["name"] for record in told} == set(raw) and all(record["verified"] for record in told)
    assert whole["files"] == whole["files_done"] == len(raw)
    assert whole["raw_size"] == sum(map(len, raw.values()))
    assert whole["compressed_size"] == sum(map(len, expected.values()))
    assert done.stderr.splitlines()[-1].endswith(b"3 processors of 3 nodes")
    assert run("lmzip", *there, "-t", *expected).returncode == 0
    done = run("lmunzip", *there, *expected)
    assert done.returncode == 0, done.stderr
    assert contents(folder) == raw


@pytest.mark.parametrize(
    "options",
    [["-6"], ["-4", "--long"], ["-4", "-D", "dictionary"], ["-4", "--patch-from", "old"], ["--model", "net"]],
    ids=" ".join,
)
def test_models_dictionaries_and_windows_travel(folder, there, options, tiny_path) -> None:
    for name in names_in(folder):
        if name not in ("large", "small-2"):
            (folder / name).unlink()
    (folder.parent / "dictionary").write_bytes(TEXT[:9_000])
    shutil.copyfile(tiny_path, folder.parent / "net.safetensors")
    (folder.parent / "old").write_bytes(TEXT[5_000:])
    places = {
        "old": folder.parent / "old",
        "dictionary": folder.parent / "dictionary",
        "net": folder.parent / "net.safetensors",
    }
    options = [str(places.get(word, word)) for word in options] + ["--block-size", "50k", "-k"]
    expected = compressed_here(folder, *options)
    raw = contents(folder)
    done = run("lmzip", *there, *options, *raw)
    assert done.returncode == 0, done.stderr
    assert contents(folder) == expected
    for name in raw:
        (folder / name).unlink()
    given = [word for word in options if word != "-k"]
    given = given[: given.index("--block-size")]
    done = run("lmunzip", *there, *given, "-k", *(name for name in expected if name.endswith(".lmz")))
    assert done.returncode == 0, done.stderr
    assert {name: (folder / name).read_bytes() for name in raw} == raw


def test_through_pipes_and_in_order(folder, there) -> None:
    options = ["-1", "--block-size", "10k"]
    done = run("lmzip", *there, *options, data=TEXT)
    assert done.stdout == run("lmzip", *options, data=TEXT).stdout
    assert run("lmunzip", *there, data=done.stdout).stdout == TEXT
    both = run("lmzip", *there, *options, "-c", "large", "small-3")
    assert both.stdout == run("lmzip", *options, "-c", "large", "small-3").stdout
    assert (
        run("lmunzip", *there, "-c", data=both.stdout).stdout
        == Path("large").read_bytes() + Path("small-3").read_bytes()
    )


def test_what_fails_is_told_and_the_others_are_done(folder, there) -> None:
    done = run("lmzip", *there, "-1", "missing", "small-1", "small-2")
    assert (done.returncode, done.stderr) == (1, b"lmzip: missing: No such file or directory\n")
    assert {"small-1.lmz", "small-2.lmz"} <= set(names_in(folder))
    data = bytearray(Path("small-2.lmz").read_bytes())
    data[-6] ^= 1
    Path("small-2.lmz").write_bytes(data)
    done = run("lmzip", *there, "-t", "small-1.lmz", "small-2.lmz")
    assert done.returncode == 1
    assert done.stderr == run("lmzip", "-t", "small-2.lmz").stderr


def wait_for_progress(program) -> None:
    """Wait until some blocks of the large file are done, and others are not."""
    while (event := json.loads(program.stdout.readline()))["event"] != "progress" or event["name"] != "large":
        pass


def kill_one(nodes) -> None:
    """End a node as a power cut would, and put another in its place."""
    nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)
    nodes.add_node(num_cpus=1)


def test_a_node_that_dies_has_its_blocks_done_again(folder, nodes, there) -> None:
    Path("large").write_bytes(long_text(4_000_000))
    options = ["-4", "--block-size", "200k"]
    expected = compressed_here(folder, *options)
    program = start("lmzip", *there, *options, "--json-progress", *names_in(folder))
    wait_for_progress(program)
    kill_one(nodes)
    _, errors = program.communicate(timeout=240)
    assert (program.returncode, errors) == (0, b"")
    assert contents(folder) == expected


def test_a_driver_that_dies_leaves_inputs_whole_and_another_goes_on(folder, there) -> None:
    Path("large").write_bytes(long_text(4_000_000))
    raw, options = contents(folder), [*there, "-4", "--block-size", "100k", "--resume", "../list"]
    program = start("lmzip", *options, *raw)
    wait_until(lambda: len([name for name in names_in(folder) if name.endswith(".lmz")]) > 3, "some files")
    os.kill(program.pid, signal.SIGKILL)
    program.communicate()
    after = contents(folder)
    done = {name.removesuffix(".lmz"): data for name, data in after.items() if name.endswith(".lmz")}
    assert "large" not in done
    for name, data in raw.items():
        assert after.get(name) == (None if name in done else data)
    for name, data in done.items():
        assert run("lmcat", data=data).stdout == raw[name]
    again = run("lmzip", *options, "-v", *raw)
    assert again.returncode == 0, again.stderr
    told = again.stderr.decode().splitlines()[:-1]
    assert {line.partition(":")[0] for line in told} == set(raw) - set(done)
    assert names_in(folder) == sorted(f"{name}.lmz" for name in raw)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_at_once(folder, there, number) -> None:
    Path("large").write_bytes(long_text(4_000_000))
    raw = contents(folder)
    program = start("lmzip", *there, "-4", "--block-size", "100k", "--json-progress", "large")
    wait_for_progress(program)
    os.kill(program.pid, number)
    _, errors = program.communicate(timeout=60)
    assert (program.returncode, errors) == (-number, b"")
    assert contents(folder) == raw


def test_a_cluster_of_this_machine_ends_with_the_call(folder, tmp_path_factory) -> None:
    place = tmp_path_factory.mktemp("t")
    env = environment(TMPDIR=str(place))
    raw = contents(folder)
    done = run("lmzip", "--cluster", "local", "-T2", "-1", "-v", *raw, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1].endswith(b"2 processors of 1 nodes")
    assert names_in(place) == []
    assert names_in(folder) == sorted(f"{name}.lmz" for name in raw)


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9", "nowhere", "127.0.0.1:x"])
def test_no_cluster_no_work(folder, address) -> None:
    done = run("lmzip", "--cluster", address, "-1", "small-1")
    assert done.returncode == 1
    assert done.stderr.startswith(b"lmzip: cannot join the cluster %s: " % address.encode())
    assert done.stderr.count(b"\n") == 1
    assert "small-1" in names_in(folder)


# --- in this process --------------------------------------------------------------------------------------------------


def job(**changes) -> EncodeJob:
    settings = get_level(1)
    return EncodeJob(Registry().built_in(), TEXT, settings, Headers(settings), True, **changes)


@pytest.fixture
def engine(nodes):
    from lmzip.cluster import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lmzip.cluster.cluster.PATIENCE", 1.0)
        found = Cluster(nodes.address)
        yield found
        found.close()


def test_as_many_jobs_as_processors_and_some(nodes, engine) -> None:
    assert (engine.n_processors, engine.n_jobs) == (3, 5)
    nodes.wait_for_nodes()
    assert engine.n_nodes == 3


def test_memory_that_no_node_has_is_refused(engine) -> None:
    class Large(EncodeJob):
        def memory(self) -> int:
            return 1 << 42  # what Ray can still count

    large = Large(**vars(job()))
    with pytest.raises(MemoryLimitError, match="no node of the cluster has a processor and 4194496 MiB"):
        engine.do(large, lambda: None)


def test_work_that_nobody_wants_is_given_up(engine) -> None:
    class EndedError(Exception):
        pass

    def check() -> None:
        raise EndedError

    start = time.monotonic()
    with pytest.raises(EndedError):
        engine.do(EncodeJob(**vars(job()) | {"raw": long_text(3_000_000), "settings": get_level(4)}), check)
    output = io.BytesIO()
    codec.compress_stream(io.BytesIO(TEXT).read, output.write, level=1, engine=engine)
    assert time.monotonic() - start < 120


def test_another_version_refuses_the_work() -> None:
    from lmzip.cluster import node

    answer = node.do(job(), "0.0")
    assert isinstance(answer, LmzipError) and "this is 0.0" in str(answer)

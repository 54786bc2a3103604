"""What the system leaves to the process: told by made-up files of Linux, and by control groups of this machine."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cli_tools import long_text, run

from lmzip import system

UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
MIB = 1 << 20
MACHINE = "MemTotal:   9000 kB\nMemAvailable:    3000 kB\nSwapFree:   1000 kB\n"
V1_MAX = "9223372036854771712\n"  # what version 1 calls no limit


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A function that writes files of a made-up system with 16 processors and no limits."""
    for name, place in (("_MACHINE", "meminfo"), ("_GROUPS", "groups"), ("_PROCESS", "self")):
        monkeypatch.setattr(system, name, tmp_path / place)
    monkeypatch.setattr(resource, "getrlimit", lambda _: UNLIMITED)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)

    def write(contents: dict[str, str]) -> None:
        for name, text in contents.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)

    return write


def test_a_system_that_tells_nothing(files):
    assert system.available_threads() == 16
    assert system.free_memory() is system.idle_memory() is system.free_address_space() is None


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        ({"self/cgroup": "0::/a/b\n", "groups/a/b/cpu.max": "50000 100000\n"}, 1),
        ({"self/cgroup": "0::/a/b\n", "groups/a/b/cpu.max": "350000 100000\n"}, 4),
        ({"self/cgroup": "0::/a/b\n", "groups/a/b/cpu.max": "max 100000\n", "groups/a/cpu.max": "250000 100000\n"}, 3),
        ({"self/cgroup": "0::/\n", "groups/cpu.max": "400000 100000\n"}, 4),
        ({"self/cgroup": "0::/a:b/c\n", "groups/a:b/cpu.max": "400000 100000\n"}, 4),
        ({"self/cgroup": "0::/../b\n", "groups/b/cpu.max": "100000 100000\n", "groups/cpu.max": "200000 100000\n"}, 2),
        ({"self/cgroup": "1:name=systemd:/a\n0::/a\n", "groups/unified/a/cpu.max": "200000 100000\n"}, 2),
        ({"self/cgroup": "0::/a\n", "groups/a/cpu.max": "9900000 100000\n"}, 16),
        ({"self/cgroup": "0::/a\n", "groups/b/cpu.max": "100000 100000\n"}, 16),
        (
            {
                "self/cgroup": "3:cpu,cpuacct:/docker/1\n2:memory:/\n",
                "groups/cpu/docker/1/cpu.cfs_quota_us": "150000\n",
                "groups/cpu/docker/1/cpu.cfs_period_us": "100000\n",
            },
            2,
        ),
        (
            {
                "self/cgroup": "3:cpuacct,cpu:/docker/1\n",
                "groups/cpuacct,cpu/cpu.cfs_quota_us": "50000\n",
                "groups/cpuacct,cpu/cpu.cfs_period_us": "10000\n",
            },
            5,
        ),
        (
            {
                "self/cgroup": "1:cpu:/\n",
                "groups/cpu/cpu.cfs_quota_us": "-1\n",
                "groups/cpu/cpu.cfs_period_us": "100000\n",
            },
            16,
        ),
        ({"self/cgroup": "0::/\n", "groups/cpu.max": "\n"}, 16),
        ({"self/cgroup": "0::/\n", "groups/cpu.max": "0 0\n"}, 16),
        ({"self/cgroup": "0::/\n", "groups/cpu.max": "1 2 3\n"}, 16),
        ({"self/cgroup": "rubbish\n\n::\n", "groups/cpu.max": "100000 100000\n"}, 1),
    ],
)
def test_processors_are_those_that_the_process_may_use(files, contents, expected):
    files(contents)
    assert system.available_threads() == expected


def group(folder: str, version: int, limit: str, used: int, cached: int) -> dict[str, str]:
    """Return the files of a control group as to memory."""
    if version == 2:
        names, stat = ("memory.max", "memory.current"), f"file 9\nactive_file {cached}\ninactive_file 5\n"
    else:
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
        stat = f"active_file 7\ntotal_active_file {cached}\ntotal_inactive_file 5\n"
    return {f"{folder}/{names[0]}": limit, f"{folder}/{names[1]}": f"{used}\n", f"{folder}/memory.stat": stat}


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        ({"self/cgroup": "0::/a/b\n", **group("groups/a/b", 2, "max\n", 9000, 400)}, None),
        ({"self/cgroup": "0::/a/b\n", **group("groups/a/b", 2, "10000\n", 9000, 400)}, 1405),
        ({"self/cgroup": "0::/a/b\n", **group("groups/a/b", 2, "10000\n", 19000, 400)}, 0),
        (
            {
                "self/cgroup": "0::/a/b\n",
                **group("groups/a/b", 2, "100000\n", 9000, 400),
                **group("groups", 2, "12000\n", 10000, 300),
            },
            2305,
        ),
        (
            {
                "self/cgroup": "0::/a\n",
                **group("groups/a", 2, "100000\n", 9000, 400),
                "groups/a/memory.high": "11000\n",
            },
            2405,
        ),
        ({"self/cgroup": "4:memory:/x\n", **group("groups/memory/x", 1, V1_MAX, 9000, 400)}, None),
        ({"self/cgroup": "4:memory:/x\n", **group("groups/memory/x", 1, "10000\n", 9000, 400)}, 1405),
        ({"self/cgroup": "4:memory:/x/y\n0::/\n", **group("groups/memory/x", 1, "10000\n", 9000, 400)}, 1405),
        ({"self/cgroup": "4:memory:/elsewhere\n", **group("groups/memory", 1, "10000\n", 9000, 400)}, 1405),
        ({"self/cgroup": "0::/\n", "groups/memory.max": "10000\n"}, None),
    ],
)
def test_memory_of_groups(files, contents, expected):
    """The least that any group around the process leaves, beside what the machine has."""
    files({"meminfo": MACHINE} | contents)
    assert system.idle_memory() == (3000 << 10 if expected is None else expected)
    assert system.free_memory() == (4000 << 10 if expected is None else expected)


def test_memory_of_an_odd_machine(files):
    for text in ("", "MemAvailable: lots\n", "MemTotal: 5 kB\nSwapFree: 3 kB\n"):
        files({"meminfo": text})
        assert system.free_memory() is system.idle_memory() is None
    files({"meminfo": "MemAvailable: 7 kB\n"})
    assert system.free_memory() == system.idle_memory() == 7 << 10


def test_address_space_is_what_the_limits_leave(files, monkeypatch):
    page = os.sysconf("SC_PAGE_SIZE")
    files({"meminfo": MACHINE, "self/statm": "20 9 9 9 0 5 0\n"})
    for name, used in (("RLIMIT_AS", 20), ("RLIMIT_DATA", 5)):
        limit = getattr(resource, name)
        for left in (1000, -1000):
            soft = used * page + left
            monkeypatch.setattr(
                resource, "getrlimit", lambda n, limit=limit, soft=soft: (soft, soft) if n == limit else UNLIMITED
            )
            assert system.free_address_space() == system.free_memory() == max(0, left)
            assert system.idle_memory() == 3000 << 10


@pytest.fixture
def own_group() -> Iterator[dict[str, Path]]:
    """New control groups within those of this process, by controller; skips the test where none can be made."""
    made = {}
    try:
        for controller, file in (("cpu", "cpu.max cpu.cfs_quota_us"), ("memory", "memory.max memory.limit_in_bytes")):
            for parent in system._groups(controller):
                with suppress(OSError):
                    folder = parent / f"lmzip-test-{os.getpid()}"
                    folder.mkdir(exist_ok=True)
                    if any((folder / name).exists() for name in file.split()):
                        made[controller] = folder
                        break
                    folder.rmdir()
        if len(made) < 2:
            pytest.skip("no control group can be made here")
        yield made
    finally:
        for folder in set(made.values()):
            folder.rmdir()


def limit(folder: Path, values: dict[str, str]) -> None:
    """Set limits of a group, of whatever version."""
    for name, value in values.items():
        if (folder / name).exists():
            (folder / name).write_text(value)


def test_half_a_core_and_a_gigabyte(own_group, tmp_path):
    """In a group like a small container's: one thread of many, in all that looks; and what comes out is the same."""
    limit(own_group["cpu"], {"cpu.max": "50000 100000", "cpu.cfs_quota_us": "50000"})
    limit(own_group["memory"], {"memory.max": str(1 << 30), "memory.limit_in_bytes": str(1 << 30)})

    def enter() -> None:
        for folder in own_group.values():
            (folder / "cgroup.procs").write_text("0")

    code = "from lmzip import system; print(system.available_threads(), system.idle_memory())"
    done = subprocess.run([sys.executable, "-c", code], preexec_fn=enter, capture_output=True, check=True, text=True)
    n_threads, idle = map(int, done.stdout.split())
    around = system.idle_memory()  # of a group that may be as small itself
    assert n_threads == 1 and min(900 * MIB, (around or 1 << 30) // 2) < idle <= 1 << 30
    path, options = tmp_path / "a", ("-1", "--block-size=100k")
    path.write_bytes(long_text())
    expected = json.loads(run("lmzip", *options, "--estimate", "--json", path, preexec_fn=enter).stdout)
    assert expected["threads"] == 1
    packed = run("lmzip", *options, "-c", path, preexec_fn=enter)
    assert packed.stdout == run("lmzip", *options, "-T3", "-c", path).stdout and packed.stderr == b""
    assert run("lmunzip", data=packed.stdout, preexec_fn=enter).stdout == path.read_bytes()

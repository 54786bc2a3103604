"""What the system lets this process have, as far as it tells: processors, memory, address space.

By machine, by control group (version 1 or 2: the process's own and those around it), and by the process's own limits.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_PROCESS = Path("/proc/self")
_MACHINE = Path("/proc/meminfo")


def available_threads() -> int:
    """Return how many processors this process can keep busy: by its affinity and by quotas, rounded up."""
    n = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([n, *_quotas()]))


def free_memory() -> int | None:
    """Return the bytes of memory that can be had at all, free swap and address space counted; None if nothing tells."""
    machine = _machine()
    return _least([machine and sum(machine), *_groups_memory(), free_address_space()])


def idle_memory() -> int | None:
    """Return the bytes of memory that nobody uses, so that taking it swaps nothing out; None if nothing tells."""
    machine = _machine()
    return _least([machine and machine[0], *_groups_memory()])


def free_address_space() -> int | None:
    """Return the bytes that limits of address space (ulimit -v) and of data (-d) leave; None where there are none."""
    try:
        import resource

        sizes = [int(n) * os.sysconf("SC_PAGE_SIZE") for n in _words(_PROCESS / "statm")]
        used = {resource.RLIMIT_AS: sizes[0], resource.RLIMIT_DATA: sizes[5]}
        limits = {which: resource.getrlimit(which)[0] for which in used}
    except (ImportError, OSError, ValueError, IndexError):
        return None
    return _least(max(0, n - used[which]) for which, n in limits.items() if n != resource.RLIM_INFINITY)


def _least(sizes: Iterable[int | None]) -> int | None:
    return min((size for size in sizes if size is not None), default=None)


def _text(path: Path) -> str:
    """Return what the system says in a file, "" where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def _words(path: Path) -> list[str]:
    return _text(path).split()


def _machine() -> tuple[int, int] | None:
    """Return what Linux reckons a program can get without swapping others out, and free swap."""
    sizes = dict(re.findall(r"^(\w+): +(\d+) kB$", _text(_MACHINE), re.MULTILINE))
    available = sizes.get("MemAvailable")
    return None if available is None else (int(available) << 10, int(sizes.get("SwapFree", 0)) << 10)


def _groups(controller: str) -> Iterator[Path]:
    """Yield the folders, which need not be there, of the groups that this process is in as to a controller.

    A container may see no more of the path to its group than the root, which then is the group itself.
    """
    for line in _text(_PROCESS / "cgroup").splitlines():
        _, controllers, name = [*line.split(":", 2), "", ""][:3]
        if not controllers:
            roots = [_GROUPS, _GROUPS / "unified"]  # version 2, by itself or beside version 1
        elif controller in controllers.split(","):
            roots = [_GROUPS / controllers, _GROUPS / controller]  # several may be mounted as one
        else:
            continue
        parts = [part for part in name.split("/") if part]
        if ".." in parts:  # a group outside of what this process may see
            parts = []
        for root in roots:
            yield from (root.joinpath(*parts[:n]) for n in range(len(parts), -1, -1))


def _quotas() -> Iterator[int]:
    """Yield how many processors each group that limits them may use, rounded up."""
    for folder in _groups("cpu"):
        words = _words(folder / "cpu.max") or _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")
        try:
            quota, period = map(int, words)
        except ValueError:  # no such file, or no limit: `max`
            continue
        if quota > 0 and period > 0:  # -1: no limit
            yield -(-quota // period)


def _groups_memory() -> Iterator[int]:
    """Yield the bytes that each group with a limit of memory leaves; what is cached of files makes room."""
    for folder in _groups("memory"):
        for limit, used in (
            ("memory.max", "memory.current"),
            ("memory.high", "memory.current"),  # beyond it a group is slowed down until it hardly moves
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            try:
                left = int(_text(folder / limit)) - int(_text(folder / used))
            except ValueError:
                continue
            yield max(0, left + _cached(folder))


def _cached(folder: Path) -> int:
    """Return the bytes of files that a group and those within it keep in memory."""
    sizes = dict(re.findall(r"^(\w+) (\d+)$", _text(folder / "memory.stat"), re.MULTILINE))
    cached = 0
    for name in ("active_file", "inactive_file"):
        # Version 1 has names that begin with total_ for what those within keep, version 2 counts it anyway.
        cached += int(sizes.get(f"total_{name}") or sizes.get(name) or 0)
    return cached

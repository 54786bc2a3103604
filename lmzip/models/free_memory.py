"""How much memory this process may still take, as far as the system tells: so that work is refused before it begins."""

from __future__ import annotations

import os
import re
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_PROCESS = Path("/proc/self")
_MACHINE = Path("/proc/meminfo")


def free_memory() -> int | None:
    """Return bytes: the least that machine, control group and limit of address space leave; None if none tells."""
    return min((size for size in (_machine(), _control_group(), _address_space()) if size is not None), default=None)


def _machine() -> int | None:
    """Return what Linux reckons a program can get without swapping others out, and free swap."""
    try:
        sizes = dict(re.findall(r"^(\w+): +(\d+) kB$", _MACHINE.read_text(), re.MULTILINE))
        return (int(sizes["MemAvailable"]) + int(sizes.get("SwapFree", 0))) << 10
    except (OSError, ValueError, KeyError):
        return None


def _control_group() -> int | None:
    """Return what the process's own group of version 2 leaves; what is cached of files makes room."""
    try:
        name = re.search(r"^0::/(.*)$", (_PROCESS / "cgroup").read_text(), re.MULTILINE)
        folder = _GROUPS / (name[1] if name else "")
        limit, used = (int((folder / file).read_text()) for file in ("memory.max", "memory.current"))
        cached = re.findall(r"^(?:in)?active_file (\d+)$", (folder / "memory.stat").read_text(), re.MULTILINE)
        return max(0, limit - used + sum(map(int, cached)))
    except (OSError, ValueError):  # no such group, or its limit is `max`
        return None


def _address_space() -> int | None:
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit == resource.RLIM_INFINITY:
            return None
        return max(0, limit - int((_PROCESS / "statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE"))
    except (ImportError, OSError, ValueError, IndexError):
        return None

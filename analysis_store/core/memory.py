"""How much can be read: nothing is allocated for a file before it is known to fit."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from analysis_store.errors import TooLargeError

SMALL_ENOUGH = 64 << 20
"""Bytes up to which nothing is asked before they are taken."""

_MEMINFO = Path("/proc/meminfo")
_CONTAINERS = (
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current", "inactive_file"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Where a container, of either version of cgroups, says how much its processes may have, have, and could give back."""


def available_memory() -> int:
    """Return how many bytes could be had now, by what the system says of itself and of this process's container."""
    try:
        lines = _MEMINFO.read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([free, *map(_free_in, *zip(*_CONTAINERS, strict=True))])


def _free_in(folder: Path, limit: str, used: str, cached: str) -> int:
    """Return how many bytes a container has left; a number that no machine has where there is no limit ("max")."""
    free = sys.maxsize
    with suppress(OSError, ValueError):
        free = int((folder / limit).read_text(encoding="ascii"))
        told = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
        free -= max(0, int((folder / used).read_text(encoding="ascii")) - int(told.get(cached, 0)))
    return max(0, free)


def check_fits(size: int, what: object, advice: str = "Read a slice of it.") -> None:
    """Refuse, before anything is allocated, what does not fit into memory.

    Raises
    ------
    TooLargeError
        ``size`` bytes are more than there is.
    """
    if size > SMALL_ENOUGH and size > (free := available_memory()):
        raise TooLargeError(f"{what} would take {size} bytes, {free} are free. {advice}")

"""A check that values fit into memory before memory is allocated."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from analysis_store.errors import TooLargeError

SMALL_ENOUGH = 64 << 20
"""Largest size, bytes, that is allocated without a check."""

_MEMINFO = Path("/proc/meminfo")
_CONTAINERS = (
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current", "inactive_file"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Where a container, of either version of cgroups, says how much its processes may have, have, and could give back."""


def available_memory() -> int:
    """Return the number of free bytes, from the limits of the system and of this process's container."""
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
    """Refuse values that do not fit into memory, before allocating.

    Raises
    ------
    TooLargeError
        ``size`` bytes are not available.
    """
    if size > SMALL_ENOUGH and size > (free := available_memory()):
        raise TooLargeError(f"{what} would take {size} bytes, {free} are free. {advice}")

"""How much can be read: nothing is allocated for a file before it is known to fit."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from analysis_store.errors import TooLargeError

SMALL_ENOUGH = 64 << 20
"""Bytes up to which nothing is asked before they are taken."""

_MEMINFO = Path("/proc/meminfo")
_LIMITS = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where a container of either version of cgroups says how much its processes may have."""


def available_memory() -> int:
    """Return how many bytes could be had now, by what the system says of itself and of this process's container."""
    try:
        lines = _MEMINFO.read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in _LIMITS:
        with suppress(OSError, ValueError):  # no container, or one without a limit ("max")
            free = min(free, int(limit.read_text(encoding="ascii")))
    return free


def check_fits(size: int, what: object, advice: str = "Read a slice of it.") -> None:
    """Refuse, before anything is allocated, what does not fit into memory.

    Raises
    ------
    TooLargeError
        ``size`` bytes are more than there is.
    """
    if size > SMALL_ENOUGH and size > (free := available_memory()):
        raise TooLargeError(f"{what} would take {size} bytes, {free} are free. {advice}")

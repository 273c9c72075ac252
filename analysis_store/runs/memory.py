"""How much can be read: nothing is allocated for a file before it is known to fit."""

from __future__ import annotations

import os
import re
from pathlib import Path

from analysis_store.errors import TooLargeError


def check_fits(size: int, path: Path) -> None:
    """Refuse ``size`` bytes of a file when there is less memory than that.

    Raises
    ------
    TooLargeError
        Names the file, what it declares and what is free.
    """
    free = available_memory()
    if size > free:
        raise TooLargeError(
            f"{path} declares {size} bytes of data and {free} are free in memory; take a part of it with dataset=."
        )


def available_memory() -> int:
    """Return the bytes that can be had without swapping; half of what is built in where the system does not tell."""
    try:
        found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"))
    except OSError:
        found = None
    if found:
        return int(found[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2

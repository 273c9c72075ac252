"""What was read from a file, remembered for as long as nobody can have written to the file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

T = TypeVar("T")

SETTLED = 2.0
"""Seconds. Clocks of file systems go in steps, those of FAT in the longest: two changes within a step look like one."""


def stamp(status: os.stat_result) -> tuple[int, ...]:
    """Return what changes when a file is written. The time of the last change of status cannot be set back."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev


def remembered(read: Callable[[str], T]) -> Callable[[str, os.stat_result], T]:
    """Return a function of a path and its present status that reads the file again only where it may have changed."""

    @lru_cache(maxsize=4096)  # many results come from one file
    def known(path: str, _: tuple[int, ...]) -> T:
        return read(path)

    @wraps(read)
    def current(path: str, status: os.stat_result) -> T:
        return read(path) if time.time() - status.st_ctime < SETTLED else known(path, stamp(status))

    return current

"""Cache of values read from files, valid while the file cannot have been written."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

T = TypeVar("T")

SETTLED = 2.0
"""Seconds. Clocks of file systems advance in steps, the longest in FAT; changes within a step have the same time."""


def stamp(status: os.stat_result) -> tuple[int, ...]:
    """Return the values that change when a file is written. The time of the last status change cannot be set back."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev


def remembered(read: Callable[[str], T]) -> Callable[[str, os.stat_result], T]:
    """Return a function of a path and its present status that reads the file again only if it may have changed."""

    @lru_cache(maxsize=4096)  # many results come from one file
    def known(path: str, _: tuple[int, ...]) -> T:
        return read(path)

    @wraps(read)
    def current(path: str, status: os.stat_result) -> T:
        return read(path) if time.time() - status.st_ctime < SETTLED else known(path, stamp(status))

    return current

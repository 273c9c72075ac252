"""The lock of a file that one process writes; it is next to the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis_store.errors import StoreBusyError
from analysis_store.locks import FileLock, holder_of, is_held

if TYPE_CHECKING:
    from pathlib import Path

_PATIENCE = 0.1
"""Seconds to wait: a reader that checks for a writer holds the lock for a moment."""


def lock_to_write(path: Path) -> FileLock:
    """Return the lock of a file that will be written.

    Raises
    ------
    StoreBusyError
        Another process, or this one, holds it; the message names the holder and the time.
    """
    where = lock_path(path)
    lock = FileLock.acquire(where, _PATIENCE)
    if lock is None:
        raise StoreBusyError(f"{path} is being written by {holder_of(where)}. Wait until it has ended.")
    return lock


def lock_path(path: Path) -> Path:
    """Return the path of a file's lock."""
    return path.with_name(f"{path.name}.lock")


def is_written(path: Path) -> bool:
    """Return True if a process holds the lock of a file."""
    return is_held(lock_path(path))

"""The lock of a file that one process writes: it lies beside the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis_store.errors import StoreBusyError
from analysis_store.locks import FileLock, holder_of, is_held

if TYPE_CHECKING:
    from pathlib import Path

_PATIENCE = 0.1
"""Seconds; a reader that looks whether there is a writer has the lock for a moment."""


def lock_to_write(path: Path) -> FileLock:
    """Return the lock of a file that is going to be written.

    Raises
    ------
    StoreBusyError
        Another process, or this one, holds it; the message tells which and since when.
    """
    where = lock_path(path)
    lock = FileLock.acquire(where, _PATIENCE)
    if lock is None:
        raise StoreBusyError(f"{path} is being written by {holder_of(where)}. Wait until it has ended.")
    return lock


def lock_path(path: Path) -> Path:
    """Return where the lock of a file lies."""
    return path.with_name(f"{path.name}.lock")


def is_written(path: Path) -> bool:
    """Say whether a process has the lock of a file."""
    return is_held(lock_path(path))

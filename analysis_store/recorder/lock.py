"""The lock of a file that one process writes: it lies beside the file."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from analysis_store.errors import StoreBusyError
from analysis_store.locks import FileLock, holder_of, is_held

if TYPE_CHECKING:
    from pathlib import Path

_PATIENCE = 0.1
"""Seconds; a reader that looks whether there is a writer has the lock for a moment."""


class WriterLock:
    """Held from the making to `release`, or to the death of the process.

    Parameters
    ----------
    path : Path
        The file that is going to be written; the lock lies beside it.

    Raises
    ------
    StoreBusyError
        Another process, or this one, holds it; the message tells which and since when.
    """

    def __init__(self, path: Path) -> None:
        self.path: Path = lock_path(path)
        self._lock = self._taken(path)

    def _taken(self, path: Path) -> FileLock:
        until = time.monotonic() + _PATIENCE
        while (lock := FileLock.taken(self.path)) is None:
            if time.monotonic() >= until:
                raise StoreBusyError(f"{path} is being written by {holder_of(self.path)}. Wait until it has ended.")
            time.sleep(0.01)
        return lock

    def release(self) -> None:
        """Give it up; a second call changes nothing."""
        self._lock.release()

    def forget(self) -> None:
        """Leave it to the process that this one was forked from."""
        self._lock.forget()


def lock_path(path: Path) -> Path:
    """Return where the lock of a file lies."""
    return path.with_name(f"{path.name}.lock")


def is_written(path: Path) -> bool:
    """Say whether a process has the lock of a file."""
    return is_held(lock_path(path))

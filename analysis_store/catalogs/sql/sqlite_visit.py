"""One read of an SQLite catalog by a process that may not write the file, or not its folder.

SQLite keeps recent changes in a log next to the file, and creates that log even to read, which a read-only user
cannot. If the log exists, because a process has the catalog open or died with it, SQLite reads both as usual. If not,
the file is complete, and SQLite reads it in immutable mode. If a process changes it all the same, the data read
are discarded and read again.

https://www.sqlite.org/wal.html#read_only_databases
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

from analysis_store.errors import StoreBusyError, StoreWriteError

_TICK = 0.05
"""Seconds after which a further change of a file certainly changes its time."""

_TRIES = 100
"""Number of attempts; each can fail only if a process closes the catalog between two calls."""


def is_visitor(path: Path) -> bool:
    """Return True if a catalog exists and this process may only read it."""
    return os.access(path, os.F_OK) and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))


class Visit(sqlite3.Connection):
    """A connection for one read; created by `visit`."""

    path: Path
    state: tuple[int, ...] | None
    """State of the file when it was opened; None if SQLite itself prevents changes."""

    def check(self) -> None:
        """Raise if the file was changed since it was opened.

        Raises
        ------
        StoreBusyError
            The file was changed.
        """
        if self.state is not None and self.state != _state(self.path):
            raise StoreBusyError(f"The catalog {self.path} changed while it was read. Try again.")


def visit(path: Path, **options: object) -> Visit:
    """Open a catalog for one read.

    Parameters
    ----------
    path : Path
        The file of the catalog, absolute.
    **options
        For `sqlite3.connect`.

    Raises
    ------
    StoreBusyError
        Other processes open and close it too often.
    StoreWriteError
        A person with write permission must recover it first.
    sqlite3.Error
        SQLite cannot read it.
    """
    for _ in range(_TRIES):
        logged = _has_log(path)
        if logged and not path.with_name(f"{path.name}-shm").exists() and _has_log(path):
            raise StoreWriteError(
                f"A process died while it wrote the catalog {path}, which is read-only for you. Ask a person with "
                "write "
                "permission to open the store once, which recovers it."
            )
        try:
            return _opened(path, None if logged else _settled(path), options)
        except sqlite3.OperationalError:
            if not logged or _has_log(
                path
            ):  # else the last process that had the catalog open has closed it and removed the log
                raise
    raise StoreBusyError(f"The catalog {path} is opened and closed continually. Try again later.")


def _opened(path: Path, state: tuple[int, ...] | None, options: dict[str, Any]) -> Visit:
    uri = f"{path.as_uri()}?mode=ro{'' if state is None else '&immutable=1'}"
    connection = sqlite3.connect(uri, uri=True, factory=Visit, **options)
    connection.path, connection.state = path, state
    try:
        connection.execute("PRAGMA schema_version").fetchall()  # opens the file, which SQLite defers until first use
    except BaseException:
        connection.close()
        raise
    return connection


def _has_log(path: Path) -> bool:
    """Return True if reading needs more than the file; an empty log holds nothing."""
    return any(_size(path.with_name(path.name + suffix)) for suffix in ("-wal", "-journal"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _state(path: Path) -> tuple[int, ...]:
    told = path.stat()
    return told.st_ino, told.st_size, told.st_mtime_ns


def _settled(path: Path) -> tuple[int, ...]:
    """Return a fingerprint of the file that differs after any change; wait if its time is too recent for that."""
    while 0 <= time.time() - path.stat().st_mtime < _TICK:
        time.sleep(_TICK / 5)
    return _state(path)

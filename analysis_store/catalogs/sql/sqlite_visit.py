"""A visit: one look into a catalog in SQLite by somebody who may not write it, or not into its folder.

SQLite keeps what is new in a log beside the file, and makes that log even to read; a visitor cannot. Where the log is
there, because somebody has the catalog open, or died with it, SQLite reads both as ever. Where it is not, the file is
all there is, and SQLite reads it when told that nobody changes it. Somebody may do so all the same: what was read
meanwhile is thrown away then, and read again.

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
"""Seconds, and more than it takes until a further change of a file has another time."""

_TRIES = 100
"""Each time, somebody must have closed the catalog between two calls."""


def is_visitor(path: Path) -> bool:
    """Tell whether a catalog is there, and is ours to read only."""
    return os.access(path, os.F_OK) and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))


class Visit(sqlite3.Connection):
    """A connection for one look; made by `visit`."""

    path: Path
    state: tuple[int, ...] | None
    """What the file was when it was opened; None where SQLite itself sees to it that nothing changes."""

    def check(self) -> None:
        """Refuse what was read, if the file was changed meanwhile.

        Raises
        ------
        StoreBusyError
            It was.
        """
        if self.state is not None and self.state != _state(self.path):
            raise StoreBusyError(f"the catalog {self.path} changed while it was read; try again")


def visit(path: Path, **options: object) -> Visit:
    """Open a catalog for one look.

    Parameters
    ----------
    path : Path
        The file of the catalog, absolute.
    **options
        For `sqlite3.connect`.

    Raises
    ------
    StoreBusyError
        Others open and close it faster than we can.
    StoreWriteError
        It must be put in order first, by somebody who may write it.
    sqlite3.Error
        SQLite cannot read it.
    """
    for _ in range(_TRIES):
        logged = _has_log(path)
        if logged and not path.with_name(f"{path.name}-shm").exists() and _has_log(path):
            raise StoreWriteError(
                f"a process died while it wrote the catalog {path}, which you may only read; it is put in order by the "
                "next who may write it: ask them to open the store once"
            )
        try:
            return _opened(path, None if logged else _settled(path), options)
        except sqlite3.OperationalError:
            if not logged or _has_log(path):  # else the log went meanwhile: whoever had the catalog open has closed it
                raise
    raise StoreBusyError(f"the catalog {path} is opened and closed all the time; try again later")


def _opened(path: Path, state: tuple[int, ...] | None, options: dict[str, Any]) -> Visit:
    uri = f"{path.as_uri()}?mode=ro{'' if state is None else '&immutable=1'}"
    connection = sqlite3.connect(uri, uri=True, factory=Visit, **options)
    connection.path, connection.state = path, state
    try:
        connection.execute(
            "PRAGMA schema_version"
        ).fetchall()  # opens the file, which SQLite puts off until it is asked
    except BaseException:
        connection.close()
        raise
    return connection


def _has_log(path: Path) -> bool:
    """Tell whether more than the file is needed to read it; an empty log tells nothing."""
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
    """Return what tells the file as it is now from what it is after a change; wait where its time would not."""
    while 0 <= time.time() - path.stat().st_mtime < _TICK:
        time.sleep(_TICK / 5)
    return _state(path)

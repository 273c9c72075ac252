"""A catalog rebuilt from the files alone: missing entries of an existing one, or a complete new one."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis_store import settings
from analysis_store.catalogs import open_catalog
from analysis_store.core.atomic_files import publish
from analysis_store.errors import DamagedFileError, SettingsError, StoreBusyError
from analysis_store.locks import FileLock, holder_of
from analysis_store.progress import silent
from analysis_store.trust.reindexing.rebuild import ReindexReport, filled

if TYPE_CHECKING:
    from analysis_store.run_store import RunStore

_NEW = ".rebuilt"
_SQLITE = "sqlite:///"


def reindex(
    store: RunStore | str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    scratch: bool = False,
    everything: bool = False,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ReindexReport:
    """Rebuild the catalog of a store from its files.

    Runs and notes that the catalog lacks are entered, by start time, then by the time at which their file was written,
    so that they are found in the order in which they were; only a run that is entered after others of the very same
    start time counts as the newest of them. Runs of the catalog without a file are reported and kept.

    Parameters
    ----------
    store : AnalysisStore or location
        A location whose catalog cannot be opened: a damaged SQLite file is renamed to
        ``catalog.sqlite.damaged-<time>`` and rebuilt, like a missing one.
    root : path, optional
        As in `analysis_store.AnalysisStore`.
    scratch : bool
        Move a sound catalog away, too; only for SQLite, and only by its location, while no process has it open.
    everything : bool
        Add every run again, also those that the catalog has: its documents, its lineage and its index entries are
        then those of its file. Others may use the store meanwhile.
    workers : int, optional
        Threads or processes that read files.
    progress : callable, optional
        ``progress(done, total)``, in files; by default a bar, if a person is watching.

    Returns
    -------
    ReindexReport

    Raises
    ------
    SettingsError
        There is no store, or its catalog is in a database that we must not replace.
    StoreBusyError
        Another process is doing it.

    Examples
    --------
    >>> reindex("/data/analysis")  # doctest: +SKIP
    """
    if not isinstance(store, (str, os.PathLike)):
        if scratch:
            raise SettingsError(
                f"the catalog of {store.location} is open; close the store, then name its location: "
                "reindex(location, scratch=True)"
            )
        return filled(store.catalog, store.root, workers, progress, everything=everything)
    place = settings.place_of(store, root)
    if settings.load(place.folder) is None and not place.root.is_dir():
        raise SettingsError(f"There is no store in {place.label}; expected {place.folder / settings.FILE_NAME}.")
    if not place.uri.startswith(_SQLITE):
        if scratch:
            raise SettingsError(f"the catalog of {place.label} is a database; empty it yourself, then reindex it.")
        with closing(open_catalog(place.uri)) as catalog:
            return filled(catalog, place.root, workers, progress, everything=everything)
    file = Path(place.uri.removeprefix(_SQLITE)).absolute()
    return _sqlite(place, file, workers, progress, scratch=scratch, everything=everything)


def _sqlite(
    place: settings.Place, file: Path, workers: int | None, progress: Any, *, scratch: bool, everything: bool
) -> ReindexReport:
    """Complete a catalog of SQLite; if it cannot be used, build another next to it and replace it."""
    lock = FileLock.acquire(file.with_name(f".{file.name}.lock"))
    if lock is None:
        holder = holder_of(file.with_name(f".{file.name}.lock"))
        raise StoreBusyError(f"{file} is being rebuilt by {holder}. Wait until it has ended.")
    try:
        if not scratch and file.exists() and _is_sound(file):
            with closing(open_catalog(place.uri)) as catalog:
                return filled(catalog, place.root, workers, progress, everything=everything)
        return _rebuilt(place, file, workers, progress)
    finally:
        lock.release()


def _is_sound(file: Path) -> bool:
    """Return True if a catalog can be opened, and SQLite finds no fault in it.

    Raises
    ------
    StoreBusyError, StoreWriteError
        The catalog is locked or unreadable: it is not damaged, and we must not replace it.
    """
    from analysis_store.catalogs.sql.sqlite_damage import damage_of

    if damage_of(file) is not None:
        return False
    try:
        open_catalog(f"{_SQLITE}{file}").close()  # raises the reason
    except DamagedFileError:
        return False
    return damage_of(file) is None  # an older one was upgraded by that


def _rebuilt(place: settings.Place, file: Path, workers: int | None, progress: Any) -> ReindexReport:
    """Build a catalog next to its place, and move it there when it is complete.

    A kill leaves the old one, or none, and an incomplete new one, which is never used: it is built from the
    start the next time. What is saved while the new one takes its place is found by looking once more.
    """
    new = file.with_name(file.name + _NEW)
    _remove(new)
    with closing(open_catalog(f"{_SQLITE}{new}")) as catalog:
        first = filled(catalog, place.root, workers, progress)
        _settle(new)
    aside = _exchanged(new, file)
    with closing(open_catalog(place.uri)) as catalog:
        second = filled(catalog, place.root, workers, silent)
    return ReindexReport(first.runs + second.runs, 0, second.notes, second.findings, aside)


def _settle(file: Path) -> None:
    """Bring all of a catalog into its one file, so that it can be renamed."""
    import sqlite3

    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _exchanged(new: Path, file: Path) -> str | None:
    """Put a new catalog in the place of the old one, and return the new location of the old one."""
    first: str | None = None
    while True:
        aside = _put_aside(file)
        first = first or aside
        with suppress(FileExistsError):  # another process has opened the store meanwhile, and created an empty one
            publish(new, file)
            return first


def _put_aside(file: Path) -> str | None:
    """Rename a catalog with all files of SQLite next to it, which a new one must not use; nothing is removed."""
    stamp = f"{file.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    names = itertools.chain([stamp], (f"{stamp}-{number}" for number in itertools.count(2)))
    target = next(path for path in map(file.with_name, names) if not path.exists())
    for suffix in ("", "-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            file.with_name(file.name + suffix).rename(target.with_name(target.name + suffix))
    return str(target) if target.exists() else None


def _remove(file: Path) -> None:
    """Remove the half of a catalog that was being built; all of it is in the files."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)

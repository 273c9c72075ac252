"""The catalog in a backup: a snapshot, which replaces the last one when all its files are there."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from analysis_store.errors import DamagedFileError, SettingsError, StoreBusyError, StoreWriteError
from analysis_store.folders import sync_file, sync_folder
from analysis_store.layout import SCRATCH_SUFFIX, scratch_path
from analysis_store.locks import is_running
from analysis_store.trust.inventory import scratch_owner

if TYPE_CHECKING:
    from analysis_store.run_store import RunStore

CATALOG, DUMP = "catalog.sqlite", "catalog.pgdump"


class Snapshot:
    """A snapshot of the catalog of a store.

    Parameters
    ----------
    store : AnalysisStore
        Whose.
    target : Path
        The folder of the backup.
    """

    def __init__(self, store: RunStore, target: Path) -> None:
        self._target = target
        _remove_leftovers(target)
        # before a dump, which then includes all of them; for a copy of SQLite, its own content
        before = {} if store.catalog.info()["kind"] == "sqlite" else dict(store.catalog.paths())
        self.kind: str = self._taken(store)
        """``"sqlite"``, ``"pg_dump"``, or ``"none"``: rebuilt from the files when the backup is opened."""
        self.paths: dict[str, str] = dict(self._sqlite_paths()) if self.kind == "sqlite" else before
        """The run file of every uid, relative to the root."""

    def _taken(self, store: RunStore) -> str:
        info = store.catalog.info()
        if info["kind"] == "sqlite":
            self._final, self._scratch = self._target / CATALOG, scratch_path(self._target / CATALOG)
            _copy_sqlite(Path(str(info["location"])), self._scratch)
            return "sqlite"
        self._final, self._scratch = self._target / DUMP, scratch_path(self._target / DUMP)
        if info["kind"] == "postgresql" and shutil.which("pg_dump"):
            _dump_postgresql(store._address.location, self._scratch)  # noqa: SLF001 - the one place that has it whole
            return "pg_dump"
        return "none"

    def _sqlite_paths(self) -> Iterator[tuple[str, str]]:
        with _connected(self._scratch) as connection:
            yield from connection.execute("SELECT uid, path FROM run")

    def refuse_to_forget(self, is_removed: Callable[[str], bool]) -> None:
        """Raise if the present catalog has runs that this one lacks, and that were not removed.

        Raises
        ------
        SettingsError
            The backup was used as a store; or the store has lost its catalog, and the backup is the only copy.
        """
        if self.kind != "sqlite" or not self._final.exists():
            return
        with _connected(self._final) as connection:
            known = {uid for (uid,) in connection.execute("SELECT uid FROM run")}
        if lost := sorted(uid for uid in known - set(self.paths) if not is_removed(uid)):
            raise SettingsError(
                f"the backup {self._target} has {len(lost)} runs that the store has not, e.g. {lost[0]}. If the store "
                "has lost them, restore or reindex it; if they were saved into the backup, sync them into the store. "
                "Or name another folder"
            )

    def put(self) -> None:
        """Replace the present catalog."""
        if self.kind == "none":
            return
        if self.kind == "sqlite" and self._final.exists():
            _close_sqlite(self._final)
        self._scratch.replace(self._final)
        sync_folder(self._target)

    def discard(self) -> None:
        """Remove a snapshot that was not put into place."""
        for suffix in ("", "-wal", "-shm", "-journal"):
            with suppress(OSError):
                self._scratch.with_name(self._scratch.name + suffix).unlink(missing_ok=True)


def _remove_leftovers(target: Path) -> None:
    """Remove the scratch files of backups that were killed."""
    for path in target.glob(f".*{SCRATCH_SUFFIX}*"):
        name, _, _ = path.name.rpartition(SCRATCH_SUFFIX)
        owner = scratch_owner(path.with_name(f"{name}{SCRATCH_SUFFIX}"))
        if owner is not None and not is_running(owner):
            path.unlink(missing_ok=True)


def _copy_sqlite(source: Path, target: Path) -> None:
    """Copy a database in one step, while others write to it."""
    with _connected(source) as ours, _connected(target) as theirs:
        ours.backup(theirs)
        (state,) = theirs.execute("PRAGMA quick_check(1)").fetchone()
        if state != "ok":
            raise DamagedFileError(
                f"the catalog {source} is damaged ({state}); rebuild it from its files, then try again"
            )
        theirs.execute("PRAGMA journal_mode=WAL").fetchall()
    sync_file(target)


def _close_sqlite(path: Path) -> None:
    """Leave nothing of a database outside its file, so that another can take its place."""
    with _connected(path) as connection:
        (mode,) = connection.execute("PRAGMA journal_mode=DELETE").fetchone()
    if mode != "delete":
        raise StoreBusyError(f"the backup {path} is open as a store elsewhere; close it there, then try again")


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            yield connection
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise StoreBusyError(f"{path} is in use elsewhere ({error}); close it there, then try again") from error
        raise StoreWriteError(
            f"{path} cannot be copied or read: {error}. The last backup is whole; free space or fix the permission"
        ) from error
    except sqlite3.DatabaseError as error:
        raise DamagedFileError(f"{path} is damaged or not a catalog: {error}. Rebuild it from its files.") from error


def _dump_postgresql(uri: str, target: Path) -> None:
    """Write our tables for ``pg_restore``; the password is hidden from lists of processes."""
    from analysis_store.catalogs.sql.schema import metadata, version

    parts = urlsplit(uri)
    bare = parts._replace(scheme="postgresql", netloc=parts.netloc.replace(f":{parts.password}@", "@")).geturl()
    around = {**os.environ, **({"PGPASSWORD": unquote(parts.password)} if parts.password else {})}
    tables = [f"--table={name}" for name in (*metadata.tables, version.name)]
    command = ["pg_dump", "--format=custom", f"--file={target}", *tables, f"--dbname={bare}"]
    done = subprocess.run(command, env=around, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise StoreWriteError(
            f"pg_dump of the catalog failed: {done.stderr.strip()}. The last backup is whole. pg_dump has to be of the "
            "version of the server or newer, and the server to be there; then do it again"
        )
    sync_file(target)

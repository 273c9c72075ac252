"""Connections to a SQL database: creation, transactions, and translation of errors."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from analysis_store.catalogs.sql import sqlite_visit
from analysis_store.catalogs.sql.schema import HEAD, check_version, ensure, found_version
from analysis_store.catalogs.sql.sqlite_damage import DAMAGED, damage_of
from analysis_store.errors import (
    AnalysisStoreError,
    DamagedFileError,
    MissingDependencyError,
    SettingsError,
    StoreBusyError,
    StoreVersionError,
    StoreWriteError,
)

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

PATIENCE = 30.0
"""Seconds to wait for a lock of another process."""

_FILE = "file"
"""Key under which an SQLite connection stores device and inode of its file."""

T = TypeVar("T")

_VISITING = "visiting"
"""Engine option for a database that this process may only read."""

_WRITES = "writes"
"""Key under which a connection stores the durability of its writes."""

_DURABLE, _LAX = "durable", "lax"

_SQLITE_BUSY = {5, 6}  # https://www.sqlite.org/rescode.html


def make_engine(uri: str | URL) -> Engine:
    """Return the engine for a database, without touching the database yet."""
    try:
        url = make_url(uri)
    except ArgumentError as error:
        raise SettingsError(
            f"Got {uri!r}; expected the URI of a database, such as sqlite:///catalog.sqlite."
        ) from error
    if url.get_backend_name() == "sqlite":
        return _sqlite(url)
    if url.get_backend_name() == "postgresql":
        return _postgresql(url)
    raise SettingsError(f"Got {url.drivername}:// for a SQL catalog; expected sqlite:/// or postgresql://.")


def _sqlite(url: URL) -> Engine:
    if url.database in (None, "", ":memory:"):
        raise SettingsError(f"Got {url}, a catalog in memory, which would be lost; expected sqlite:///path/to/file.")
    # absolute: otherwise a process that changes its directory would open another file with its next connection
    url = url.set(drivername="sqlite+pysqlite", database=str(Path(str(url.database)).absolute()))
    # isolation_level None: we begin transactions explicitly (see _begin), the driver would begin too late for a lock
    options = {"timeout": PATIENCE, "isolation_level": None, "check_same_thread": False}
    if sqlite_visit.is_visitor(Path(str(url.database))):
        return _visiting(url, options)
    # the pool gives a connection to one thread at a time, with as many connections as threads
    engine = create_engine(url, connect_args=options, max_overflow=-1)
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    event.listen(engine, "invalidate", _let_go)
    return engine


def _visiting(url: URL, options: dict[str, Any]) -> Engine:
    """Return a read-only engine that opens the file again each time, since others may have written."""

    def visit() -> sqlite_visit.Visit:
        return sqlite_visit.visit(Path(str(url.database)), **options)

    return create_engine(url, creator=visit, poolclass=NullPool, execution_options={_VISITING: True})


def _is_visiting(engine: Engine) -> bool:
    return bool(engine.get_execution_options().get(_VISITING))


def _set_up(connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA cache_size=-65536")  # 64 MiB at most: inserts touch many pages of the index
    cursor.execute("PRAGMA wal_autocheckpoint=4000")  # pages; pages that many inserts change are copied back once
    (_, _, path), *_ = cursor.execute("PRAGMA database_list").fetchall()
    cursor.execute("PRAGMA schema_version").fetchall()  # opens the file, which SQLite defers until first use
    cursor.close()
    record.info[_FILE] = _file_at(path)


def _file_at(path: str) -> tuple[int, int] | None:
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _check_place(connection: Connection) -> None:
    """Raise if the file was removed or replaced since it was opened: data written to it would be lost."""
    path = location(connection.engine)
    if _FILE in connection.info and connection.info[_FILE] != _file_at(path):
        raise StoreWriteError(
            f"The catalog {path} was removed or replaced while it was open, nothing was changed. Restore it, or open "
            "the store again."
        )


def _begin(connection: Connection) -> None:
    if (writes := connection.get_execution_options().get(_WRITES)) is not None:
        if connection.info.get(_WRITES) != writes:
            connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if writes == _DURABLE else 'NORMAL'}")
            connection.info[_WRITES] = writes
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # the only place that waits for and takes the lock


def _let_go(connection: Any, *_: object) -> None:
    # After Ctrl-C the connection is closed, yet it keeps the lock for as long as the traceback keeps a cursor alive:
    # in an interactive session, until the next error.
    connection.rollback()


def _postgresql(url: URL) -> Engine:
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "A catalog in PostgreSQL needs psycopg. Install it with: pip install 'analysis-store[postgres]'"
        ) from error
    options = {"connect_timeout": int(PATIENCE), "options": f"-c lock_timeout={int(PATIENCE * 1000)}"}
    return create_engine(url.set(drivername="postgresql+psycopg"), connect_args=options, max_overflow=-1)


def location(engine: Engine) -> str:
    """Return the location of the database for people: a path, or a URI without its password."""
    return str(engine.url.database) if engine.dialect.name == "sqlite" else engine.url.render_as_string()


def read(engine: Engine, look: Callable[[Connection], T]) -> T:
    """Return the result of a read; repeat it for a read-only reader if the database changed meanwhile."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with _translated(engine), _lent(engine) as connection, _visited(connection):
                return look(connection)
        except StoreBusyError:
            if not _is_visiting(engine) or time.monotonic() > deadline:
                raise


@contextmanager
def _visited(connection: Connection) -> Iterator[None]:
    try:
        yield
    finally:  # after any error, since a change of the database may be the cause
        if _is_visiting(connection.engine):
            connection.connection.driver_connection.check()  # type: ignore[union-attr]  # a Visit


@contextmanager
def writing(engine: Engine, durable: bool = True) -> Iterator[Connection]:
    """Yield a connection in a transaction, which is committed at the end, or rolled back after any error.

    A transaction that is not durable is not synced to disk, which would take most of its time.
    """
    check_writable(engine)
    kind = _DURABLE if durable else _LAX
    with _translated(engine), _lent(engine, **{_WRITES: kind}) as connection, connection.begin():
        if not durable and engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
        _check_place(connection)
        yield connection


@contextmanager
def _lent(engine: Engine, **options: Any) -> Iterator[Connection]:
    """Yield a connection; discard it after Ctrl-C, since its lock and snapshot are unknown."""
    with engine.connect().execution_options(**options) as connection:
        try:
            yield connection
        except Exception:
            raise
        except BaseException:
            connection.invalidate()
            raise


def prepare(engine: Engine) -> None:
    """Create the tables in a new database, upgrade those of an older version, refuse those of a newer one."""
    there = read(engine, found_version)
    if there == HEAD:
        return
    if there is not None:
        check_version(there, location(engine))
    if _is_visiting(engine):
        raise _unprepared(engine, there)
    if engine.dialect.name == "sqlite":
        with _translated(engine):
            _keep_a_log(engine)
    with writing(engine) as connection:
        ensure(connection, location(engine))


def _keep_a_log(engine: Engine) -> None:
    """Enable concurrent readers and a writer (WAL), which SQLite stores in the file."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
                return
        except OperationalError as error:
            # SQLite does not wait for this lock: another process is creating the same catalog right now
            if not _is_busy(error.orig) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


@contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    """Translate all errors of a database into ours; every read and every write goes through here."""
    try:
        yield
    except AnalysisStoreError:
        raise
    except DBAPIError as error:
        raise _meaning(error.orig, engine) from error
    except engine.dialect.loaded_dbapi.Error as error:  # errors of the driver's own cursors
        raise _meaning(error, engine) from error
    except Exception as error:
        _look_for_ctrl_c(error)
        # a value of a wrong type, or a name that is not text: SQLite returns the content of damaged pages unchecked
        if (damage := _damage(engine)) is not None:
            raise _damaged(engine, damage) from error
        raise


def _look_for_ctrl_c(error: Exception) -> None:
    """Raise the Ctrl-C that interrupted SQLAlchemy's begin or commit, which then raises errors of its own."""
    cause: BaseException | None = error if isinstance(error, (AssertionError, AttributeError)) else None
    while cause is not None:
        if isinstance(cause, KeyboardInterrupt):
            raise cause from None
        cause = cause.__context__


def check_sound(engine: Engine) -> None:
    """Raise `DamagedFileError` if SQLite finds damage in its file."""
    if (damage := _damage(engine)) is not None:
        raise _damaged(engine, damage)


def _damage(engine: Engine) -> str | None:
    return damage_of(Path(location(engine))) if engine.dialect.name == "sqlite" else None


def _damaged(engine: Engine, reason: object) -> DamagedFileError:
    return DamagedFileError(
        f"The catalog {location(engine)} is damaged or not a catalog: {reason}. Restore it from a backup, or rebuild "
        "it "
        "with: analysis-store reindex, which moves it away and reads the run files."
    )


def check_writable(engine: Engine) -> None:
    """Raise for a change of a read-only database."""
    if _is_visiting(engine):
        raise StoreWriteError(
            f"The catalog {location(engine)} is read-only for you, nothing was changed. Save into a store of your "
            "own, with this one among its sources, or ask the owner of the folder for permission to write.",
        )


def _unprepared(engine: Engine, there: str | None) -> AnalysisStoreError:
    if there is None:
        return DamagedFileError(f"{location(engine)} has no catalog, and none can be created: it is read-only for you.")
    return StoreVersionError(
        f"The catalog {location(engine)} is of an older version ({there!r}, this package has {HEAD!r}), and read-only "
        "for "
        "you. Ask a person with write permission to open it once with this version, which upgrades it, or read it with "
        "the version that created it."
    )


def _is_busy(error: BaseException | None) -> bool:
    return (
        getattr(error, "sqlite_errorcode", 0) & 0xFF in _SQLITE_BUSY
        or getattr(error, "sqlstate", None) == "55P03"  # lock_not_available
    )


def _meaning(error: BaseException | None, engine: Engine) -> AnalysisStoreError:
    """Return our error for an error of the driver."""
    where = location(engine)
    if _is_busy(error):
        return StoreBusyError(
            f"The catalog {where} is locked by another process; waited {PATIENCE:g} s. Try again later."
        )
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED:
        return _damaged(engine, error)
    if (damage := _damage(engine)) is not None:
        return _damaged(engine, f"{error} ({damage})")
    reason = str(error).strip()
    return StoreWriteError(
        f"The catalog {where} cannot be used, nothing was changed: {reason}. "
        "Check that it exists, the free disk space and the permissions, then try again."
    )

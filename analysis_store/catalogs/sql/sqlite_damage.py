"""Damage of a catalog in SQLite, found by SQLite in the pages of the file, or by us in its tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Boolean, Column, Float, Integer, LargeBinary, String, Table

from analysis_store.catalogs.sql.schema import HEAD, metadata, version
from analysis_store.catalogs.sql.sqlite_visit import is_visitor

_BARRED = {
    *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR),
    *(sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM),
}
"""Error codes for a file that cannot be read now; they do not mean damage."""

SHORT_READ = sqlite3.SQLITE_IOERR_SHORT_READ
"""Error code for a file that is cut short."""

DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
"""https://www.sqlite.org/rescode.html"""


_KINDS = {LargeBinary: "blob", String: "text", Float: "real", Integer: "integer", Boolean: "integer"}
"""SQLite's type names for the values of a column type; SQLite itself accepts any type."""


def damage_of(path: Path) -> str | None:
    """Return the first fault of an SQLite file; None if it is sound, or cannot be read.

    Every page is read: the tables, and each index against its table. In a catalog of this version, every table and
    column must exist, and every value must have the type of its column. Read-only users skip the check: to
    read while others write, SQLite creates files.
    """
    if is_visitor(path):
        return None
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=1)) as connection:
            connection.text_factory = bytes  # in a damaged file, names may not be text
            (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if said != b"ok":
                return bytes(said).decode("utf-8", "replace")
            return next(filter(None, map(partial(_damage_in, connection), _tables(connection))), None)
    except UnicodeDecodeError as error:  # raised by an error message that quotes such a name
        return str(error)
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0)
        return str(error) if code == SHORT_READ or code & 0xFF not in _BARRED else None


def _tables(connection: sqlite3.Connection) -> Sequence[Table]:
    """Return the tables that must exist; an older version is upgraded when it is opened."""
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if version.name.encode() not in names:
        return ()
    found = connection.execute(f"SELECT version_num FROM {version.name}").fetchall()  # noqa: S608 - a name of ours
    return metadata.sorted_tables if found == [(HEAD.encode(),)] else ()


def _damage_in(connection: sqlite3.Connection, table: Table) -> str | None:
    """Return the fault of the values of a table; raise an error of SQLite if a column is missing."""
    connection.text_factory = str
    columns = {
        column.name: f'"{table.name}"."{column.name}"' for column in table.columns
    }  # quoted "name" alone may mean a text
    texts = [columns[column.name] for column in table.columns if isinstance(column.type, String)]
    rows = connection.execute(f'SELECT {", ".join(texts)} FROM "{table.name}"') if texts else ()  # noqa: S608
    if any(
        isinstance(text, str) and "\0" in text for row in rows for text in row
    ):  # SQLite itself raises for invalid UTF-8
        return f"a text in the table {table.name} is damaged"
    wrong = " OR ".join(f"typeof({columns[column.name]}) NOT IN ({_kinds(column)})" for column in table.columns)
    if connection.execute(f'SELECT 1 FROM "{table.name}" WHERE {wrong} LIMIT 1').fetchone():  # noqa: S608
        return f"a value in the table {table.name} is of another type than its column"
    return None


def _kinds(column: Column[Any]) -> str:
    """Return SQLite's type names for the values of a column, as a list for a statement."""
    kinds = [kind for type_, kind in _KINDS.items() if isinstance(column.type, type_)]
    return ", ".join(f"'{kind}'" for kind in (*kinds, *(["null"] if column.nullable else [])))

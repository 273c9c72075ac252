"""The edges of lineage in a SQL catalog: for some runs by one recursive statement, for all runs in pages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, Row, Select, func, or_, select, tuple_

from analysis_store.catalogs.records import is_text, note_of, to_json
from analysis_store.catalogs.sql.engine import read
from analysis_store.catalogs.sql.schema import lineage, note, run

if TYPE_CHECKING:
    from analysis_store.catalogs.base import Note
    from analysis_store.catalogs.kinship import Edge

PAGE = 5000
"""Number of rows read by one statement: a longer one would hold an old snapshot of the catalog."""

# A uid that was reached is not reached again (UNION): diamonds are walked once, and a cycle ends.
_ABOVE = """
WITH RECURSIVE reached(uid) AS (
  SELECT CAST(value AS VARCHAR) COLLATE {collation} FROM {given}
  UNION SELECT lineage.parent FROM reached JOIN run ON run.uid = reached.uid JOIN lineage ON lineage.run = run.id
)
SELECT run.uid, lineage.parent FROM reached JOIN run ON run.uid = reached.uid JOIN lineage ON lineage.run = run.id
ORDER BY run.id, lineage.position
"""

_BELOW = """
WITH RECURSIVE reached(uid) AS (
  SELECT CAST(value AS VARCHAR) COLLATE {collation} FROM {given}
  UNION SELECT run.uid FROM reached JOIN lineage ON lineage.parent = reached.uid JOIN run ON run.id = lineage.run
)
SELECT run.uid, lineage.parent
FROM reached JOIN lineage ON lineage.parent = reached.uid JOIN run ON run.id = lineage.run
ORDER BY run.time, run.id, lineage.position
"""

_KNOWN = "SELECT run.uid FROM run WHERE run.uid IN (SELECT CAST(value AS VARCHAR) COLLATE {collation} FROM {given})"

# The walk begins only if such a note exists. In SQLite the order of a CROSS
# JOIN is kept; otherwise it would read all notes of a kind.
_LINEAGE_NOTES = """
WITH RECURSIVE reached(uid) AS (
  SELECT CAST({mark} AS VARCHAR) COLLATE {collation} WHERE EXISTS (SELECT 1 FROM note WHERE kind IN ({kinds}))
  UNION SELECT lineage.parent FROM reached JOIN run ON run.uid = reached.uid JOIN lineage ON lineage.run = run.id
)
SELECT note.uid, note.kind, note.time, note.who, note.body
FROM reached CROSS JOIN note WHERE note.uid = reached.uid AND note.kind IN ({kinds})
"""

_WORDS = {
    "sqlite": {"collation": "BINARY", "given": "json_each(?)"},
    "postgresql": {"collation": '"C"', "given": "json_array_elements_text(CAST(%s AS json)) AS given(value)"},
}


def edges_above(connection: Connection, uids: Iterable[str]) -> list[Edge]:
    """Return (child, parent) for these runs and all their ancestors."""
    return [(child, parent) for child, parent in _asked(connection, _ABOVE, uids)]


def edges_below(connection: Connection, uids: Iterable[str]) -> list[Edge]:
    """Return (child, parent) for all descendants of these runs."""
    return [(child, parent) for child, parent in _asked(connection, _BELOW, uids)]


def known(connection: Connection, uids: Iterable[str]) -> set[str]:
    """Return those of these uids that are runs."""
    return {uid for (uid,) in _asked(connection, _KNOWN, uids)}


def may_name(connection: Connection, texts: Iterable[str]) -> set[str]:
    """Return the paths of the runs whose documents, or whose files beyond these, may contain one of these texts."""
    position = func.instr if connection.dialect.name == "sqlite" else func.strpos
    documents = (run.c.start, run.c.stop, run.c.descriptors, run.c.beside)
    held = [position(document, to_json(text)[1:-1]) > 0 for text in texts for document in documents]
    return set(connection.scalars(select(run.c.path).where(or_(run.c.more.is_not(False), *held))))


@cache
def lineage_notes(dialect: str, mark: str, number: int) -> str:
    """Return the statement for the notes of n kinds on a run and on all its ancestors.

    Its parameters are the uid of the run, the kinds, and the kinds once more.
    """
    collation = _WORDS[dialect]["collation"]
    return _LINEAGE_NOTES.format(collation=collation, mark=mark, kinds=", ".join([mark] * number))


def _asked(connection: Connection, statement: str, uids: Iterable[str]) -> Iterator[Any]:
    given = json.dumps([uid for uid in uids if is_text(uid)])
    words = _WORDS[connection.dialect.name]
    yield from connection.exec_driver_sql(statement.format(**words), (given,))


def all_paths(engine: Engine) -> Iterator[tuple[str, str]]:
    """Yield uid and path of every run."""
    for row in pages(engine, select(run.c.uid, run.c.path, run.c.id), (run.c.id,)):
        yield row.uid, row.path


def all_edges(engine: Engine) -> Iterator[Edge]:
    """Yield (child, parent) for every parent that a run names."""
    statement = select(run.c.uid, lineage).join(run, run.c.id == lineage.c.run)
    for row in pages(engine, statement, (lineage.c.run, lineage.c.position)):
        yield row.uid, row.parent


def all_notes(engine: Engine, kind: str | None) -> Iterator[Note]:
    """Yield the notes of a kind, or of all."""
    statement = select(note) if kind is None else select(note).where(note.c.kind == kind)
    for row in pages(engine, statement, (note.c.digest,)):
        yield note_of(row.uid, row.kind, row.time, row.who, row.body)


def _rows(page: Select[Any], connection: Connection) -> Sequence[Row[Any]]:
    return connection.execute(page).all()


def pages(engine: Engine, statement: Select[Any], keys: tuple[Any, ...]) -> Iterator[Row[Any]]:
    """Yield all rows in the order of some columns, each page by its own statement."""
    page = statement.order_by(*keys).limit(PAGE)
    while True:
        rows = read(engine, partial(_rows, page))
        yield from rows
        if len(rows) < PAGE:
            return
        last = tuple(getattr(rows[-1], key.name) for key in keys)
        page = statement.where(tuple_(*keys) > last).order_by(*keys).limit(PAGE)

"""The catalog in a SQL database: one SQLite file in the store's folder, or PostgreSQL for a laboratory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, Row, select

from analysis_store.catalogs.base import RESULT_KEY, Catalog, IndexFaults
from analysis_store.catalogs.query.dialects import key_of
from analysis_store.catalogs.query.scalars import read_order
from analysis_store.catalogs.query.terms import VALUE, place, text_term
from analysis_store.catalogs.records import duplicate, is_text, not_found, note_of, note_row
from analysis_store.catalogs.sql import index as sql_index
from analysis_store.catalogs.sql import kinship as sql_kinship
from analysis_store.catalogs.sql.conditions import uid_begins
from analysis_store.catalogs.sql.engine import (
    check_sound,
    check_writable,
    location,
    make_engine,
    prepare,
    read,
    writing,
)
from analysis_store.catalogs.sql.rows import CHUNK, Prepared, RowWriter, insertion, mark_of, record_from, records
from analysis_store.catalogs.sql.schema import HEAD, lineage, note, run
from analysis_store.catalogs.sql.search import Search
from analysis_store.errors import StoreClosedError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from analysis_store.catalogs.base import Documents, Note, RunRecord
    from analysis_store.catalogs.kinship import Edge
    from analysis_store.catalogs.query.nodes import Scalar
    from analysis_store.catalogs.query.query import Query

_RESULT_PLACE = place(key_of(RESULT_KEY))

_RESULTS = """
SELECT run.id, run.uid, run.path, run.start, run.stop, run.descriptors, run.beside, run.more, run.seal, lineage.parent
FROM (SELECT run, time FROM term WHERE place = {mark} AND value = {mark} ORDER BY time DESC, run DESC LIMIT {mark}) AS d
JOIN run ON run.id = d.run LEFT JOIN lineage ON lineage.run = d.run
ORDER BY d.time DESC, d.run DESC, lineage.position
"""

_GET = """
SELECT run.id, run.uid, run.path, run.start, run.stop, run.descriptors, run.beside, run.more, run.seal, lineage.parent
FROM run LEFT JOIN lineage ON lineage.run = run.id WHERE run.uid = {mark} ORDER BY lineage.position
"""

_NOTES = "SELECT uid, kind, time, who, body FROM note WHERE uid = {mark} {kind}ORDER BY time, digest"


class SqlCatalog(Catalog):
    """A catalog in SQLite or PostgreSQL; created on first use, upgraded in place if an older version created it.

    Parameters
    ----------
    uri
        ``sqlite:///path/to/catalog.sqlite`` or ``postgresql://user@host/database``.

    Raises
    ------
    StoreVersionError
        A newer version of the package created it.
    StoreWriteError
        The database cannot be reached or created.
    """

    def __init__(self, uri: str | URL) -> None:
        self._engine = make_engine(uri)
        self._closed = False
        self._writer = RowWriter(self._engine)
        self._insert_notes = insertion(self._engine, note, note.c.keys()) + " ON CONFLICT DO NOTHING"
        # prepared, since looking up results for reuse is the most frequent query
        mark = mark_of(self._engine)
        self._results, self._get = _RESULTS.format(mark=mark), _GET.format(mark=mark)
        self._notes = {1: _NOTES.format(mark=mark, kind=""), 2: _NOTES.format(mark=mark, kind=f"AND kind = {mark} ")}
        try:
            prepare(self._engine)
        except BaseException:
            self.close()
            raise

    def check_writable(self) -> None:
        """Raise `StoreWriteError` if this process may not write the SQLite file or its folder."""
        check_writable(self._open())

    def insert(self, record: RunRecord, documents: Documents = (), durable: bool = True) -> None:
        """Commit one run in one transaction; ``documents`` is not consumed: events stay in the run file.

        A run that is not durable is not synced to disk; the next durable commit makes both
        durable.

        Raises
        ------
        DuplicateRunError
            The catalog has the uid already.
        InvalidDocumentError
            A document holds values that JSON does not have, or an invalid start time.
        StoreBusyError, StoreWriteError
            The database refused; no part of the run is kept.
        """
        if self._insert([record], durable):
            raise duplicate(record.uid)

    def insert_many(
        self, records: Iterable[RunRecord], documents: Callable[[RunRecord], Documents] | None = None
    ) -> list[str]:
        """Commit runs in one transaction and return the uids of those that were skipped: the catalog has them already.

        Raises
        ------
        InvalidDocumentError, StoreBusyError, StoreWriteError
            As in `insert`; no run is kept.
        """
        return self._insert(records)

    def _insert(self, records: Iterable[RunRecord], durable: bool = True) -> list[str]:
        prepared = list(map(Prepared.of, records))
        if not prepared:
            return []
        with writing(self._open(), durable) as connection:
            return [new.record.uid for new in prepared if not self._writer.insert(connection, new)]

    def replace(
        self, records: Iterable[RunRecord], documents: Callable[[RunRecord], Documents] | None = None
    ) -> list[str]:
        """Replace runs of the same uids in one transaction; return the uids that the catalog does not have.

        Raises
        ------
        InvalidDocumentError, StoreBusyError, StoreWriteError
            As in `insert`; nothing changed.
        """
        prepared = list(map(Prepared.of, records))
        if not prepared:
            return []
        with writing(self._open()) as connection:
            return [new.record.uid for new in prepared if not self._writer.replace(connection, new)]

    def check_index(self) -> IndexFaults:
        """Return the differences between the index and the documents; change nothing.

        Raises
        ------
        DamagedFileError
            SQLite reports that the file itself is damaged.
        """
        check_sound(self._open())
        return sql_index.check_index(self._open())

    def mend_index(self, uids: Iterable[str]) -> None:
        """Index these runs again from their documents, and remove the entries of no run."""
        sql_index.mend_index(self._open(), self._writer, uids)

    def remove(self, uid: str) -> None:
        """Remove a run in one transaction; notes on it and the edges of its children are kept.

        Raises
        ------
        RunNotFoundError
            There is no such run.
        StoreBusyError, StoreWriteError
            The database refused; nothing changed.
        """
        with writing(self._open()) as connection:
            if not (is_text(uid) and self._writer.remove(connection, uid)):
                raise not_found(uid, location(self._engine))

    def get(self, uid: str) -> RunRecord:
        """Return the run of exactly this uid, or raise `RunNotFoundError`."""
        rows = self._rows(self._get, (uid,)) if is_text(uid) else []
        if not rows:
            raise not_found(uid, location(self._engine))
        return record_from(rows[0], [row.parent for row in rows if row.parent is not None])

    def with_prefix(self, prefix: str, limit: int = 10) -> list[str]:
        """Return up to ``limit`` uids that begin with ``prefix``, newest first."""
        statement = select(run.c.uid).order_by(run.c.time.desc(), run.c.id.desc()).limit(limit)
        if prefix:
            begins = select(run.c.id).where(uid_begins(prefix)).cte("begins").prefix_with("MATERIALIZED")
            statement = statement.where(run.c.id.in_(select(begins.c.id)))
        return read(self._open(), lambda connection: list(connection.scalars(statement)))

    def search(
        self,
        query: Query,
        *,
        offset: int = 0,
        limit: int | None = None,
        sort: Sequence[tuple[str, int]] = (("time", -1),),
    ) -> list[RunRecord]:
        """Return a page of the runs that satisfy ``query``.

        Runs are sorted newest first if there is no ``sort``, and among equals. Runs without a scalar value at a key of
        ``sort`` are last; bools come before numbers, numbers before strings, strings before null. Strings that agree in
        their first 100 bytes are in no particular order.
        """
        order = read_order(sort)
        return read(
            self._open(), lambda connection: records(connection, Search(connection, query).ids(order, offset, limit))
        )

    def each(self, query: Query) -> Iterator[RunRecord]:
        """Yield every run that satisfies ``query``, newest first, keeping only those being read in memory."""
        ids = read(self._open(), lambda connection: Search(connection, query).ids((), 0, None))
        for begin in range(0, len(ids), CHUNK):
            yield from read(self._open(), partial(records, ids=ids[begin : begin + CHUNK]))

    def count(self, query: Query, limit: int | None = None) -> int:
        """Return the number of runs that satisfy ``query``, at most ``limit``."""
        return read(self._open(), lambda connection: Search(connection, query).count(limit))

    def distinct(self, query: Query, key: str) -> list[tuple[Scalar, int]]:
        """Return the scalar values of a key among the hits with their counts, the most frequent first."""
        return read(self._open(), lambda connection: Search(connection, query).distinct(key_of(key)))

    def children(self, uid: str) -> list[str]:
        """Return the uids of the runs in this catalog that name ``uid`` as a parent, oldest first."""
        if not is_text(uid):
            return []
        ids = select(lineage.c.run).where(lineage.c.parent == uid)
        statement = select(run.c.uid).where(run.c.id.in_(ids)).order_by(run.c.time, run.c.id)
        return read(self._open(), lambda connection: list(connection.scalars(statement)))

    def known(self, uids: Iterable[str]) -> set[str]:
        """Return those of these uids that are runs of this catalog."""
        uids = list(uids)
        return read(self._open(), lambda connection: sql_kinship.known(connection, uids))

    def paths(self) -> Iterator[tuple[str, str]]:
        """Yield uid and path of every run, in the order of insertion."""
        return sql_kinship.all_paths(self._open())

    def may_name(self, texts: Iterable[str]) -> set[str]:
        """Return the paths of all runs whose files may contain one of these texts."""
        texts = list(texts)
        return read(self._open(), lambda connection: sql_kinship.may_name(connection, texts))

    def edges(self) -> Iterator[Edge]:
        """Yield (child, parent) for every parent that a run names, in the order of insertion."""
        return sql_kinship.all_edges(self._open())

    def edges_above(self, uids: Iterable[str]) -> list[Edge]:
        """Return (child, parent) for these runs and all their ancestors; the parents of each in their own order."""
        uids = list(uids)
        return read(self._open(), lambda connection: sql_kinship.edges_above(connection, uids))

    def edges_below(self, uids: Iterable[str]) -> list[Edge]:
        """Return (child, parent) for all descendants of these runs; for one parent the oldest child first."""
        uids = list(uids)
        return read(self._open(), lambda connection: sql_kinship.edges_below(connection, uids))

    def results(self, key: str, limit: int = 10) -> list[RunRecord]:
        """Return up to ``limit`` runs whose ``start["processing"]["key"]`` is ``key``, newest first."""
        rows: dict[int, Any] = {}
        parents: dict[int, list[str]] = {}
        for row in self._rows(self._results, (_RESULT_PLACE, VALUE + text_term(key), limit)):
            rows[row.id] = row
            if row.parent is not None:
                parents.setdefault(row.id, []).append(row.parent)
        return [record_from(row, parents.get(number, ())) for number, row in rows.items()]

    def add_notes(self, notes: Iterable[Note], durable: bool = True) -> None:
        """Commit notes in one transaction; a note identical to an existing one is not added again."""
        rows = [tuple(note_row(one).values()) for one in notes]
        if rows:
            with writing(self._open(), durable) as connection:
                connection.exec_driver_sql(self._insert_notes, rows)

    def notes(self, uid: str, kind: str | None = None) -> list[Note]:
        """Return the notes on exactly this uid, of one kind or of all, oldest first."""
        if not is_text(uid + (kind or "")):
            return []
        wanted = (uid,) if kind is None else (uid, kind)
        return [note_of(*row) for row in self._rows(self._notes[len(wanted)], wanted)]

    def lineage_notes(self, uid: str, kinds: Sequence[str]) -> list[Note]:
        """Return the notes of these kinds on a run and on all its ancestors, in no particular order."""
        if not is_text("".join((uid, *kinds))) or not kinds:
            return []
        statement = sql_kinship.lineage_notes(self._engine.dialect.name, mark_of(self._engine), len(kinds))
        return [note_of(*row) for row in self._rows(statement, (uid, *kinds, *kinds))]

    def all_notes(self, kind: str | None = None) -> Iterator[Note]:
        """Yield the notes on all runs, of one kind or of all, in no particular order."""
        return sql_kinship.all_notes(self._open(), kind) if is_text(kind or "") else iter(())

    def close(self) -> None:
        """Close every connection. Idempotent."""
        self._closed = True
        self._engine.dispose()

    def info(self) -> Mapping[str, object]:
        """Return the kind of database, its location, and the version of the schema."""
        return {"kind": self._engine.dialect.name, "location": location(self._engine), "schema": HEAD}

    def _rows(self, statement: str, values: tuple[Any, ...]) -> Sequence[Row[Any]]:
        return read(self._open(), lambda connection: connection.exec_driver_sql(statement, values).all())

    def _open(self) -> Engine:
        if self._closed:
            raise StoreClosedError(f"The catalog {location(self._engine)} is closed. Open it again.")
        return self._engine

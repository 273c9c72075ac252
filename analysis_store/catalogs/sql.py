"""The catalog in a SQL database: one file of SQLite beside the run files, or PostgreSQL for a laboratory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, Row, Table, delete, select

from analysis_store.catalogs import sql_kinship
from analysis_store.catalogs.base import RESULT_KEY, Catalog, Documents, Note, RunRecord
from analysis_store.catalogs.dialects import key_of
from analysis_store.catalogs.records import (
    check_names,
    duplicate,
    is_text,
    not_found,
    note_of,
    note_row,
    record_of,
    start_time,
    terms_of,
    texts_of,
)
from analysis_store.catalogs.scalars import read_order
from analysis_store.catalogs.sql_conditions import uid_begins
from analysis_store.catalogs.sql_engine import check_writable, location, make_engine, prepare, read, writing
from analysis_store.catalogs.sql_schema import HEAD, lineage, note, run, term
from analysis_store.catalogs.sql_search import Search
from analysis_store.catalogs.terms import VALUE, place, text_term
from analysis_store.errors import StoreClosedError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from analysis_store.catalogs.kinship import Edge
    from analysis_store.catalogs.query import Query

CHUNK = 500
"""So many runs are read by one statement."""

_RESULT_PLACE = place(key_of(RESULT_KEY))

_RESULTS = """
SELECT run.id, run.path, run.start, run.stop, run.descriptors, run.beside, lineage.parent
FROM (SELECT run, time FROM term WHERE place = {mark} AND value = {mark} ORDER BY time DESC, run DESC LIMIT {mark}) AS d
JOIN run ON run.id = d.run LEFT JOIN lineage ON lineage.run = d.run
ORDER BY d.time DESC, d.run DESC, lineage.position
"""

_GET = """
SELECT run.id, run.path, run.start, run.stop, run.descriptors, run.beside, lineage.parent
FROM run LEFT JOIN lineage ON lineage.run = run.id WHERE run.uid = {mark} ORDER BY lineage.position
"""

_NOTES = "SELECT uid, kind, time, who, body FROM note WHERE uid = {mark} {kind}ORDER BY time, digest"

_DELETE_TERMS = "DELETE FROM term WHERE place = {mark} AND value = {mark} AND time = {mark} AND run = {mark}"

RUN_COLUMNS = ("uid", "time", "scan_id", "path", "start", "stop", "descriptors", "beside", "more")


class SqlCatalog(Catalog):
    """A catalog in SQLite or PostgreSQL; made on first use, upgraded in place when an older version made it.

    Parameters
    ----------
    uri
        ``sqlite:///path/to/catalog.sqlite`` or ``postgresql://user@host/database``.

    Raises
    ------
    StoreVersionError
        A newer version of the package made it.
    StoreWriteError
        The database cannot be reached or made.
    """

    def __init__(self, uri: str | URL) -> None:
        self._engine = make_engine(uri)
        self._closed = False
        # prepared here: SQLAlchemy's own rendering of an insert costs as much as the insert
        self._insert_run = _insertion(self._engine, run, RUN_COLUMNS) + " ON CONFLICT (uid) DO NOTHING RETURNING id"
        self._insert_terms = _insertion(self._engine, term, ("place", "value", "time", "run"))
        self._insert_lineage = _insertion(self._engine, lineage, ("run", "position", "parent"))
        self._insert_notes = _insertion(self._engine, note, note.c.keys()) + " ON CONFLICT DO NOTHING"
        # likewise: a result that is reused is looked up more often than anything else
        mark = _mark(self._engine)
        self._results, self._get = _RESULTS.format(mark=mark), _GET.format(mark=mark)
        self._delete_terms = _DELETE_TERMS.format(mark=mark)
        self._notes = {1: _NOTES.format(mark=mark, kind=""), 2: _NOTES.format(mark=mark, kind=f"AND kind = {mark} ")}
        try:
            prepare(self._engine)
        except BaseException:
            self.close()
            raise

    def check_writable(self) -> None:
        """Raise `StoreWriteError` where the file of SQLite, or its folder, is not ours to write."""
        check_writable(self._open())

    def insert(self, record: RunRecord, documents: Documents = (), durable: bool = True) -> None:
        """Commit one run in one transaction; ``documents`` is not consumed: events stay in the run file.

        One that need not be durable is not waited for until it is on the disk; what is committed later, and is, has it
        there before.

        Raises
        ------
        DuplicateRunError
            The uid is there already.
        InvalidDocumentError
            A document holds what JSON does not, or a start time that is no number.
        StoreBusyError, StoreWriteError
            The database refused; nothing of the run stays.
        """
        if self._insert([record], durable):
            raise duplicate(record.uid)

    def insert_many(
        self, records: Iterable[RunRecord], documents: Callable[[RunRecord], Documents] | None = None
    ) -> list[str]:
        """Commit runs in one transaction and return the uids of those that were left out: they are there already.

        Raises
        ------
        InvalidDocumentError, StoreBusyError, StoreWriteError
            As `insert` does; nothing of any of the runs stays.
        """
        return self._insert(records)

    def _insert(self, records: Iterable[RunRecord], durable: bool = True) -> list[str]:
        prepared = [_prepared(record) for record in records]
        left_out: list[str] = []
        if prepared:
            with writing(self._open(), durable) as connection:
                for record, row, terms in prepared:
                    number = connection.exec_driver_sql(self._insert_run, row).scalar()
                    if number is None:
                        left_out.append(record.uid)
                    else:
                        self._insert_rest(connection, number, record, terms)
        return left_out

    def _insert_rest(self, connection: Connection, number: int, record: RunRecord, terms: list[Any]) -> None:
        time = start_time(record)
        connection.exec_driver_sql(self._insert_terms, [(place, value, time, number) for place, value in terms])
        if record.parents:
            edges = [(number, position, parent) for position, parent in enumerate(record.parents)]
            connection.exec_driver_sql(self._insert_lineage, edges)

    def remove(self, uid: str) -> None:
        """Forget a run in one transaction; notes on it and the edges of its children stay.

        Raises
        ------
        RunNotFoundError
            There is none.
        StoreBusyError, StoreWriteError
            The database refused; nothing changed.
        """
        with writing(self._open()) as connection:
            number = connection.scalar(select(run.c.id).where(run.c.uid == uid)) if is_text(uid) else None
            if number is None:
                raise not_found(uid, location(self._engine))
            record = _records(connection, [number])[0]
            # by the whole key of the index: it has none that begins with the run, and a number is given out again
            terms = [(place, value, start_time(record), number) for place, value in terms_of(record)]
            connection.exec_driver_sql(self._delete_terms, terms)
            connection.execute(delete(lineage).where(lineage.c.run == number))
            connection.execute(delete(run).where(run.c.id == number))

    def get(self, uid: str) -> RunRecord:
        """Return the run of exactly this uid, or raise `RunNotFoundError`."""
        rows = self._rows(self._get, (uid,)) if is_text(uid) else []
        if not rows:
            raise not_found(uid, location(self._engine))
        return _record(rows[0], [row.parent for row in rows if row.parent is not None])

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

        Among equals, and without ``sort``, the newest is first. A run without a scalar value at a key of ``sort`` comes
        last; bools come before numbers, numbers before strings, strings before null. Strings that agree in
        their first 100 bytes are in no particular order.
        """
        order = read_order(sort)
        return read(
            self._open(), lambda connection: _records(connection, Search(connection, query).ids(order, offset, limit))
        )

    def count(self, query: Query) -> int:
        """Return how many runs satisfy ``query``."""
        return read(self._open(), lambda connection: Search(connection, query).count())

    def distinct(self, query: Query, key: str) -> list[tuple[Any, int]]:
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
        """Yield uid and path of every run, in the order they were inserted."""
        return sql_kinship.all_paths(self._open())

    def may_name(self, texts: Iterable[str]) -> set[str]:
        """Return the paths of all runs but those of which is known here that their files hold none of these texts."""
        texts = list(texts)
        return read(self._open(), lambda connection: sql_kinship.may_name(connection, texts))

    def edges(self) -> Iterator[Edge]:
        """Yield (child, parent) for every parent that a run names, in the order they were inserted."""
        return sql_kinship.all_edges(self._open())

    def edges_above(self, uids: Iterable[str]) -> list[Edge]:
        """Return (child, parent) for these runs and all they came from; the parents of each in its own order."""
        uids = list(uids)
        return read(self._open(), lambda connection: sql_kinship.edges_above(connection, uids))

    def edges_below(self, uids: Iterable[str]) -> list[Edge]:
        """Return (child, parent) for all that came from these runs; of one parent the oldest child first."""
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
        return [_record(row, parents.get(number, ())) for number, row in rows.items()]

    def add_notes(self, notes: Iterable[Note], durable: bool = True) -> None:
        """Commit notes in one transaction; one that is there already, the same in everything, is added once."""
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

    def all_notes(self, kind: str | None = None) -> Iterator[Note]:
        """Yield the notes on all runs, of one kind or of all, in no order that means something."""
        return sql_kinship.all_notes(self._open(), kind) if is_text(kind or "") else iter(())

    def close(self) -> None:
        """Give every connection back. May be called twice."""
        self._closed = True
        self._engine.dispose()

    def info(self) -> Mapping[str, Any]:
        """Return the kind of database, where it is, and the version of the schema."""
        return {"kind": self._engine.dialect.name, "location": location(self._engine), "schema": HEAD}

    def _rows(self, statement: str, values: tuple[Any, ...]) -> Sequence[Row[Any]]:
        return read(self._open(), lambda connection: connection.exec_driver_sql(statement, values).all())

    def _open(self) -> Engine:
        if self._closed:
            raise StoreClosedError(f"the catalog {location(self._engine)} is closed; open it again")
        return self._engine


def _mark(engine: Engine) -> str:
    """Return what stands for a value in a statement of the driver."""
    return "?" if engine.dialect.paramstyle == "qmark" else "%s"


def _insertion(engine: Engine, table: Table, columns: Sequence[str]) -> str:
    quote = engine.dialect.identifier_preparer.quote
    names = ", ".join(map(quote, columns))
    marks = ", ".join([_mark(engine)] * len(columns))
    return f"INSERT INTO {quote(table.name)} ({names}) VALUES ({marks})"  # noqa: S608 - names of our own tables


def _prepared(record: RunRecord) -> tuple[RunRecord, tuple[Any, ...], list[tuple[int, bytes]]]:
    """Return a record with its row and its terms: whatever is wrong with it is found before a transaction begins."""
    check_names(record)
    return record, _row(record, start_time(record)), terms_of(record)


def _row(record: RunRecord, time: float) -> tuple[Any, ...]:
    scan_id = record.start.get("scan_id")
    small = isinstance(scan_id, int) and not isinstance(scan_id, bool) and -(2**63) <= scan_id < 2**63
    values = {"uid": record.uid, "time": time, "scan_id": scan_id if small else None, "path": record.path}
    values["more"] = record.more
    values |= texts_of(record)
    return tuple(values[column] for column in RUN_COLUMNS)


def _records(connection: Connection, ids: Sequence[int]) -> list[RunRecord]:
    """Return the runs with these ids, in the order of the ids; what was removed meanwhile is left out."""
    rows: dict[int, Row[Any]] = {}
    parents: dict[int, list[str]] = {}
    for chunk in (ids[begin : begin + CHUNK] for begin in range(0, len(ids), CHUNK)):
        rows |= {row.id: row for row in connection.execute(select(run).where(run.c.id.in_(chunk)))}
        edges = select(lineage).where(lineage.c.run.in_(chunk)).order_by(lineage.c.run, lineage.c.position)
        for edge in connection.execute(edges):
            parents.setdefault(edge.run, []).append(edge.parent)
    return [_record(rows[number], parents.get(number, ())) for number in ids if number in rows]


def _record(row: Row[Any], parents: Iterable[str]) -> RunRecord:
    return record_of(row.start, row.stop, row.descriptors, row.beside, path=row.path, parents=parents)

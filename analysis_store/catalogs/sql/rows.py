"""The rows of a run in a SQL catalog: written, replaced, removed, and read as its record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, Engine, Row, Table, delete, select

from analysis_store.catalogs.base import RunRecord
from analysis_store.catalogs.index_digest import Term, index_digest, read_index
from analysis_store.catalogs.records import check_names, start_time, terms_of, texts_of
from analysis_store.catalogs.sql.schema import lineage, run, term
from analysis_store.errors import DamagedFileError

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

CHUNK = 500
"""Number of runs read by one statement."""

RUN_COLUMNS = ("uid", "time", "scan_id", "path", "start", "stop", "descriptors", "beside", "more", "terms", "seal")

_DELETE_TERMS = "DELETE FROM term WHERE place = {mark} AND value = {mark} AND time = {mark} AND run = {mark}"


class Prepared(NamedTuple):
    """A record with all its rows, so that faults are found before a transaction begins."""

    record: RunRecord
    time: float
    row: tuple[Any, ...]
    terms: list[Term]

    @classmethod
    def of(cls, record: RunRecord) -> Prepared:
        """Return the rows of a record, or raise `InvalidDocumentError`."""
        check_names(record)
        time, terms = start_time(record), terms_of(record)
        return cls(record, time, _row(record, time, terms), terms)


class RowWriter:
    """Writes the rows of runs, inside the caller's transaction.

    The statements are prepared here: SQLAlchemy's own rendering of an insert costs as much as the insert.
    """

    def __init__(self, engine: Engine) -> None:
        self._insert_run = insertion(engine, run, RUN_COLUMNS) + " ON CONFLICT (uid) DO NOTHING RETURNING id"
        self._insert_terms = insertion(engine, term, ("place", "value", "time", "run"))
        self._delete_terms = _DELETE_TERMS.format(mark=mark_of(engine))
        self._insert_lineage = insertion(engine, lineage, ("run", "position", "parent"))

    def insert(self, connection: Connection, new: Prepared) -> bool:
        """Insert a run; return False and change nothing if its uid exists already."""
        number = connection.exec_driver_sql(self._insert_run, new.row).scalar()
        if number is not None:
            connection.exec_driver_sql(self._insert_terms, _entries(number, new.time, new.terms))
            self._insert_edges(connection, number, new.record.parents)
        return number is not None

    def replace(self, connection: Connection, new: Prepared) -> bool:
        """Replace the run of the same uid; return False if it is missing.

        Index entries that the old documents do not account for are kept (`sql_index.mend_index`).
        """
        number = self._cleared(connection, new.record.uid)
        if number is not None:
            values = dict(zip(RUN_COLUMNS, new.row, strict=True))
            connection.execute(run.update().where(run.c.id == number).values(values))
            self.index(connection, number, new.time, new.terms)
            self._insert_edges(connection, number, new.record.parents)
        return number is not None

    def index(self, connection: Connection, number: int, time: float, terms: Iterable[Term]) -> None:
        """Add a run to the index, in which some of its entries may be missing."""
        rows = _entries(number, time, terms)
        connection.exec_driver_sql(self._insert_terms + " ON CONFLICT DO NOTHING", rows)

    def unindex(self, connection: Connection, rows: list[tuple[object, ...]]) -> None:
        """Remove entries of the index: place, value, time and run of each."""
        # by the whole key: the index has none that begins with the run, and run numbers are reused
        if rows:
            connection.exec_driver_sql(self._delete_terms, rows)

    def remove(self, connection: Connection, uid: str) -> bool:
        """Remove a run; return False if it is missing."""
        number = self._cleared(connection, uid)
        if number is not None:
            connection.execute(delete(run).where(run.c.id == number))
        return number is not None

    def _cleared(self, connection: Connection, uid: str) -> int | None:
        """Remove the edges of a run and its index entries according to its documents; return its number."""
        row = connection.execute(select(run.c.id, run.c.start, run.c.stop).where(run.c.uid == uid)).one_or_none()
        if row is None:
            return None
        if (told := read_index(row.start, row.stop)) is not None:
            self.unindex(connection, _entries(row.id, *told))
        connection.execute(delete(lineage).where(lineage.c.run == row.id))
        return int(row.id)

    def _insert_edges(self, connection: Connection, number: int, parents: Iterable[str]) -> None:
        edges = [(number, position, parent) for position, parent in enumerate(parents)]
        if edges:
            connection.exec_driver_sql(self._insert_lineage, edges)


def mark_of(engine: Engine) -> str:
    """Return the placeholder for a value in a statement of the driver."""
    return "?" if engine.dialect.paramstyle == "qmark" else "%s"


def insertion(engine: Engine, table: Table, columns: Sequence[str]) -> str:
    """Return the statement of the driver that inserts a row into a table."""
    quote = engine.dialect.identifier_preparer.quote
    names = ", ".join(map(quote, columns))
    marks = ", ".join([mark_of(engine)] * len(columns))
    return f"INSERT INTO {quote(table.name)} ({names}) VALUES ({marks})"  # noqa: S608 - names of our own tables


def _entries(number: int, time: float, terms: Iterable[Term]) -> list[tuple[object, ...]]:
    return [(place, value, time, number) for place, value in terms]


def _row(record: RunRecord, time: float, terms: list[Term]) -> tuple[Any, ...]:
    scan_id = record.start.get("scan_id")
    small = isinstance(scan_id, int) and not isinstance(scan_id, bool) and -(2**63) <= scan_id < 2**63
    values = {"uid": record.uid, "time": time, "scan_id": scan_id if small else None, "path": record.path}
    values |= {"more": record.more, "terms": index_digest(time, terms), "seal": record.seal}
    values |= texts_of(record)
    return tuple(values[column] for column in RUN_COLUMNS)


def records(connection: Connection, ids: Sequence[int]) -> list[RunRecord]:
    """Return the runs with these ids, in the order of the ids; removed ones are left out."""
    found = dict[int, RunRecord]()
    for chunk in (ids[begin : begin + CHUNK] for begin in range(0, len(ids), CHUNK)):
        found |= dict(records_with(connection, run.c.id.in_(chunk)))
    return [found[number] for number in ids if number in found]


def records_with(connection: Connection, condition: ColumnElement[bool]) -> list[tuple[int, RunRecord]]:
    """Return the runs that satisfy a condition with their ids."""
    rows = connection.execute(select(run).where(condition)).all()
    edges = select(lineage).where(lineage.c.run.in_([row.id for row in rows]))
    parents: dict[int, list[str]] = {}
    for edge in connection.execute(edges.order_by(lineage.c.run, lineage.c.position)):
        parents.setdefault(edge.run, []).append(edge.parent)
    return [(row.id, record_from(row, parents.get(row.id, ()))) for row in rows]


def record_from(row: Row[Any], parents: Iterable[str]) -> RunRecord:
    """Return the record of a row, or raise `DamagedFileError`."""
    parents = tuple(parents)
    if not all(isinstance(text, str) and "\0" not in text for text in (row.uid, row.path, row.seal or "", *parents)):
        raise DamagedFileError(
            f"The catalog has a damaged row of run {row.uid!r} at {row.path!r} with the parents {parents!r}. "
            "Rebuild it from the files: analysis-store reindex --scratch."
        )
    more = None if row.more is None else bool(row.more)  # SQLite stores bools as numbers
    texts = {"start": row.start, "stop": row.stop, "descriptors": row.descriptors, "beside": row.beside}
    return RunRecord.kept(row.uid, texts, path=row.path, parents=parents, more=more, seal=row.seal)

"""The index of a SQL catalog, compared with the documents of its runs and repaired.

The index is not ordered by run, so it is read once, from beginning to end, and the entries of each run are summed.
Each page is read by its own statement: a single statement would hold an old snapshot of the catalog.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
from sqlalchemy import Connection, Engine, case, func, null, select, union_all

from analysis_store.catalogs.base import IndexFaults
from analysis_store.catalogs.index_digest import PLACE_BITS, entry_digest, index_digest, read_index, time_digest
from analysis_store.catalogs.sql.conditions import listed_numbers
from analysis_store.catalogs.sql.engine import read, writing
from analysis_store.catalogs.sql.kinship import pages
from analysis_store.catalogs.sql.rows import CHUNK, mark_of
from analysis_store.catalogs.sql.schema import run, term

if TYPE_CHECKING:
    from analysis_store.catalogs.sql.rows import RowWriter

PAGE = 20_000
"""Number of entries read by one statement."""

_PAGE = "SELECT place, value, time, run FROM term {after}ORDER BY place, value, time, run LIMIT {size}"
_AFTER = "WHERE (place, value, time, run) > ({mark}, {mark}, {mark}, {mark}) "

_NEVER = -1
"""Sum of no entries."""

Entry = tuple[int, bytes, float, int]

_DOCUMENTS = [case((run.c.terms.is_(None), column)).label(column.name) for column in (run.c.start, run.c.stop)]
"""The documents of a run inserted by an older version, which determine its index entries."""


def check_index(engine: Engine) -> IndexFaults:
    """Return the differences between the index and the documents.

    The expected digest of a run is stored when it is inserted; older versions did not, so its documents are read.
    """
    sums = _Sums(engine)
    for page in _entries(engine):
        sums.add(page)
    suspects = sums.suspects()
    return read(engine, partial(_looked_at, suspects)) if suspects else IndexFaults()


class _Sums:
    """Sums of the index entries of all runs."""

    def __init__(self, engine: Engine) -> None:
        size = 1 + (read(engine, lambda connection: connection.scalar(select(func.max(run.c.id)))) or 0)
        self._time = np.full(size, np.nan)
        self._due = np.zeros(size, np.int64)
        self._found = np.zeros(size, np.int64)
        self._astray = np.zeros(size, bool)
        """Return True if a run has entries under a time that is not its own."""
        self._unknown: set[int] = set()
        for row in pages(engine, select(run.c.id, run.c.time, run.c.terms, *_DOCUMENTS), (run.c.id,)):
            if row.id < size:
                self._time[row.id], self._due[row.id] = row.time, _due(row)

    def add(self, page: list[Entry]) -> None:
        """Add some entries."""
        places, values, times, runs = zip(*page, strict=True)
        lows = (np.array(places, np.int64) & PLACE_BITS).tolist()
        digests = np.fromiter(map(crc32, values, lows), np.int64, len(page))  # `entry_digest` of each
        time, number = np.array(times, np.float64), np.array(runs, np.int64)
        known = (number >= 0) & (number < len(self._time))
        known[known] = ~np.isnan(self._time[number[known]])
        self._unknown.update(number[~known].tolist())
        time, number = time[known], number[known]
        np.add.at(self._found, number, digests[known])
        self._astray[number[self._time[number] != time]] = True

    def suspects(self) -> list[int]:
        """Return the runs with unexpected entries: wrong ones, and those added or removed meanwhile."""
        wrong = ~np.isnan(self._time) & ((self._found != self._due) | self._astray)
        return [*np.flatnonzero(wrong).tolist(), *self._unknown]


def _due(row: Any) -> int:
    """Return the expected sum of the entries of a run."""
    if row.terms is not None:
        return int(row.terms) - time_digest(row.time)
    told = read_index(row.start, row.stop)
    return _NEVER if told is None else index_digest(*told) - time_digest(row.time)


def _looked_at(numbers: list[int], connection: Connection) -> IndexFaults:
    """Return those of some runs that have wrong entries, in one consistent snapshot of one statement."""
    those = listed_numbers(numbers)
    runs = select(
        run.c.id, run.c.time, run.c.uid, run.c.terms, *_DOCUMENTS, null().label("place"), null().label("value")
    )
    nothing = [null().label(name) for name in ("uid", "terms", "start", "stop")]
    entries = select(term.c.run, term.c.time, *nothing, term.c.place, term.c.value).where(term.c.run.in_(those))
    statement = union_all(runs.where(run.c.id.in_(those)), entries).execution_options(yield_per=PAGE)
    there: dict[int, Any] = {}
    found, entries_at, size = Counter[int](), set[tuple[int, float]](), Counter[int]()
    for row in connection.execute(statement):
        if row.uid is not None:
            there[row.id] = row
        else:
            found[row.id] += entry_digest(row.place, row.value)
            size[row.id] += 1
            entries_at.add((row.id, row.time))
    astray = {number for number, time in entries_at if number in there and time != there[number].time}
    wrong = [row.uid for number, row in there.items() if number in astray or found[number] != _due(row)]
    return IndexFaults(tuple(wrong), sum(count for number, count in size.items() if number not in there))


def mend_index(engine: Engine, writer: RowWriter, uids: Iterable[str]) -> None:
    """Index runs again from their documents, and remove the entries of no run."""
    wanted = {number: uid for chunk in _chunks(uids) for number, uid in _numbers(engine, chunk)}
    for page in _entries(engine):
        _clear(engine, writer, page, wanted)
    for chunk in _chunks(wanted.items()):
        with writing(engine) as connection:
            _fill(connection, writer, dict(chunk))


def _clear(engine: Engine, writer: RowWriter, page: list[Entry], wanted: dict[int, str]) -> None:
    """Remove the entries of these runs, and of no run, from those of a page."""
    numbers = {entry[3] for entry in page}
    suspects = numbers - read(engine, partial(_uids, numbers - wanted.keys())).keys()
    if suspects:
        with writing(engine) as connection:
            # looked up again: a run may have been removed since, and its number reused
            now = _uids(suspects, connection)
            gone = {number for number in suspects if now.get(number) == wanted.get(number)}
            writer.unindex(connection, [entry for entry in page if entry[3] in gone])


def _fill(connection: Connection, writer: RowWriter, wanted: dict[int, str]) -> None:
    """Add some runs to the index after their entries were removed."""
    documents = select(run.c.id, run.c.uid, run.c.start, run.c.stop).where(run.c.id.in_(list(wanted)))
    for row in connection.execute(documents).all():
        told = read_index(row.start, row.stop)
        if told is not None and row.uid == wanted[row.id]:
            writer.index(connection, row.id, *told)
            values = {"time": told[0], "terms": index_digest(*told)}
            connection.execute(run.update().where(run.c.id == row.id).values(values))


def _entries(engine: Engine) -> Iterator[list[Entry]]:
    """Yield all entries of the index, in its order, page by page."""
    mark = mark_of(engine)
    first = _PAGE.format(after="", size=PAGE)
    following = _PAGE.format(after=_AFTER.format(mark=mark), size=PAGE)
    page = read(engine, partial(_page, first, ()))
    while page:
        yield page
        page = read(engine, partial(_page, following, page[-1])) if len(page) == PAGE else []


def _page(statement: str, after: tuple[Any, ...], connection: Connection) -> list[Entry]:
    # by the driver itself: SQLAlchemy would create a row object for each entry, which takes longer than reading it
    cursor: Any = connection.connection.cursor()
    try:
        cursor.execute(statement, after)
        found: list[Entry] = cursor.fetchall()
        return found
    finally:
        cursor.close()


def _uids(numbers: Iterable[int], connection: Connection) -> dict[int, str]:
    """Return the uids of those of these runs that exist."""
    rows = connection.execute(select(run.c.id, run.c.uid).where(run.c.id.in_(listed_numbers(numbers))))
    return {row.id: row.uid for row in rows}


def _numbers(engine: Engine, uids: list[str]) -> list[tuple[int, str]]:
    statement = select(run.c.id, run.c.uid).where(run.c.uid.in_(uids))
    return read(engine, lambda connection: [(row.id, row.uid) for row in connection.execute(statement)])


def _chunks(several: Iterable[Any]) -> Iterator[list[Any]]:
    """Yield lists of the size that a statement takes."""
    left = iter(several)
    while chunk := list(islice(left, CHUNK)):
        yield chunk

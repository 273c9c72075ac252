"""The result of a search: a lazy sequence of runs, newest first, that reads runs on access."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from analysis_store.catalogs.query.nodes import Not, Uids
from analysis_store.catalogs.query.query import Query
from analysis_store.runs.notes.notes import retractions
from analysis_store.runs.read.run import Context, Run

if TYPE_CHECKING:
    import pandas

    from analysis_store.catalogs.base import RunRecord
    from analysis_store.catalogs.query.query import Moment, QueryLike

_PAGE, _LARGEST_PAGE = 100, 1000
"""Runs that are read at once: few at first, for most lists are not read to their end."""

_ALL = range(sys.maxsize)
"""The window that leaves nothing out, however many runs there are."""


class Runs(Sequence[Run]):
    """The runs that satisfy a query, newest first.

    Runs are counted only for ``len``, or for access from the end.

    Examples
    --------
    >>> found = store.search(sample_name="Fe foil")  # doctest: +SKIP
    >>> len(found), found[0].uid  # doctest: +SKIP
    """

    def __init__(self, query: Query, context: Context, window: range = _ALL) -> None:
        self.query = query
        self._context = context
        self._window = window

    def __len__(self) -> int:
        return len(self._counted())

    def _counted(self) -> range:
        """Return the window without positions beyond the last run."""
        window = self._window
        if not window:
            return window
        self._context.alive()
        end = max(window[0], window[-1]) + 1
        there = self._context.catalog.count(self.query, None if end >= sys.maxsize else end)
        return window if there == end else _below(window, there)

    def length(self, most: int) -> int:
        """Return the number of runs, or ``most`` if there are more, which is faster."""
        return len(Runs(self.query, self._context, self._window[:most]))

    def __bool__(self) -> bool:
        return bool(self._page(0, 1))

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> Runs: ...
    def __getitem__(self, index: int | slice) -> Run | Runs:
        if isinstance(index, slice):
            window = self._counted() if _is_from_the_end(index) else self._window
            return Runs(self.query, self._context, window[index])
        position = index if index >= 0 else len(self) + index
        found = self._page(position, 1) if position >= 0 else []
        if not found:
            raise IndexError(f"Got run number {index}; expected one of {_numbers(len(self))}.")
        return found[0]

    def __iter__(self) -> Iterator[Run]:
        if self._window.step == 1:
            yield from self._onwards(self._window)
            return
        position = 0
        while page := self._page(position, _PAGE):
            yield from page
            position += len(page)

    def _onwards(self, window: range) -> Iterator[Run]:
        """Yield the runs; each page continues after the one before, regardless of runs saved meanwhile."""
        query, oldest, told, offset, size = self.query, math.inf, set[str](), window.start, _PAGE
        left = window.stop - window.start
        while left > 0 and (page := self._records(query, offset, min(left, size) + len(told))):
            fresh = [record for record in page if record.uid not in told][:left]
            yield from (Run(record, self._context) for record in fresh)
            left -= len(fresh)
            last = float(page[-1].start["time"])  # those that are saved at this very time come before it
            told = {record.uid for record in page if record.start["time"] == last} | (told if last == oldest else set())
            query, oldest = self.query & Query.parse(until=math.nextafter(last, math.inf)), last
            offset, size = len(told), min(2 * size, _LARGEST_PAGE)

    def _records(self, query: Query, offset: int, limit: int) -> list[RunRecord]:
        self._context.alive()
        return self._context.catalog.search(query, offset=offset, limit=limit)

    def _page(self, position: int, limit: int) -> list[Run]:
        """Return up to ``limit`` runs from a position on."""
        part = self._window[position : position + limit]
        if not part:
            return []
        low, high = min(part[0], part[-1]), max(part[0], part[-1])
        read = self._records(self.query, low, high - low + 1)
        return [Run(read[number - low], self._context) for number in part if number - low < len(read)]

    def search(
        self,
        query: QueryLike | None = None,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        text: str | None = None,
        **equals: object,
    ) -> Runs:
        """Return the runs among these that satisfy a further query, as `AnalysisStore.search` takes it."""
        these = self.query
        if self._window != _ALL:
            these &= Query(Uids(frozenset(run.uid for run in self)))
        return Runs(these & Query.parse(query, since=since, until=until, text=text, **equals), self._context)

    def without_retracted(self) -> Runs:
        """Return those among these runs that are not retracted now."""
        self._context.alive()
        hidden = frozenset(retractions(self._context.catalog))
        return self.search(Query(Not(Uids(hidden)))) if hidden else self

    def table(self, limit: int | None = 1000) -> pandas.DataFrame:
        """Return one row per run: kind, time (UTC), sample, status, and whether it is retracted.

        Parameters
        ----------
        limit : int or None
            Largest number of rows, the newest; None for all.
        """
        import pandas

        told = retractions(self._context.catalog)
        rows = [{**summary(run), "retracted": run.uid in told} for run in (self if limit is None else self[:limit])]
        frame = pandas.DataFrame(rows, columns=list(_COLUMNS)).set_index("uid")
        frame["time"] = pandas.to_datetime(frame["time"], unit="s", utc=True)
        return frame

    def __repr__(self) -> str:
        from analysis_store.runs.read.show import runs_text

        return runs_text(self)

    def _repr_html_(self) -> str:
        from analysis_store.runs.read.show import runs_html

        return runs_html(self)


def _is_from_the_end(index: slice) -> bool:
    """Return True if the meaning of a slice depends on the number of runs."""
    step = 1 if index.step is None else index.step
    return step < 0 or any(bound is not None and bound < 0 for bound in (index.start, index.stop))


def _below(window: range, end: int) -> range:
    """Return the numbers of a window, in its order, that are less than one."""
    if window.step > 0:
        return range(window.start, min(window.stop, end), window.step)
    return window[max(0, math.ceil((window.start - end + 1) / -window.step)) :]


def _numbers(count: int) -> str:
    """Return which numbers runs have, as an error says it."""
    return f"0 to {count - 1}, or -1 to -{count}" if count else "none: there are no runs"


_COLUMNS = ("uid", "time", "plan_name", "scan_id", "sample_name", "streams", "parents", "exit_status", "retracted")


def summary(run: Run) -> Mapping[str, Any]:
    """Return one row of `Runs.table`; ``time`` in s since 1970."""
    start = run.start
    return {
        "uid": run.uid,
        "time": float(start["time"]),
        "plan_name": start.get("plan_name"),
        "scan_id": start.get("scan_id"),
        "sample_name": start.get("sample_name"),
        "streams": list(run),
        "parents": len(run.parents),
        "exit_status": (run.stop or {}).get("exit_status"),
    }

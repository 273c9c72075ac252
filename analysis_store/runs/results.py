"""The answer to a search: a lazy sequence of runs, newest first, that reads only what is looked at."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from analysis_store.catalogs.nodes import Not, Uids
from analysis_store.catalogs.query import Query
from analysis_store.runs.notes import retractions
from analysis_store.runs.run import Context, Run

if TYPE_CHECKING:
    import pandas

    from analysis_store.catalogs.base import RunRecord

_PAGE = 100


class Runs(Sequence[Run]):
    """The runs that satisfy a query, newest first.

    Examples
    --------
    >>> found = store.search(sample_name="Fe foil")  # doctest: +SKIP
    >>> len(found), found[0].uid  # doctest: +SKIP
    """

    def __init__(self, query: Query, context: Context, window: range | None = None) -> None:
        self.query = query
        self._context = context
        self._window = window

    def __len__(self) -> int:
        if self._window is not None:
            return len(self._window)
        self._context.alive()
        return self._context.catalog.count(self.query)

    def __bool__(self) -> bool:
        return bool(self._page(0, 1))

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> Runs: ...
    def __getitem__(self, index: int | slice) -> Run | Runs:
        if isinstance(index, slice):
            window = self._window if self._window is not None else range(len(self))
            return Runs(self.query, self._context, window[index])
        position = index if index >= 0 else len(self) + index
        found = self._page(position, 1) if position >= 0 else []
        if not found:
            raise IndexError(f"run number {index} of {len(self)}")
        return found[0]

    def __iter__(self) -> Iterator[Run]:
        if self._window is None:
            yield from self._onwards()
            return
        position = 0
        while page := self._page(position, _PAGE):
            yield from page
            position += len(page)

    def _onwards(self) -> Iterator[Run]:
        """Yield all runs, each page beginning where the one before ended, whatever has been saved meanwhile."""
        query, oldest, told = self.query, math.inf, set[str]()
        while page := self._records(query, len(told), _PAGE):
            yield from (Run(record, self._context) for record in page if record.uid not in told)
            last = float(page[-1].start["time"])
            told = {record.uid for record in page if record.start["time"] == last} | (told if last == oldest else set())
            query, oldest = self.query & Query.parse(until=math.nextafter(last, math.inf)), last

    def _records(self, query: Query, offset: int, limit: int) -> list[RunRecord]:
        self._context.alive()
        return self._context.catalog.search(query, offset=offset, limit=limit)

    def _page(self, position: int, limit: int) -> list[Run]:
        """Return up to ``limit`` runs from a position on."""
        window = self._window
        if window is None:
            records = self._records(self.query, position, limit)
        else:
            part = window[position : position + limit]
            if not part:
                return []
            low, high = min(part[0], part[-1]), max(part[0], part[-1])
            read = self._records(self.query, low, high - low + 1)
            records = [read[number - low] for number in part if number - low < len(read)]
        return [Run(record, self._context) for record in records]

    def search(self, query: Any = None, **terms: Any) -> Runs:
        """Return the runs among these that satisfy a further query."""
        return Runs(self.query & Query.parse(query, **terms), self._context)

    def without_retracted(self) -> Runs:
        """Return those among these runs that are not retracted now."""
        self._context.alive()
        hidden = frozenset(retractions(self._context.catalog))
        return self.search(Query(Not(Uids(hidden)))) if hidden else self

    def table(self, limit: int | None = 1000) -> pandas.DataFrame:
        """Return one row per run: what it is, when (UTC), of what, how it ended, and whether it is retracted.

        Parameters
        ----------
        limit : int or None
            At most so many rows, the newest; None for all.
        """
        import pandas

        told = retractions(self._context.catalog)
        rows = [{**summary(run), "retracted": run.uid in told} for run in (self if limit is None else self[:limit])]
        frame = pandas.DataFrame(rows, columns=list(_COLUMNS)).set_index("uid")
        frame["time"] = pandas.to_datetime(frame["time"], unit="s", utc=True)
        return frame

    def __repr__(self) -> str:
        from analysis_store.runs.show import runs_text

        return runs_text(self)

    def _repr_html_(self) -> str:
        from analysis_store.runs.show import runs_html

        return runs_html(self)


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

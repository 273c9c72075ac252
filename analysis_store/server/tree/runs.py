"""The tree that Tiled serves: the runs of a store, whatever its catalog, found and paged by the catalog itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from tiled.iterviews import ItemsView, KeysView, ValuesView
from tiled.queries import AccessTagsFilter
from tiled.structures.core import Spec, StructureFamily
from tiled.utils import IndexersMixin

from analysis_store.catalogs.query.query import Query
from analysis_store.errors import RunNotFoundError, TooLargeError
from analysis_store.server.tree.documents import router
from analysis_store.server.tree.nodes import NO_TAGS
from analysis_store.server.tree.run import RunAdapter

if TYPE_CHECKING:
    from fastapi import APIRouter

    from analysis_store.catalogs.base import RunRecord
    from analysis_store.documents import Document
    from analysis_store.run_store import RunStore

Sorting = tuple[tuple[str, int], ...]

OLDEST_FIRST: Sorting = (("time", 1),)
"""databroker counts from the oldest run: the newest is ``catalog[-1]``, which is asked for in reverse."""

_PAGE = 500

_NOTHING = Query.parse({"uid": {"$in": []}})
"""What a filter by access tags finds, as long as no run has any."""


class RunsTree(Mapping[str, RunAdapter], IndexersMixin):
    """The runs of a store that satisfy a query, keyed by uid.

    Nothing is held: each look asks the catalog again, so that a run that was saved a moment ago is there.

    Parameters
    ----------
    store : AnalysisStore
        Whose runs.
    query : Query
        Which of them.
    sorting : tuple of (key, 1 or -1)
        In which order.
    """

    structure_family = StructureFamily.container
    specs: ClassVar[list[Spec]] = [Spec("CatalogOfBlueskyRuns", version="1")]
    include_routers: ClassVar[list[APIRouter]] = [router]
    access_tags: ClassVar[frozenset[str]] = NO_TAGS
    metadata_stale_at = None
    entries_stale_at = None

    def __init__(self, store: RunStore, query: Query | None = None, sorting: Sorting = OLDEST_FIRST) -> None:
        self._store = store
        self._query = Query.parse() if query is None else query
        self._sorting = sorting

    @property
    def sorting(self) -> list[tuple[str, int]]:
        """The order, as Tiled has it."""
        return list(self._sorting)

    def metadata(self) -> Document:
        """Return what is said of the whole: nothing."""
        return {}

    def structure(self) -> None:
        """Return nothing: a container of runs has no structure but its count, which Tiled asks for itself."""
        return

    def read(self, fields: Sequence[str] | None = None) -> RunsTree:
        """Refuse: a store is not sent whole.

        Raises
        ------
        TooLargeError
            Always.
        """
        raise TooLargeError("a whole store is not sent in one answer; ask for one stream, as in <uid>/primary/data")

    def search(self, query: Any) -> RunsTree:
        """Return the runs that satisfy one of Tiled's queries, too.

        Raises
        ------
        QueryError
            The query cannot be understood.
        """
        wanted = _NOTHING if isinstance(query, AccessTagsFilter) else Query.parse(query)
        return RunsTree(self._store, self._query & wanted, self._sorting)

    def sort(self, sorting: Sequence[tuple[str, int]]) -> RunsTree:
        """Return the same runs in this order; keys are of the start document, or ``stop.`` keys."""
        return RunsTree(self._store, self._query, tuple((_plain(key), step) for key, step in sorting))

    def get_distinct(
        self, metadata: Sequence[str] | None, structure_families: bool, specs: bool, counts: bool
    ) -> dict[str, Any]:
        """Return the values that keys of the metadata have among these runs, with their counts if wanted.

        As databroker has it, a key is looked for in start and stop documents, and answered as ``start.key`` and
        ``stop.key``, where it has values.
        """
        asked = [full for key in metadata or () for full in _in_documents(key)]
        values = {key: self._store.catalog.distinct(self._query, key.removeprefix("start.")) for key in asked}
        found: dict[str, Any] = {
            "metadata": {
                key: [{"value": value, "count": number if counts else None} for value, number in told]
                for key, told in values.items()
                if told
            }
        }
        count = len(self) if counts else None
        if structure_families:
            found["structure_families"] = [{"value": StructureFamily.container, "count": count}]
        if specs:
            found["specs"] = [{"value": [Spec("BlueskyRun", version="1")], "count": count}]
        return found

    def __getitem__(self, uid: str) -> RunAdapter:
        try:
            record = self._store.catalog.get(uid)
        except RunNotFoundError as error:
            raise KeyError(uid) from error
        if not self._query.matches(record.start, record.stop):
            raise KeyError(uid)
        return RunAdapter.of(self._store, record)

    def __iter__(self) -> Iterator[str]:
        return self._keys_slice(0, None, 1)

    def __len__(self) -> int:
        return self._store.catalog.count(self._query)

    def keys(self) -> KeysView:
        """Return the uids, which can be sliced."""
        return KeysView(self.__len__, self._keys_slice)

    def values(self) -> ValuesView:
        """Return the runs, which can be sliced."""
        return ValuesView(self.__len__, self._items_slice)

    def items(self) -> ItemsView:
        """Return pairs of uid and run, which can be sliced."""
        return ItemsView(self.__len__, self._items_slice)

    def _keys_slice(self, start: int, stop: int | None, direction: int, _page: int | None = None) -> Iterator[str]:
        for record in self._records(start, stop, direction):
            yield record.uid

    def _items_slice(
        self, start: int, stop: int | None, direction: int, _page: int | None = None
    ) -> Iterator[tuple[str, RunAdapter]]:
        for record in self._records(start, stop, direction):
            yield record.uid, RunAdapter.of(self._store, record)

    def _records(self, start: int, stop: int | None, direction: int) -> Iterator[RunRecord]:
        """Yield a part of the runs, asked for page by page."""
        sorting = [(key, step if direction > 0 else -step) for key, step in self._sorting]
        end = float("inf") if stop is None else stop
        while start < end:
            limit = int(min(_PAGE, end - start))
            page = self._store.catalog.search(self._query, offset=start, limit=limit, sort=sorting)
            yield from islice(page, limit)
            if len(page) < limit:
                return
            start += limit


def _in_documents(key: str) -> list[str]:
    """Return where a key of the metadata may be: what names its document is there alone."""
    return [key] if key.startswith(("start.", "stop.")) else [f"start.{key}", f"stop.{key}"]


def _plain(key: str) -> str:
    """Return a sorting key as the catalog has it; Tiled's own names for "as it comes" mean the start time."""
    return "time" if key in ("", "_") else key.removeprefix("start.")

"""The tree that Tiled serves: the runs of a store, searched and paged by its catalog."""

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
"""databroker counts from the oldest run: ``catalog[-1]`` is the newest, which it requests in reverse."""

_PAGE = 500

_NOTHING = Query.parse({"uid": {"$in": []}})
"""Result of a filter by access tags, until runs have tags."""


class RunsTree(Mapping[str, RunAdapter], IndexersMixin):
    """The runs of a store that satisfy a query, keyed by uid.

    Nothing is cached: each access asks the catalog, so that a run that was saved just before is included.

    Parameters
    ----------
    store : AnalysisStore
        The store with the runs.
    query : Query
        Filter of the runs.
    sorting : tuple of (key, 1 or -1)
        Order of the runs.
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
        """The order in Tiled's form."""
        return list(self._sorting)

    def metadata(self) -> Document:
        """Return the metadata of the tree, which are empty."""
        return {}

    def structure(self) -> None:
        """Return None: a container of runs has no structure but its count, which Tiled requests itself."""
        return

    def read(self, fields: Sequence[str] | None = None) -> RunsTree:
        """Raise, since a store cannot be sent as a whole.

        Raises
        ------
        TooLargeError
            Always.
        """
        raise TooLargeError("A whole store cannot be sent in one answer. Ask for one stream, as in <uid>/primary/data.")

    def search(self, query: Any) -> RunsTree:
        """Return the runs that also satisfy one of Tiled's queries.

        Raises
        ------
        QueryError
            The query is invalid.
        """
        wanted = _NOTHING if isinstance(query, AccessTagsFilter) else Query.parse(query)
        return RunsTree(self._store, self._query & wanted, self._sorting)

    def sort(self, sorting: Sequence[tuple[str, int]]) -> RunsTree:
        """Return the same runs in this order; keys belong to the start document, unless they begin with ``stop.``."""
        return RunsTree(self._store, self._query, tuple((_plain(key), step) for key, step in sorting))

    def get_distinct(
        self, metadata: Sequence[str] | None, structure_families: bool, specs: bool, counts: bool
    ) -> dict[str, Any]:
        """Return the distinct values of metadata keys among these runs, with their counts if requested.

        As in databroker, a key is searched in start and stop documents, and answered as ``start.key`` and
        ``stop.key`` if it has values.
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
        """Return the uids as a sequence that can be sliced."""
        return KeysView(self.__len__, self._keys_slice)

    def values(self) -> ValuesView:
        """Return the runs as a sequence that can be sliced."""
        return ValuesView(self.__len__, self._items_slice)

    def items(self) -> ItemsView:
        """Return pairs of uid and run as a sequence that can be sliced."""
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
        """Yield a part of the runs, requested page by page."""
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
    """Return the possible locations of a metadata key: one document if the key names it, else both."""
    return [key] if key.startswith(("start.", "stop.")) else [f"start.{key}", f"stop.{key}"]


def _plain(key: str) -> str:
    """Return a sorting key in the catalog's form; Tiled's names for "as it comes" mean the start time."""
    return "time" if key in ("", "_") else key.removeprefix("start.")

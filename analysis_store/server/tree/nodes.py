"""Containers for Tiled, searched and sorted by the same rules as runs.

Tiled's own mapping adapter compares any values, runs regular expressions without a time limit, and knows
no access tags; an access policy treats nodes without tags as public.
"""

from __future__ import annotations

from collections import Counter
from math import nan
from typing import Any, ClassVar

from tiled.adapters.mapping import MapAdapter
from tiled.queries import AccessTagsFilter, KeysFilter, SpecsQuery, StructureFamilyQuery

from analysis_store.catalogs.query.query import Query
from analysis_store.errors import QueryError

_OF_TILED = (KeysFilter, SpecsQuery, StructureFamilyQuery)
"""Queries about a node itself, not about its metadata."""

_NO_RUN = {"uid": "", "time": nan}
"""Fields that every run has, and streams or keys do not have."""

NO_TAGS: frozenset[str] = frozenset()
"""The access tags of every node, until runs have tags of their own: a policy that uses tags admits no client."""


class Node(MapAdapter[Any]):
    """A container below the list of runs: a run, a stream, a dataset."""

    access_tags: ClassVar[frozenset[str]] = NO_TAGS

    def search(self, query: Any) -> Any:
        """Return this container with only those nodes that satisfy a query.

        Raises
        ------
        QueryError
            The query is invalid.
        """
        if isinstance(query, AccessTagsFilter):
            return self._with({})
        if isinstance(query, _OF_TILED):
            return super().search(query)
        wanted = Query.parse(query)
        return self._with({key: node for key, node in self.items() if wanted.matches(_NO_RUN | node.metadata())})

    def sort(self, sorting: Any) -> Any:
        """Return this container in another order.

        Raises
        ------
        QueryError
            The values at a key cannot be ordered.
        """
        try:
            return super().sort(sorting)
        except TypeError as error:
            raise QueryError(f"{self!r} cannot be sorted by {[key for key, _ in sorting]}: {error}") from error

    def get_distinct(self, metadata: Any, structure_families: bool, specs: bool, counts: bool) -> dict[str, Any]:
        """Return the distinct values of metadata keys among the nodes, with their counts if requested."""
        found: dict[str, Any] = super().get_distinct([], structure_families, specs, counts)
        if metadata:
            found["metadata"] = {key: self._values(key, counts) for key in metadata}
        return found

    def _values(self, key: str, counts: bool) -> list[dict[str, Any]]:
        """Return the scalar values at a dotted key; lists and mappings are not facets."""
        met = Counter(
            (type(value), value)
            for node in self.values()
            for value in [_at(node.metadata(), key)]
            if isinstance(value, (str, int, float, bool))
        )
        return [{"value": value, "count": count if counts else None} for (_, value), count in met.items()]

    def _with(self, mapping: dict[str, Any]) -> Any:
        return self.new_variation(mapping=mapping)


def _at(place: Any, key: str) -> Any:
    for word in key.split("."):
        place = place.get(word) if isinstance(place, dict) else None
    return place

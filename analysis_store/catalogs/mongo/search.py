"""Search of runs in MongoDB, by the same index of terms that a SQL catalog has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from analysis_store.catalogs.mongo.index import entry
from analysis_store.catalogs.query.nodes import All, And, Node, Not, Or, TimeSpan, UidPrefix, Uids
from analysis_store.catalogs.query.scalars import Order, scalars, up_to_time
from analysis_store.catalogs.query.slices import Answer, Points, Slice, answers, gather, leaves
from analysis_store.catalogs.records import is_text, read_json

if TYPE_CHECKING:
    from pymongo.collection import Collection

    from analysis_store.catalogs.query.query import Query
    from analysis_store.documents import Document

Filter = dict[str, Any]

NOTHING: Filter = {"_id": {"$in": []}}

MOST_LEAVES = 1000
"""A query with more conditions than this is checked against the documents."""


class Search:
    """One query on our own collection."""

    def __init__(self, own: Collection[Document], query: Query) -> None:
        self._own = own
        self._query = query
        node = gather(query.node)
        self._exact = True
        self._empty: dict[Slice, bool] = {}
        found = list(islice(leaves(node), MOST_LEAVES + 1))
        self._exact = len(found) <= MOST_LEAVES
        self._filter = {"$and": [{"committed": True}, self._of(node, over=True) if self._exact else {}]}

    def page(self, order: Order, offset: int, limit: int | None) -> list[Document]:
        """Return a page of the hits, in this order."""
        if limit == 0:
            return []
        keys, direction = up_to_time(order)
        if self._exact and not keys:
            return list(self._found(direction).skip(offset).limit(limit or 0))
        return list(islice(self.hits(order), offset, None if limit is None else offset + limit))

    def hits(self, order: Order) -> Iterator[Document]:
        """Yield every hit, in this order, which MongoDB sorts itself if it is that of time."""
        keys, direction = up_to_time(order)
        found = (own for own in self._found(direction) if self._exact or self._satisfies(own))
        return iter(_sorted(list(found), keys)) if keys else found

    def count(self, limit: int | None = None) -> int:
        """Return the number of hits, at most ``limit``."""
        if limit == 0:
            return 0
        if self._exact:
            most: dict[str, Any] = {} if limit is None else {"limit": limit}
            return int(self._own.count_documents(self._filter, **most))
        return sum(1 for _ in islice(self.hits([]), limit))

    def _found(self, direction: int) -> Any:
        return self._own.find(self._filter, {"terms": False}).sort([("time", direction), ("order", direction)])

    def _satisfies(self, own: Mapping[str, Any]) -> bool:
        return self._query.matches(*_documents(own))

    def _of(self, node: Node, *, over: bool) -> Filter:
        """Return a filter that holds for at least the hits of a node; with ``over=False``, for hits only."""
        match node:
            case All():
                return {}
            case And(parts):
                return _all([self._of(part, over=over) for part in parts])
            case Or(parts):
                return _any([self._of(part, over=over) for part in parts])
            case Not(part):
                return {"$nor": [self._of(part, over=not over)]}
            case TimeSpan(since, until):
                bounds = {"$gte": since, "$lt": until}
                return _all([{"time": {name: bound}} for name, bound in bounds.items() if bound is not None])
            case UidPrefix(prefix):
                return {"_id": {"$gte": prefix, "$lt": prefix + "\U0010ffff"}} if is_text(prefix) else NOTHING
            case Uids(uids):
                return {"_id": {"$in": sorted(filter(is_text, uids))}}
        return _all([self._answer(answer, over=over) for answer in answers(node)])

    def _answer(self, answer: Answer, *, over: bool) -> Filter:
        maybe = [slice for slice in answer.maybe if not self._is_empty(slice)]
        self._exact &= not maybe
        return _any([_inside(slice) for slice in ([*answer.sure, *maybe] if over else answer.sure)])

    def _is_empty(self, slice: Slice) -> bool:
        if slice not in self._empty:
            self._empty[slice] = self._own.find_one(_inside(slice), {"_id": True}) is None
        return self._empty[slice]


def _inside(slice: Slice) -> Filter:
    if isinstance(slice, Points):
        return {"terms": {"$in": [entry(slice.place, value) for value in slice.values]}}
    # one entry within both bounds, not one above the lower and another below the upper
    return {"terms": {"$elemMatch": {"$gte": entry(slice.place, slice.low), "$lt": entry(slice.place, slice.high)}}}


def _all(filters: Sequence[Filter]) -> Filter:
    return {"$and": list(filters)} if filters else {}


def _any(filters: Sequence[Filter]) -> Filter:
    return {"$or": list(filters)} if filters else NOTHING


def _documents(own: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    return read_json(own["start"]), None if own["stop"] is None else read_json(own["stop"])


def _sorted(found: list[Document], keys: Order) -> list[Document]:
    """Sort by the least scalar value at each key, runs without a value last; the sort is stable."""
    for key, direction in reversed(keys):
        values = {own["_id"]: min(scalars(key, *_documents(own)), default=None) for own in found}
        having = [own for own in found if values[own["_id"]] is not None]
        having.sort(key=lambda own: values[own["_id"]] or b"", reverse=direction < 0)
        found = having + [own for own in found if values[own["_id"]] is None]
    return found

"""The query that keyword equality, Mongo-style mappings and Tiled's query objects are all converted to."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from analysis_store.catalogs.query.dialects import from_any, from_field, from_text
from analysis_store.catalogs.query.nodes import All, And, Node, Start, Stop, TimeSpan
from analysis_store.catalogs.query.values import seconds
from analysis_store.errors import QueryError


class ForeignQuery(Protocol):
    """A query object of Tiled or databroker."""

    def encode(self) -> Mapping[str, object]:
        """Return it as Tiled sends it."""


@dataclass(frozen=True, slots=True)
class Query:
    """A search for runs; every catalog translates this one form.

    `matches` defines the meaning; a catalog may be faster, never different.

    Examples
    --------
    >>> query = Query.parse({"temperature": {"$gte": 300}}, sample="Fe foil")
    >>> query.matches({"uid": "a", "time": 0.0, "temperature": 310, "sample": "Fe foil"}, None)
    True
    """

    node: Node = All()  # noqa: RUF009 - frozen, so it can be shared
    """The root of the tree."""

    @classmethod
    def parse(
        cls,
        query: QueryLike | None = None,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        text: str | None = None,
        **equals: object,
    ) -> Query:
        """Return the query with these arguments; all of them must hold.

        Parameters
        ----------
        query
            A `Query`, a Mongo-style mapping, a query object of Tiled or databroker, or a string (full text).
        since, until
            Start time with ``since <= t < until``: seconds since 1970 UTC, a datetime or an ISO 8601 string;
            without a zone it is local time.
        text
            Words that must all occur.
        equals
            Keys of the start document, with a value or a mapping of operators.

        Raises
        ------
        QueryError
            An unknown operator, at any depth; an operand, a pattern or a time that cannot be used.
        """
        parts = [] if query is None else [query.node if isinstance(query, cls) else from_any(query)]
        if text is not None:
            parts.append(from_text(text))
        span = TimeSpan(seconds(since, "since"), seconds(until, "until"))
        if span != TimeSpan():
            parts.append(span)
        parts += [from_field(key, value) for key, value in equals.items()]
        return cls(_all_of(parts))

    def matches(self, start: Start, stop: Stop = None) -> bool:
        """Return True if a run with these documents matches: the reference for every catalog."""
        return self.node.matches(start, stop)

    def __and__(self, other: object) -> Query:
        if not isinstance(other, Query):
            return NotImplemented
        return Query(_all_of([self.node, other.node]))

    def __bool__(self) -> bool:
        raise QueryError("A query has no truth value. Combine two with '&', or pass it to search().")


def _all_of(parts: list[Node]) -> Node:
    flat: list[Node] = []
    for part in parts:
        flat += part.parts if isinstance(part, And) else () if isinstance(part, All) else (part,)
    return flat[0] if len(flat) == 1 else And(tuple(flat)) if flat else All()


QueryLike: TypeAlias = Query | ForeignQuery | Mapping[str, object] | str
"""A query, in each form that a store understands."""

Moment: TypeAlias = float | str | datetime.date
"""A time: s since 1970 UTC, ISO 8601, a date or a datetime; what has no zone is local time."""

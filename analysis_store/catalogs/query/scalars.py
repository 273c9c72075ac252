"""The scalar values at a key: what runs are sorted by, and counted by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from analysis_store.catalogs.query.dialects import key_of
from analysis_store.catalogs.query.nodes import Key, Start, Stop
from analysis_store.catalogs.query.terms import scalar_term
from analysis_store.core.equality import holds_nan
from analysis_store.errors import QueryError

if TYPE_CHECKING:
    from analysis_store.catalogs.query.nodes import Scalar

Order = Sequence[tuple[Key, int]]

TIME = Key("start", "time")


def read_order(sort: Sequence[tuple[str, int]]) -> Order:
    """Return the order that ``sort`` asks for, or raise `QueryError`."""
    for key, direction in sort:
        if direction not in (1, -1):
            raise QueryError(f"sort takes (key, 1) for ascending or (key, -1) for descending; got {(key, direction)!r}")
    return [(key_of(key), direction) for key, direction in sort]


def up_to_time(order: Order) -> tuple[Order, int]:
    """Return the keys before the time, and the direction of the time: what follows it could tell no runs apart."""
    keys = [key for key, _ in order]
    at = keys.index(TIME) if TIME in keys else len(keys)
    return order[:at], order[at][1] if at < len(order) else -1


def scalars(key: Key, start: Start, stop: Stop) -> dict[bytes, Scalar]:
    """Return the scalar values at a key by their terms; NaN, which nothing equals, is none of them."""
    values = (value for value in key.values(start, stop) if not isinstance(value, (list, dict)))
    return {scalar_term(value): value for value in values if not holds_nan(value)}


def tally(documents: Iterable[tuple[Start, Stop]], key: Key) -> list[tuple[Scalar, int]]:
    """Return the scalar values at a key with the number of runs that have them, the most frequent first."""
    counts: Counter[bytes] = Counter()
    values: dict[bytes, Scalar] = {}
    for start, stop in documents:
        for term, value in scalars(key, start, stop).items():
            counts[term] += 1
            values.setdefault(term, value)
    return [(values[term], count) for term, count in sorted(counts.items(), key=by_count)]


def by_count(item: Sequence[Any]) -> tuple[int, bytes]:
    """Return what sorts (term, count, …) by how many runs have the value, and those of equal number by value."""
    return -item[1], item[0]

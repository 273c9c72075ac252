"""The scalar values at a key, for sorting and counting runs."""

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
    """Return the sort order, or raise `QueryError`."""
    for key, direction in sort:
        if direction not in (1, -1):
            raise QueryError(
                f"Got {(key, direction)!r} in sort; expected (key, 1) for ascending or (key, -1) for descending."
            )
    return [(key_of(key), direction) for key, direction in sort]


def up_to_time(order: Order) -> tuple[Order, int]:
    """Return the keys before the time, and the direction of the time; keys after it would have no effect."""
    keys = [key for key, _ in order]
    at = keys.index(TIME) if TIME in keys else len(keys)
    return order[:at], order[at][1] if at < len(order) else -1


def scalars(key: Key, start: Start, stop: Stop) -> dict[bytes, Scalar]:
    """Return the scalar values at a key by their terms, without NaN, which equals nothing."""
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
    """Return the sort key of (term, count, …): by number of runs, then by value."""
    return -item[1], item[0]

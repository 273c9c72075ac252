"""The edges of lineage in MongoDB: requested level by level, or all read at once, if this is faster.

``$graphLookup`` would read whole runs, including their index terms, and is limited to 100 MB of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis_store.catalogs.kinship import Edge, by_levels
from analysis_store.catalogs.records import is_text

if TYPE_CHECKING:
    from pymongo.collection import Collection

    from analysis_store.documents import Document

AT_ONCE = 1000
"""Number of uids named in one request."""

DEEP = 10
"""Number of levels after which the number of runs is checked."""

WORTH = 50
"""Number of runs that are read in about the time of one request."""

Edges = Callable[[list[str]], Iterable[Edge]]


def known(own: Collection[Document], uids: Iterable[str]) -> set[str]:
    """Return those of these uids that are runs."""
    return {str(found["_id"]) for found in _among(own, "_id", uids)}


def all_edges(own: Collection[Document], order: Sequence[str] = ("order",)) -> Iterator[Edge]:
    """Yield (child, parent) for every parent that a run names, in the order of insertion, or of other fields."""
    for run in own.find({"committed": True}, {"parents": True}).sort([(name, 1) for name in order]):
        yield from ((str(run["_id"]), str(parent)) for parent in run["parents"])


def edges_above(own: Collection[Document], uids: Iterable[str]) -> list[Edge]:
    """Return (child, parent) for these runs and all their ancestors."""

    def at(level: list[str]) -> list[Edge]:
        return [(str(run["_id"]), parent) for run in _among(own, "_id", level) for parent in run["parents"]]

    return by_levels(uids, _sooner(own, at, start=0), end=1)


def edges_below(own: Collection[Document], uids: Iterable[str]) -> list[Edge]:
    """Return (child, parent) for all descendants of these runs; for one parent the oldest child first."""

    def at(level: list[str]) -> list[Edge]:
        found = sorted(_among(own, "parents", level), key=lambda run: (run["time"], run["order"]))
        wanted = set(level)
        return [(str(run["_id"]), parent) for run in found for parent in run["parents"] if parent in wanted]

    return by_levels(uids, _sooner(own, at, start=1), end=0)


def _sooner(own: Collection[Document], at: Edges, start: int) -> Edges:
    """Return a function for the edges at a level (``start`` is their end): one request each at first.

    Once the requests have taken as long as reading all edges does, all are read: this takes at most
    twice the time of the faster way.
    """
    asked = 0
    enough = DEEP
    read: dict[str, list[Edge]] | None = None

    def edges_at(level: list[str]) -> Iterable[Edge]:
        nonlocal asked, enough, read
        if read is None and asked == enough == DEEP:
            enough = max(DEEP, own.estimated_document_count() // WORTH)
        if read is None and asked >= enough:
            read = _by_end(all_edges(own, ("time", "order")), start)
        if read is not None:
            return [edge for uid in level for edge in read.get(uid, ())]
        asked += 1
        return at(level)

    return edges_at


def _by_end(edges: Iterable[Edge], start: int) -> dict[str, list[Edge]]:
    found: dict[str, list[Edge]] = {}
    for edge in edges:
        found.setdefault(edge[start], []).append(edge)
    return found


def _among(own: Collection[Document], field: str, uids: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    """Yield the lineage fields of each run in which a field has one of these uids."""
    wanted = [uid for uid in uids if is_text(uid)]
    shown = {"parents": True, "time": True, "order": True}
    for begin in range(0, len(wanted), AT_ONCE):
        yield from own.find({field: {"$in": wanted[begin : begin + AT_ONCE]}, "committed": True}, shown)

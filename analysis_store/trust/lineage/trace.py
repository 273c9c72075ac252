"""Lineage: the graph about a run, gathered from the catalog in a few requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from analysis_store.catalogs.kinship import downwards, nearest, upwards
from analysis_store.catalogs.query.query import Query
from analysis_store.provenance import Provenance
from analysis_store.runs.notes.notes import retractions
from analysis_store.trust.lineage.graph import Member
from analysis_store.trust.lineage.model import Lineage

if TYPE_CHECKING:
    from analysis_store.catalogs.base import Catalog, RunRecord
    from analysis_store.catalogs.kinship import Edge
    from analysis_store.run_store import RunStore

_AT_ONCE = 500


def trace(store: RunStore, uid: str, *, up: bool = True, down: bool = True, limit: int | None = None) -> Lineage:
    """Return the ancestors and descendants of a run; see `AnalysisStore.lineage`."""
    catalog, middle = store.catalog, store[uid].uid
    above = catalog.edges_above([middle]) if up else []
    below = catalog.edges_below([middle]) if down else []
    depths = {middle: 0}
    depths |= {each: -steps for each, steps in nearest([middle], upwards(above), limit)}
    for each, steps in nearest([middle], downwards(below), limit):
        depths.setdefault(each, steps)
    edges = tuple(dict.fromkeys(edge for edge in (*above, *below) if depths.keys() >= set(edge)))
    members = {member.uid: member for member in _members(catalog, depths, edges)}
    return Lineage(middle, {each: members[each] for each in depths}, edges)


def _members(catalog: Catalog, depths: dict[str, int], edges: Iterable[Edge]) -> Iterator[Member]:
    records = {record.uid: record for record in records_of(catalog, depths)}
    homes = dict(_homes(records, edges))
    retracted = retractions(catalog)
    for uid, depth in depths.items():
        record = records.get(uid)
        yield Member(uid, depth, record, homes.get(uid) if record is None else None, uid in retracted)


def records_of(catalog: Catalog, uids: Iterable[str]) -> Iterator[RunRecord]:
    """Yield the catalog records of these runs, many at a time, in no particular order."""
    wanted = list(uids)
    for begin in range(0, len(wanted), _AT_ONCE):
        yield from catalog.search(Query.parse({"uid": {"$in": wanted[begin : begin + _AT_ONCE]}}))


def _homes(records: dict[str, RunRecord], edges: Iterable[Edge]) -> Iterator[tuple[str, str]]:
    """Yield the catalogs in which parents are that are not here, as their children say."""
    for child in dict.fromkeys(child for child, parent in edges if parent not in records and child in records):
        record = records[child]
        told = Provenance.from_document(record.provenance)
        for parent in told.parents:
            if parent.catalog is not None:
                yield parent.uid, parent.catalog

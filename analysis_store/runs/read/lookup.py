"""Lookup of one run by its uid, the beginning of it, its scan_id, or its position counted from the newest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis_store.catalogs.query.query import Query
from analysis_store.errors import AmbiguousUidError, RunNotFoundError

if TYPE_CHECKING:
    from analysis_store.catalogs.base import Catalog, RunRecord

_PREFIX_SHOWN = 10
_LISTED = "List runs with store.search(), or analysis-store ls."


def find(catalog: Catalog, key: str | int, location: str) -> RunRecord:
    """Return the run that answers to a key; see `AnalysisStore.__getitem__`.

    Raises
    ------
    RunNotFoundError
        None does; `AmbiguousUidError` when several do.
    """
    if isinstance(key, str):
        return _by_uid(catalog, key, location)
    if isinstance(key, bool) or not hasattr(key, "__index__"):
        raise RunNotFoundError(f"Got {key!r}; expected a uid, a prefix of one, a scan_id, or -1, -2 ….")
    number = key.__index__()
    query = Query.parse(scan_id=number) if number >= 0 else Query.parse()
    found = catalog.search(query, offset=max(0, -number - 1), limit=1)
    if not found:
        told = f"No run has scan_id {number}" if number >= 0 else f"There are only {catalog.count(query)} runs"
        raise RunNotFoundError(f"{told} in {location}. {_LISTED}")
    return found[0]


def _by_uid(catalog: Catalog, text: str, location: str) -> RunRecord:
    try:
        return catalog.get(text)
    except RunNotFoundError:
        found = catalog.with_prefix(text, _PREFIX_SHOWN + 1) if text else []
    if len(found) == 1:
        return catalog.get(found[0])
    if found:
        shown = ", ".join(found[:_PREFIX_SHOWN]) + (" …" if len(found) > _PREFIX_SHOWN else "")
        raise AmbiguousUidError(f"{text!r} begins the uids of several runs: {shown}. Give more of it.")
    raise RunNotFoundError(f"no run's uid is or begins with {text!r} in {location}; {_LISTED}")

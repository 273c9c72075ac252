"""Trust: a store checked, mended, rebuilt from its files, moved and thinned out; a result followed to its sources."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis_store.trust.backups import BackupReport, backup
    from analysis_store.trust.bundle_writing import BundleReport, dump
    from analysis_store.trust.checking import CheckReport, check
    from analysis_store.trust.collecting import GcReport, gc
    from analysis_store.trust.filling import ReindexReport
    from analysis_store.trust.findings import Finding
    from analysis_store.trust.graph import Lineage
    from analysis_store.trust.impacts import Affected, find_affected
    from analysis_store.trust.lineage import trace
    from analysis_store.trust.loading import LoadReport, load
    from analysis_store.trust.provjson import prov_document
    from analysis_store.trust.quarantine import restore
    from analysis_store.trust.reindexing import reindex
    from analysis_store.trust.removal import RemovalReport, delete
    from analysis_store.trust.staleness import Stale, find_stale
    from analysis_store.trust.syncing import SyncReport, sync

__all__ = [
    "Affected",
    "BackupReport",
    "BundleReport",
    "CheckReport",
    "Finding",
    "GcReport",
    "Lineage",
    "LoadReport",
    "ReindexReport",
    "RemovalReport",
    "Stale",
    "SyncReport",
    "backup",
    "check",
    "delete",
    "dump",
    "find_affected",
    "find_stale",
    "gc",
    "load",
    "prov_document",
    "reindex",
    "restore",
    "sync",
    "trace",
]

# No module bears the name of what it exports: importing it would put the module in place of the function.
_HOMES = {
    "Affected": "impacts",
    "Lineage": "graph",
    "Stale": "staleness",
    "find_affected": "impacts",
    "find_stale": "staleness",
    "prov_document": "provjson",
    "trace": "lineage",
    "BackupReport": "backups",
    "BundleReport": "bundle_writing",
    "GcReport": "collecting",
    "LoadReport": "loading",
    "SyncReport": "syncing",
    "dump": "bundle_writing",
    "load": "loading",
    "sync": "syncing",
    "RemovalReport": "removal",
    "backup": "backups",
    "delete": "removal",
    "gc": "collecting",
    "restore": "quarantine",
    "CheckReport": "checking",
    "Finding": "findings",
    "ReindexReport": "filling",
    "check": "checking",
    "reindex": "reindexing",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

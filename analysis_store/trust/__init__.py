"""Trust: a store checked, mended, rebuilt from its files, moved and thinned out; a result followed to its sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis_store.names import loaded_when_used

if TYPE_CHECKING:
    from analysis_store.trust.backups import BackupReport as BackupReport
    from analysis_store.trust.backups import backup as backup
    from analysis_store.trust.bundle_writing import BundleReport as BundleReport
    from analysis_store.trust.bundle_writing import dump as dump
    from analysis_store.trust.checking import CheckReport as CheckReport
    from analysis_store.trust.checking import check as check
    from analysis_store.trust.collecting import GcReport as GcReport
    from analysis_store.trust.collecting import gc as gc
    from analysis_store.trust.filling import ReindexReport as ReindexReport
    from analysis_store.trust.findings import Finding as Finding
    from analysis_store.trust.graph import Lineage as Lineage
    from analysis_store.trust.impacts import Affected as Affected
    from analysis_store.trust.impacts import find_affected as find_affected
    from analysis_store.trust.lineage import trace as trace
    from analysis_store.trust.loading import LoadReport as LoadReport
    from analysis_store.trust.loading import load as load
    from analysis_store.trust.provjson import prov_document as prov_document
    from analysis_store.trust.quarantine import restore as restore
    from analysis_store.trust.reindexing import reindex as reindex
    from analysis_store.trust.removal import RemovalReport as RemovalReport
    from analysis_store.trust.removal import delete as delete
    from analysis_store.trust.staleness import Stale as Stale
    from analysis_store.trust.staleness import find_stale as find_stale
    from analysis_store.trust.syncing import SyncReport as SyncReport
    from analysis_store.trust.syncing import sync as sync
else:
    __all__, __getattr__, __dir__ = loaded_when_used(
        __name__,
        {
            "backups": ["BackupReport", "backup"],
            "bundle_writing": ["BundleReport", "dump"],
            "checking": ["CheckReport", "check"],
            "collecting": ["GcReport", "gc"],
            "filling": ["ReindexReport"],
            "findings": ["Finding"],
            "graph": ["Lineage"],
            "impacts": ["Affected", "find_affected"],
            "lineage": ["trace"],
            "loading": ["LoadReport", "load"],
            "provjson": ["prov_document"],
            "quarantine": ["restore"],
            "reindexing": ["reindex"],
            "removal": ["RemovalReport", "delete"],
            "staleness": ["Stale", "find_stale"],
            "syncing": ["SyncReport", "sync"],
        },
    )

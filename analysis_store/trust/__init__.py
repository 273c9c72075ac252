"""Trust: check, repair, rebuild, copy and clean a store; trace results to their sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis_store.names import loaded_when_used

if TYPE_CHECKING:
    from analysis_store.trust.backups.backup import BackupReport as BackupReport
    from analysis_store.trust.backups.backup import backup as backup
    from analysis_store.trust.bundles.load import LoadReport as LoadReport
    from analysis_store.trust.bundles.load import load as load
    from analysis_store.trust.bundles.sync import SyncReport as SyncReport
    from analysis_store.trust.bundles.sync import sync as sync
    from analysis_store.trust.bundles.writing import BundleReport as BundleReport
    from analysis_store.trust.bundles.writing import dump as dump
    from analysis_store.trust.checks.check import CheckReport as CheckReport
    from analysis_store.trust.checks.check import check as check
    from analysis_store.trust.findings import Finding as Finding
    from analysis_store.trust.lineage.impact import Affected as Affected
    from analysis_store.trust.lineage.impact import find_affected as find_affected
    from analysis_store.trust.lineage.model import Lineage as Lineage
    from analysis_store.trust.lineage.prov_json import prov_document as prov_document
    from analysis_store.trust.lineage.staleness import Stale as Stale
    from analysis_store.trust.lineage.staleness import find_stale as find_stale
    from analysis_store.trust.lineage.trace import trace as trace
    from analysis_store.trust.reindexing.rebuild import ReindexReport as ReindexReport
    from analysis_store.trust.reindexing.reindex import reindex as reindex
    from analysis_store.trust.removal.deletion import RemovalReport as RemovalReport
    from analysis_store.trust.removal.deletion import delete as delete
    from analysis_store.trust.removal.garbage import GcReport as GcReport
    from analysis_store.trust.removal.garbage import gc as gc
    from analysis_store.trust.removal.quarantine import restore as restore
else:
    __all__, __getattr__, __dir__ = loaded_when_used(
        __name__,
        {
            "backups.backup": ["BackupReport", "backup"],
            "bundles.writing": ["BundleReport", "dump"],
            "checks.check": ["CheckReport", "check"],
            "removal.garbage": ["GcReport", "gc"],
            "reindexing.rebuild": ["ReindexReport"],
            "findings": ["Finding"],
            "lineage.model": ["Lineage"],
            "lineage.impact": ["Affected", "find_affected"],
            "lineage.trace": ["trace"],
            "bundles.load": ["LoadReport", "load"],
            "lineage.prov_json": ["prov_document"],
            "removal.quarantine": ["restore"],
            "reindexing.reindex": ["reindex"],
            "removal.deletion": ["RemovalReport", "delete"],
            "lineage.staleness": ["Stale", "find_stale"],
            "bundles.sync": ["SyncReport", "sync"],
        },
    )

"""The types of arguments and results of a store, for annotations in users' code.

They are loaded on first use. ``Document`` is any document of event-model. Names that end in ``Like`` are types of
parameters: `RunLike` is a run or its uid, `QueryLike` a query in any form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis_store.names import loaded_when_used

if TYPE_CHECKING:
    from event_model.documents import Document as Document

    from analysis_store.catalogs.base import Note as Note
    from analysis_store.catalogs.query.query import Moment as Moment
    from analysis_store.catalogs.query.query import QueryLike as QueryLike
    from analysis_store.core.lazy import Index as Index
    from analysis_store.processing.engine.comparison import Comparison as Comparison
    from analysis_store.processing.engine.explanation import Explanation as Explanation
    from analysis_store.processing.inputs.inputs import InputsLike as InputsLike
    from analysis_store.processing.model.pipeline import PipelineLike as PipelineLike
    from analysis_store.processing.task.selection import SelectionLike as SelectionLike
    from analysis_store.provenance.model import ProvenanceLike as ProvenanceLike
    from analysis_store.runs.read.lazy import LazyArray as LazyArray
    from analysis_store.runs.read.results import Runs as Runs
    from analysis_store.runs.read.run import Run as Run
    from analysis_store.runs.read.run import RunLike as RunLike
    from analysis_store.runs.read.run import RunsLike as RunsLike
    from analysis_store.runs.read.stream import Stream as Stream
    from analysis_store.runs.read.verify import Report as Report
    from analysis_store.runs.values.gather import DataLike as DataLike
    from analysis_store.runs.values.gather import WriterEntry as WriterEntry
    from analysis_store.runs.values.gather import WriterResource as WriterResource
    from analysis_store.runs.write.opened import OpenRun as OpenRun
    from analysis_store.trust.backups.backup import BackupReport as BackupReport
    from analysis_store.trust.bundles.load import LoadReport as LoadReport
    from analysis_store.trust.bundles.sync import SyncReport as SyncReport
    from analysis_store.trust.bundles.writing import BundleReport as BundleReport
    from analysis_store.trust.checks.check import CheckReport as CheckReport
    from analysis_store.trust.findings import Finding as Finding
    from analysis_store.trust.lineage.impact import Affected as Affected
    from analysis_store.trust.lineage.model import Lineage as Lineage
    from analysis_store.trust.lineage.staleness import Stale as Stale
    from analysis_store.trust.reindexing.rebuild import ReindexReport as ReindexReport
    from analysis_store.trust.removal.deletion import RemovalReport as RemovalReport
    from analysis_store.trust.removal.garbage import GcReport as GcReport
else:
    __all__, __getattr__, __dir__ = loaded_when_used(
        __name__,
        {
            "analysis_store.arrays": ["Index"],
            "analysis_store.catalogs.base": ["Note"],
            "analysis_store.catalogs.query.query": ["Moment", "QueryLike"],
            "analysis_store.processing.engine.comparison": ["Comparison"],
            "analysis_store.processing.engine.explanation": ["Explanation"],
            "analysis_store.processing.inputs.inputs": ["InputsLike"],
            "analysis_store.processing.model.pipeline": ["PipelineLike"],
            "analysis_store.processing.task.selection": ["SelectionLike"],
            "analysis_store.provenance.model": ["ProvenanceLike"],
            "analysis_store.runs.values.gather": ["DataLike", "WriterEntry", "WriterResource"],
            "analysis_store.runs.read.lazy": ["LazyArray"],
            "analysis_store.runs.write.opened": ["OpenRun"],
            "analysis_store.runs.read.results": ["Runs"],
            "analysis_store.runs.read.run": ["Run", "RunLike", "RunsLike"],
            "analysis_store.runs.read.stream": ["Stream"],
            "analysis_store.runs.read.verify": ["Report"],
            "analysis_store.trust.backups.backup": ["BackupReport"],
            "analysis_store.trust.bundles.writing": ["BundleReport"],
            "analysis_store.trust.checks.check": ["CheckReport"],
            "analysis_store.trust.removal.garbage": ["GcReport"],
            "analysis_store.trust.reindexing.rebuild": ["ReindexReport"],
            "analysis_store.trust.findings": ["Finding"],
            "analysis_store.trust.lineage.model": ["Lineage"],
            "analysis_store.trust.lineage.impact": ["Affected"],
            "analysis_store.trust.bundles.load": ["LoadReport"],
            "analysis_store.trust.removal.deletion": ["RemovalReport"],
            "analysis_store.trust.lineage.staleness": ["Stale"],
            "analysis_store.trust.bundles.sync": ["SyncReport"],
            "event_model.documents": ["Document"],
        },
        absolute=True,
    )

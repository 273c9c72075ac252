"""The index of the catalog: compared with the documents, and repaired."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from analysis_store.errors import AnalysisStoreError, DamagedFileError
from analysis_store.trust.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from analysis_store.run_store import RunStore

KIND = "index"
_WHAT = "its entries in the index of the catalog are not those that its documents give: a search may miss it"
_ADVICE = "check with repair, which indexes it again"
DAMAGED = "catalog"
_REBUILD = "restore it from a backup, or close the store and rebuild it from the files: analysis-store reindex"
_CATALOG = "catalog"
"""Subject of findings that belong to no run."""


def index_findings(store: RunStore) -> Iterator[Finding]:
    """Yield the runs that a search may miss or find wrongly; or damage of the catalog itself."""
    try:
        wrong = store.catalog.check_index()
    except DamagedFileError as error:
        yield Finding(DAMAGED, _CATALOG, str(error), _REBUILD)
        return
    for uid in wrong.uids:
        yield Finding(KIND, uid, _WHAT, _ADVICE, True)
    if wrong.strays:
        what = f"{wrong.strays} entries of its index belong to no run: a search may match a later run wrongly"
        yield Finding(KIND, _CATALOG, what, "check with repair, which removes them", True)


def indexed_again(store: RunStore, findings: Iterable[Finding]) -> list[Finding]:
    """Repair the index completely, and return the present findings."""
    found = list(findings)
    if not found:
        return []
    try:
        store.catalog.mend_index(finding.subject for finding in found if finding.subject != _CATALOG)
        left = {finding.subject for finding in index_findings(store)}
    except AnalysisStoreError as error:
        return [replace(finding, what=f"{finding.what}; it could not be repaired: {error}") for finding in found]
    return [finding if finding.subject in left else _done(finding) for finding in found]


def _done(finding: Finding) -> Finding:
    did = "they were removed" if finding.subject == _CATALOG else "it was indexed again"
    return Finding("repaired", finding.subject, f"{finding.what}: {did}", "no action needed")

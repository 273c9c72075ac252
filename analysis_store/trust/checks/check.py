"""A whole store checked: catalog and files agree, every value is what was stored, and what dead processes have left."""

from __future__ import annotations

import math
import pickle
import random
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis_store.catalogs.query.query import Query
from analysis_store.core.text import counted
from analysis_store.errors import InputError, SettingsError
from analysis_store.progress import watched
from analysis_store.trust.checks.index_check import index_findings
from analysis_store.trust.checks.leftovers import log_findings, other_findings
from analysis_store.trust.checks.orphans import OrphanCheck
from analysis_store.trust.checks.repair import repaired
from analysis_store.trust.checks.run_check import RunCheck
from analysis_store.trust.findings import Finding, findings_text
from analysis_store.trust.inventory import Entry, Kind, walk
from analysis_store.trust.parallel import MANY, chunked, share, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from analysis_store.documents import Document
    from analysis_store.run_store import RunStore

_CHUNK = 32
"""Runs that a worker is given at once."""
_COUNTS = ("runs", "values", "files", "orphans", "notes")


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Result of checking a store; true if it has no faults; remarks do not count."""

    findings: tuple[Finding, ...]
    """The faults and the remarks; with ``repair`` the repairs, and the remaining faults."""

    checked: dict[str, int]
    """Numbers of checked items: ``runs``, ``values`` (keys that were read), ``files``, ``orphans``, ``notes``."""

    @property
    def faults(self) -> list[Finding]:
        """Faults."""
        return [finding for finding in self.findings if finding.is_fault]

    @property
    def remarks(self) -> list[Finding]:
        """What is not wrong, but worth knowing."""
        return [finding for finding in self.findings if not finding.is_fault]

    def __bool__(self) -> bool:
        return not self.faults

    def to_dict(self) -> Document:
        """Return the report as JSON."""
        listed = [finding.to_dict() for finding in self.findings]
        return {"well": bool(self), "checked": dict(self.checked), "findings": listed}

    def __str__(self) -> str:
        seen = f"{counted(self.checked['runs'], 'run')} checked, {counted(self.checked['values'], 'key')} read: "
        said = counted(len(self.faults), "fault") if self.faults else "all is well"
        more = f", {counted(len(self.remarks), 'remark')}" if self.remarks else ""
        return "\n".join(filter(None, (seen + said + more, findings_text(self.findings))))


def check(
    store: RunStore,
    *,
    quick: bool = False,
    sample: float | None = None,
    repair: bool = False,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CheckReport:
    """Check a whole store; see `AnalysisStore.check`."""
    files, others = _walked(store)  # before the catalog: what is saved meanwhile is in both then
    paths = dict(store.catalog.paths())
    drawn = _drawn(paths, sample, quick=quick)
    total = Counter[str](files=len(files) + len(others))
    findings: list[Finding] = []
    referred: set[str] = set()
    with watched(progress, "Checking") as tell:
        chunks = chunked(store.catalog.each(Query()), share(len(paths), _CHUNK, workers))
        processes = len(paths) >= MANY and _may_be_sent(store)
        for result in spread(RunCheck(store, drawn), chunks, workers=workers, processes=processes):
            total.update(result.counts)
            findings += result.findings
            referred |= result.referred
            tell(min(total["runs"], len(paths)), len(paths))
    lost = sorted(files - referred - set(paths.values()))
    for result in spread(OrphanCheck(store, not quick), chunked(lost, _CHUNK), workers=workers, processes=False):
        total.update(result.counts)
        findings += result.findings
    findings += index_findings(store)
    findings += log_findings(store, others, total)
    findings += other_findings(store, [entry for entry in others if entry.relative not in referred], paths)
    if repair:
        findings = repaired(store, findings)
    return CheckReport(tuple(findings), {name: total[name] for name in _COUNTS})


def _walked(store: RunStore) -> tuple[set[str], list[Entry]]:
    """Return what is named as a run file, and all else that is under the root."""
    files: set[str] = set()
    others: list[Entry] = []
    for entry in walk(store.root):
        if entry.kind is Kind.RUN:
            files.add(entry.relative)
        else:
            others.append(entry)
    return files, others


def _may_be_sent(store: RunStore) -> bool:
    """Return True if the store can be sent to processes: its handlers and sources may exist in this process only."""
    try:
        pickle.dumps(store)
    except SettingsError:
        return False
    return True


def _drawn(paths: Collection[str], sample: float | None, *, quick: bool) -> Collection[str] | None:
    """Return the uids of the runs whose values are read; None for all of them."""
    if quick:
        return frozenset()
    if sample is None:
        return None
    whole = isinstance(sample, int)
    if sample < 0 or not (whole or sample <= 1):
        raise InputError(f"sample: Got {sample!r}; expected a number of runs, as 20, or a part of them, as 0.1.")
    number = int(sample) if whole else math.ceil(sample * len(paths))
    return frozenset(random.sample(sorted(paths), min(number, len(paths))))

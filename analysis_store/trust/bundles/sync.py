"""Synchronisation of two stores: missing runs are copied as through a bundle, without the bundle."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis_store.errors import DamagedFileError, InputError
from analysis_store.progress import Progress, watched
from analysis_store.trust.bundles.contents import Selection, cargo_of, notes_of, select
from analysis_store.trust.bundles.import_plan import Arrival, Offer, Prospect
from analysis_store.trust.bundles.import_run import Landing, landing, take
from analysis_store.trust.bundles.load import LoadReport, check_space, merge_notes, remarks
from analysis_store.trust.bundles.run_in_transit import RunInTransit
from analysis_store.trust.findings import Finding

if TYPE_CHECKING:
    from analysis_store.catalogs.query.query import QueryLike
    from analysis_store.documents import Document
    from analysis_store.run_store import RunStore


@dataclass(slots=True)
class SyncReport:
    """Result of a synchronisation; true if nothing was in the way."""

    came: LoadReport
    """Runs copied into this store."""

    went: LoadReport | None = None
    """Runs copied into the other store; None if that was not requested."""

    both: list[LoadReport] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.both = [self.came, *([self.went] if self.went else [])]

    def __bool__(self) -> bool:
        return all(self.both)

    def to_dict(self) -> Document:
        """Return the report as JSON."""
        return {"came": self.came.to_dict(), "went": self.went.to_dict() if self.went else None}

    def __str__(self) -> str:
        return "\n".join(map(str, self.both))


def sync(
    store: RunStore,
    other: RunStore | str | os.PathLike[str],
    *,
    query: QueryLike | None = None,
    both: bool = False,
    progress: Progress | None = None,
) -> SyncReport:
    """Take into a store what another has and it lacks; see `AnalysisStore.sync`."""
    from analysis_store.run_store import RunStore

    if not isinstance(other, RunStore):
        with RunStore(_existing(other)) as opened:
            return sync(store, opened, query=query, both=both, progress=progress)
    if other.root.resolve() == store.root.resolve():
        raise InputError(f"{other.location} is this very store; name another.")
    with watched(progress, "Syncing") as tell:
        came = _pull(store, other, query, tell)
        return SyncReport(came, _pull(other, store, query, tell) if both else None)


def _existing(location: str | os.PathLike[str]) -> str:
    text = os.fspath(location)
    if "://" not in text and not Path(text).expanduser().is_dir():
        raise InputError(f"{text} is not a store: the folder does not exist. Name the folder of a store.")
    return text


def _pull(store: RunStore, other: RunStore, query: Any, tell: Progress) -> LoadReport:
    """Copy the runs of the other store; report runs that cannot be copied, and leave out their descendants, too."""
    selection = select(other, other.search(query), closure=True)
    notes = notes_of(other, selection)
    prospect = Arrival(store, notes).look(_offers(other, selection))
    check_space(store, prospect.size)
    report = LoadReport(other.location, skipped=prospect.known, findings=remarks(prospect, notes))
    done = 0
    with landing(store, prospect.new.values()) as runs:
        for ready in runs:
            report.loaded += take(store, [run for run in ready if _may_come(run, prospect)])
            for _ in ready:
                done += 1
                tell(done, len(prospect.new))
    report.findings += _left(prospect)
    here = {*report.loaded, *report.skipped, *selection.missing}
    report.notes = merge_notes(store, [note for note in notes if note.uid in here])
    return report


def _may_come(run: Landing, prospect: Prospect) -> bool:
    """Return True if a run can be copied; report a damaged one, and one whose parent could not be copied."""
    uid = run.cargo.uid
    lost = next((parent for parent in run.cargo.record.parents if parent in prospect.left), None)
    if lost is not None:
        prospect.conflicts[uid] = f"it came from run {lost}, which cannot come"
    elif isinstance(run.fault, DamagedFileError):
        prospect.damaged[uid] = str(run.fault)
    return uid not in prospect.left


def _left(prospect: Prospect) -> Iterator[Finding]:
    """Yield what is to be said of the runs that could not come."""
    for kind, problems, advice in (
        ("duplicate", prospect.conflicts, "see which of the two is right"),
        ("bundle", prospect.unsettled, "the policy of this store forbids it; take it into one that asks for less"),
        ("damaged", prospect.damaged, "check the store that it comes from"),
    ):
        yield from (Finding(kind, uid, why.strip(), advice) for uid, why in problems.items())


def _offers(other: RunStore, selection: Selection) -> Iterator[Offer]:
    for uid in selection.uids:
        record = other.catalog.get(uid)
        yield record, partial(cargo_of, RunInTransit(record, other.context), other.root)

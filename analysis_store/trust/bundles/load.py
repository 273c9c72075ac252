"""Loading of a bundle into a store: checked as a whole before anything is written, then run by run. Idempotent."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analysis_store.core.text import counted
from analysis_store.errors import DuplicateRunError, ProvenanceError, StoreWriteError
from analysis_store.progress import Progress, watched
from analysis_store.runs.notes.notes import REINSTATED, RETRACTED, Notes, passed_on
from analysis_store.trust.bundles.contents import EXTERNAL_NOTE, STAYING
from analysis_store.trust.bundles.import_plan import Arrival, Prospect, told
from analysis_store.trust.bundles.import_run import landing, take
from analysis_store.trust.bundles.reading import Bundle
from analysis_store.trust.findings import Finding, findings_text

if TYPE_CHECKING:
    import os

    from analysis_store.catalogs.base import Note
    from analysis_store.documents import Document
    from analysis_store.run_store import RunStore

_ADVICE = "copy it to the location in the run, or give its location with root_map"


@dataclass(slots=True)
class LoadReport:
    """Result of loading a bundle into a store."""

    source: str
    """The bundle, or the store."""

    loaded: list[str] = field(default_factory=list)
    """Uids of the loaded runs, parents before their children; with ``dry_run`` of those that would be loaded."""

    skipped: list[str] = field(default_factory=list)
    """Uids of runs that were here already, the same in everything."""

    notes: int = 0
    """Number of new notes."""

    findings: list[Finding] = field(default_factory=list)
    """Remarks: missing files, parents of which only a stub was loaded, runs that could not be loaded."""

    dry_run: bool = False
    """True if nothing was written."""

    def to_dict(self) -> Document:
        """Return the report as JSON."""
        return {
            "source": self.source,
            "loaded": self.loaded,
            "skipped": self.skipped,
            "notes": self.notes,
            "findings": [finding.to_dict() for finding in self.findings],
            "dry_run": self.dry_run,
        }

    def __bool__(self) -> bool:
        return not any(finding.is_fault for finding in self.findings)

    def __str__(self) -> str:
        would = "would be loaded" if self.dry_run else "loaded"
        head = f"{self.source}: {counted(len(self.loaded), 'run')} {would}, {len(self.skipped)} known, "
        head += counted(self.notes, "new note")
        return "\n".join([head, *([findings_text(self.findings)] if self.findings else [])])


def load(
    store: RunStore,
    bundle: str | os.PathLike[str],
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> LoadReport:
    """Take the runs of a bundle into a store; see `AnalysisStore.load`."""
    with Bundle(bundle) as source, watched(progress, "Loading") as tell:
        source.check()
        notes = source.notes()
        prospect = Arrival(store, notes).look(source.offers())
        refuse(prospect, source.name)
        report = LoadReport(source.name, skipped=prospect.known, dry_run=dry_run)
        report.findings += remarks(prospect, notes)
        if dry_run:
            report.loaded = list(prospect.new)
            report.notes = len(strange_notes(store, notes))
            return report
        check_space(store, prospect.size)
        with landing(store, prospect.new.values()) as runs:
            for ready in runs:
                for uid in take(store, ready):
                    report.loaded.append(uid)
                    tell(len(report.loaded), len(prospect.new))
        report.notes = merge_notes(store, notes)
    return report


def refuse(prospect: Prospect, name: str) -> None:
    """Raise one error for all runs that cannot be loaded.

    Raises
    ------
    DuplicateRunError
        Other runs have their uids, or they were deleted here.
    ProvenanceError
        They lack provenance that the policy of the store requires.
    """
    if prospect.conflicts:
        raise DuplicateRunError(
            f"nothing was loaded from {name}; these runs cannot be loaded:\n{told(prospect.conflicts)}"
        )
    if prospect.unsettled:
        raise ProvenanceError(
            f"nothing was loaded from {name}; these runs lack provenance that the policy of this store requires:\n"
            f"{told(prospect.unsettled)}\nLoad it into a store with a looser policy."
        )


def check_space(store: RunStore, size: int) -> None:
    """Raise if the disk has too little space, before writing."""
    free = shutil.disk_usage(store.root).free if store.root.exists() else size
    if size > free:
        raise StoreWriteError(
            errno.ENOSPC,
            f"{size / 1e6:.1f} MB are to come, and {store.root} has {free / 1e6:.1f} MB free; nothing was taken. Free "
            "space, or take fewer runs",
        )


def remarks(prospect: Prospect, notes: Iterable[Note]) -> list[Finding]:
    """Return remarks on imported runs."""
    found = [
        Finding("external", uid, f"{path} did not come with the run", _ADVICE)
        for uid, cargo in prospect.new.items()
        for path in cargo.elsewhere
    ]
    stubs = {note.uid: str(note.body.get("catalog")) for note in notes if note.kind == EXTERNAL_NOTE}
    return found + [
        Finding(
            "stub", uid, f"only its documents were loaded; the run is in {place}", "load it, too, if it is needed here"
        )
        for uid, place in stubs.items()
    ]


def strange_notes(store: RunStore, notes: Iterable[Note]) -> list[Note]:
    """Return the notes that a store does not have."""
    return [note for note in notes if note.kind not in STAYING and note not in store.catalog.notes(note.uid, note.kind)]


def merge_notes(store: RunStore, notes: list[Note]) -> int:
    """Add notes that were written elsewhere, each once and unchanged; return the number of new ones.

    Retractions and reinstatements reach descendants in this store, too.
    """
    reached = [
        passed_on(note, child)
        for note in notes
        if note.kind in {RETRACTED, REINSTATED} and "because" not in note.body
        for child, _ in store.catalog.descendants(note.uid)
    ]
    new = strange_notes(store, [*notes, *(note for note in reached if note not in notes)])
    Notes(store.root, store.catalog).merge(new)
    return len(new)

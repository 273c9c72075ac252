"""A bundle into a store: checked as a whole before anything is written, then run by run; twice is as good as once."""

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

_ADVICE = "copy it to where the run looks for it, or name its place with root_map"


@dataclass(slots=True)
class LoadReport:
    """What came into a store."""

    source: str
    """The bundle, or the store."""

    loaded: list[str] = field(default_factory=list)
    """Uids of the runs that came, parents before their children; with ``dry_run`` of those that would."""

    skipped: list[str] = field(default_factory=list)
    """Uids of runs that were here already, the same in everything."""

    notes: int = 0
    """How many notes were new."""

    findings: list[Finding] = field(default_factory=list)
    """What is worth knowing: files that did not come, parents of which only a stub came, runs that could not."""

    dry_run: bool = False
    """Whether nothing was written."""

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
    """Refuse runs that cannot come, all of them.

    Raises
    ------
    DuplicateRunError
        Other runs have their uids, or they were deleted here.
    ProvenanceError
        They do not tell what the policy of the store asks for.
    """
    if prospect.conflicts:
        raise DuplicateRunError(f"nothing was loaded from {name}; these runs cannot come:\n{told(prospect.conflicts)}")
    if prospect.unsettled:
        raise ProvenanceError(
            f"nothing was loaded from {name}; these runs do not tell what the policy of this store asks for:\n"
            f"{told(prospect.unsettled)}\nLoad it into a store whose policy asks for less."
        )


def check_space(store: RunStore, size: int) -> None:
    """Refuse what the disk cannot hold, before it is tried."""
    free = shutil.disk_usage(store.root).free if store.root.exists() else size
    if size > free:
        raise StoreWriteError(
            errno.ENOSPC,
            f"{size / 1e6:.1f} MB are to come, and {store.root} has {free / 1e6:.1f} MB free; nothing was taken. Free "
            "space, or take fewer runs",
        )


def remarks(prospect: Prospect, notes: Iterable[Note]) -> list[Finding]:
    """Return what is worth knowing of runs that come."""
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
    """Keep notes that were made elsewhere, each once and as it was made; return how many were new.

    A retraction, and the lifting of one, reaches what came from the run in this store, too.
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

"""A catalog filled from the files: every run and note that it lacks, in the order in which they were saved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from analysis_store.catalogs.base import RunRecord
from analysis_store.core.text import counted
from analysis_store.errors import AnalysisStoreError, RunNotFoundError
from analysis_store.progress import watched
from analysis_store.runs.read.reader import RunFile
from analysis_store.runs.read.verify import place_fault
from analysis_store.trust.checks.leftovers import quietly_logged
from analysis_store.trust.checks.orphans import is_ordinary, is_run_file, misplaced, record_of
from analysis_store.trust.checks.run_check import ADVICE
from analysis_store.trust.findings import Finding, findings_text
from analysis_store.trust.inventory import run_files
from analysis_store.trust.parallel import MANY, chunked, spread

if TYPE_CHECKING:
    from analysis_store.catalogs.base import Catalog
    from analysis_store.documents import Document
    from analysis_store.runs.write.document_stream import NamedDocument

_CHUNK = 100
_BATCH = 500
"""Runs of one transaction, during which others wait."""


@dataclass(frozen=True, slots=True)
class ReindexReport:
    """Result of rebuilding a catalog; true if all files are in it, and every run has a file."""

    runs: int
    """Number of runs that were added."""

    known: int
    """Number of runs that the catalog had already."""

    notes: int
    """Number of notes in the logs, which are all in the catalog now."""

    findings: tuple[Finding, ...] = ()
    """Files that could not be read, and runs of the catalog that have no file."""

    aside: str | None = None
    """New location of an unusable catalog."""

    renewed: int = 0
    """Number of known runs that were added again from their files."""

    @property
    def faults(self) -> list[Finding]:
        """Faults."""
        return [finding for finding in self.findings if finding.is_fault]

    def __bool__(self) -> bool:
        return not self.faults

    def to_dict(self) -> Document:
        """Return the report as JSON."""
        listed = [finding.to_dict() for finding in self.findings]
        return {
            "well": bool(self), "runs": self.runs, "known": self.known, "renewed": self.renewed, "notes": self.notes,
            "aside": self.aside, "findings": listed,
        }  # fmt: skip

    def __str__(self) -> str:
        again = f" ({self.renewed} of them entered again)" if self.renewed else ""
        said = f"{counted(self.runs, 'run')} entered, {self.known} known{again}, {counted(self.notes, 'note')}"
        moved = f"the old catalog is {self.aside} now" if self.aside else ""
        return "\n".join(filter(None, (said, moved, findings_text(self.findings))))


@dataclass(slots=True)
class _Reader:
    """Reads the catalog records of runs; can be sent to other processes."""

    root: Path

    def __call__(self, paths: list[str]) -> list[tuple[int, RunRecord] | Finding]:
        """Return for each file its modification time (ns) and its record; or its fault."""
        return [found for path in paths if (found := self._read(path)) is not None]

    def _read(self, path: str) -> tuple[int, RunRecord] | Finding | None:
        file = self.root / path
        if not is_ordinary(file):
            return None  # nor another writer's that could be read
        try:
            written = file.stat().st_mtime_ns
            return written, record_of(file, path)
        except FileNotFoundError:
            return None
        except AnalysisStoreError as error:
            with suppress(AnalysisStoreError):
                if not is_run_file(file):
                    return None  # a file of another writer
            return Finding("damaged-orphan", path, str(error), "restore it from a backup, then reindex again")


def filled(
    catalog: Catalog, root: Path, workers: int | None, progress: Any, *, everything: bool = False
) -> ReindexReport:
    """Enter all runs and notes that a catalog lacks; with ``everything`` those that it has again, too."""
    known = dict(catalog.paths())
    inside = set[str]() if everything else set(known.values())
    files = [entry.relative for entry in run_files(root)]
    wanted = [path for path in files if path not in inside]
    filling = _Filling(catalog, root, dict(known))
    with watched(progress, "Reading") as tell:
        work = spread(_Reader(root), chunked(wanted, _CHUNK), workers=workers, processes=len(wanted) >= MANY)
        for day in _by_day(work, filling.findings, lambda done: tell(min(done, len(wanted)), len(wanted))):
            filling.enter(day)
    if everything and (wrong := catalog.check_index()):  # entries of the index without a document
        catalog.mend_index(wrong.uids)
    findings = (*filling.findings, *_without_file(root, known, set(files)))
    notes = _enter_notes(catalog, root)
    return ReindexReport(filling.entered, len(known), notes, findings, renewed=filling.renewed)


def _by_day(
    work: Iterable[list[tuple[int, RunRecord] | Finding]], findings: list[Finding], tell: Callable[[int], None]
) -> Iterator[list[RunRecord]]:
    """Yield the runs of each folder, in the order in which they were saved: those of equal time are in one."""
    day: list[tuple[int, RunRecord]] = []
    for number, results in enumerate(work, 1):
        for found in results:
            if isinstance(found, Finding):
                findings.append(found)
                continue
            if day and PurePosixPath(day[0][1].path).parent != PurePosixPath(found[1].path).parent:
                yield _in_order(day)
                day = []
            day.append(found)
        tell(number * _CHUNK)
    yield _in_order(day)


def _in_order(found: list[tuple[int, RunRecord]]) -> list[RunRecord]:
    return [record for _, record in sorted(found, key=lambda each: (float(each[1].start["time"]), each[0]))]


@dataclass(slots=True)
class _Filling:
    """Enters runs into a catalog, each from one file only."""

    catalog: Catalog
    root: Path
    paths: dict[str, str]
    """The file of each run that is known."""

    findings: list[Finding] = field(default_factory=list)
    entered: int = 0
    renewed: int = 0

    def enter(self, found: list[RunRecord]) -> None:
        """Enter runs in their order: as new ones, or in the place of those that the catalog has."""
        fresh, known = list[RunRecord](), list[RunRecord]()
        for record in found:
            if (fault := self._fault(record)) is not None:
                self.findings.append(fault)
            else:
                (known if record.uid in self.paths else fresh).append(record)
                self.paths[record.uid] = record.path
        for batch in chunked(fresh, _BATCH):
            self.entered += len(batch) - len(self.catalog.insert_many(batch, self._documents))
        for batch in chunked(known, _BATCH):
            self.renewed += len(batch) - len(self.catalog.replace(batch, self._documents))

    def _documents(self, record: RunRecord) -> Iterator[NamedDocument]:
        return RunFile(self.root / record.path).documents()

    def _fault(self, record: RunRecord) -> Finding | None:
        """Return why a run cannot be entered from a file."""
        path = self.paths.get(record.uid)
        if path not in (None, record.path):
            what = f"it holds run {record.uid}, whose file is {path}"
            return Finding("duplicate", record.path, what, "compare the two, and move this one away")
        if path is not None and record.seal is None and self._was_sealed(record.uid):
            what = f"{self.root / path} has lost its seal; what the catalog has of it stays"
            return Finding("damaged", record.uid, what, ADVICE["damaged"])
        return misplaced(record)

    def _was_sealed(self, uid: str) -> bool:
        try:
            return self.catalog.get(uid).seal is not None
        except RunNotFoundError:
            return False


def _enter_notes(catalog: Catalog, root: Path) -> int:
    notes = quietly_logged(root)
    for batch in chunked(notes, _BATCH):
        catalog.add_notes(batch)
    return len(notes)


def _without_file(root: Path, known: dict[str, str], files: Iterable[str]) -> Iterator[Finding]:
    """Yield the runs of a catalog that have no file."""
    there = set(files)
    for uid, path in known.items():
        if path not in there and (fault := place_fault(root, path)) is not None:
            yield Finding(fault.kind, uid, f"{fault.what}; it stays in the catalog", ADVICE.get(fault.kind, ""))

"""Repair of a store, as far as it is safe: nothing is removed that could be data."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from analysis_store import layout
from analysis_store.catalogs.records import note_row
from analysis_store.core.atomic_files import make_folders, publish
from analysis_store.errors import AnalysisStoreError, RunNotFoundError, StoreBusyError
from analysis_store.folders import sync_names
from analysis_store.locks import FileLock
from analysis_store.logs import AppendLog
from analysis_store.recorder.run.live_runs import recover
from analysis_store.roots import opened
from analysis_store.runs.notes.notes import month_log
from analysis_store.runs.read.verify import place_fault
from analysis_store.trust.checks.index_check import KIND, indexed_again
from analysis_store.trust.checks.leftovers import DAY, quietly_logged
from analysis_store.trust.findings import Finding

if TYPE_CHECKING:
    from analysis_store.catalogs.base import Note
    from analysis_store.run_store import RunStore

_LEFT = "leftovers"
"""The folder, in the quarantine, of scratch files that may hold values."""
_HDF5 = b"\x89HDF\r\n\x1a\n"


def repaired(store: RunStore, findings: Iterable[Finding]) -> list[Finding]:
    """Repair everything repairable, and return the present findings: repairs, and remaining faults.

    Idempotent, and safe in two processes at once: anything that the other process repaired is not reported.
    """
    found = list(findings)
    left = indexed_again(store, (finding for finding in found if finding.kind == KIND))
    for finding in found:
        if finding.kind == KIND:
            continue
        if not finding.repairable:
            left.append(finding)
            continue
        try:
            done = _ACTS[finding.kind](store, finding)
        except (AnalysisStoreError, OSError) as error:
            left.append(replace(finding, what=f"{finding.what}; it could not be repaired: {error}"))
            continue
        if done:
            left.append(Finding("repaired", finding.subject, f"{finding.what}: {done}", "no action needed"))
    return left


def _adopt(store: RunStore, finding: Finding) -> str | None:
    """Take a file into the catalog that was found whole; a link that has come in its place since is refused."""
    if place_fault(store.root, finding.subject) is not None:
        return None
    run = store.adopt(store.root / finding.subject)
    return f"run {run.uid} is in the catalog now"


def _close(store: RunStore, finding: Finding) -> str | None:
    """End a recording whose writer died."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # unreadable recordings were reported already
            runs = recover(store, finding.subject)
    except (RunNotFoundError, StoreBusyError):  # another process has ended it, or continues it
        return None
    return "it is a run now, with the values that were flushed" if runs else "it had no values, and was removed"


def _sweep(store: RunStore, finding: Finding) -> str | None:
    """Remove an abandoned scratch file, or move it to the quarantine if it may hold values."""
    path = store.root / finding.subject
    with suppress(FileNotFoundError):
        found = path.lstat()
        if path.name.endswith(layout.SCRATCH_SUFFIX) and time.time() - found.st_mtime < DAY:
            return None  # another writer has taken the name
        if found.st_nlink > 1 or found.st_size == 0 or not _may_hold_values(path):
            path.unlink()  # of a file that has a second name, nothing is lost
            return "it was removed"
        kept = _kept(store.root, finding.subject)
        return f"it is kept in {kept.relative_to(store.root).as_posix()}"
    return None


def _may_hold_values(path: Path) -> bool:
    """Return True if a file is HDF5, complete or not, or has changes of a recording."""
    with opened(path) as file:
        return path.suffix != layout.SCRATCH_SUFFIX or file.read(len(_HDF5)) == _HDF5


def _kept(root: Path, relative: str) -> Path:
    """Move a file into the quarantine, which is never cleaned."""
    target = root / layout.QUARANTINE / _LEFT / relative.replace("/", "-").lstrip(".")
    while target.exists():
        target = target.with_name(f"{target.name}-{os.getpid()}")
    make_folders(target.parent, [])
    sync_names(target.parent)
    publish(root / relative, target)
    return target


def _unlock(store: RunStore, finding: Finding) -> str | None:
    """Remove the file of an unheld lock or claim while holding it, so that no other process can."""
    path = store.root / finding.subject
    if not path.exists():
        return None
    lock = FileLock.acquire(path)
    if lock is None:
        return None
    lock.release()
    return "it was removed"


def _index(store: RunStore, finding: Finding) -> str | None:
    """Enter the notes on a run into the catalog that only the log has."""
    missing = _notes(quietly_logged(store.root), finding.subject, store.catalog.notes(finding.subject))
    store.catalog.add_notes(missing)
    return "it is in the catalog now" if missing else None


def _log(store: RunStore, finding: Finding) -> str | None:
    """Write the notes on a run into the log that only the catalog has."""
    missing = _notes(store.catalog.notes(finding.subject), finding.subject, quietly_logged(store.root))
    for note in missing:
        AppendLog(month_log(store.root, note.time)).append([asdict(note)])
    return "it is in the log now" if missing else None


def _notes(notes: Iterable[Note], uid: str, known: Iterable[Note]) -> list[Note]:
    """Return the notes on a run that are not among the known ones."""
    have = {note_row(note)["digest"] for note in known if note.uid == uid}
    return [note for note in notes if note.uid == uid and note_row(note)["digest"] not in have]


_ACTS: dict[str, Callable[[RunStore, Finding], str | None]] = {
    "orphan": _adopt,
    "live": _close,
    "scratch": _sweep,
    "lock": _unlock,
    "claim": _unlock,
    "unindexed": _index,
    "unlogged": _log,
}

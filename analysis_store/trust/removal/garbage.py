"""Garbage collection: purge runs deleted long ago and leftovers of dead processes, but no files that runs refer to."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.filesize import decimal

from analysis_store.core.text import counted
from analysis_store.errors import SettingsError
from analysis_store.folders import sync_folder
from analysis_store.locks import FileLock, is_held, is_running
from analysis_store.runs.notes.removal_records import Removal, quarantine_folder
from analysis_store.trust.inventory import Entry, Kind, scratch_owner, walk
from analysis_store.trust.references import Naming
from analysis_store.trust.removal.deletion import named_text
from analysis_store.trust.removal.quarantine import (
    PURGED,
    is_cut_short,
    note_once,
    removals,
    removing,
    unfinished,
    unmark,
    writing,
)

if TYPE_CHECKING:
    from analysis_store.documents import Document
    from analysis_store.run_store import RunStore
    from analysis_store.trust.findings import Finding

GRACE = datetime.timedelta(days=30)
"""For so long a deleted run can be restored."""

_QUIET = 86400.0
"""Seconds for which a scratch file was not written to before it is swept: its process may be on another host."""


@dataclass(frozen=True, slots=True)
class GcReport:
    """Result of a collection, or of a dry run; true if nothing is in its way."""

    purged: tuple[str, ...]
    """Uids of the runs whose files are purged; their tombstones are kept."""

    waiting: tuple[str, ...]
    """Uids of those whose time of grace is not over."""

    kept: dict[str, tuple[str, ...]]
    """Uids of runs with references, and the references: they should be restored."""

    unfinished: tuple[Finding, ...]
    """Removals that were cut short; they are left as they are."""

    swept: tuple[str, ...]
    """Scratch files of dead writers, and claims without a holder; relative to the root."""

    size: int
    """Size of the removed files in bytes."""

    done: bool
    """True if it was done; else it was a dry run."""

    def __bool__(self) -> bool:
        return not self.kept and not self.unfinished

    def to_dict(self) -> Document:
        """Return the report as JSON."""
        return {**asdict(self), "unfinished": [finding.to_dict() for finding in self.unfinished]}

    def __str__(self) -> str:
        verb = "were" if self.done else "would be"
        gone = f"{counted(len(self.purged), 'deleted run')} and {counted(len(self.swept), 'leftover')}"
        lines = [f"{gone} {verb} purged, {decimal(self.size)}"]
        lines += [f"  run {uid}" for uid in self.purged]
        lines += [f"  {path}" for path in self.swept]
        lines.append(f"{counted(len(self.waiting), 'deleted run')} can still be restored")
        lines += [f"  run {uid}" for uid in self.waiting]
        lines += [f"run {uid} is kept: {named_text(names)}; restore it" for uid, names in self.kept.items()]
        return "\n".join([*lines, *map(str, self.unfinished)])


def gc(store: RunStore, *, dry_run: bool = True, grace: datetime.timedelta = GRACE) -> GcReport:
    """Purge runs deleted before the grace period; see `AnalysisStore.gc`.

    No new reference to a run can appear during the search for references: saving checks for the announcement.
    """
    if grace < datetime.timedelta(0):
        raise SettingsError(f"grace: Got {grace!r}; expected a timedelta of 0 or more.")
    with removing(store.root), writing(store.root):
        before = time.time() - grace.total_seconds()
        whole = [removal for removal in removals(store.root) if not is_cut_short(store, removal)]
        old = [removal for removal in whole if removal.time <= before]
        named = _second_look(store, old)
        purged = [removal for removal in old if not named[removal.uid]]
        leftovers = list(_leftovers(store.root))
        size = sum(file.size for removal in purged for file in removal.files) + sum(size for _, size in leftovers)
        report = GcReport(
            tuple(removal.uid for removal in purged),
            tuple(removal.uid for removal in whole if removal.time > before),
            {uid: tuple(names) for uid, names in named.items() if names},
            tuple(unfinished(store)),
            tuple(path.relative_to(store.root).as_posix() for path, _ in leftovers),
            size,
            not dry_run,
        )
        if not dry_run:
            _collect(store, purged, [path for path, _ in leftovers])
        return report


def _second_look(store: RunStore, old: list[Removal]) -> dict[str, list[str]]:
    """Return the references to each; runs that only refer to each other are purged together."""
    named = Naming(store, old, quarantine=True).look() if old else {}
    going = set(named)
    while staying := {uid for uid in going if set(named[uid]) - going}:
        going -= staying
    return {uid: [] if uid in going else names for uid, names in named.items()}


def _collect(store: RunStore, purged: list[Removal], leftovers: list[Path]) -> None:
    for removal in purged:
        note_once(store, removal, PURGED)
        for file in removal.files:
            (quarantine_folder(store.root, removal.uid) / file.path).unlink(missing_ok=True)
        unmark(store.root, removal.uid)
    for path in leftovers:
        if path.suffix == ".lock":
            _sweep_claim(path)
        else:
            path.unlink(missing_ok=True)
            sync_folder(path.parent)


def _leftovers(root: Path) -> Iterator[tuple[Path, int]]:
    """Yield scratch files of dead writers and claims without a holder, with their sizes in bytes."""
    for entry in walk(root):
        try:
            told = entry.path.lstat()
        except FileNotFoundError:
            continue
        if time.time() - told.st_mtime > _QUIET and _is_nobodys(entry):
            yield entry.path, told.st_size


def _is_nobodys(entry: Entry) -> bool:
    if entry.kind is Kind.CLAIM:
        return not is_held(entry.path)
    owner = scratch_owner(entry.path) if entry.kind is Kind.SCRATCH else None
    return owner is not None and not is_running(owner)


def _sweep_claim(path: Path) -> None:
    """Take an unheld claim, and release it, which removes it."""
    lock = FileLock.acquire(path)
    if lock is not None:
        lock.release()

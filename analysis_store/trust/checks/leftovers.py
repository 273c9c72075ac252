"""Files under a root other than runs: logs and their index, and leftovers of dead processes."""

from __future__ import annotations

import os
import time
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from analysis_store.catalogs.records import note_row
from analysis_store.locks import is_held, is_running
from analysis_store.logs import AppendLog
from analysis_store.recorder.hdf5.safe import is_cut
from analysis_store.recorder.run.live_runs import live_runs
from analysis_store.runs.notes.notes import logged, month_log
from analysis_store.runs.notes.removal_records import buried, quarantined
from analysis_store.trust.findings import Finding
from analysis_store.trust.inventory import Entry, Kind, scratch_owner
from analysis_store.trust.removal.quarantine import unfinished

if TYPE_CHECKING:
    from analysis_store.catalogs.base import Note
    from analysis_store.run_store import RunStore

DAY = 86400.0
"""Seconds after which a scratch file is abandoned, also by writers on other hosts."""

_MOMENT = 1.0
"""Seconds in which the writer of a note enters it into the catalog."""

_REPAIR = "check with repair"
_KINDS = (Kind.SCRATCH, Kind.LIVE_LOCK, Kind.REDO, Kind.SAFE, Kind.CLAIM, Kind.LOCK, Kind.LINK, Kind.FOREIGN)
_OF_RECORDINGS = {Kind.REDO: ".redo", Kind.SAFE: ".safe"}


# ---------------------------------------------------------------------------------------------------- logs


def log_findings(store: RunStore, entries: Iterable[Entry], total: Counter[str]) -> Iterator[Finding]:
    """Yield differences between the logs and their index in the catalog, and incomplete lines."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        told = {_digest(note): note for note in logged(store.root)}
        for entry in entries:
            if entry.kind is Kind.TASK:
                AppendLog(entry.path).read()
    for warning in caught:
        yield Finding(
            "torn", "logs", str(warning.message), "nothing need be done: a writer died, the line means nothing"
        )
    total["notes"] = len(told)
    indexed = {_digest(note): note for note in store.catalog.all_notes()}
    for digest in told.keys() - indexed.keys():
        if _is_on_its_way(store, told[digest]):
            continue
        what = f"the note {told[digest].kind!r} of {told[digest].who} is in the log only"
        yield Finding("unindexed", told[digest].uid, what, f"{_REPAIR}, which enters it into the catalog", True)
    for digest in indexed.keys() - {_digest(note) for note in quietly_logged(store.root)}:  # some may be new
        what = f"the note {indexed[digest].kind!r} of {indexed[digest].who} is in the catalog only"
        yield Finding("unlogged", indexed[digest].uid, what, f"{_REPAIR}, which writes it into the log", True)
    yield from _strangers(store, told.values())


def _is_on_its_way(store: RunStore, note: Note) -> bool:
    """Wait until a process that has just written a note has added it to the catalog; return True if it did."""
    with suppress(OSError):
        age = time.time() - month_log(store.root, note.time).stat().st_mtime
        if 0 <= age < _MOMENT:
            time.sleep(_MOMENT - age)
    return _digest(note) in map(_digest, store.catalog.notes(note.uid, note.kind))


def quietly_logged(root: Path) -> list[Note]:
    """Return every present note of the logs; incomplete lines are reported separately."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(logged(root))


def _digest(note: Note) -> str:
    return str(note_row(note)["digest"])


def _strangers(store: RunStore, notes: Iterable[Note]) -> Iterator[Finding]:
    """Yield the runs that notes are on, and that are not here."""
    uids = Counter(note.uid for note in notes)
    for uid in sorted(uids.keys() - store.catalog.known(uids)):
        if buried(store.root, uid) is None and quarantined(store.root, uid) is None:
            what = f"{uids[uid]} of the notes are on it, and it is not here"
            yield Finding("note", uid, what, "no action needed: it is in another store, or was never saved")


# ----------------------------------------------------------------------------------------------- leftovers


def other_findings(store: RunStore, entries: Iterable[Entry], paths: Mapping[str, str]) -> Iterator[Finding]:
    """Yield leftovers of dead processes, and foreign files."""
    yield from _recordings(store)
    yield from unfinished(store)
    inside = set(paths.values())
    for entry in entries:
        if entry.kind in _KINDS and (finding := _leftover(entry, inside)) is not None:
            yield finding


def _recordings(store: RunStore) -> Iterator[Finding]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for live in live_runs(store):
            if not live.is_alive:
                what = f"the process that recorded {live.path} died"
                if is_cut(live.path):
                    what += "; the machine was started again since, and values after the last durable flush are lost"
                advice = f"{_REPAIR}, which ends it as aborted with the values that were flushed; or resume(store, uid)"
                yield Finding("live", live.uid, what, advice, True)
    for warning in caught:
        yield Finding("live", "recordings", str(warning.message), "restore the file from a copy, or move it away")


def _leftover(entry: Entry, inside: Collection[str]) -> Finding | None:
    """Return the finding for a file that is not a run, log or recording; None if it is in use, or gone."""
    with suppress(OSError):
        if entry.kind is Kind.SCRATCH:
            return _scratch(entry)
        if entry.kind in (Kind.LINK, Kind.FOREIGN):
            return None if entry.relative in inside else _stranger(entry)
        if entry.kind in _OF_RECORDINGS:
            return None if _is_beside(entry.path, _OF_RECORDINGS[entry.kind]) else _orphaned(entry, "scratch")
        if not is_held(entry.path) and not (entry.kind is Kind.LIVE_LOCK and _is_beside(entry.path, ".lock")):
            return _orphaned(entry, "claim" if entry.kind is Kind.CLAIM else "lock")
    return None


def _is_beside(path: Path, suffix: str) -> bool:
    return path.with_name(path.name.removesuffix(".new").removesuffix(suffix)).exists()


def _orphaned(entry: Entry, kind: str) -> Finding | None:
    if not entry.path.exists():
        return None
    said = {
        "claim": "no process holds the claim",
        "lock": "no process holds the lock",
        "scratch": "the changes are of a recording that is not there",
    }
    act = "moves it into the quarantine" if kind == "scratch" else "removes it"
    return Finding(kind, entry.relative, said[kind], f"{_REPAIR}, which {act}", True)


def _stranger(entry: Entry) -> Finding | None:
    if entry.kind is Kind.FOREIGN:
        advice = "leave it, or move it out of the store"
        return Finding("foreign", entry.relative, "it is not ours", advice) if entry.path.exists() else None
    to = os.readlink(entry.path)  # noqa: PTH115  unresolved, with any target
    return Finding("link", entry.relative, f"it leads to {to}, and is not followed", "put the file itself here")


def _scratch(entry: Entry) -> Finding | None:
    """Return the finding for a scratch file; None while its writer may be active."""
    owner, age = scratch_owner(entry.path), time.time() - entry.path.stat().st_mtime
    alive = owner is not None and is_running(owner)
    if alive and age < DAY:
        return None
    if age < DAY:
        what = f"process {owner} is not running on this host, and had not finished it"
        return Finding("scratch", entry.relative, what, "if no other host writes to this store, wait a day and repair")
    what = f"it was left {age / DAY:.0f} days ago" + (f" by process {owner}" if owner else "")
    return Finding(
        "scratch", entry.relative, what, f"{_REPAIR}, which removes it, or keeps it where it has values", True
    )

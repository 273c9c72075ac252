"""Notes on saved runs. The log is authoritative, the catalog's table is its index."""

from __future__ import annotations

import datetime
import math
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from analysis_store import layout
from analysis_store.catalogs.base import Catalog, Note
from analysis_store.catalogs.kinship import downwards
from analysis_store.catalogs.records import note_row
from analysis_store.core.text import to_utf8
from analysis_store.documents import dumps, is_time
from analysis_store.errors import (
    AnalysisStoreError,
    InputError,
    InvalidDocumentError,
    InvalidMetadataError,
    RetractedWarning,
    StoreWriteError,
    UnsafeFileError,
)
from analysis_store.locks import user_and_host
from analysis_store.logs import AppendLog

RETRACTED = "retracted"
"""Kind of the note on a run that is not to be used any more."""

REINSTATED = "reinstated"
"""The kind of the note on a run that may be used again; it lifts the retraction that has the same cause."""

ANNOTATION = "annotation"
"""Kind of the note on later knowledge about a run; its body is the mapping."""

_BECAUSE = "because"


class Notes:
    """The notes of a store.

    Parameters
    ----------
    root : Path
        The logs are ``<root>/notes/<YYYY-MM>.jsonl``, by the month (UTC) in which a note was written.
    catalog : Catalog
        The index.
    """

    def __init__(self, root: Path, catalog: Catalog) -> None:
        self._root, self._catalog = root, catalog

    def add(self, uid: str, kind: str, body: Mapping[str, object], *, durable: bool = True) -> Note:
        """Keep a note and return it; see `AnalysisStore.note`."""
        note = Note(uid, kind, time.time(), who(), dict(body))
        self._keep([note], durable)
        return note

    def retract(self, uid: str, reason: str) -> list[Note]:
        """Add notes that a run and all its descendants are retracted; see `AnalysisStore.retract`."""
        if not str(reason or "").strip():
            raise InvalidMetadataError(
                f"reason: Got {reason!r}; expected the reason why run {uid!r} is not to be used any more."
            )
        self._catalog.get(uid)
        if (told := retraction_of(self._catalog, uid)) is not None:
            raise InputError(f"run {uid} is retracted already: {retraction_text(told)}.")
        children = [child for child, _ in self._catalog.descendants(uid)]
        now, me = self._moment([uid, *children], RETRACTED, REINSTATED), who()
        notes = [Note(uid, RETRACTED, now, me, {"reason": reason})]
        because = {_BECAUSE: uid, "reason": reason}
        notes += [Note(child, RETRACTED, now, me, because) for child in children]
        self._keep(notes, durable=True)
        return notes

    def reinstate(self, uid: str, reason: str) -> list[Note]:
        """Add notes that end a retraction, on all runs that it reached; see `AnalysisStore.reinstate`."""
        if not str(reason or "").strip():
            raise InvalidMetadataError(
                f"reason: Got {reason!r}; expected the reason why run {uid!r} may be used again."
            )
        told = retraction_of(self._catalog, uid)
        if told is None:
            raise InputError(f"run {uid} is not retracted, so it cannot be reinstated.")
        if _cause(told) != uid:
            raise InputError(f"run {uid} is retracted because of run {_cause(told)}. Reinstate that run.")
        # all runs that the retraction reached, even if the lineage has changed since
        reached = (note.uid for note in self._catalog.all_notes(RETRACTED) if note.body.get(_BECAUSE) == uid)
        children = list(dict.fromkeys(reached))
        now, me = self._moment([uid, *children], RETRACTED, REINSTATED), who()
        notes = [Note(uid, REINSTATED, now, me, {"reason": reason})]
        because = {_BECAUSE: uid, "reason": reason}
        notes += [Note(child, REINSTATED, now, me, because) for child in children]
        self._keep(notes, durable=True)
        return notes

    def _moment(self, uids: Iterable[str], *kinds: str) -> float:
        """Return the time of notes that must be newer than those they answer, even if clocks differ."""
        told = [note for uid in uids for kind in kinds for note in self._catalog.notes(uid, kind)]
        return max([time.time(), *(math.nextafter(note.time, math.inf) for note in told)])

    def annotate(self, uid: str, body: object) -> Note:
        """Add knowledge about a run; see `AnalysisStore.annotate`."""
        if not isinstance(body, Mapping) or not body or not all(isinstance(key, str) for key in body):
            raise InvalidMetadataError(f"Got {body!r:.200}; expected a mapping of names to values.")
        self._catalog.get(uid)
        note = Note(uid, ANNOTATION, self._moment([uid], ANNOTATION), who(), dict(body))
        self._keep([note], durable=True)
        return note

    def merge(self, notes: Iterable[Note]) -> None:
        """Add notes that were written elsewhere, unchanged; one that is in its log already is only indexed."""
        months: dict[Path, list[Note]] = {}
        for note in notes:
            note_row(note)
            months.setdefault(month_log(self._root, note.time), []).append(note)
        for path, told in months.items():
            log = AppendLog(path)
            known = {dumps(entry) for entry in log.read()}
            log.append(asdict(note) for note in told if dumps(asdict(note)) not in known)
            self._catalog.add_notes(told)

    def _keep(self, notes: list[Note], durable: bool) -> None:
        for note in notes:
            note_row(note)  # refused before the log has it
            to_utf8(dumps(asdict(note)), f"a note on run {note.uid!r}", InvalidDocumentError)
        self._catalog.check_writable()
        log = AppendLog(month_log(self._root, notes[0].time))
        log.append(map(asdict, notes), durable)
        try:
            self._catalog.add_notes(notes, durable)
        except AnalysisStoreError as error:
            raise StoreWriteError(
                f"the note on run {notes[0].uid} is kept in {log.path}, but it is not in the catalog: {error}. It is "
                "found when the catalog is rebuilt; making it again makes a second one."
            ) from error


def logged(root: Path) -> Iterable[Note]:
    """Yield every note in the logs under a root, by month, to rebuild an index of them."""
    for path in sorted(path for path in (root / layout.NOTES).glob("*.jsonl") if path.is_file()):
        try:
            entries = AppendLog(path).read()
        except UnsafeFileError as error:
            warnings.warn(f"{error} The notes in it are left out.", stacklevel=2)
            continue
        for entry in entries:
            note = _note(entry)
            if note is None:
                warnings.warn(f"{path} has an invalid note, which is left out: {str(entry)[:80]}", stacklevel=2)
            else:
                yield note


def _note(entry: Mapping[str, Any]) -> Note | None:
    """Return the note in a line of a log, without fields of later releases; None if it is not a note."""
    found = Note(*(entry.get(name) for name in ("uid", "kind", "time", "who", "body")))  # type: ignore[arg-type]
    texts = all(isinstance(text, str) for text in (found.uid, found.kind, found.who))
    return found if texts and is_time(found.time) and isinstance(found.body, dict) else None


def in_force(notes: Iterable[Note]) -> list[Note]:
    """Return the retractions that were not lifted, of each cause one, the oldest first."""
    return list(_by_cause(notes).values())


def _by_cause(notes: Iterable[Note]) -> dict[str, Note]:
    held: dict[str, Note] = {}
    for note in sorted(notes, key=lambda note: note.time):
        if note.kind == RETRACTED:
            held.setdefault(_cause(note), note)
        elif note.kind == REINSTATED:
            held.pop(_cause(note), None)
    return held


def passed_on(note: Note, uid: str) -> Note:
    """Return a retraction, or the lifting of one, as it is on another run that it reaches."""
    return note if note.uid == uid else replace(note, uid=uid, body={**note.body, _BECAUSE: _cause(note)})


def retraction_of(catalog: Catalog, uid: str) -> Note | None:
    """Return the note why a run is not to be used any more, None if it may be; the first of several.

    Ancestors are checked as well: a run that was saved after their retraction has no note.
    """
    held = in_force(catalog.lineage_notes(uid, (RETRACTED, REINSTATED)))
    return passed_on(held[0], uid) if held else None


def retractions(catalog: Catalog) -> dict[str, Note]:
    """Return the retraction of every run that is not to be used any more, the first of several."""
    told: dict[str, list[Note]] = {}
    for kind in (RETRACTED, REINSTATED):
        for note in catalog.all_notes(kind):
            told.setdefault(note.uid, []).append(note)
    held = {uid: causes for uid, notes in told.items() if (causes := _by_cause(notes))}
    _spread(held, told, downwards(catalog.edges_below(held)) if held else {})
    return {uid: min(causes.values(), key=lambda note: note.time) for uid, causes in held.items()}


def _spread(
    held: dict[str, dict[str, Note]], told: Mapping[str, list[Note]], children: Mapping[str, Sequence[str]]
) -> None:
    """Pass retractions on to all descendants of their runs, unless a later note reinstates them."""
    waiting = list(held)
    for uid in waiting:  # grows during the loop
        for child in children.get(uid, ()):
            passed = [passed_on(note, child) for note in held[uid].values()]
            there = _by_cause([*told.get(child, ()), *held.get(child, {}).values(), *passed])
            if there.keys() > held.get(child, {}).keys():
                held[child] = there
                waiting.append(child)


def warn_retracted(note: Note, happening: str, stacklevel: int) -> None:
    """Warn that something happens to a retracted run."""
    message = f"{happening}: {retraction_text(note)}"
    warning = RetractedWarning(message, note.uid, str(note.body.get("reason", "")), note.who)
    warnings.warn(warning, stacklevel=stacklevel + 1)


def _cause(note: Note) -> str:
    return str(note.body.get(_BECAUSE, note.uid))


def retraction_text(note: Note) -> str:
    """Return a retraction in words, e.g. ``"wrong energy (ann@bl7, 2026-03-01; because of run 1a2b3c4d)"``."""
    day = f"{datetime.datetime.fromtimestamp(note.time).astimezone():%Y-%m-%d}"
    cause = f"; because of run {_cause(note)[:8]}" if _BECAUSE in note.body else ""
    return f"{note.body.get('reason', '')} ({note.who}, {day}{cause})"


def who() -> str:
    """Return who makes a note: ``user@host``."""
    return "@".join(user_and_host())


def month_log(root: Path, moment: float) -> Path:
    """Return the log that has the notes of a moment, s since 1970."""
    return root / layout.NOTES / f"{datetime.datetime.fromtimestamp(moment, datetime.UTC):%Y-%m}.jsonl"

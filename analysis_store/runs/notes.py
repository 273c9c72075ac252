"""Notes: what is said of a run after it was saved. The log is the truth, the catalog's table is its index."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from analysis_store import layout
from analysis_store.catalogs.base import Catalog, Note
from analysis_store.catalogs.records import note_row
from analysis_store.errors import InputError, InvalidMetadataError, StoreWriteError
from analysis_store.locks import user_and_host
from analysis_store.logs import AppendLog

RETRACTED = "retracted"
"""The kind of the note on a run that shall not be used any more."""


class Notes:
    """The notes of a store.

    Parameters
    ----------
    root : Path
        The logs are ``<root>/notes/<YYYY-MM>.jsonl``, by the month (UTC) in which a note was made.
    catalog : Catalog
        The index.
    """

    def __init__(self, root: Path, catalog: Catalog) -> None:
        self._root, self._catalog = root, catalog

    def add(self, uid: str, kind: str, body: Mapping[str, Any], *, durable: bool = True) -> Note:
        """Keep a note and return it; see `AnalysisStore.note`."""
        note = Note(uid, kind, time.time(), who(), dict(body))
        self._keep([note], durable)
        return note

    def retract(self, uid: str, reason: str) -> list[Note]:
        """Note on a run and on all that came from it that they are retracted; see `AnalysisStore.retract`."""
        if not str(reason or "").strip():
            raise InvalidMetadataError(f"reason: {reason!r} came; say why run {uid!r} shall not be used any more.")
        self._catalog.get(uid)
        if told := self._catalog.notes(uid, RETRACTED):
            raise InputError(f"run {uid} is retracted already: {retraction_text(told[0])}.")
        now, me = time.time(), who()
        notes = [Note(uid, RETRACTED, now, me, {"reason": reason})]
        because = {"because": uid, "reason": reason}
        notes += [Note(child, RETRACTED, now, me, because) for child in descendants(self._catalog, uid)]
        self._keep(notes, durable=True)
        return notes

    def _keep(self, notes: list[Note], durable: bool) -> None:
        for note in notes:
            note_row(note)  # refused before the log has it
        log = AppendLog(self._root / layout.NOTES / f"{_month(notes[0].time)}.jsonl")
        log.append(map(asdict, notes), durable)
        try:
            self._catalog.add_notes(notes, durable)
        except StoreWriteError as error:
            raise StoreWriteError(
                f"the note on run {notes[0].uid} is kept in {log.path}, but it is not in the catalog: {error}. It is "
                "found when the catalog is rebuilt; making it again makes a second one."
            ) from error


def logged(root: Path) -> Iterable[Note]:
    """Yield every note in the logs under a root, by month: what an index of them is rebuilt from."""
    for path in sorted((root / layout.NOTES).glob("*.jsonl")):
        for entry in AppendLog(path).read():
            yield Note(**entry)


def descendants(catalog: Catalog, uid: str) -> list[str]:
    """Return the uids of all runs that came from a run, each once and itself never, nearer ones first."""
    found = {uid: None}
    waiting = [uid]
    for parent in waiting:  # which grows as we go
        new = [child for child in catalog.children(parent) if child not in found]
        found |= dict.fromkeys(new)
        waiting += new
    return waiting[1:]


def retraction_text(note: Note) -> str:
    """Return a retraction in words, e.g. ``"wrong energy (ann@bl7, 2026-03-01; because of run 1a2b3c4d)"``."""
    day = f"{datetime.datetime.fromtimestamp(note.time).astimezone():%Y-%m-%d}"
    cause = f"; because of run {note.body['because'][:8]}" if "because" in note.body else ""
    return f"{note.body.get('reason', '')} ({note.who}, {day}{cause})"


def who() -> str:
    """Return who makes a note: ``user@host``."""
    return "@".join(user_and_host())


def _month(moment: float) -> str:
    return f"{datetime.datetime.fromtimestamp(moment, datetime.UTC):%Y-%m}"

"""Conversion of runs and notes to and from a database: checks, and documents as exact text."""

from __future__ import annotations

import json
import math
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from analysis_store.catalogs.base import Note, RunRecord, check_kind
from analysis_store.catalogs.query.terms import run_terms
from analysis_store.core.equality import is_number
from analysis_store.core.text import is_utf8
from analysis_store.errors import DamagedFileError, DuplicateRunError, InvalidDocumentError, RunNotFoundError

if TYPE_CHECKING:
    from analysis_store.documents import Document


def is_text(text: str) -> bool:
    """Return True if a database can hold a text: no NUL, no half of a surrogate pair."""
    return "\0" not in text and is_utf8(text)


def check_names(record: RunRecord) -> None:
    """Raise for a uid, path or parent that no database could hold, or find again."""
    if not all(map(is_text, (record.uid, record.path, *record.parents))):
        raise InvalidDocumentError(
            f"The uid, the path or a parent of run {record.uid!r} contains a NUL or half a surrogate pair; "
            "expected valid UTF-8 text."
        )


def start_time(record: RunRecord) -> float:
    """Return the start time in seconds since 1970 UTC, by which runs are ordered."""
    time = record.start.get("time")
    if time is None or not is_number(time) or math.isnan(time):
        raise InvalidDocumentError(
            f"Got start['time'] = {time!r} for run {record.uid!r}; expected seconds since 1970 UTC."
        )
    try:
        return float(time)
    except OverflowError as error:
        raise InvalidDocumentError(f"Got start['time'] of run {record.uid!r} outside the range of a float.") from error


def terms_of(record: RunRecord) -> list[tuple[int, bytes]]:
    """Return the index terms of a run."""
    try:
        return run_terms(record.start, record.stop)
    except TypeError as error:
        raise InvalidDocumentError(f"A document of run {record.uid!r} cannot be indexed: {error}.") from error


def to_json(document: object) -> str:
    """Return a document as ASCII JSON that restores it exactly: NaN, any integer, the order of keys."""
    try:
        return json.dumps(document, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise InvalidDocumentError(f"A document cannot be written as JSON: {error}.") from error


def texts_of(record: RunRecord) -> dict[str, str | None]:
    """Return the documents of a record as text, by field name; `RunRecord.kept` reads them."""
    return {
        "start": to_json(record.start),
        "stop": None if record.stop is None else to_json(record.stop),
        "descriptors": to_json(list(record.descriptors)),
        "beside": to_json(record.beside),
    }


def read_json(text: str) -> Document:
    """Return the document in a text of the catalog.

    Raises
    ------
    DamagedFileError
        The text is not JSON, or not a document.
    """
    try:
        found: dict[str, Any] = json.loads(text)
        check_kind("document", found)
    except (ValueError, TypeError, RecursionError) as error:
        raise DamagedFileError(
            f"The catalog has a damaged document: {error}. Run analysis-store check to find its run."
        ) from error
    return found


def note_row(note: Note) -> Document:
    """Return a note in the form of a database: its body as exact text, and its digest.

    Raises
    ------
    InvalidDocumentError
        A text that no database can hold, an invalid time, or a body that is not JSON.
    """
    if not all(map(is_text, (note.uid, note.kind, note.who))) or not note.kind:
        raise InvalidDocumentError(
            f"Got a note of kind {note.kind!r} on run {note.uid!r} by {note.who!r}; expected valid UTF-8 text in each."
        )
    if not is_number(note.time) or not math.isfinite(note.time):
        raise InvalidDocumentError(
            f"Got a note on run {note.uid!r} with the time {note.time!r}; expected seconds since 1970 UTC."
        )
    row = {"uid": note.uid, "kind": note.kind, "time": float(note.time), "who": note.who, "body": to_json(note.body)}
    return {"digest": blake2b(to_json(row).encode(), digest_size=16).hexdigest(), **row}


def note_of(uid: str, kind: str, time: float, who: str, body: str) -> Note:
    """Return the note with this text as body, or raise `DamagedFileError`."""
    if not all(isinstance(text, str) for text in (uid, kind, who)) or not is_number(time):
        raise DamagedFileError(
            f"The catalog has a damaged note of kind {kind!r} by {who!r} at {time!r}, on run {uid!r}. The log has it, "
            "too: move the catalog away, and rebuild it with analysis-store reindex --scratch."
        )
    return Note(uid, kind, time, who, read_json(body))


def duplicate(uid: str) -> DuplicateRunError:
    """Return the error for a uid that is in use."""
    return DuplicateRunError(f"Run {uid!r} is in the catalog already. Save a correction as a new run with a new uid.")


def not_found(uid: str, where: str) -> RunNotFoundError:
    """Return the error for an unknown uid."""
    return RunNotFoundError(
        f"No run {uid!r} in the catalog {where}; expected a complete uid. List the runs with search()."
    )

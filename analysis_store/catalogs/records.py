"""A run or a note on its way into a database and out of it: what is refused, and documents as text that is exact."""

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
    """Tell whether a database can hold a text: no NUL, no half of a surrogate pair."""
    return "\0" not in text and is_utf8(text)


def check_names(record: RunRecord) -> None:
    """Refuse a uid, path or parent that no database could hold, or find again."""
    if not all(map(is_text, (record.uid, record.path, *record.parents))):
        raise InvalidDocumentError(
            f"the uid, the path or a parent of run {record.uid!r} holds a NUL or half a surrogate pair; "
            "expected text that UTF-8 can hold"
        )


def start_time(record: RunRecord) -> float:
    """Return the start time in seconds since 1970 UTC, by which runs are ordered."""
    time = record.start.get("time")
    if time is None or not is_number(time) or math.isnan(time):
        raise InvalidDocumentError(f"start['time'] of run {record.uid!r} is {time!r}; expected seconds since 1970 UTC")
    try:
        return float(time)
    except OverflowError as error:
        raise InvalidDocumentError(f"start['time'] of run {record.uid!r} is beyond any clock") from error


def terms_of(record: RunRecord) -> list[tuple[int, bytes]]:
    """Return the terms under which a run is found."""
    try:
        return run_terms(record.start, record.stop)
    except TypeError as error:
        raise InvalidDocumentError(f"a document of run {record.uid!r} cannot be indexed: {error}") from error


def to_json(document: object) -> str:
    """Return a document as ASCII JSON that gives it back exactly: NaN, any integer, the order of keys."""
    try:
        return json.dumps(document, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise InvalidDocumentError(f"a document holds what JSON does not: {error}") from error


def texts_of(record: RunRecord) -> dict[str, str | None]:
    """Return the documents of a record as text, by the names of its fields; `RunRecord.kept` takes them back."""
    return {
        "start": to_json(record.start),
        "stop": None if record.stop is None else to_json(record.stop),
        "descriptors": to_json(list(record.descriptors)),
        "beside": to_json(record.beside),
    }


def read_json(text: str) -> Document:
    """Return the document that a text of the catalog says.

    Raises
    ------
    DamagedFileError
        It is no JSON any more, or no document.
    """
    try:
        found: dict[str, Any] = json.loads(text)
        check_kind("document", found)
    except (ValueError, TypeError, RecursionError) as error:
        raise DamagedFileError(
            f"the catalog holds a damaged document: {error}. analysis-store check says of which run it is."
        ) from error
    return found


def note_row(note: Note) -> Document:
    """Return a note as a database keeps it: its body as exact text, and a digest by which it is known.

    Raises
    ------
    InvalidDocumentError
        A text that no database could hold, a time that is no number, a body that JSON does not have.
    """
    if not all(map(is_text, (note.uid, note.kind, note.who))) or not note.kind:
        raise InvalidDocumentError(
            f"a note of kind {note.kind!r} on run {note.uid!r} by {note.who!r}: each is text that UTF-8 can hold"
        )
    if not is_number(note.time) or not math.isfinite(note.time):
        raise InvalidDocumentError(f"a note on run {note.uid!r}: time {note.time!r}; expected seconds since 1970 UTC")
    row = {"uid": note.uid, "kind": note.kind, "time": float(note.time), "who": note.who, "body": to_json(note.body)}
    return {"digest": blake2b(to_json(row).encode(), digest_size=16).hexdigest(), **row}


def note_of(uid: str, kind: str, time: float, who: str, body: str) -> Note:
    """Return the note whose body is this text, or raise `DamagedFileError`."""
    if not all(isinstance(text, str) for text in (uid, kind, who)) or not is_number(time):
        raise DamagedFileError(
            f"the catalog holds a damaged note: of kind {kind!r} by {who!r} at {time!r}, on run {uid!r}. It is in the "
            "log, too: put the catalog aside, and rebuild it with analysis-store reindex --scratch."
        )
    return Note(uid, kind, time, who, read_json(body))


def duplicate(uid: str) -> DuplicateRunError:
    """Return the error for a uid that is taken."""
    return DuplicateRunError(f"run {uid!r} is in the catalog already; a correction is a new run with a uid of its own")


def not_found(uid: str, where: str) -> RunNotFoundError:
    """Return the error for a uid that no run has."""
    return RunNotFoundError(f"no run {uid!r} in the catalog {where}; expected a whole uid; search() lists the runs")

"""Incoming foreign runs: documents are checked, sorted by run, and held until the run ends."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from analysis_store.documents import Document, check_name, compose_stop, unpack_page, validate
from analysis_store.errors import InvalidDocumentError
from analysis_store.runs.read.journal import listed, plain_document

if TYPE_CHECKING:
    from analysis_store.runs.write.document_stream import NamedDocument


class Recording:
    """The documents of one foreign run, in order of arrival."""

    def __init__(self, start: Document) -> None:
        self.start = start
        self.settled: Any = None
        self.stop: Document | None = None
        self.journal: list[NamedDocument] = [("start", start)]
        self._streams: dict[str, str] = {}
        self._data_keys: dict[str, Document] = {}

    @property
    def uid(self) -> str:
        """Uid of the run."""
        return str(self.start["uid"])

    def add(self, name: str, doc: Document) -> None:
        """Keep a document of the run, which must be valid and a copy."""
        if name == "descriptor":
            self._streams[doc["uid"]] = doc.get("name", "primary")
            self._data_keys[doc["uid"]] = doc["data_keys"]
        elif name in ("event", "event_page"):
            self._check_data(doc, name)
        self.journal.append((name, doc))

    def _check_data(self, doc: Document, name: str) -> None:
        known = self._data_keys[doc["descriptor"]]
        surplus = sorted(set(doc["data"]) - set(known))
        missing = sorted(key for key in set(known) - set(doc["data"]) if not known[key].get("external"))
        if surplus or missing:
            raise InvalidDocumentError(
                f"{name} of run {self.uid}: its data lack {missing} and add {surplus}, compared with its descriptor."
            )

    def aborted(self, reason: str) -> Document:
        """Return a stop document for a run that will get none: aborted, never a success."""
        counts = dict.fromkeys(self._streams.values(), 0)
        times = [float(self.start["time"])]
        for name, doc in self.journal:
            if name in ("event", "event_page"):
                events = [event for _, event in unpack_page(name, doc)]
                counts[self._streams[doc["descriptor"]]] += len(events)
                times += [float(event["time"]) for event in events]
        return compose_stop(
            self.uid, time=max([clock.time(), *times]), num_events=counts, exit_status="abort", reason=reason
        )


class Recordings:
    """The open foreign runs, found by any uid that a document refers to."""

    def __init__(self) -> None:
        self.open: dict[str, Recording] = {}
        self._owner: dict[tuple[str, str], str] = {}
        """The run of every document that others refer to, by its name and its uid."""

    def begin(self, doc: Mapping[str, object]) -> Recording:
        """Return a new recording for a start document, which is validated and copied; it is not open yet."""
        validate("start", doc)
        start = listed(plain_document("start", doc))
        if start["uid"] in self.open:
            raise InvalidDocumentError(f"run {start['uid']}: a second start document; the run is open already.")
        return Recording(start)

    def enter(self, recording: Recording) -> None:
        """Open a recording."""
        self.open[recording.uid] = recording
        self._owner["start", recording.uid] = recording.uid

    def add(self, name: str, doc: Mapping[str, object]) -> tuple[Recording, Document]:
        """Validate a document and add it to its run; a stop is returned without being added."""
        check_name(name)
        validate(name, doc)
        copy = plain_document(name, doc)
        recording = self._run_of(name, copy)
        if name == "stop":
            return recording, dict(listed(copy))
        recording.add(name, copy)
        for uid in _introduces(name, copy):
            self._owner[name, uid] = recording.uid
        return recording, copy

    def leave(self, recording: Recording) -> None:
        """Forget a run that has ended."""
        self.open.pop(recording.uid, None)
        self._owner = {thing: run for thing, run in self._owner.items() if run != recording.uid}

    def _run_of(self, name: str, doc: Document) -> Recording:
        kind, referred = _refers(name, doc)
        if referred is None and self.open:  # a resource as it was before run_start: of the run that began last
            return next(reversed(self.open.values()))
        owner = self._owner.get((kind, referred)) if referred else None
        if owner is None or owner not in self.open:
            raise InvalidDocumentError(
                f"{name}: it refers to the {kind} {referred!r}, which no open run has; documents come in order: start, "
                "descriptor, resource, datum, event, stop."
            )
        return self.open[owner]


def _refers(name: str, doc: Document) -> tuple[str, str | None]:
    if name in ("event", "event_page"):
        return "descriptor", doc["descriptor"]
    if name in ("datum", "datum_page"):
        return "resource", doc["resource"]
    if name == "stream_datum":
        return "stream_resource", doc["stream_resource"]
    return "start", doc.get("run_start")


def _introduces(name: str, doc: Document) -> list[str]:
    return [doc["uid"]] if name in ("descriptor", "resource", "stream_resource") else []

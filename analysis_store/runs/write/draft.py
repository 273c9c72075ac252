"""A run on its way into a file: its start document, its streams with their descriptors, and its stop document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analysis_store.digests import digest_values
from analysis_store.documents import Document, compose_descriptor, compose_stop, event_uid, validate
from analysis_store.runs.write.document_stream import NamedDocument, StreamDocuments, run_documents

if TYPE_CHECKING:
    import numpy as np

    from analysis_store.runs.values.column import Column
    from analysis_store.runs.values.stream_data import StreamData


def digest_entry(stream: str, key: str, digest: str) -> Document:
    """Return the entry of the stop document for one key."""
    algorithm, _, value = digest.partition(":")
    return {"stream": stream, "data_key": key, "algorithm": algorithm, "digest": value}


@dataclass(slots=True)
class Attachments:
    """Parts of the file other than data and documents."""

    patch: str | None = None
    """Uncommitted changes of the code, as a patch."""

    source: str | None = None
    """Text of code in no package or repository."""

    beside: Document = field(default_factory=dict)
    """Metadata of the store beyond documents that it may not change."""


@dataclass(slots=True)
class StreamDraft:
    """One stream with its documents; resources are added as its keys are written."""

    data: StreamData
    documents: StreamDocuments

    @property
    def descriptor(self) -> Document:
        """The descriptor document."""
        return self.documents.descriptor

    def own_columns(self) -> dict[str, Column]:
        """Return the columns that the run file holds."""
        return {key: column for key, column in self.data.columns.items() if column.form != "foreign"}

    def inline_columns(self) -> dict[str, list[object]]:
        """Return the values that stay in the events, by key."""
        return {key: column.inline_values() for key, column in self.data.columns.items() if column.inline}


@dataclass(slots=True)
class Draft:
    """Everything of one run but the bytes."""

    start: Document
    streams: list[StreamDraft]
    attachments: Attachments = field(default_factory=Attachments)
    digests: list[Document] = field(default_factory=list)
    stop: Document | None = None
    journal: list[NamedDocument] | None = None
    """Foreign documents in order of arrival; None if the documents are ours."""

    outcome: tuple[str, str] = ("success", "")
    """End of the run: exit status, and the reason."""

    lost: list[Document] = field(default_factory=list)
    """Keys of which the run has not every value, each with the reason."""

    lifted: Document = field(default_factory=dict)
    """Location of the arrays that were moved out of the journal."""

    seal: str | None = None
    """The seal of the file, once it is written."""

    @property
    def uid(self) -> str:
        """Uid of the run."""
        return str(self.start["uid"])

    def digest_columns(self) -> None:
        """Take the digests of a run that needs no file."""
        for stream in self.streams:
            for key, column in stream.own_columns().items():
                self.digests.append(digest_entry(stream.data.name, key, digest_values(column.values)))

    def descriptors(self) -> list[Document]:
        """Return every descriptor, in order."""
        if self.journal is None:
            return [stream.descriptor for stream in self.streams]
        return [doc for name, doc in self.journal if name == "descriptor"]

    def all_documents(self) -> Iterator[NamedDocument]:
        """Yield every document of the run."""
        if self.journal is not None:
            return iter(self.journal)
        return run_documents(self.start, [stream.documents for stream in self.streams], self.stop)

    def finish(self, *, time: float) -> Document:
        """Compose and return the stop document; a foreign one is unchanged, and the digests are stored separately."""
        if self.stop is not None:
            self.attachments.beside["digests"] = self.digests
        else:
            exit_status, reason = self.outcome
            counts = {stream.data.name: stream.data.length for stream in self.streams}
            self.stop = compose_stop(
                self.uid, time=time, num_events=counts, digests=self.digests, exit_status=exit_status, reason=reason
            )
            if self.lost:
                self.stop["lost"] = self.lost
            validate("stop", self.stop)
        return self.stop


def draft_stream(start: Document, data: StreamData, times: np.ndarray) -> StreamDraft:
    """Return a stream with its descriptor, validated together with the first event it will give."""
    keys = {key: _described(column) for key, column in data.columns.items()}
    when = float(times[0]) if len(times) else float(start["time"])
    descriptor = compose_descriptor(start["uid"], data.name, keys, when, data.extra)
    validate("descriptor", descriptor)
    draft = StreamDraft(data, StreamDocuments(descriptor, times))
    draft.documents.inline = draft.inline_columns
    if len(times):
        validate("event", _sample(draft, when))
    return draft


def _described(column: Column) -> Document:
    return dict(column.data_key) if column.inline else {**column.data_key, "external": "FILESTORE:"}


def _sample(draft: StreamDraft, time: float) -> Document:
    """Return the first event; the others differ from it in values alone, and those the columns have checked."""
    keys = list(draft.data.columns)
    uid = draft.descriptor["uid"]
    return {
        "uid": event_uid(uid, 1),
        "time": time,
        "seq_num": 1,
        "descriptor": uid,
        "data": {key: 0 if draft.data.columns[key].inline else "" for key in keys},
        "timestamps": dict.fromkeys(keys, time),
        "filled": {key: False for key in keys if not draft.data.columns[key].inline},
    }

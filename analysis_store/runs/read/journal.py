"""Foreign documents, kept exactly as received: their storage in the file, and reading."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np

from analysis_store import layout
from analysis_store.core.lazy import InMemory, Source
from analysis_store.documents import Document, document_text, dumps, loads, unpack_page
from analysis_store.errors import (
    AnalysisStoreError,
    DamagedFileError,
    InvalidDataError,
    InvalidDocumentError,
    UnknownSpecError,
)
from analysis_store.exact import are_floats, is_numpys
from analysis_store.pairs import call_handler
from analysis_store.runs.read.per_event import together
from analysis_store.runs.values import columns
from analysis_store.runs.values.array_like import storable
from analysis_store.runs.values.column import Column, Place
from analysis_store.runs.values.stream_data import StreamData
from analysis_store.runs.write.document_stream import NamedDocument, StreamDocuments
from analysis_store.runs.write.draft import Draft, StreamDraft

_MAX_TEXT = 1 << 20
_PLAIN = frozenset({bool, int, float})
_SCALARS = "?bBhHiIlLqQefdU"
_IN_JSON = _SCALARS
"""Characters of the dtypes whose arrays lists say as well."""
_IN_COLUMNS = f"{_SCALARS}gFDGmMS"
"""Keys with columns of their own."""


def plain_document(name: str, doc: Mapping[str, object]) -> Document:
    """Return a copy of a document as JSON; arrays in the data of events are copied and remain arrays.

    Raises
    ------
    InvalidDocumentError
        Something in it would not come back: it is neither JSON nor, in the data of an event, an array of numbers, times
        or text.
    """
    if name not in ("event", "event_page"):
        return dict(_plain(doc, name, _IN_JSON))
    rest = {key: value for key, value in doc.items() if key != "data"}
    return {**_plain(rest, name, _IN_JSON), "data": _plain(doc["data"], f"{name}['data']", _IN_COLUMNS)}


def _plain(value: Any, where: str, dtypes: str) -> Any:
    if value is None or type(value) in _PLAIN:
        return value
    if isinstance(value, Mapping):
        return {
            (name := document_text(key, where)): _plain(item, f"{where}[{name!r}]", dtypes)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return [_plain(item, f"{where}[{index}]", dtypes) for index, item in enumerate(value)]
    if type(value) in (np.ndarray, np.memmap) and value.ndim and value.dtype.char in dtypes:
        return np.array(_storable(value, where))
    if isinstance(value, str):
        return document_text(value, where)
    if _is_scalar(value):
        return _plain(value.item(), where, dtypes)
    if isinstance(value, int):  # a member of an IntEnum becomes its value
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    raise InvalidDocumentError(f"{where}: a {type(value).__name__} cannot be kept; documents hold JSON and arrays.")


def _is_scalar(value: Any) -> bool:
    """Return True for a scalar of NumPy's, or an array without axes, that JSON can say."""
    is_own = type(value) in (np.ndarray, np.memmap) or (isinstance(value, np.generic) and is_numpys(value))
    return is_own and value.ndim == 0 and value.dtype.char in _SCALARS


def _storable(array: np.ndarray, where: str) -> np.ndarray:
    try:
        return storable(array)
    except InvalidDataError as error:
        raise InvalidDocumentError(f"{where}: {error}") from error


def listed(value: object) -> Any:
    """Return a document in which arrays are lists."""
    if isinstance(value, dict):
        return {key: listed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [listed(item) for item in value]
    return value.tolist() if isinstance(value, np.ndarray) else value


# --------------------------------------------------------------------------------------------------- writing


def draft_journal(journal: Sequence[NamedDocument], stop: Document | None) -> Draft:
    """Return the draft of a foreign run: its unchanged documents, and columns for everything a viewer can plot."""
    events = _events_by_stream(journal)
    streams = [_draft_stream(name, descriptors, rows) for name, (descriptors, rows) in events.items()]
    lifted = _lifted(streams)
    kept = [(name, _without(name, doc, lifted, events)) for name, doc in journal]
    return Draft(dict(listed(journal[0][1])), streams, stop=stop, journal=kept, lifted=lifted)


Events = dict[str, tuple[list[Document], list[Document]]]
Lifted = dict[str, dict[str, dict[str, str]]]
"""The keys of each stream whose arrays are in columns: the dataset of each, and its form."""


def _lifted(streams: Sequence[StreamDraft]) -> Lifted:
    found: Lifted = {}
    stored_streams = layout.stream_names(stream.data.name for stream in streams)
    for stream in streams:
        name = stream.data.name
        stored = layout.key_names(stream.data.columns)
        for key, column in stream.data.columns.items():
            if _has_arrays(column):
                entry = {"dataset": layout.dataset_path(stored_streams[name], stored[key]), "form": column.form}
                found.setdefault(name, {})[key] = entry
    return found


def _events_by_stream(journal: Sequence[NamedDocument]) -> Events:
    """Return descriptors and single events of each stream, in order."""
    found: Events = {}
    stream_of = {}
    for name, doc in journal:
        if name == "descriptor":
            stream_of[doc["uid"]] = doc.get("name", "primary")
            found.setdefault(stream_of[doc["uid"]], ([], []))[0].append(doc)
        elif name in ("event", "event_page"):
            found[stream_of[doc["descriptor"]]][1].extend(event for _, event in unpack_page(name, doc))
    return found


def _draft_stream(name: str, descriptors: list[Document], events: list[Document]) -> StreamDraft:
    data = StreamData(name, {}, len(events))
    for key, entry in {k: e for d in descriptors for k, e in d["data_keys"].items()}.items():
        values = [event["data"].get(key) for event in events]
        unfilled = entry.get("external") and not all(event.get("filled", {}).get(key) for event in events)
        whole = bool(events) and not unfilled and all(value is not None for value in values)
        column = _column(values, key, entry) if whole else None
        if column is None and any(map(_holds_array, values)):
            column = columns.of_objects(values, _place(key))
            column.inline = True
        if column:
            data.columns[key] = column
    return StreamDraft(
        data, StreamDocuments(descriptors[-1], np.array([event["time"] for event in events], np.float64))
    )


def _column(values: list[Any], key: str, entry: Document) -> Column | None:
    """Return the column of a key, or None if its values are of different kinds: the journal has them anyway."""
    if not any(map(_holds_array, values)) and len(dumps(values)) > _MAX_TEXT * 64:
        return None
    try:
        column = columns.of_values(values, _place(key))
    except InvalidDataError:
        return None
    if column.form == "object":
        return None
    column.inline = True
    if entry.get("units"):
        column.data_key["units"] = entry["units"]
    return column


def _place(key: str) -> Place:
    return Place("event[", f']["data"]["{key}"]')


def _has_arrays(column: Column) -> bool:
    return column.form in ("ragged", "object") or (column.form == "array" and np.ndim(column.values[0]) > 0)


def _without(name: str, doc: Document, lifted: Lifted, events: Events) -> Document:
    """Return a document in the form of the journal, with arrays moved to columns of their own."""
    if name not in ("event", "event_page"):
        return dict(listed(doc))
    stream = next(
        s for s, (descriptors, _) in events.items() if any(d["uid"] == doc["descriptor"] for d in descriptors)
    )
    out = lifted.get(stream, {})
    data = {key: value for key, value in doc["data"].items() if not (key in out and _holds_array(value))}
    return dict(listed({**doc, "data": data}))


def _holds_array(value: Any) -> bool:
    """Return True for an array, and for lists and mappings with one in them, which JSON cannot say."""
    if isinstance(value, (list, dict)):
        return any(map(_holds_array, value.values() if isinstance(value, dict) else value))
    return isinstance(value, np.ndarray)


# --------------------------------------------------------------------------------------------------- reading


@contextmanager
def _stored() -> Iterator[None]:
    """Raise one of our errors if documents differ from those stored, which were valid."""
    try:
        yield
    except AnalysisStoreError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise DamagedFileError(
            f"A document of the run was changed: {error!r}. Restore its file from a backup."
        ) from error


class Journal:
    """The documents of a foreign run as received, with the arrays restored.

    Parameters
    ----------
    texts : sequence of str
        One ``[name, document]`` in JSON per document.
    lifted : mapping
        The keys of each stream whose arrays are in columns.
    column : callable
        Returns a column, given its dataset and form, as a lazy source.
    """

    def __init__(self, texts: Sequence[str], lifted: Lifted, column: Callable[[str, str], Source]) -> None:
        self._texts = texts
        self._lifted = lifted
        self._column = column

    @cached_property
    def documents(self) -> list[NamedDocument]:
        """Yield every document, in order of arrival."""
        with _stored():
            return self._read()

    def _read(self) -> list[NamedDocument]:
        found: list[NamedDocument] = []
        stream_of: dict[str, str] = {}
        rows: dict[str, int] = {}
        for text in self._texts:
            name, doc = loads(text)
            if name == "descriptor":
                stream_of[doc["uid"]] = doc.get("name", "primary")
            elif name in ("event", "event_page"):
                self._restore(name, doc, stream_of[doc["descriptor"]], rows)
            found.append((name, doc))
        return found

    def _restore(self, name: str, doc: Document, stream: str, rows: dict[str, int]) -> None:
        first = rows.get(stream, 0)
        count = 1 if name == "event" else len(doc["seq_num"])
        rows[stream] = first + count
        for key, entry in self._lifted.get(stream, {}).items():
            if key not in doc["data"] and key in doc["timestamps"]:
                source = self._column(entry["dataset"], entry["form"])
                doc["data"][key] = (
                    source[first] if name == "event" else [source[row] for row in range(first, first + count)]
                )

    @cached_property
    def streams(self) -> dict[str, JournalStream]:
        """The streams of the run, by name."""
        with _stored():
            return self._arranged()

    def _arranged(self) -> dict[str, JournalStream]:
        resources = {doc["uid"]: doc for name, doc in self.documents if name == "resource"}
        datums = {}
        for name, doc in self.documents:
            if name in ("datum", "datum_page"):
                datums.update({datum["datum_id"]: datum for _, datum in unpack_page(name, doc)})
        streamed = {doc["uid"]: doc for name, doc in self.documents if name == "stream_resource"}
        used = {(doc["descriptor"], doc["stream_resource"]) for name, doc in self.documents if name == "stream_datum"}
        return {
            name: JournalStream(
                descriptors,
                events,
                resources,
                datums,
                streamed=[
                    streamed[uid] for each in descriptors for by, uid in used if by == each["uid"] and uid in streamed
                ],
                objects=self._objects(name),
            )
            for name, (descriptors, events) in _events_by_stream(self.documents).items()
        }

    def _objects(self, stream: str) -> dict[str, Source]:
        """Return the columns of arrays that differ, and of values that contain arrays."""
        lifted = self._lifted.get(stream, {}).items()
        return {key: self._column(entry["dataset"], "object") for key, entry in lifted if entry["form"] == "object"}


class JournalStream:
    """One stream of a foreign run; it may have several descriptors."""

    def __init__(
        self,
        descriptors: list[Document],
        events: list[Document],
        resources: Mapping[str, Document],
        datums: Mapping[str, Document],
        *,
        streamed: Sequence[Document] = (),
        objects: Mapping[str, Source] | None = None,
    ) -> None:
        self.descriptors = descriptors
        self.events = events
        self.streamed: dict[str, Document] = {doc["data_key"]: doc for doc in streamed}
        """The stream resource of each key whose values are described by stream documents."""
        self._objects = objects or {}
        self._resources = resources
        self._datums = datums
        self._handlers: dict[str, Any] = {}

    @cached_property
    def times(self) -> np.ndarray:
        """Times of the events: float64 ``(n,)``, s since 1970."""
        return np.array([event["time"] for event in self.events], dtype=np.float64)

    @property
    def seq_nums(self) -> np.ndarray:
        """Sequence numbers: int64 ``(n,)``."""
        return np.array([event["seq_num"] for event in self.events], dtype=np.int64)

    @property
    def uids(self) -> list[str]:
        """The uid of each event."""
        return [event["uid"] for event in self.events]

    def timestamps(self, key: str) -> np.ndarray:
        """Return the time of each value of a key: float64 ``(n,)``, s since 1970; NaN if an event lacks the key."""
        return np.array([event["timestamps"].get(key, np.nan) for event in self.events], dtype=np.float64)

    def is_filled(self, key: str) -> bool:
        """Return True if the events contain the values of an external key."""
        return bool(self.events) and all(event.get("filled", {}).get(key) for event in self.events)

    def source(self, key: str) -> Source:
        """Return a key whose values are in the events; NaN or None replaces a missing one."""
        if key in self._objects:
            return self._objects[key]
        values = [event["data"].get(key) for event in self.events]
        present = [value for value in values if value is not None]
        if len(present) < len(values) and set(map(type, present)) <= {int, float} and are_floats(present):
            values = [float("nan") if value is None else float(value) for value in values]
        return InMemory(together(values))

    def read(self, key: str, index: int, open_handler: Callable[[Document], Any]) -> Any:
        """Return the value of one event through the handler of its resource; None if the event lacks the key.

        Raises
        ------
        UnknownSpecError
            The documents do not contain the location of the value.
        """
        event = self.events[index]
        value = event["data"].get(key)
        if value is None or event.get("filled", {}).get(key):
            return value
        datum = self._datums.get(value) if isinstance(value, str) else None
        if datum is None or datum["resource"] not in self._resources:
            raise UnknownSpecError(
                f"event {index} has no datum for {key!r}: the documents are incomplete; they are kept, the values are "
                "not within reach."
            )
        uid = datum["resource"]
        if uid not in self._handlers:
            self._handlers[uid] = open_handler(self._resources[uid])
        return call_handler(self._handlers[uid], datum["datum_kwargs"])

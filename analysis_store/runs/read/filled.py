"""Documents with the values of external keys in their events."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from analysis_store.documents import unpack_page
from analysis_store.errors import AnalysisStoreError, StoreClosedError

if TYPE_CHECKING:
    from analysis_store.documents import Document
    from analysis_store.runs.read.lazy import LazyArray
    from analysis_store.runs.read.run import Run
    from analysis_store.runs.write.document_stream import NamedDocument


def filled(run: Run, documents: Iterator[NamedDocument], *, strict: bool = False) -> Iterator[NamedDocument]:
    """Yield the documents of a run, pages as events, with the values of external keys; see `Run.documents`.

    Parameters
    ----------
    run : Run
        The run.
    documents : iterator
        Its documents.
    strict : bool
        Raise if a value cannot be read; otherwise warn.
    """
    filling = _Filling(run, strict)
    for page, doc in documents:
        for name, one in unpack_page(page, doc):
            if name in ("resource", "datum"):
                filling.remember(name, one)
            elif name == "event":
                event = filling.of_event(one)
                yield from filling.needed_by(event)
                yield name, event
            else:
                yield name, one


class _Filling:
    """The columns of the external keys of a run, and how many events of each stream have been filled.

    A value that cannot be read stays a reference; its resource and its datum come just before the event, so that others
    may follow it.
    """

    def __init__(self, run: Run, strict: bool) -> None:
        self._strict = strict
        self._names = {descriptor["uid"]: descriptor.get("name", "primary") for descriptor in run.descriptors}
        self._columns: dict[str, dict[str, LazyArray]] = {}
        self._assets: dict[str, NamedDocument] = {}
        self._seen = dict.fromkeys(run, 0)
        self._told: set[tuple[str, str]] = set()
        for name in run:
            stream = run[name]
            external = [key for key, entry in stream.data_keys.items() if entry.get("external")]
            self._columns[name] = {key: stream[key] for key in external if self._is_readable(name, stream[key])}

    def remember(self, name: str, doc: Document) -> None:
        """Keep a resource or a datum, in case that an event needs it."""
        self._assets[doc["uid" if name == "resource" else "datum_id"]] = name, doc

    def needed_by(self, event: Document) -> Iterator[NamedDocument]:
        """Yield the resources and datums of unfilled values of an event, each once."""
        for key, value in event["data"].items():
            if event["filled"].get(key) is False and isinstance(value, str) and value in self._assets:
                name, datum = self._assets.pop(value)
                if datum["resource"] in self._assets:
                    yield self._assets.pop(datum["resource"])
                yield name, datum

    def of_event(self, event: Document) -> Document:
        """Return an event with all values filled that can be."""
        stream = self._names[event["descriptor"]]
        index = self._seen[stream]
        self._seen[stream] += 1
        values: dict[str, Any] = {}
        for key, column in self._columns[stream].items():
            if key in event["data"] and not event.get("filled", {}).get(key):
                try:
                    values[key] = column[index]
                except AnalysisStoreError as error:
                    self._tell(stream, key, error)
        now = {**event.get("filled", {}), **dict.fromkeys(values, True)}
        return {**event, "data": {**event["data"], **values}, "filled": now}

    def _is_readable(self, stream: str, column: LazyArray) -> bool:
        try:
            return bool(column.shape)
        except AnalysisStoreError as error:
            self._tell(stream, column.key, error)
            return False

    def _tell(self, stream: str, key: str, error: AnalysisStoreError) -> None:
        """Warn once of a key that is not filled; a closed store is not a fault of the key."""
        if self._strict or isinstance(error, StoreClosedError):
            raise error
        if (stream, key) not in self._told:
            self._told.add((stream, key))
            warnings.warn(f"{key!r} of {stream!r} is not filled: {error}", stacklevel=5)

"""The run file read: its documents, and its columns as lazy sources."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5d, h5f, h5s, h5t

from analysis_store import layout
from analysis_store.catalogs.base import RunRecord
from analysis_store.documents import Document, is_time, loads
from analysis_store.errors import DamagedFileError, StoreVersionError
from analysis_store.handlers.arrays import ArrayHandler
from analysis_store.hdf5.heaps import check_heaps
from analysis_store.hdf5.opening import find_dataset, find_group, reading, text_attribute
from analysis_store.hdf5.reading import check_held
from analysis_store.runs.read.journal import Journal
from analysis_store.runs.write.document_stream import NamedDocument, StreamDocuments, run_documents
from analysis_store.runs.write.seal import seal_of

if TYPE_CHECKING:
    from analysis_store.core.lazy import Source


_GROUP = f"/{layout.ENTRY}/{layout.DOCUMENTS}"
_NAMES = (
    layout.START,
    layout.STOP,
    layout.DESCRIPTORS,
    layout.RESOURCES,
    layout.DATUMS,
    layout.BESIDE,
    layout.JOURNAL,
    layout.LIFTED,
    layout.SEAL,
)


class RunFile:
    """One run file, opened for as long as each call takes.

    Raises
    ------
    DamagedFileError
        The file is missing, cut short, or not a run file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._layout = layout.LAYOUT_VERSION  # until the file was opened

    @cached_property
    def _texts(self) -> Mapping[str, list[str]]:
        texts = {}
        check_heaps(self.path)
        with reading(str(self.path)) as file:
            self._layout = self._found_layout(file)
            group = find_group(file, _GROUP)
            there = set(group)
            for name in _NAMES:
                if name.encode() in there and name != layout.JOURNAL:
                    texts[name] = [read_scalar(find_dataset(group, name), f"{self.path}: {name}")]
            listed = layout.JOURNAL.encode() in there
        if listed:
            texts[layout.JOURNAL] = list(read_column(self.path, f"{_GROUP}/{layout.JOURNAL}").read())
        return texts

    def _found_layout(self, file: h5f.FileID) -> str:
        """Return the layout that the file says it has; one that says nothing has the first."""
        found = text_attribute(find_group(file, "/"), layout.LAYOUT_ATTRIBUTE)
        if found not in (None, layout.FIRST_LAYOUT, layout.LAYOUT_VERSION):
            raise StoreVersionError(
                f"{self.path} has layout {found!r}, this version of analysis_store knows up to "
                f"{layout.LAYOUT_VERSION}; update analysis_store."
            )
        return found or layout.FIRST_LAYOUT

    def _document(self, name: str, default: Any = None) -> Any:
        if name not in self._texts:
            return default
        try:
            return loads(self._texts[name][0])
        except (json.JSONDecodeError, IndexError, RecursionError) as error:
            raise DamagedFileError(
                f"{self.path}: {_GROUP}/{name} is not JSON ({error}); the file is damaged."
            ) from error

    def _mapping(self, name: str) -> Document:
        found = self._document(name, {})
        if not isinstance(found, dict):
            raise DamagedFileError(f"{self.path}: {_GROUP}/{name} is not a document; the file is damaged.")
        return found

    def _documents(self, name: str) -> list[Document]:
        found = self._document(name, [])
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise DamagedFileError(f"{self.path}: {_GROUP}/{name} is not a list of documents; the file is damaged.")
        return found

    def texts(self) -> Iterator[str]:
        """Yield all that the file holds besides values, as JSON texts."""
        for name, texts in self._texts.items():
            if name != layout.SEAL:
                yield from texts

    @property
    def seal(self) -> str | None:
        """The seal; None if the file has none, as in the first release."""
        return next(iter(self._texts.get(layout.SEAL, ())), None)

    def check_seal(self) -> None:
        """Compare documents and times with the seal of the file; one of the first release has none.

        Raises
        ------
        DamagedFileError
            They are not those that were sealed.
        """
        found = dict(self._texts)
        told = found.pop(layout.SEAL, None)
        if told is None:
            return
        try:
            times = [] if self.is_foreign else [stream.times for stream in self.streams.values()]
        except (KeyError, TypeError, ValueError, AttributeError) as error:  # a descriptor is JSON, and yet none
            raise DamagedFileError(
                f"{self.path}: a descriptor is damaged ({error!r}). Restore it from a copy."
            ) from error
        if told != [seal_of(found, times)]:
            raise DamagedFileError(
                f"{self.path}: the documents or the times of the events were changed: they do not agree with the "
                "seal of the file. Restore it from a copy."
            )

    @property
    def start(self) -> Document:
        """The start document."""
        return self._mapping(layout.START)

    @property
    def stop(self) -> Document | None:
        """The stop document."""
        return self._mapping(layout.STOP) or None

    @property
    def beside(self) -> Document:
        """Metadata of the store beyond the documents."""
        return self._mapping(layout.BESIDE)

    @property
    def descriptors(self) -> list[Document]:
        """The descriptors of all streams, in the order they were emitted; no value is read for them."""
        if not self.is_foreign:
            return self._documents(layout.DESCRIPTORS)
        return [doc for name, doc in self._kept() if name == "descriptor"]

    def _kept(self) -> Iterator[NamedDocument]:
        """Yield foreign documents as stored in the file: without the arrays that are in columns."""
        try:
            for text in self._texts[layout.JOURNAL]:
                name, doc = loads(text)
                yield name, doc
        except (json.JSONDecodeError, TypeError, ValueError) as error:
            raise DamagedFileError(f"{self.path}: a document is not JSON ({error}); the file is damaged.") from error

    @property
    def resources(self) -> list[Document]:
        """The resource documents, in no order that means something; no value is read for them."""
        if self.is_foreign:
            return [doc for name, doc in self._kept() if name == "resource"]
        own, others = self._documents(layout.RESOURCES), self._documents(layout.DATUMS)
        written = [resource for stream in own for resource in stream.values()]
        return written + [resource for stream in others for pair in stream.values() for resource in pair[0]]

    def record(self, path: str) -> RunRecord:
        """Return the catalog's record of the run, from the file alone.

        Parameters
        ----------
        path : str
            The file, relative to the root.

        Raises
        ------
        DamagedFileError
            The documents cannot be read, or name no run.
        """
        self.check_seal()
        start, beside = self.start, self.beside
        if not (isinstance(start.get("uid"), str) and is_time(start.get("time"))):
            raise DamagedFileError(
                f"{self.path} has no start document with a uid and a time; it is damaged, or not ours."
            )
        parents = start.get("parent_uids", ())
        if self.is_foreign:  # their start documents are not ours to complete
            parents = [parent["uid"] for parent in (beside.get("provenance") or {}).get("parents", ())]
        told = (start, self.stop, tuple(self.descriptors), path, tuple(parents), beside)
        return RunRecord(*told, more=self._has_more(), seal=self.seal)

    def _has_more(self) -> bool:
        """Return True if there are documents beyond a record and the resources of this file itself."""
        return (
            self.is_foreign
            or layout.DATUMS in self._texts
            or any(PurePosixPath(str(each.get("resource_path"))).name != self.path.name for each in self.resources)
        )

    def documents(self) -> Iterator[NamedDocument]:
        """Yield every document of the run, in the order they were emitted."""
        if self.is_foreign:
            return iter(self.journal.documents)
        return run_documents(self.start, [stream.documents() for stream in self.streams.values()], self.stop)

    @property
    def is_foreign(self) -> bool:
        """True if the documents are foreign, and kept as received."""
        return layout.JOURNAL in self._texts

    @cached_property
    def journal(self) -> Journal:
        """Foreign documents as received."""
        return Journal(self._texts.get(layout.JOURNAL, ()), self._document(layout.LIFTED, {}), self.column)

    @cached_property
    def streams(self) -> dict[str, FileStream]:
        """The streams of a run whose documents are ours, by name."""
        descriptors = self.descriptors
        resources = self._document(layout.RESOURCES, [{}] * len(descriptors))
        datums = self._document(layout.DATUMS, [{}] * len(descriptors))
        names = layout.stream_names((descriptor["name"] for descriptor in descriptors), self._layout)
        return {
            name: FileStream(self.path, names[name], descriptor, own, foreign, version=self._layout)
            for descriptor, own, foreign in zip(descriptors, resources, datums, strict=True)
            for name in [descriptor["name"]]
        }

    def column(self, dataset: str, form: str) -> Source:
        """Return a column of the file as a lazy source."""
        return read_column(self.path, dataset, form)


def read_scalar(dataset: h5d.DatasetID, where: str) -> str:
    """Return a scalar of text; its size is not believed before the file is seen to hold as much."""
    kind = dataset.get_type()
    is_text = isinstance(kind, h5t.TypeStringID) and not kind.is_variable_str()  # a pointer
    if dataset.get_space().get_simple_extent_npoints() != 1 or not is_text:
        raise DamagedFileError(f"{where} is not text. The file is damaged, or was changed outside analysis_store.")
    check_held(dataset, kind.get_size())
    value = np.empty((), dtype=f"S{kind.get_size()}")
    dataset.read(h5s.ALL, h5s.ALL, value, mtype=kind)
    return bytes(value[()]).decode()


def read_column(path: Path, dataset: str, form: str = "array") -> Source:
    """Return a column, given how it is stored, as a lazy source."""
    if form == "ragged":
        from analysis_store.handlers.ragged import RaggedHandler

        return RaggedHandler(str(path), dataset).column()
    if form == "object":
        from analysis_store.handlers.objects import ObjectHandler

        return ObjectHandler(str(path), dataset).column()
    return ArrayHandler(str(path), dataset).column()


class FileStream:
    """One stream of a run whose documents are ours."""

    def __init__(
        self,
        path: Path,
        stored: str,
        descriptor: Document,
        resources: Document,
        foreign: Mapping[str, Any],
        *,
        version: str,
    ) -> None:
        self.path = path
        self.stored = stored
        self.descriptor = descriptor
        self.resources = resources
        self.foreign: dict[str, tuple[Any, Any]] = {key: (pair[0], pair[1]) for key, pair in foreign.items()}
        self.datasets: dict[str, str] = self._datasets(version)

    def _datasets(self, version: str) -> dict[str, str]:
        """Return the location of each key that this file holds."""
        own = [key for key in self.descriptor["data_keys"] if key not in self.foreign]
        stored = layout.key_names(own, version)
        return {key: layout.dataset_path(self.stored, name) for key, name in stored.items()}

    @cached_property
    def times(self) -> np.ndarray:
        """Times of the events: float64 ``(n,)``, s since 1970."""
        path = layout.dataset_path(self.stored, layout.TIME)
        return np.asarray(read_column(self.path, path).read())

    def inline(self) -> dict[str, Any]:
        """Return the values of the keys that stay in the events, as documents have them."""
        keys = self.descriptor["data_keys"]
        inline = [key for key in self.datasets if not keys[key].get("external")]
        return {key: self._inline(key) for key in inline}

    def _inline(self, key: str) -> list[Any]:
        values = self.column(key).read()
        return [value.tolist() if isinstance(value, np.ndarray) else value for value in values.tolist()]

    def column(self, key: str) -> Source:
        """Return a key that this file holds, as a lazy source."""
        shape = self.descriptor["data_keys"][key].get("shape") or []
        form = "ragged" if None in shape and key not in self.resources else "array"  # a small ragged key stays inline
        return read_column(self.path, self.datasets[key], form)

    def documents(self) -> StreamDocuments:
        """Return the source of every document of the stream."""
        return StreamDocuments(self.descriptor, self.times, dict(self.resources), dict(self.foreign), self.inline)

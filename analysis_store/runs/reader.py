"""The run file read: its documents, and its columns as lazy sources."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5d, h5s, h5t

from analysis_store import layout
from analysis_store.documents import Document, loads
from analysis_store.errors import DamagedFileError
from analysis_store.handlers.arrays import ArrayHandler
from analysis_store.hdf5.opening import find_dataset, find_group, reading
from analysis_store.hdf5.reading import check_held
from analysis_store.runs.emit import StreamDocuments
from analysis_store.runs.journal import Journal

if TYPE_CHECKING:
    from analysis_store.runs.lazy import Source

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

    @cached_property
    def _texts(self) -> Mapping[str, list[str]]:
        texts = {}
        with reading(str(self.path)) as file:
            group = find_group(file, _GROUP)
            for name in _NAMES:
                if name.encode() in group and name != layout.JOURNAL:
                    texts[name] = [read_scalar(find_dataset(file, f"{_GROUP}/{name}"), f"{self.path}: {name}")]
            listed = layout.JOURNAL.encode() in group
        if listed:
            texts[layout.JOURNAL] = list(read_column(self.path, f"{_GROUP}/{layout.JOURNAL}").read())
        return texts

    def _document(self, name: str, default: Any = None) -> Any:
        if name not in self._texts:
            return default
        try:
            return loads(self._texts[name][0])
        except (json.JSONDecodeError, IndexError) as error:
            raise DamagedFileError(
                f"{self.path}: {_GROUP}/{name} is not JSON ({error}); the file is damaged."
            ) from error

    @property
    def start(self) -> Document:
        """The start document."""
        return dict(self._document(layout.START, {}))

    @property
    def stop(self) -> Document | None:
        """The stop document."""
        stop = self._document(layout.STOP)
        return dict(stop) if stop else None

    @property
    def beside(self) -> Document:
        """What the store knew beyond the documents."""
        return dict(self._document(layout.BESIDE, {}))

    @property
    def is_foreign(self) -> bool:
        """Whether the documents came from somebody else, and are kept as they came."""
        return layout.JOURNAL in self._texts

    @cached_property
    def journal(self) -> Journal:
        """Foreign documents as they came."""
        return Journal(self._texts.get(layout.JOURNAL, ()), self._document(layout.LIFTED, {}), self.column)

    @cached_property
    def streams(self) -> dict[str, FileStream]:
        """The streams of a run whose documents are ours, by name."""
        descriptors = self._document(layout.DESCRIPTORS, [])
        resources = self._document(layout.RESOURCES, [{}] * len(descriptors))
        datums = self._document(layout.DATUMS, [{}] * len(descriptors))
        stored = layout.stored_names([descriptor["name"] for descriptor in descriptors], layout.RESERVED_STREAMS)
        return {
            descriptor["name"]: FileStream(self.path, stored[descriptor["name"]], descriptor, own, foreign)
            for descriptor, own, foreign in zip(descriptors, resources, datums, strict=True)
        }

    def column(self, dataset: str, form: str) -> Source:
        """Return a column of the file as a lazy source."""
        return read_column(self.path, dataset, form)


def read_scalar(dataset: h5d.DatasetID, where: str) -> str:
    """Return a scalar of text; its size is not believed before the file is seen to hold as much."""
    kind = dataset.get_type()
    if dataset.get_space().get_simple_extent_npoints() != 1 or not isinstance(kind, h5t.TypeStringID):
        raise DamagedFileError(f"{where} is no text; the file is damaged, or not ours.")
    check_held(dataset, kind.get_size())
    value = np.empty((), dtype=f"S{kind.get_size()}")
    dataset.read(h5s.ALL, h5s.ALL, value, mtype=kind)
    return bytes(value[()]).decode()


def read_column(path: Path, dataset: str, form: str = "array") -> Source:
    """Return a column, given how it is stored, as a lazy source."""
    if form == "ragged":
        from analysis_store.handlers.ragged import RaggedHandler

        return RaggedHandler(str(path), dataset).column()
    return ArrayHandler(str(path), dataset).column()


class FileStream:
    """One stream of a run whose documents are ours."""

    def __init__(
        self, path: Path, stored: str, descriptor: Document, resources: Document, foreign: Mapping[str, Any]
    ) -> None:
        self.path = path
        self.stored = stored
        self.descriptor = descriptor
        self.resources = resources
        self.foreign = {key: (pair[0], pair[1]) for key, pair in foreign.items()}
        self.datasets = self._datasets()

    def _datasets(self) -> dict[str, str]:
        """Return where each key that this file holds lies in it."""
        own = [key for key in self.descriptor["data_keys"] if key not in self.foreign]
        stored = layout.stored_names(own, layout.RESERVED_KEYS)
        return {key: layout.dataset_path(self.stored, name) for key, name in stored.items()}

    @cached_property
    def times(self) -> np.ndarray:
        """When the events happened: float64 ``(n,)``, s since 1970."""
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
        """Return what gives every document of the stream back."""
        return StreamDocuments(self.descriptor, self.times, dict(self.resources), dict(self.foreign), self.inline)

"""Runs of other libraries as inputs: databroker's Header, and the BlueskyRun of a Tiled client.

None of these libraries is imported here: a process with such a run has loaded its library.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.arrays import as_objects
from analysis_store.core.jsonable import rebuilt
from analysis_store.core.lazy import Lazy
from analysis_store.errors import InputError
from analysis_store.processing.inputs.base import DocumentedInput, InputStream, run_digest
from analysis_store.provenance.parts import Parent
from analysis_store.provenance.sources import uid_of

if TYPE_CHECKING:
    from analysis_store.core.lazy import Index
    from analysis_store.documents import Document

_DATA = "data"
"""Location of the columns of a stream, in catalogs that also keep configuration and timestamps."""
_TIME = "time"


class ForeignInput(DocumentedInput):
    """A run of another library.

    Parameters
    ----------
    run : databroker.v1.Header or BlueskyRun
        Read as lazily as its library allows.
    """

    def __init__(self, run: Any) -> None:
        self._given = run
        self._run = getattr(run, "v2", run)  # a Header wraps a BlueskyRun
        self.uid: str = str(uid_of(run))
        self.label: str = f"run {self.uid[:8]}"

    @cached_property
    def digest(self) -> str:
        """Digest of its uid, since these libraries have no digests of values."""
        return run_digest(str(self.uid), ())

    @property
    def start(self) -> Document:
        """A copy of the start document."""
        return dict(_copied(self._run.metadata["start"]))

    @property
    def stop(self) -> Document | None:
        """The stop document."""
        found = _copied(self._run.metadata.get("stop"))
        return dict(found) if found else None

    @property
    def parents(self) -> list[Parent]:
        """The run, with the catalog from which it was taken."""
        return [Parent.of(self._given)]

    def check_readable(self) -> None:
        """Raise for a run whose catalog does not answer."""
        try:
            _ = [self[name].data_keys for name in self]
        except Exception as error:
            raise InputError(f"{self.label} cannot be read: {type(error).__name__}: {error}") from error

    def __iter__(self) -> Iterator[str]:
        return iter(map(str, self._run))

    def __getitem__(self, name: str) -> InputStream:
        if name not in self:
            raise self._no_stream(name)
        stream = self._run[name]
        columns = stream[_DATA] if _DATA in list(stream) else stream
        data_keys = {key: entry for key, entry in _data_keys(stream).items() if key in list(columns)}
        return InputStream(
            name, self.label, data_keys, lambda key: RemoteColumn(columns[key]), lambda: np.asarray(columns[_TIME][:])
        )


class RemoteColumn(Lazy):
    """A column behind a Tiled client, which selects on the server if possible."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, events first."""
        return tuple(getattr(self._client, "shape", ())) or self._whole.shape

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the values."""
        found: np.dtype = getattr(self._client, "dtype", None) or self._whole.dtype
        return found

    def __getitem__(self, key: Index) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        if hasattr(self._client, "shape") and all(map(_is_simple, parts)):
            return np.asarray(self._client[parts])
        return self._whole[key]

    def read(self) -> Any:
        """Return all values."""
        return self._whole

    @cached_property
    def _whole(self) -> Any:
        values = self._client.read()
        try:
            return np.asarray(values)
        except ValueError:  # e.g. awkward arrays
            return as_objects([np.asarray(value) for value in values])


def _is_simple(part: Any) -> bool:
    """Return True if every version of the library selects this as NumPy does."""
    if isinstance(part, slice):
        whole = (edge is None or edge >= 0 for edge in (part.start, part.stop))
        return part.step in (None, 1) and all(whole)
    return isinstance(part, (int, np.integer)) and int(part) >= 0


def _data_keys(stream: Any) -> dict[str, Document]:
    """Return the data keys of the descriptors of a stream."""
    metadata = _copied(stream.metadata)
    descriptors = metadata.get("descriptors") or [metadata]
    return {key: entry for descriptor in descriptors for key, entry in descriptor.get("data_keys", {}).items()}


def _copied(value: object) -> Any:
    """Return a copy of metadata as dicts and lists, since clients have read-only types of their own."""
    return rebuilt(value, lambda leaf: leaf)

"""One stream of a run: its columns, lazily, and the whole of it as a Dataset."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from analysis_store.core.lazy import Source, Unreadable
from analysis_store.core.text import counted
from analysis_store.documents import Document, event_uid
from analysis_store.errors import AnalysisStoreError, KeyNotFoundError, StoreClosedError, UnknownSpecError
from analysis_store.hdf5.opening import kept_open
from analysis_store.pairs import call_handler
from analysis_store.runs.read.journal import JournalStream
from analysis_store.runs.read.lazy import LazyArray
from analysis_store.runs.read.per_event import PerEvent
from analysis_store.runs.read.reader import FileStream

if TYPE_CHECKING:
    import xarray

    from analysis_store.runs.read.run import Run


Keys: TypeAlias = str | Iterable[str] | None
"""Names of data keys; None for all of them."""


class Columns(Protocol):
    """The columns of one stream, by key, for `dataset_of`."""

    name: str

    @property
    def data_keys(self) -> Mapping[str, Document]:
        """Entries of the descriptors for each data key."""
        ...

    @property
    def times(self) -> np.ndarray:
        """Times of the events: float64 ``(n,)``, s since 1970."""
        ...

    def __iter__(self) -> Iterator[str]: ...

    def __getitem__(self, key: str, /) -> LazyArray: ...


def dataset_of(
    stream: Columns, keys: Keys, may_fail: tuple[type[AnalysisStoreError], ...] = (UnknownSpecError,)
) -> xarray.Dataset:
    """Return a stream, or some keys of it, in memory; see `Stream.read`.

    If all keys are wanted, one that fails with an error of ``may_fail`` is left out with a warning.
    """
    from analysis_store.runs.read.dataset import build

    columns = _loaded(stream, keys, may_fail)
    roles = [key for key in columns if stream.data_keys[key].get("role") == "coordinate"]
    return build(columns, stream.times, stream.name, roles, getattr(stream, "attrs", None))


def _loaded(stream: Columns, keys: Keys, may_fail: tuple[type[AnalysisStoreError], ...]) -> dict[str, LazyArray]:
    columns, failed = {}, list[AnalysisStoreError]()
    with stream.opened() if isinstance(stream, Stream) else nullcontext():
        for key in list(stream) if keys is None else _listed(keys):
            try:
                columns[key] = stream[key].loaded()  # read once, however often its shape is asked for
            except may_fail as error:
                if keys is not None or isinstance(error, StoreClosedError):
                    raise
                failed.append(error)
                warnings.warn(f"{key!r} of {stream.name!r} is left out: {error}", stacklevel=4)
    if failed and not columns:
        raise failed[0]
    return columns


def _listed(keys: object) -> list[Any]:
    return list(keys) if isinstance(keys, Iterable) and not isinstance(keys, str) else [keys]


class Stream(Mapping[str, LazyArray]):
    """The events of one stream, by data key.

    Examples
    --------
    >>> run["primary"]["mu"].shape  # doctest: +SKIP
    """

    def __init__(self, run: Run, name: str, content: FileStream | JournalStream) -> None:
        self.run = run
        self.name = name
        self._content = content

    @property
    def descriptors(self) -> list[Document]:
        """The descriptor documents of the stream, in order."""
        if isinstance(self._content, FileStream):
            return [self._content.descriptor]
        return self._content.descriptors

    @property
    def attrs(self) -> dict[str, Any]:
        """Stream metadata in the descriptors: the attributes of the original Dataset."""
        from analysis_store.runs.read.dataset import attrs_of

        return attrs_of(self.descriptors)

    @property
    def metadata(self) -> Document:
        """As in `bluesky_tiled_plugins`."""
        return {"descriptors": self.descriptors, "stream_name": self.name}

    @cached_property
    def data_keys(self) -> dict[str, Document]:
        """Entries of the descriptors for each data key."""
        return {key: entry for descriptor in self.descriptors for key, entry in descriptor["data_keys"].items()}

    @property
    def times(self) -> np.ndarray:
        """Times of the events: float64 ``(n,)``, s since 1970."""
        return self._content.times

    @property
    def num_events(self) -> int:
        """Number of events in the stream."""
        return len(self.times)

    @property
    def seq_nums(self) -> np.ndarray:
        """Sequence numbers: int64 ``(n,)``, from 1."""
        if isinstance(self._content, JournalStream):
            return self._content.seq_nums
        return np.arange(1, self.num_events + 1)

    @property
    def uids(self) -> list[str]:
        """The uid of each event."""
        if isinstance(self._content, JournalStream):
            return self._content.uids
        return [event_uid(self._content.descriptor["uid"], index + 1) for index in range(self.num_events)]

    def timestamps(self, key: str) -> np.ndarray:
        """Return when each value of a key was known: float64 ``(n,)``, s since 1970."""
        self._check(key)
        return self._content.timestamps(key) if isinstance(self._content, JournalStream) else self.times

    def __iter__(self) -> Iterator[str]:
        return iter(self.data_keys)

    def __len__(self) -> int:
        return len(self.data_keys)

    def __contains__(self, key: object) -> bool:
        return key in self.data_keys

    def __getitem__(self, key: str) -> LazyArray:
        self._check(key)
        return LazyArray(key, self._source(key), self.data_keys[key])

    def _check(self, key: object) -> None:
        if not isinstance(key, str) or key not in self.data_keys:
            raise KeyNotFoundError(
                f"stream {self.name!r} of run {self.run.uid} has no key {key!r}; it has {list(self)}."
            )

    def _source(self, key: str) -> Source:
        content = self._content
        if isinstance(content, JournalStream):
            return self._from_journal(key, content)
        if key in content.foreign:
            resources, datums = content.foreign[key]
            return self._foreign(key, {resource["uid"]: resource for resource in resources}, datums)
        if key in content.resources:
            return self.run.open_own(content.resources[key])
        return content.column(key)

    def _from_journal(self, key: str, content: JournalStream) -> Source:
        if key in content.streamed:
            told = content.streamed[key]
            return Unreadable(
                UnknownSpecError(
                    f"the values of {key!r} are described by stream documents ({told['mimetype']}, {told['uri']}): the "
                    "store keeps these, and does not read the values. Read the file itself, or send the documents to "
                    "Tiled with bluesky_tiled_plugins.TiledWriter."
                )
            )
        if not self.data_keys[key].get("external") or content.is_filled(key):
            return content.source(key)
        return PerEvent(
            key,
            lambda index: content.read(key, index, self.run.open_handler),
            len(content.times),
            self.data_keys[key],
        )

    def _foreign(self, key: str, resources: dict[str, Document], datums: list[Document]) -> Source:
        handlers: dict[str, Any] = {}

        def read_one(index: int) -> Any:
            datum = datums[index]
            uid = datum["resource"]
            if uid not in handlers:
                handlers[uid] = self.run.open_handler(resources[uid])
            return call_handler(handlers[uid], datum["datum_kwargs"])

        return PerEvent(key, read_one, len(datums), self.data_keys[key])

    def read(self, keys: Keys = None) -> xarray.Dataset:
        """Return the stream, or some keys of it, in memory.

        A key that cannot be read (no handler for its spec, a damaged or missing file, more than memory holds …) is left
        out with a warning that says why; asked for by name, it raises, as does a stream of which nothing can be read.

        Returns
        -------
        xarray.Dataset
            One variable per key, dims ``("time", …)``; units in ``attrs``. Tables, objects and ragged keys are object
            arrays with one entry per event. Times are datetime64 or timedelta64 in s, ms, us or ns; those that none of
            these holds exactly are integers, with a warning: ``values.view(attrs["dtype_numpy"])`` gives the times.
        """
        return dataset_of(self, keys, (AnalysisStoreError,))

    def opened(self) -> AbstractContextManager[None]:
        """Return a context in which the run file is opened once, for as many keys as are read."""
        return kept_open(str(self.run.file)) if isinstance(self._content, FileStream) else nullcontext()

    def __repr__(self) -> str:
        lines = [f"<Stream {self.name!r}, {counted(self.num_events, 'event')}>"]
        for key in self:
            try:
                lines.append(f"  {self[key]!r}")
            except AnalysisStoreError as error:
                lines.append(f"  <{key}: cannot be read: {error}>")
        return "\n".join(lines)

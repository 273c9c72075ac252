"""Selection of streams and keys for an export, and the classes that an export is read into."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from analysis_store.core.lazy import InMemory
from analysis_store.errors import ExportError, KeyNotFoundError, StreamNotFoundError
from analysis_store.runs.read.lazy import LazyArray

if TYPE_CHECKING:
    import numpy as np
    import xarray

    from analysis_store.documents import Document
    from analysis_store.exchange.registry import Options
    from analysis_store.runs.read.run import Run
    from analysis_store.runs.read.stream import Stream


class ExportedStream(Mapping[str, Any]):
    """One stream of an export, as a mapping from data key to the values of all events.

    A value is an array of shape ``(n, *shape)``; an object array ``(n,)`` with one entry per event if the values
    are ragged, tables or other objects.

    Parameters
    ----------
    name : str
        Name of the stream.
    time : numpy.ndarray
        Times of the events: float64 ``(n,)``, s since 1970.
    seq_num : numpy.ndarray
        Sequence numbers of the events: int64 ``(n,)``.
    values : mapping of str to numpy.ndarray
        The columns.
    data_keys : mapping of str to dict
        Entries of the descriptors for each key.
    """

    def __init__(
        self,
        name: str,
        time: np.ndarray,
        seq_num: np.ndarray,
        values: Mapping[str, np.ndarray],
        data_keys: Mapping[str, Document],
    ) -> None:
        self.name = name
        self.time = time
        self.seq_num = seq_num
        self.data_keys: dict[str, Document] = {key: data_keys.get(key, {}) for key in values}
        self._columns = {key: LazyArray(key, InMemory(column), self.data_keys[key]) for key, column in values.items()}

    def __getitem__(self, key: str) -> Any:
        return self._column(key).read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __contains__(self, key: object) -> bool:
        return key in self._columns

    def units(self, key: str) -> str | None:
        """Return the units of a key, None if it has none."""
        return units_of(self._column(key))

    def dims(self, key: str) -> tuple[str, ...]:
        """Return the dimensions of a key, ``"time"`` first."""
        return self._column(key).dims

    def attrs(self, key: str) -> dict[str, Any]:
        """Return the other metadata of a key: precision, limits …"""
        return self._column(key).attrs

    def read(self) -> xarray.Dataset:
        """Return the whole stream, equal to what ``run.read(stream)`` gives."""
        from analysis_store.runs.read.dataset import build

        roles = [key for key, data_key in self.data_keys.items() if data_key.get("role") == "coordinate"]
        return build(self._columns, self.time, self.name, roles)

    def _column(self, key: str) -> LazyArray:
        if key not in self._columns:
            raise KeyNotFoundError(f"stream {self.name!r} of the export has no key {key!r}; it has {list(self)}.")
        return self._columns[key]

    def __repr__(self) -> str:
        return "\n".join([f"<ExportedStream {self.name!r}>", *(f"  {column!r}" for column in self._columns.values())])


@dataclass(frozen=True, slots=True)
class Export:
    """Contents of an exported file.

    Examples
    --------
    >>> found = read_export("result.json")  # doctest: +SKIP
    >>> found.streams["primary"]["mu"], found.streams["primary"].units("energy")  # doctest: +SKIP
    """

    metadata: dict[str, Any]
    """Documents of the run: ``"start"``, ``"stop"`` (None if the run was still open) and the list ``"descriptors"``."""

    streams: dict[str, ExportedStream] = field(default_factory=dict)
    """Streams by name."""

    @property
    def uid(self) -> str:
        """Uid of the run."""
        return str(self.metadata["start"]["uid"])

    def read(self, stream: str = "primary") -> xarray.Dataset:
        """Return one stream, equal to what ``run.read(stream)`` gives.

        Raises
        ------
        StreamNotFoundError
            The export has no such stream.
        """
        if stream not in self.streams:
            raise StreamNotFoundError(f"the export has no stream {stream!r}; it has {list(self.streams)}.")
        from analysis_store.runs.read.dataset import attrs_of

        ours = [each for each in self.metadata["descriptors"] if each.get("name", "primary") == stream]
        return self.streams[stream].read().assign_attrs({**attrs_of(ours), "stream_name": stream})

    def __repr__(self) -> str:
        return "\n".join([f"<Export of run {self.metadata['start'].get('uid')}>", *map(repr, self.streams.values())])


# ---------------------------------------------------------------------------------------------- of a run


def units_of(column: LazyArray) -> str | None:
    """Return the units of a column, None if it has none."""
    units = column.attrs.get("units")
    return None if units is None else str(units)


def metadata_of(run: Run) -> Document:
    """Return the documents that every export contains."""
    return {"start": run.start, "stop": run.stop, "descriptors": run.descriptors}


def selected(run: Run, options: Options) -> dict[str, list[str]]:
    """Return the selected data keys, by stream.

    Raises
    ------
    StreamNotFoundError, KeyNotFoundError
        There is no such stream, or no stream has a key that was asked for.
    """
    names = list(run) if options.stream is None else [run[options.stream].name]
    known = {name: list(run[name]) for name in names}
    if not options.keys:
        return known
    unknown = [key for key in options.keys if not any(key in keys for keys in known.values())]
    if unknown:
        raise KeyNotFoundError(f"run {run.uid} has no key {unknown[0]!r}; its streams have {known}.")
    having = {name: [key for key in options.keys if key in keys] for name, keys in known.items()}
    return {name: keys for name, keys in having.items() if keys}


def one_stream(run: Run, options: Options) -> Stream:
    """Return the stream for a format of one stream: the one asked for, the only one, or ``"primary"``.

    Raises
    ------
    ExportError
        Several streams are possible.
    """
    if options.stream is not None:
        return run[options.stream]
    names = list(selected(run, options))
    if len(names) == 1 or "primary" in names:
        return run["primary" if "primary" in names else names[0]]
    raise ExportError(f"run {run.uid} has the streams {names}; expected one stream. Choose one with stream=.")


def streams_of(run: Run, options: Options) -> Iterator[tuple[Stream, Iterator[tuple[str, LazyArray]]]]:
    """Yield each selected stream with its columns (data key, column); each column is read only when it is reached.

    Raises
    ------
    UnknownSpecError
        No handler is known for a column: an export never leaves out a key silently.
    """
    wanted = selected(run, options)
    total, begun = sum(map(len, wanted.values())), count()

    def columns(stream: Stream) -> Iterator[tuple[str, LazyArray]]:
        for key in wanted[stream.name]:
            options.progress(next(begun), total)
            yield key, stream[key].loaded()

    for name in wanted:
        stream = run[name]
        yield stream, columns(stream)
    options.progress(total, total)

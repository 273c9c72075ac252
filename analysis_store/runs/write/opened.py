"""A run being written event by event: nothing of it is visible before it ends."""

from __future__ import annotations

import copy
import time as clock
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from analysis_store.core.text import counted
from analysis_store.documents import dumps
from analysis_store.errors import DamagedFileError, InvalidDataError, RunClosedError, StoreWriteError
from analysis_store.runs.values import columns
from analysis_store.runs.values.array_like import read_handle
from analysis_store.runs.values.column import Column, Place
from analysis_store.runs.values.descriptor_md import add_descriptor_md, checked_descriptor_md
from analysis_store.runs.values.gather import check_name, gather
from analysis_store.runs.values.labels import LABELS, check_same
from analysis_store.runs.values.stream_data import StreamData

if TYPE_CHECKING:
    from analysis_store.documents import Document
    from analysis_store.runs.read.run import Run
    from analysis_store.runs.values.gather import ColumnsLike


class Unfinished(Protocol):
    """An object that ends with the store, or earlier."""

    def abandon(self, reason: str) -> None:
        """End as aborted."""


class OpenRun:
    """A run that takes events until it is closed; created by `AnalysisStore.new_run`.

    As a context manager it is closed at the end of the block: as a success, or, when an exception leaves the block
    after the first event, as a failure with the reason. Before the first event an exception leaves nothing.

    Examples
    --------
    >>> with store.new_run({"sample_name": "Fe foil"}, provenance=origin) as run:  # doctest: +SKIP
    ...     run.event("primary", {"temperature": 300.0})
    """

    def __init__(
        self,
        start: Document,
        descriptor_md: Mapping[str, object] | None,
        save: Callable[[Document, dict[str, StreamData], dict[str, np.ndarray], str, str], Run],
        forget: Callable[[OpenRun], None],
    ) -> None:
        self.start = start
        self._descriptor_md = checked_descriptor_md(descriptor_md)
        self._save = save
        self._forget = forget
        self._streams: dict[str, _Growing] = {}
        self._run: Run | None = None
        self._open = True

    @property
    def uid(self) -> str:
        """Uid of the run."""
        return str(self.start["uid"])

    @property
    def closed(self) -> bool:
        """True if the run has ended."""
        return not self._open

    def event(self, stream: str, data: Mapping[str, object]) -> None:
        """Add one event, which is copied.

        Raises
        ------
        InvalidDataError
            A value cannot be stored, or does not fit the events before it; the run stays as it was.
        """
        self._check_open()
        if not isinstance(data, Mapping):
            raise InvalidDataError(f"event: Got {type(data).__name__}; expected a mapping {{key: value}}.")
        stream = check_name(stream, "event")
        growing = self._growing(stream)
        growing.add_row({check_name(key, f'event["{stream}"]'): value for key, value in data.items()})
        self._streams[stream] = growing

    def events(self, stream: str, data: ColumnsLike) -> None:
        """Add many events: columns of equal length, an `xarray.Dataset` or a DataFrame, which are copied.

        Raises
        ------
        InvalidDataError
            As in `event`.
        """
        self._check_open()
        stream = check_name(stream, "events")
        growing = self._growing(stream)
        growing.add_block(gather({stream: data})[stream])
        self._streams[stream] = growing

    def _growing(self, stream: str) -> _Growing:
        known = {stream: self._descriptor_md[stream]} if stream in self._descriptor_md else {}
        return self._streams.get(stream) or _Growing(stream, self.start, known)

    def close(self, exit_status: str = "success", reason: str = "") -> Run | None:
        """End the run and save it; a second call changes nothing. Returns the run.

        Raises
        ------
        StoreWriteError, DamagedFileError
            The disk or the database refused, or the catalog is damaged; the run stays open, and can be closed again.
        """
        if self._open:
            streams = {name: growing.finish() for name, growing in self._streams.items()}
            known = {
                name: md for name, md in self._descriptor_md.items() if exit_status == "success" or name in streams
            }
            add_descriptor_md(streams, known)
            times = {name: growing.times() for name, growing in self._streams.items()}
            self._open = False
            try:
                self._run = self._save(self.start, streams, times, exit_status, reason)
            except (StoreWriteError, DamagedFileError):
                self._open = True  # the only copy of the events, which wait for disk space
                raise
            finally:
                if not self._open:
                    self._forget(self)
        return self._run

    def discard(self) -> None:
        """Drop the run: nothing of it stays."""
        if self._open:
            self._open = False
            self._forget(self)
        self._streams.clear()

    def abandon(self, reason: str) -> None:
        """End the run as aborted, or drop it if it has no event."""
        if self._streams:
            self.close("abort", reason)
        else:
            self.discard()

    def _check_open(self) -> None:
        if not self._open:
            raise RunClosedError(f"run {self.uid} has ended; start another with store.new_run().")

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        elif self._streams:
            self.close("fail", f"{kind.__name__}: {error}"[:2000])
        else:
            self.discard()

    def __repr__(self) -> str:
        counts = ", ".join(f"{name}: {counted(growing.length, 'event')}" for name, growing in self._streams.items())
        return f"<OpenRun {self.uid}, {'open' if self._open else 'closed'}{f', {counts}' if counts else ''}>"


def _copied(value: Any, place: Place, index: int = 0) -> Any:
    """Return a copy of everything that the caller could change later."""
    if isinstance(value, (str, bool, int, float, np.generic)):
        return value
    if type(value) in (np.ndarray, np.memmap) and value.dtype.kind != "O":
        return np.array(value)
    try:
        return copy.deepcopy(read_handle(value))
    except Exception as error:  # a class of the caller may raise any error
        raise InvalidDataError(
            f"{place.at(index)}: the {type(value).__qualname__} cannot be copied: {type(error).__name__}: {error}. "
            "An open run keeps copies until it ends; convert the value, or use insert_analysis."
        ) from error


def _own(column: Column) -> Any:
    """Return the values of a column, copied if the caller could change them later."""
    if isinstance(column.values, np.ndarray):
        return column.values.copy()
    values = [_copied(value, column.where, index) for index, value in enumerate(column.values)]
    return columns.of_objects(values, column.where).values if column.form == "object" else values


class _Growing:
    """One growing stream: single rows and whole blocks, in order of arrival, each with its time."""

    def __init__(self, name: str, start: Document, descriptor_md: Mapping[str, Any]) -> None:
        self.name = name
        self._descriptor_md = descriptor_md
        self.length = 0
        self._latest = float(start["time"])
        self._parts: list[tuple[float, dict[str, Any] | StreamData]] = []
        self._first: dict[str, Column] = {}
        self._samples: dict[str, Any] | None = None
        """The first value of each key with text or tables."""
        self._extra: dict[str, Any] | None = None
        """Metadata of the stream from the first block."""

    def times(self) -> np.ndarray:
        """Return the time of each event, s."""
        counts = [part.length if isinstance(part, StreamData) else 1 for _, part in self._parts]
        return np.repeat([time for time, _ in self._parts], counts)

    def add_row(self, row: dict[str, Any]) -> None:
        row = {key: self._as_before(key, value) for key, value in row.items()}
        found = {key: columns.of_values([value], self._place(key)) for key, value in row.items()}
        self._check(found)
        copied = {key: _copied(value, found[key].where) for key, value in row.items()}
        self._check_together(found, copied)
        self._add(copied, 1)

    def add_block(self, block: StreamData) -> None:
        if self._extra is not None and dumps(block.extra) != dumps(self._extra):  # in which NaN equals itself
            raise InvalidDataError(
                f"events of {self.name!r}: got the attributes {block.extra.get('attrs')}, those before have "
                f"{self._extra.get('attrs')}; expected the same. Leave them out, or use another stream."
            )
        self._check(block.columns)
        for column in block.columns.values():
            column.values = _own(column)
        if block.length:
            self._check_together(block.columns, {key: column.values[0] for key, column in block.columns.items()})
        self._extra = block.extra
        self._add(block, block.length)

    def _as_before(self, key: str, value: Any) -> Any:
        """Return an integer as a float if the key has floats and nothing is lost, since Python mixes them freely."""
        known = self._first.get(key)
        floats = type(value) is int and known is not None and known.data_key.get("dtype_numpy") == "<f8"
        return float(value) if floats and int(float(value)) == value else value

    def _place(self, key: str) -> Place:
        return Place("event[", f']["{key}"]', range(self.length, self.length + 1))

    def _check(self, found: Mapping[str, Column]) -> None:
        """Raise for an event that does not match earlier ones."""
        if not self._first:
            copies = {key: replace(column, data_key=dict(column.data_key)) for key, column in found.items()}
            add_descriptor_md({self.name: StreamData(self.name, copies, 1)}, self._descriptor_md)  # not when it ends
            self._first = dict(found)
        missing, surplus = sorted(set(self._first) - set(found)), sorted(set(found) - set(self._first))
        if missing or surplus:
            raise InvalidDataError(
                f"event {self.length} of {self.name!r} lacks {missing} and adds {surplus}, compared with event 0; all "
                "events of a stream have the same keys."
            )
        for key, column in found.items():
            if column.form == self._first[key].form == "object":
                continue  # objects may be of any type
            if "object" in (column.form, self._first[key].form):
                was, other = ("an object" if c.form == "object" else "none" for c in (self._first[key], column))
                raise InvalidDataError(
                    f"{column.where.at(0)}: Got {other} after {was} in event 0; all events of a stream give a key "
                    "values of one kind. Convert them (NaN for a missing number), or use two keys."
                )
            known = self._first[key].data_key
            check_same(known, column.data_key, column.where, 0)
            for told in ("dtype_numpy", "shape") if known["dtype"] != "string" else ("dtype",):
                before, now = known.get(told), column.data_key.get(told)
                if told == "shape" and len(before or ()) == len(now or ()):
                    continue
                if before != now and not _text(before, now):
                    raise InvalidDataError(
                        f"{column.where.at(0)}: Got {told} {now} after {before} in event 0; convert the value, or use "
                        "another key."
                    )

    def _check_together(self, found: Mapping[str, Column], row: Mapping[str, Any]) -> None:
        """Raise for text and tables that would be refused only when the run ends, and would then be lost.

        `_check` covers numbers.
        """
        if self._samples is None:
            self._samples = {key: value for key, value in row.items() if _is_intricate(found[key])}
        for key, first in self._samples.items():
            if not type(first) is type(row[key]) is str:
                columns.of_values([first, row[key]], Place("event[", f']["{key}"]', [0, self.length]))

    def _add(self, part: dict[str, Any] | StreamData, count: int) -> None:
        """Add events in one step, which no interrupt can cut in two."""
        self._latest = max(clock.time(), self._latest)  # clocks go backwards
        self._parts.append((self._latest, part))
        self.length += count

    def _blocks(self) -> Iterator[StreamData]:
        for is_block, parts in groupby((part for _, part in self._parts), lambda part: isinstance(part, StreamData)):
            if is_block:
                yield from parts  # type: ignore[misc]  # groupby decides the type by its key
            else:
                yield self._block(list(parts))  # type: ignore[arg-type]

    def _block(self, rows: list[dict[str, Any]]) -> StreamData:
        found = {
            key: columns.of_values([row[key] for row in rows], Place("event[", f']["{key}"]')) for key in self._first
        }
        return StreamData(self.name, found, len(rows))

    def finish(self) -> StreamData:
        """Return the stream as one block."""
        blocks = list(self._blocks())
        if len(blocks) == 1:
            return blocks[0]
        joined = {key: _joined([block.columns[key] for block in blocks]) for key in self._first}
        return StreamData(self.name, joined, sum(block.length for block in blocks), dict(self._extra or {}))


def _is_intricate(column: Column) -> bool:
    """Return True if the values of events must agree in more than dtype, dimensions and labels."""
    return column.form == "table" or (column.form != "object" and column.dtype.kind in "OSTU")


def _text(before: Any, now: Any) -> bool:
    """Return True if two dtypes are text of different width."""
    return all(isinstance(dtype, str) and dtype[1:2] in ("U", "S") for dtype in (before, now))


def _joined(parts: list[Column]) -> Column:
    first = parts[0]
    arrays = all(isinstance(part.values, np.ndarray) and part.values.dtype.kind != "O" for part in parts)
    if arrays and len({(part.values.shape[1:], part.values.dtype) for part in parts}) == 1:
        joined = columns.of_array(
            np.concatenate([part.values for part in parts], dtype=first.values.dtype), first.where
        )
    else:
        of_parts = columns.of_objects if first.form == "object" else columns.of_values  # of any kind together
        joined = of_parts([value for part in parts for value in part.values], first.where)
    for label in (*LABELS, "role"):
        if label in first.data_key:
            joined.data_key[label] = first.data_key[label]
    return joined

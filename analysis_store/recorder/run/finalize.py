"""Conversion of a recording to a run: its keys become streams, and its datasets get their places in the run file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.documents import compose_descriptor, new_uid, validate
from analysis_store.errors import InvalidDataError, InvalidDocumentError
from analysis_store.recorder.core.value_kinds import MOST_AXES, check_axes
from analysis_store.recorder.hdf5.repair import REFUSALS
from analysis_store.runs.read.lazy import LazyArray
from analysis_store.runs.values import columns
from analysis_store.runs.values.column import Column, Place
from analysis_store.runs.values.labels import checked_units
from analysis_store.runs.values.stream_data import StreamData
from analysis_store.runs.write.draft import Attachments, Draft, draft_stream
from analysis_store.runs.write.file import RunFileWriter
from analysis_store.runs.write.recorded_columns import InPlace
from analysis_store.runs.write.save import stop_time

if TYPE_CHECKING:
    import h5py

    from analysis_store.core.lazy import Index
    from analysis_store.documents import Document
    from analysis_store.recorder.core.series import Series
    from analysis_store.recorder.core.value_kinds import Form

SET = "set"
"""The stream whose one event has the keys that were set."""

KEY = "recorded_key"
"""Name of the entry in a data key that holds the recorded key."""

_ASIDE = ".recorded"
_TABLE = "DataFrame"
_PLAIN = {bool, int, float, str}


@dataclass(frozen=True, slots=True)
class Recorded:
    """One key of the live file."""

    key: str
    form: Form
    values: Any
    """The `Series` of an appended key, or the value of a set key."""

    times: np.ndarray[Any, np.dtype]
    """Times of the values: float64 ``(n,)``, s since 1970."""

    path: str
    """Path of the dataset or group in the file."""

    is_set: bool = False


def plain_name(key: str, taken: Collection[str] = ()) -> str:
    """Return a key as an unused name that event-model accepts."""
    name = key.replace("/", "_").replace(".", "_")
    while name in taken:
        name += "_"
    return name


def stream_names(keys: Iterable[str]) -> dict[str, str]:
    """Return the stream of each appended key."""
    names: dict[str, str] = {}
    for key in keys:
        names[key] = plain_name(key, {SET, *names.values()})
    return names


def data_key(key: str) -> str:
    """Return the name of a key's values within their stream: the last part of the key."""
    return plain_name(key.rpartition("/")[2])


def check_attrs(key: str, attrs: Mapping[str, Any]) -> None:
    """Refuse a declaration that a descriptor could not hold: at the end it would be too late.

    Raises
    ------
    InvalidDataError
        The message names the key and the fault.
    """
    entry = {**attrs, "dtype": "number", "shape": [], "source": "analysis"}
    try:
        validate("descriptor", compose_descriptor(new_uid(), "any", {"any": entry}, 0.0, {}))
    except InvalidDocumentError as error:
        raise InvalidDataError(f"{key!r} cannot be declared with {dict(attrs)!r}: {error}") from error
    if attrs.get("units"):
        checked_units(attrs["units"], f"{key!r} cannot be declared")
    if "external" in attrs:
        raise InvalidDataError(f"{key!r} cannot be declared as external: recorded values are in the file of the run.")


def draft_of(start: Document, attachments: Attachments, kept: Sequence[Recorded], outcome: tuple[str, str]) -> Draft:
    """Return the draft of a recording's run; digests of values that stay in place are computed block by block."""
    appended = [item for item in kept if not item.is_set]
    names = stream_names(item.key for item in appended)
    streams = [_stream(names[item.key], [(data_key(item.key), item)], item.times) for item in appended]
    last = [item for item in kept if item.is_set]
    if last:
        taken: dict[str, Recorded] = {}
        for item in last:
            taken[plain_name(item.key, taken)] = item
        streams.append(_stream(SET, list(taken.items()), np.array([max(float(item.times[-1]) for item in last)])))
    drafts = [draft_stream(start, data, times) for data, times in streams]
    return Draft(start, drafts, attachments, outcome=outcome)


def arrange(file: h5py.File, draft: Draft, root: Path, relative: PurePosixPath) -> None:
    """Convert a live file to the run file of a draft; arrays stay in place.

    If the draft has lost keys, recorded data also stay in the group ``.recorded``, where a person may recover them.
    HDF5 can neither move nor remove damaged objects.
    """
    for name in list(file):
        with suppress(*REFUSALS) if draft.lost else nullcontext():
            file.move(name, f"{_ASIDE}/{name}")
    RunFileWriter(draft, root, relative, None).write_into(file.id, partial(stop_time, draft))
    if not draft.lost:
        del file[_ASIDE]


def check_set(key: str, value: object) -> None:
    """Refuse a set value that the run could not hold: at the end it would be too late.

    Raises
    ------
    InvalidDataError
        The message names the key and the fault.
    """
    if isinstance(value, np.ndarray):
        check_axes(value, key, MOST_AXES)  # the run has one more axis, for events
    if type(value) not in _PLAIN:
        columns.of_values([value], Place(f'"{key}"[', "]"))


def _stream(
    name: str, kept: Sequence[tuple[str, Recorded]], times: np.ndarray[Any, np.dtype]
) -> tuple[StreamData, np.ndarray[Any, np.dtype]]:
    found = {}
    for column_name, item in kept:
        column = _set_column(item) if item.is_set else _column(item)
        column.data_key = {**item.form.attrs, **column.data_key, KEY: item.key}
        found[column_name] = column
    return StreamData(name, found, len(times)), times


def _place(item: Recorded) -> Place:
    return Place(f'recorded "{item.key}"[', "]")


def _set_column(item: Recorded) -> Column:
    return columns.of_values([item.values], _place(item))


def _column(item: Recorded) -> Column:
    if item.form.kind == "array":
        return _array(item)
    if item.form.kind == "ragged":
        return _ragged(item)
    values = list(item.values[:])
    if item.form.kind == "text":
        column = columns.of_values(values, _place(item))
        column.values = np.array(values, object)  # variable length, so that it is returned as str, as it was recorded
        return column
    if all(type(value).__name__ == _TABLE for value in values):
        return columns.of_values(values, _place(item))
    return columns.of_objects(values, _place(item))


def _array(item: Recorded) -> Column:
    """Return a column of which only dtype and shape are used."""
    one = np.broadcast_to(np.zeros((), item.form.dtype), (1, *item.form.shape))
    column = columns.of_array(one, _place(item))
    column.values = _in_place(item)
    return column


def _ragged(item: Recorded) -> Column:
    """Return a column of any shapes; it is never inline, however small."""
    ndim = max(np.ndim(value) for value in _lazy(item))
    described = {
        "dtype": "array",
        "shape": [None] * max(1, ndim),
        "source": "analysis",
        "dtype_numpy": item.form.dtype.str,
    }
    return Column(_place(item), _in_place(item), "ragged", inline=False, data_key=described)


def _in_place(item: Recorded) -> InPlace:
    return InPlace(_lazy(item), f"/{_ASIDE}{item.path}")


def _lazy(item: Recorded) -> LazyArray:
    return LazyArray(item.key, _Formed(item.values, item.form.kind), {})


class _Formed:
    """A series with a form, like the columns of a run."""

    def __init__(self, series: Series, form: str) -> None:
        self._series, self.form = series, form
        self.shape, self.dtype = series.shape, series.dtype

    def __getitem__(self, key: Index) -> Any:
        return self._series[key]

    def read(self) -> Any:
        """Return all values."""
        return self._series.read()

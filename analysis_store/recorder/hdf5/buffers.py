"""Values, new keys and set values of an HDF5 datastore that wait to be written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.errors import AnalysisStoreError
from analysis_store.recorder.core.object_bytes import unpacked
from analysis_store.recorder.hdf5.columns import columns_of, mark, returned, rows_of
from analysis_store.recorder.hdf5.keys import line_of, place, times_place, write_set, write_table
from analysis_store.recorder.hdf5.repair import is_of_one_key
from analysis_store.recorder.hdf5.row_counts import Column
from analysis_store.recorder.hdf5.trial import try_out

if TYPE_CHECKING:
    import h5py

    from analysis_store.hdf5.blocks import Compression
    from analysis_store.recorder.core.refused import Refused
    from analysis_store.recorder.core.value_kinds import Form
    from analysis_store.recorder.hdf5.live import LiveFile

_OVERHEAD = 64
"""Approximate overhead of a value in memory, bytes."""


@dataclass(slots=True)
class _Values:
    """Waiting values of one key."""

    form: Form
    values: list[Any] = field(default_factory=list)
    times: list[float] = field(default_factory=list)


class Waiting:
    """Holds values in memory until `write` has written them.

    Parameters
    ----------
    refused : Refused
        Gets the keys that HDF5 refuses; their waiting values are lost.
    compression : None or a filter of hdf5plugin
        Compression of new keys.
    """

    def __init__(self, refused: Refused, compression: Compression = None) -> None:
        self._refused = refused
        self._compression = compression
        self._columns: dict[str, _Values] = {}
        self._new: dict[str, str] = {}
        """The lines of keys that are not in the table yet."""
        self._sets: dict[str, tuple[Any, float]] = {}
        self._tried: set[str] = set()
        """Forms that HDF5 can hold, as written in their lines."""
        self.size = 0
        """Approximate size of the values, bytes."""

    def add_key(self, key: str, form: Form, *, is_set: bool) -> None:
        """Add a key that is not in the file.

        Raises
        ------
        InvalidDataError
            HDF5 cannot hold its values or its attributes.
        """
        if not is_set:
            self._try_out(key, form)
        self._new[key] = line_of(key, form, is_set=is_set)
        if not is_set:
            self._columns[key] = _Values(form)

    def _try_out(self, key: str, form: Form) -> None:
        """Test a form that was not tested before."""
        line = line_of("", form, is_set=False)
        if line not in self._tried:
            try_out(key, form, self._compression)
            self._tried.add(line)

    @property
    def has_new_keys(self) -> bool:
        """True if a key waits that is not in the file."""
        return bool(self._new)

    def append(self, key: str, form: Form, value: Any, time: float) -> None:
        """Add a value from `columns.kept` to a key."""
        column = self._columns.get(key)
        if column is None:
            column = self._columns[key] = _Values(form)
        column.values.append(value)
        column.times.append(time)
        self.size += _OVERHEAD + (len(value) if type(value) is bytes else value.nbytes)

    def take_back(self, key: str, size: int) -> bool:
        """Remove values appended since the size was ``size`` bytes; return True if the key has no values then."""
        column = self._columns.get(key)
        if column is not None and self.size > size:
            column.values.pop()
            column.times.pop()
            self.size = size
        if key not in self._new or column is None or column.values:
            return False
        del self._new[key], self._columns[key]
        return True

    def put(self, key: str, value: object, time: float) -> None:
        """Replace the value of a key that is set."""
        self._sets[key] = value, time

    def __contains__(self, key: str) -> bool:
        column = self._columns.get(key)
        return key in self._sets or (column is not None and bool(column.values))

    def last(self, key: str) -> Any:
        """Return the last value of a key with waiting values, as it was given."""
        if key in self._sets:
            return unpacked(self._sets[key][0])
        column = self._columns[key]
        return returned(column.form, column.values[-1])

    def time_set(self, key: str) -> float:
        """Return the time of the waiting value of a key that is set."""
        return self._sets[key][1]

    def write(self, live: LiveFile) -> None:
        """Write all values; if the disk refuses, unwritten values keep waiting.

        A key that HDF5 cannot write does not affect the others; it is added to the refused keys.
        """
        self._together(live, list({**self._new, **self._sets}), self._change)
        self._together(live, [key for key, column in self._columns.items() if column.values], self._grow)

    def _together(self, live: LiveFile, keys: list[str], work: Callable[[LiveFile, list[str]], None]) -> None:
        """Process all keys at once; if HDF5 refuses that, process each separately."""
        if not keys:
            return
        try:
            work(live, keys)
        except AnalysisStoreError as error:
            if not is_of_one_key(error):
                raise
            live.take_back()
            for key in keys:
                self._alone(live, key, work)

    def _alone(self, live: LiveFile, key: str, work: Callable[[LiveFile, list[str]], None]) -> None:
        try:
            work(live, [key])
        except AnalysisStoreError as error:
            if not is_of_one_key(error):
                raise
            live.take_back()
            self._put_aside(key, error)

    def _change(self, live: LiveFile, keys: list[str]) -> None:
        """Write what SWMR forbids: new keys, and values of `set`."""
        forms = {key: self._columns[key].form for key in keys if key in self._new and key in self._columns}
        columns: dict[str, Column] = {}
        for key, form in forms.items():
            columns |= columns_of(place(key), form, self._compression)
            columns[times_place(key)] = Column(np.dtype(float), attrs={"units": "seconds since 1970-01-01"})

        def work(file: h5py.File) -> None:
            for key, form in forms.items():
                mark(file, place(key), form)
            for key in keys:
                if key in self._sets:
                    write_set(file, key, *self._sets[key])
            write_table(file, [self._new[key] for key in keys if key in self._new])

        live.add(columns, work)
        for key in keys:
            self._new.pop(key, None)
            self._sets.pop(key, None)

    def _grow(self, live: LiveFile, keys: list[str]) -> None:
        """Write the waiting values, and commit them."""
        for key in keys:
            column = self._columns[key]
            for dataset, rows in rows_of(place(key), column.form, column.values, live.length).items():
                live.append(dataset, rows)
            live.append(times_place(key), np.array(column.times))
        live.commit()
        self._forget(keys)

    def _put_aside(self, key: str, reason: AnalysisStoreError) -> None:
        self._refused.add(key, reason, lost=True)
        self._new.pop(key, None)
        self._sets.pop(key, None)
        self._forget([key])

    def _forget(self, keys: list[str]) -> None:
        """Remove waiting values."""
        for key in keys:
            self._columns.pop(key, None)
        self.size = sum(_size(value) for column in self._columns.values() for value in column.values)


def _size(value: Any) -> int:
    return _OVERHEAD + (len(value) if type(value) is bytes else int(value.nbytes))

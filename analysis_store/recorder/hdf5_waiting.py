"""What an HDF5 datastore was given and has not written: values in their order, new keys, and values that are set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.recorder.columns import columns_of, mark, returned, rows_of
from analysis_store.recorder.counts import Column
from analysis_store.recorder.hdf5_keys import line_of, place, times_place, write_set, write_table
from analysis_store.recorder.packing import unpacked

if TYPE_CHECKING:
    import h5py

    from analysis_store.recorder.forms import Form
    from analysis_store.recorder.live import LiveFile

_OVERHEAD = 64
"""Bytes that a value takes in memory beside its own, about."""


@dataclass(slots=True)
class _Values:
    """Those of one key."""

    form: Form
    values: list[Any] = field(default_factory=list)
    times: list[float] = field(default_factory=list)


class Waiting:
    """Waits in memory, until `write` has put all of it into the file.

    Parameters
    ----------
    compression : None or a filter of hdf5plugin
        Of the values of new keys.
    """

    def __init__(self, compression: Any = None) -> None:
        self._compression = compression
        self._columns: dict[str, _Values] = {}
        self._new: dict[str, str] = {}
        """The line of each key that is not in the table yet."""
        self._sets: dict[str, tuple[Any, float]] = {}
        self.size = 0
        """Bytes of the values, about."""

    def add_key(self, key: str, form: Form, *, is_set: bool) -> None:
        """Take note of a key that the file does not have.

        Raises
        ------
        InvalidDataError
            HDF5 cannot say its attributes.
        """
        self._new[key] = line_of(key, form, is_set=is_set)
        if not is_set:
            self._columns[key] = _Values(form)

    def append(self, key: str, form: Form, value: Any, time: float) -> None:
        """Add a value, as `columns.kept` gives it, to those of a key."""
        column = self._columns.get(key)
        if column is None:
            column = self._columns[key] = _Values(form)
        column.values.append(value)
        column.times.append(time)
        self.size += _OVERHEAD + (len(value) if type(value) is bytes else value.nbytes)

    def take_back(self, key: str, size: int) -> bool:
        """Forget what was appended to a key since there were ``size`` bytes; return whether the key is none then."""
        column = self._columns.get(key)
        if column is not None and self.size > size:
            column.values.pop()
            column.times.pop()
            self.size = size
        if key not in self._new or column is None or column.values:
            return False
        del self._new[key], self._columns[key]
        return True

    def put(self, key: str, value: Any, time: float) -> None:
        """Let a value be set in the place of the one before."""
        self._sets[key] = value, time

    def __contains__(self, key: str) -> bool:
        column = self._columns.get(key)
        return key in self._sets or (column is not None and bool(column.values))

    def last(self, key: str) -> Any:
        """Return the last value of a key of which some wait, as it was given."""
        if key in self._sets:
            return unpacked(self._sets[key][0])
        column = self._columns[key]
        return returned(column.form, column.values[-1])

    def time_set(self, key: str) -> float:
        """Return when the value that waits to be set was known."""
        return self._sets[key][1]

    def write(self, live: LiveFile) -> None:
        """Write everything; what was not written when this fails waits on."""
        if self._new or self._sets:
            self._make(live)
        if not self.size:
            return
        for key, column in self._columns.items():
            if column.values:
                for dataset, rows in rows_of(place(key), column.form, column.values, live.length).items():
                    live.append(dataset, rows)
                live.append(times_place(key), np.array(column.times))
        live.commit()
        self.size = 0
        self._columns.clear()

    def _make(self, live: LiveFile) -> None:
        """Make what SWMR forbids, all at once: new keys, and values that are set."""
        forms = {key: column.form for key, column in self._columns.items() if key in self._new}
        columns: dict[str, Column] = {}
        for key, form in forms.items():
            columns |= columns_of(place(key), form, self._compression)
            columns[times_place(key)] = Column(np.dtype(float), attrs={"units": "seconds since 1970-01-01"})

        def work(file: h5py.File) -> None:
            for key, form in forms.items():
                mark(file, place(key), form)
            for key, (value, time) in self._sets.items():
                write_set(file, key, value, time)
            write_table(file, list(self._new.values()))

        live.add(columns, work)
        self._new.clear()
        self._sets.clear()

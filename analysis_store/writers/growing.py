"""Datasets that grow by one event at a time, and the base class of their writers."""

from __future__ import annotations

import math
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from h5py import h5d, h5g, h5p, h5s, h5t

from analysis_store.core.write_errors import write_errors
from analysis_store.digests import utf8
from analysis_store.dtypes import AnyArray, named_in_file
from analysis_store.errors import InvalidDataError
from analysis_store.folders import sync_file
from analysis_store.hdf5.columns import chunk_of
from analysis_store.hdf5.encoding import as_bytes, as_stored, describe, is_plain, plain_type
from analysis_store.hdf5.making import OBJECTS, UTF8_LINK, VARIABLE_BYTES, utf8_type
from analysis_store.hdf5.writing import grown
from analysis_store.layout import DTYPE
from analysis_store.writers.base import Writer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CHUNK = 64 << 10
_WIDEST_CHARACTER = 4


class GrowingWriter(Writer):
    """A writer that appends the values of one data key to one dataset or group, in order.

    The file is open only while a value is written: between writes a reader may open it, even in this process.
    """

    def __init__(
        self, path: str | Path, dataset: str, chunk_shape: Sequence[int] | None = None, swmr: bool = False
    ) -> None:
        self.path: str = str(path)
        self._dataset = dataset
        self._swmr = swmr
        self._written = False

    def __call__(self, data: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Append the value of the one key in ``data``; return ``{key: {"point_number": i}}``.

        Raises
        ------
        InvalidDataError
            There are several keys, or the value does not match earlier ones.
        StoreWriteError
            The file cannot be written.
        """
        if len(data) != 1:
            raise InvalidDataError(
                f"Got the keys {sorted(data)}; {self._dataset} holds the values of one. Use a writer with a "
                "dataset of its own for each."
            )
        ((key, value),) = data.items()
        parent, _, name = self._dataset.rpartition("/")
        with write_errors(self.path, "The value was not added"), grown(self.path, swmr=self._swmr) as file:
            number = self._append(h5py.File(file).require_group(parent or "/").id, name, value)
        self._written = True
        return {key: {"point_number": number}}

    @abstractmethod
    def _append(self, group: h5g.GroupID, name: str, value: Any) -> int:
        """Append one value and return its number."""

    def close(self) -> None:
        """Make the written values durable."""
        if not self._written:
            return
        self._written = False
        sync_file(self.path)


def last_offset(group: h5g.GroupID, name: str) -> tuple[int, int]:
    """Return the number of values according to the offsets, and the end of the last one."""
    if utf8(name) not in group:
        return 0, 0
    dataset = h5d.open(group, utf8(name))
    return int(dataset.shape[0]) - 1, int(h5py.Dataset(dataset)[-1])


def add_offset(group: h5g.GroupID, name: str, end: int, number: int) -> None:
    """Append the end of value ``number`` to offsets that begin with 0."""
    if number == 0:
        extend(group, name, np.zeros(1, np.int64), at=0)
    extend(group, name, np.array([end], np.int64), at=number + 1)


def extend(group: h5g.GroupID, name: str, rows: AnyArray, at: int | None = None) -> int:
    """Append rows to a dataset, which is created if needed; return the number of the first.

    ``at`` is their position, by default the end: rows that an interrupted call left there are overwritten.

    Raises
    ------
    InvalidDataError
        The rows differ from existing ones in dtype or shape.
    """
    encoded, kind = _as_grown(rows)
    if utf8(name) not in group:
        dataset = _create(group, name, kind, rows)
        describe(dataset, rows.dtype, None)
    dataset = h5d.open(group, utf8(name))
    if encoded.dtype.kind == "O" and dataset.get_type().equal(VARIABLE_BYTES):  # because of an earlier string with NUL
        encoded, kind = as_bytes(encoded), VARIABLE_BYTES
    start = _check(dataset, kind, rows) if at is None else min(at, _check(dataset, kind, rows))
    if encoded.dtype.kind == "O":
        _forget(dataset, start)
    dataset.set_extent((start + len(rows), *rows.shape[1:]))
    if rows.size:
        where = dataset.get_space()
        where.select_hyperslab((start, *(0 for _ in rows.shape[1:])), rows.shape)
        dataset.write(
            h5s.create_simple(rows.shape), where, encoded, mtype=OBJECTS if encoded.dtype.kind == "O" else kind
        )
    return start


def _forget(dataset: h5d.DatasetID, length: int) -> None:
    """Clear text of variable length after the end, which an interrupted call may have left.

    Otherwise HDF5 would look up its old text in a part of the file that does not exist any more.
    """
    shape = dataset.shape[1:]
    for each in (length + 1, length):  # HDF5 clears the part cut off a chunk
        dataset.set_extent((each, *shape))


def _as_grown(rows: AnyArray) -> tuple[AnyArray, h5t.TypeID]:
    if is_plain(rows.dtype):
        return np.ascontiguousarray(rows), plain_type(rows.dtype)
    encoded, kind = as_stored(rows)
    if encoded.dtype.kind == "O":
        return encoded, kind
    # Wide enough for any later text of this dtype.
    width = max(1, rows.dtype.itemsize // np.dtype("U1").itemsize * _WIDEST_CHARACTER)
    return encoded.astype(f"S{width}"), utf8_type(width)


def _create(group: h5g.GroupID, name: str, kind: h5t.TypeID, rows: AnyArray) -> h5d.DatasetID:
    row_bytes = max(1, kind.get_size() * math.prod(rows.shape[1:]))
    chunk = chunk_of((max(1, _CHUNK // row_bytes), *rows.shape[1:]), kind.get_size(), _CHUNK)
    made = h5p.create(h5p.DATASET_CREATE)
    made.set_obj_track_times(False)
    made.set_chunk(chunk)
    space = h5s.create_simple((0, *rows.shape[1:]), (h5s.UNLIMITED, *rows.shape[1:]))
    return h5d.create(group, utf8(name), kind, space, made, UTF8_LINK)


def _check(dataset: h5d.DatasetID, kind: h5t.TypeID, rows: AnyArray) -> int:
    """Return the length of a dataset after checking that ``rows`` can be appended."""
    attributes = h5py.Dataset(dataset).attrs
    named = attributes.get(DTYPE)
    shape, there = dataset.shape, dataset.get_type()
    if named != named_in_file(rows.dtype) or shape[1:] != rows.shape[1:] or not there.equal(kind):
        raise InvalidDataError(
            f"Got a value of dtype {rows.dtype} and shape {rows.shape[1:]} after values of "
            f"{named or there.dtype} and "
            f"{shape[1:]}; expected them to be alike. Convert it, or use a data key of its own."
        )
    return int(shape[0])

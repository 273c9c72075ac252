"""Rows of a dataset in a file of another program: a value that is read as far as it is asked for, and when it is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import h5py
import numpy as np

from analysis_store.arrays import LazyValue
from analysis_store.core.memory import available_memory
from analysis_store.errors import InvalidDataError
from analysis_store.hdf5.reading import read_box
from analysis_store.provenance.unchanged import stamp

if TYPE_CHECKING:
    from pathlib import Path

    from analysis_store.dtypes import AnyArray

_AHEAD = 16 << 20
"""Bytes read at once if one part is requested after the other."""
_SHARE = 8
"""Largest fraction of free memory for a row of chunks, as its divisor; beyond it, chunks are decompressed again."""


class SourceFile:
    """A file of another program while a run is created from it: it must not change, and only one part is in memory.

    Parameters
    ----------
    path : Path
        Opened whenever something is read, and not in between.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._was = self._stamp()
        self._name, self._first, self._part = "", 0, np.empty(0)

    def elements(self, source: Source, start: int, stop: int) -> AnyArray:
        """Return the elements ``start <= i < stop`` of a dataset in C order.

        From its beginning, or from the end of the last part, more than the requested part is read and cached.
        """
        end = self._first + len(self._part)
        follows = source.name == self._name and self._first <= start <= end
        if start and not follows:
            first, part = self._read(source, start, stop, ahead=False)
            return part[start - first : stop - first]
        if not follows or stop > end:
            self._part = np.empty(0)  # not both at a time
            self._first, self._part = self._read(source, start, stop, ahead=True)
            self._name = source.name
        return self._part[start - self._first : stop - self._first]

    def _read(self, source: Source, start: int, stop: int, *, ahead: bool) -> tuple[int, AnyArray]:
        self._check()
        try:
            with h5py.File(self.path, "r") as file:
                found = source.read(file[source.name], start, stop, ahead=ahead)
        except (OSError, RuntimeError, KeyError) as error:
            raise InvalidDataError(f"{self.path} cannot be read as HDF5: {error}.") from error
        self._check()
        return found

    def _check(self) -> None:
        if self._stamp() != self._was:
            raise InvalidDataError(f"{self.path} was changed while it was read. Wait until it is complete.")

    def _stamp(self) -> tuple[int, ...]:
        try:
            return stamp(self.path.stat())
        except OSError as error:
            raise InvalidDataError(f"{self.path} cannot be read any more: {error.strerror}. Put it back.") from error


class Source:
    """Layout of a dataset for reading its elements in C order, decompressing each chunk once.

    Parameters
    ----------
    dataset : h5py.Dataset
        Of numbers, with one axis at least.
    """

    def __init__(self, dataset: h5py.Dataset) -> None:
        self.name: str = dataset.name
        self.shape: tuple[int, ...] = dataset.shape
        self.dtype: np.dtype[np.generic] = dataset.dtype
        self._chunk = dataset.chunks or (1,) * dataset.ndim
        last = dataset.ndim - 1
        self._chunked = next((axis for axis, length in enumerate(self._chunk) if length > 1), last)

    def read(self, dataset: h5py.Dataset, start: int, stop: int, *, ahead: bool) -> tuple[int, AnyArray]:
        """Return the position of elements in C order that contain the requested ones, and the elements."""
        room = (stop - start) * self.dtype.itemsize
        most = max(room, available_memory() // _SHARE) if ahead else room
        axis = self._cut(max(room, _AHEAD) if ahead else room, most)
        width = math.prod(self.shape[axis + 1 :])
        first, last = start // width, -(-stop // width)
        if ahead:
            last = self._further(first, last, axis, most // self.dtype.itemsize // width)
        return first * width, self._slabs(dataset, axis, first, last)

    def _cut(self, piece: int, most: int) -> int:
        """Return the axis along which to read; while no chunk spans several rows, any axis works."""
        axis = 0
        while axis < len(self.shape) - 1:
            size = self.dtype.itemsize * math.prod(self.shape[axis + 1 :])
            if size <= (piece if axis < self._chunked else most):
                break
            axis += 1
        return axis

    def _further(self, first: int, last: int, axis: int, most: int) -> int:
        """Return the row up to which to read ahead: the end of a row of chunks if memory allows."""
        length, part = self.shape[axis], self._chunk[axis]
        width = self.dtype.itemsize * math.prod(self.shape[axis + 1 :])
        wanted = max(last, first + _AHEAD // width)
        lead, row = divmod(wanted - 1, length)
        end = lead * length + min(length, (row // part + 1) * part)
        return min(math.prod(self.shape[: axis + 1]), end if end - first <= most else max(last, first + most))

    def _slabs(self, dataset: h5py.Dataset, axis: int, first: int, last: int) -> AnyArray:
        """Return the rows ``first <= i < last`` of the array with axes up to ``axis`` merged."""
        length, rest = self.shape[axis], self.shape[axis + 1 :]
        out = np.empty((last - first, *rest), self.dtype)
        at = first
        while at < last:
            lead, row = divmod(at, length)
            count = min(last - at, length - row)
            places = np.unravel_index(lead, self.shape[:axis])
            box = (*((int(place), 1, 1) for place in places), (row, count, 1), *((0, each, 1) for each in rest))
            target = out[at - first : at - first + count].reshape([each for _, each, _ in box])
            read_box(dataset.id, self.dtype, box, target)
            at += count
        return out.reshape(-1)


class FileRows(LazyValue):
    """Some rows of a dataset, as the value of one event.

    Parameters
    ----------
    file : SourceFile
        Shared by all that is read of it.
    source : Source
        The dataset.
    start, stop : int
        Which of its rows.
    """

    def __init__(self, file: SourceFile, source: Source, start: int, stop: int) -> None:
        super().__init__((stop - start, *source.shape[1:]), source.dtype)
        self._file, self._source = file, source
        self._start = start
        self._first = start * math.prod(source.shape[1:])

    def elements(self, start: int, stop: int) -> AnyArray:
        """Return the elements ``start <= i < stop`` in C order."""
        return self._file.elements(self._source, self._first + start, self._first + stop)

    def rows(self, start: int, stop: int) -> FileRows:
        """Return some of these rows, unread."""
        return FileRows(self._file, self._source, self._start + start, self._start + min(stop, len(self)))

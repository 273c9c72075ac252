"""A column that is read on access: shape and dtype are known at once, values are selected by NumPy's indices."""

from __future__ import annotations

import itertools
import math
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from h5py import h5d

from analysis_store.arrays import LazyValue, rows_at_once
from analysis_store.core.lazy import Lazy
from analysis_store.core.memory import check_fits
from analysis_store.core.selection import Runs, runs_of
from analysis_store.dtypes import AnyArray, decode_text
from analysis_store.errors import DamagedFileError
from analysis_store.handlers.base import Handler
from analysis_store.hdf5.opening import dtypes_of, find_dataset, reading, shape_of
from analysis_store.hdf5.reading import Box, check_held, read_blocks, read_box
from analysis_store.hdf5.text import read_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from h5py import h5f

    from analysis_store.core.lazy import Index


@dataclass(frozen=True, slots=True)
class Facts:
    """Metadata of a dataset."""

    shape: tuple[int, ...]
    """Shape, events first."""

    stored: np.dtype
    """Stored dtype of the elements; object for text of variable length."""

    dtype: np.dtype
    """Dtype of the values."""

    chunk_rows: int = 1
    """Number of values per chunk."""


class OpenDataset:
    """One dataset of an open file.

    Raises
    ------
    UnsafeFileError
        Its values are outside the file.
    DamagedFileError
        There is no such dataset, or it is not a column.
    """

    def __init__(self, file: h5f.FileID, path: str, facts: Facts | None = None) -> None:
        self.name: str = f"{path} of {os.fsdecode(file.name)}"
        self._dataset = find_dataset(file, path)
        self.facts: Facts = facts or Facts(
            shape_of(self._dataset), *dtypes_of(self._dataset), _chunk_rows(self._dataset)
        )
        if not self.facts.shape:
            raise DamagedFileError(f"Got {self.name}, a scalar; expected an axis for the events.")

    def __len__(self) -> int:
        return self.facts.shape[0]

    def whole(self) -> AnyArray:
        """Return all values, if the file holds them and they fit into memory."""
        self.check_held()
        return self.box(tuple((0, length, 1) for length in self.facts.shape))

    def check_held(self) -> None:
        """Raise for values that the file declares but does not hold, since their number is unlimited.

        Raises
        ------
        TooLargeError
            Large parts were never written.
        """
        check_held(self._dataset, self.facts.stored.itemsize * math.prod(self.facts.shape))

    def rows(self, start: int, stop: int) -> AnyArray:
        """Return the values ``start <= i < stop`` of the first axis."""
        if not 0 <= start <= stop <= len(self):
            raise DamagedFileError(f"Got {len(self)} values of {self.name}; expected values {start} to {stop}.")
        return self.box(((start, stop - start, 1), *((0, length, 1) for length in self.facts.shape[1:])))

    def box(self, box: Box) -> AnyArray:
        """Return the values of a box."""
        facts, shape = self.facts, tuple(count for _, count, _ in box)
        check_fits(math.prod(shape) * max(facts.dtype.itemsize, facts.stored.itemsize), self.name)
        if facts.stored.kind == "O":
            return read_text(self._dataset, facts.dtype, box)
        out = np.empty(shape, facts.stored)
        read_box(self._dataset, facts.stored, box, out)
        if facts.dtype.kind in "mM":
            return out.view(facts.dtype)
        return out if facts.dtype == facts.stored else decode_text(out, facts.dtype)

    def blocks(self) -> Iterator[AnyArray]:
        """Yield all values in C order, in blocks of any shape; each is valid until the next is requested."""
        self.check_held()
        if self.facts.dtype.kind in "mM":
            yield from (block.view(self.facts.dtype) for block in read_blocks(self._dataset, self.facts.stored))
        elif self.facts.dtype == self.facts.stored and self.facts.stored.itemsize:
            yield from read_blocks(self._dataset, self.facts.stored)
        else:
            yield self.whole()

    def runs(self, runs: list[Runs]) -> AnyArray:
        """Return the values of several runs of elements along each axis, gathered into one array."""
        if all(len(axis) == 1 for axis in runs):
            return self.box(tuple(axis[0][1] for axis in runs))
        shape = tuple(axis[-1][0] + axis[-1][1][1] for axis in runs)
        check_fits(math.prod(shape) * self.facts.dtype.itemsize, self.name)
        out = np.empty(shape, self.facts.dtype)
        for piece in itertools.product(*runs):
            place = tuple(slice(at, at + box[1]) for at, box in piece)
            out[place] = self.box(tuple(box for _, box in piece))
        return out


class StoredColumn(Lazy):
    """One dataset of a file, opened for each read, so that no file stays open.

    Parameters
    ----------
    path : str
        The HDF5 file.
    dataset : str
        Absolute path of the dataset or group in it.
    swmr : bool
        True if the file is still being written; its length may then grow between reads.
    """

    def __init__(self, path: str, dataset: str, swmr: bool = False) -> None:
        self.path: str = path
        self.dataset: str = dataset
        self.swmr: bool = swmr

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.dataset} of {self.path}>"


class LazyDataset(StoredColumn):
    """A column that is one dataset; shape and dtype at once, values when they are asked for."""

    _facts: Facts | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, events first."""
        return self._known().shape

    @property
    def dtype(self) -> np.dtype:
        """Original dtype of the values."""
        return self._known().dtype

    def read(self) -> AnyArray:
        """Return all values, shape `shape`, dtype `dtype`.

        Raises
        ------
        TooLargeError
            The values do not fit into memory, or the file declares more than it holds.
        DamagedFileError
            The file was changed or is damaged.
        """
        with self._open() as opened:
            return opened.whole()

    def blocks(self) -> Iterator[AnyArray]:
        """Yield all values in C order, in blocks of any shape; each is valid until the next is requested."""
        with self._open() as opened:
            yield from opened.blocks()

    def __getitem__(self, key: Index) -> AnyArray:
        """Return the part that ``key`` selects, as NumPy does: integers, slices, ``...``, ``None``, index arrays.

        Only this part is read. The result is an array, of shape ``()`` for a single element.
        """
        runs, local = runs_of(key, self.shape)
        with self._open() as opened:
            out = opened.runs(runs)
        return out[(*local, ...)]

    def rows_at_once(self) -> int:
        """Return the number of values to read at once if all are needed: about 16 MiB, and whole chunks."""
        rows, chunk = rows_at_once(self.shape, self.dtype), self._known().chunk_rows
        return -(-rows // chunk) * chunk

    def _known(self) -> Facts:
        if self._facts is not None and not self.swmr:
            return self._facts
        with self._open() as opened:
            return opened.facts

    @contextmanager
    def _open(self) -> Iterator[OpenDataset]:
        with reading(self.path, self.swmr) as file:
            opened = OpenDataset(file, self.dataset, None if self.swmr else self._facts)
            self._facts = opened.facts
            yield opened


class Part(LazyValue):
    """One row of a column, or a block of rows, reading only the slices that are used.

    Parameters
    ----------
    column : LazyDataset
        The column.
    place : int or range
        Number of the row, or the numbers of the rows of the block.
    """

    def __init__(self, column: LazyDataset, place: int | range) -> None:
        rows = (len(place),) if isinstance(place, range) else ()
        super().__init__((*rows, *column.shape[1:]), column.dtype)
        self._column, self._place = column, place

    def __getitem__(self, key: Index) -> AnyArray:
        """Return the part that slices and integers select."""
        parts = key if isinstance(key, tuple) else (key,)
        if isinstance(self._place, int):
            return self._column[(self._place, *parts)]
        first: Any
        first, *rest = parts or (slice(None),)
        chosen: Any = self._place[first]
        rows: Any = slice(chosen.start, chosen.stop, chosen.step) if isinstance(chosen, range) else chosen
        return self._column[(rows, *rest)]

    def read(self) -> AnyArray:
        """Return the whole value."""
        return self[()]

    def elements(self, start: int, stop: int) -> AnyArray:
        """Return the elements ``start <= i < stop`` in C order, reading only their rows."""
        width = max(1, math.prod(self.shape[1:]))
        first = start // width
        rows = self[first : -(-stop // width)] if self.shape else self[()]
        return rows.reshape(-1)[start - first * width : stop - first * width]

    def blocks(self, _: int = 0) -> Iterator[AnyArray]:
        """Yield all elements in C order, some rows at a time, decompressing each chunk once."""
        if isinstance(self._place, int):
            yield self[()]
            return
        at, step = self._place.start, self._column.rows_at_once()
        while at < self._place.stop:
            end = min(self._place.stop, (at // step + 1) * step)
            yield self._column[at:end]
            at = end


def _chunk_rows(dataset: h5d.DatasetID) -> int:
    made = dataset.get_create_plist()
    return int(made.get_chunk()[0]) if made.get_layout() == h5d.CHUNKED else 1


class ColumnHandler(Handler):
    """What the handlers of columns share.

    Parameters
    ----------
    path : str
        The HDF5 file.
    dataset : str
        Absolute path of the dataset or group in it.
    chunk_shape : sequence of int, optional
        Chunks for Tiled; not needed here.
    swmr : bool
        True if the file is still being written.
    """

    lazy: ClassVar[type[StoredColumn]]

    def __init__(self, path: str, dataset: str, chunk_shape: Sequence[int] | None = None, swmr: bool = False) -> None:
        self.path: str = str(path)
        self._column = self.lazy(self.path, str(dataset), bool(swmr))

    def __call__(self, point_number: int) -> Any:
        """Return the value of one event, shape ``()`` for a scalar.

        Raises
        ------
        DamagedFileError
            The column does not have this value.
        """
        check_number(self._column, point_number)
        return self._column[point_number]

    def column(self) -> StoredColumn:
        """Return the whole column, read on access."""
        return self._column


def check_number(column: Any, number: Any) -> None:
    """Raise for a point number from a document that is out of range for ``column``.

    Raises
    ------
    DamagedFileError
        The column does not have this value.
    """
    if not isinstance(number, (int, np.integer)) or not 0 <= number < len(column):
        raise DamagedFileError(f"Got the number {number!r} for {column!r}; expected one below {len(column)}.")

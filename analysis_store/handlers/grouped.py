"""Columns of several datasets: one value per event, cut from flat values at offsets."""

from __future__ import annotations

import os
from abc import abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from analysis_store.arrays import as_objects, select_objects
from analysis_store.errors import DamagedFileError
from analysis_store.handlers.columns import OpenDataset, StoredColumn
from analysis_store.hdf5.opening import find, find_group, reading, text_attribute
from analysis_store.layout import FORM, OFFSETS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from h5py import h5f

    from analysis_store.core.lazy import Index
    from analysis_store.dtypes import AnyArray


class LazyGroup(StoredColumn):
    """A column in which each value is a separate object: shape ``(n,)``, dtype object."""

    form: ClassVar[str]
    _length: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """One value per event."""
        return (len(self),)

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the array of values: object."""
        return np.dtype(object)

    def __len__(self) -> int:
        if self._length is None or self.swmr:
            with self._opened() as group:
                self._length = self._count(group)
        return self._length

    def __getitem__(self, key: Index) -> Any:
        """Return the value of an event for an integer, else an object array of those that ``key`` selects.

        Further indices after an integer select from that value, if it is an array.
        """
        return select_objects(key, len(self), self._values)

    def read(self) -> AnyArray:
        """Return all values, an object array of shape ``(n,)``.

        Raises
        ------
        TooLargeError
            The values do not fit into memory, or the file declares more than it holds.
        DamagedFileError
            The parts of the group do not match.
        """
        with self._opened() as group:
            return as_objects(self._all(group, self._count(group)))

    @contextmanager
    def _opened(self) -> Iterator[OpenGroup]:
        with reading(self.path, self.swmr) as file:
            yield OpenGroup(file, self.dataset, self.form)

    def _count(self, group: OpenGroup) -> int:
        """Return the number of values."""
        return max(0, group.length(OFFSETS) - 1)

    def _values(self, numbers: Sequence[int]) -> list[Any]:
        with self._opened() as group:
            return [self._one(group, number) for number in numbers]

    @abstractmethod
    def _one(self, group: OpenGroup, number: int) -> Any:
        """Return one value."""

    def _all(self, group: OpenGroup, count: int) -> list[Any]:
        """Return every value; each member is read once."""
        group.read_whole()
        return [self._one(group, number) for number in range(count)]


class OpenGroup:
    """The group of a column, in an open file.

    Raises
    ------
    DamagedFileError
        The group does not exist, or has another form.
    """

    def __init__(self, file: h5f.FileID, path: str, form: str) -> None:
        self.path, self._file, self._whole = path, file, False
        self.group = find_group(file, path)
        found = text_attribute(self.group, FORM)
        if found != form:
            raise DamagedFileError(f"Got the form {found!r} for {path} of {os.fsdecode(file.name)}; expected {form!r}.")
        self._datasets: dict[str, OpenDataset] = {}
        self._read: dict[str, AnyArray] = {}

    def read_whole(self) -> None:
        """Read members completely from now on, and cache them."""
        self._whole = True

    def __contains__(self, name: str) -> bool:
        return name.encode() in self.group

    def length(self, name: str) -> int:
        """Return the number of rows of a member, if the file holds them."""
        dataset = self._dataset(name)
        dataset.check_held()
        return len(dataset)

    def rows(self, name: str, start: int, stop: int) -> AnyArray:
        """Return the rows ``start <= i < stop`` of a member."""
        dataset = self._dataset(name)
        if not self._whole:
            return dataset.rows(start, stop)
        if name not in self._read:
            self._read[name] = dataset.whole()
        if not 0 <= start <= stop <= len(dataset):
            raise DamagedFileError(f"Got {len(dataset)} values of {dataset.name}; expected values {start} to {stop}.")
        return self._read[name][start:stop]

    def span(self, name: str, number: int) -> tuple[int, int]:
        """Return begin and end of value ``number``, from the offsets in member ``name``."""
        offsets = self.rows(name, number, number + 2)
        if offsets.dtype.kind not in "iu" or offsets.shape != (2,):
            raise DamagedFileError(f"Got invalid offsets in {self.path}/{name}; expected one axis of integers.")
        return int(offsets[0]), int(offsets[1])

    def find(self, name: str) -> Any:
        """Return a member that may be a group, to read its attributes."""
        return find(self._file, f"{self.path}/{name}")

    def _dataset(self, name: str) -> OpenDataset:
        if name not in self._datasets:
            self._datasets[name] = OpenDataset(self._file, f"{self.path}/{name}")
        return self._datasets[name]

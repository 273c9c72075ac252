"""Lazy arrays: properties that follow from their shape, and arrays that read through others."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import EllipsisType
from typing import Any, Protocol, SupportsIndex, TypeAlias

import numpy as np

from analysis_store.dtypes import AnyArray

_Part: TypeAlias = SupportsIndex | slice | EllipsisType | Sequence[int] | AnyArray
Index: TypeAlias = _Part | tuple[_Part, ...]
"""An index of an array: a number, a slice, ``...``, numbers or a mask; or one of these for each axis."""


class Source(Protocol):
    """A source of values: a dataset of a file, a handler that is called event by event, a server, or memory."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Present shape, values first."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the values; object for values of separate types."""
        ...

    def __getitem__(self, key: Index) -> Any:
        """Return the selection of a NumPy index, reading only that."""
        ...

    def read(self) -> Any:
        """Return all values."""
        ...


class Lazy(ABC):
    """An array that is not in memory; subclasses read it, this class has the properties that follow from its shape."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of all values; axis 0 counts them."""

    @property
    @abstractmethod
    def dtype(self) -> np.dtype:
        """Dtype of the values; object for values of separate types."""

    def __getitem__(self, key: Index) -> Any:
        """Return the selection of a NumPy index, reading only that."""
        raise NotImplementedError

    def read(self) -> Any:
        """Return all values."""
        return self[...]

    @property
    def ndim(self) -> int:
        """Number of dimensions, the first included."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Size in memory, bytes."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        values = np.asarray(self.read())
        return values if dtype is None else values.astype(dtype, copy=bool(copy))


class Known(Lazy):
    """An array with given shape and dtype.

    Parameters
    ----------
    shape : tuple of int
        Shape of the values.
    dtype : numpy.dtype
        Dtype of the values, or of the elements of a single value.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self._shape, self._dtype = tuple(shape), dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The given value."""
        return self._shape

    @property
    def dtype(self) -> np.dtype:
        """The given value."""
        return self._dtype


class InMemory(Known):
    """Values that are in memory already."""

    def __init__(self, values: Any) -> None:
        super().__init__(values.shape, values.dtype)
        self._values = values

    def __getitem__(self, key: Index) -> Any:
        return self._values[key]

    def read(self) -> Any:
        """Return all values."""
        return self._values


class Through(Lazy):
    """Values of another source; a subclass converts them."""

    def __init__(self, source: Any) -> None:
        self._source = source

    @property
    def shape(self) -> tuple[int, ...]:
        """Present shape, values first."""
        return tuple(self._source.shape)

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the values; object for values of separate types."""
        dtype: np.dtype = self._source.dtype
        return dtype

    def __getitem__(self, key: Index) -> Any:
        """Return the selection of a NumPy index, reading only that."""
        return self._source[key]


class Unreadable:
    """A source whose values cannot be read: every access raises the reason."""

    def __init__(self, reason: Exception) -> None:
        self._reason = reason

    def _refuse(self, *_: object) -> Any:
        raise self._reason

    shape = dtype = property(_refuse)
    __getitem__ = read = _refuse

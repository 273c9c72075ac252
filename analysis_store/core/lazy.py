"""Arrays that need not be in memory: what follows from their shape, and what reads them through another."""

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
"""What selects values of an array: a number, a slice, ``...``, numbers or a mask; or one of these for each axis."""


class Source(Protocol):
    """Where values come from: a dataset of a file, a handler that is called event by event, a server, or memory."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Values first; what it is now."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Of the values; object where each is one of its own."""
        ...

    def __getitem__(self, key: Index) -> Any:
        """Return what NumPy's index selects, reading no more than that."""
        ...

    def read(self) -> Any:
        """Return all values."""
        ...


class Lazy(ABC):
    """An array that is not in memory; whatever reads it says what an index gives, this what follows from its shape."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Of all values; axis 0 counts them."""

    @property
    @abstractmethod
    def dtype(self) -> np.dtype:
        """Of the values; object where each is one of its own."""

    def __getitem__(self, key: Index) -> Any:
        """Return what NumPy's index selects, reading no more than that."""
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
    """An array whose shape and dtype are known beforehand.

    Parameters
    ----------
    shape : tuple of int
        Of the values.
    dtype : numpy.dtype
        Of the values, or of the elements of the one value that it is.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self._shape, self._dtype = tuple(shape), dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """As it was given."""
        return self._shape

    @property
    def dtype(self) -> np.dtype:
        """As it was given."""
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
    """Values that another source has; a subclass says what becomes of them on the way."""

    def __init__(self, source: Any) -> None:
        self._source = source

    @property
    def shape(self) -> tuple[int, ...]:
        """Values first; what it is now."""
        return tuple(self._source.shape)

    @property
    def dtype(self) -> np.dtype:
        """Of the values; object where each is one of its own."""
        dtype: np.dtype = self._source.dtype
        return dtype

    def __getitem__(self, key: Index) -> Any:
        """Return what NumPy's index selects, reading no more than that."""
        return self._source[key]


class Unreadable:
    """A source whose values are not within reach: whatever is asked of it is answered with the reason."""

    def __init__(self, reason: Exception) -> None:
        self._reason = reason

    def _refuse(self, *_: object) -> Any:
        raise self._reason

    shape = dtype = property(_refuse)
    __getitem__ = read = _refuse

"""Arrays as they are handed out: of objects, one entry for each, and those that are read when they are asked for."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from analysis_store.dtypes import AnyArray

_BLOCK = 16 << 20


class Lazy(ABC):
    """An array that is not in memory; whatever reads it says what an index gives, this what follows from its shape."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Of all values; axis 0 counts them."""

    @property
    @abstractmethod
    def dtype(self) -> np.dtype[Any]:
        """Of the values; object where each is one of its own."""

    @abstractmethod
    def read(self) -> Any:
        """Return all values."""

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


def as_objects(values: Collection[Any]) -> AnyArray:
    """Return an object array with one entry per value, whatever the values are: never a deeper one."""
    made = np.empty(len(values), object)
    for index, value in enumerate(values):
        made[index] = value
    return made


def select_objects(key: Any, count: int, read: Callable[[list[int]], Sequence[Any]]) -> Any:
    """Return what ``key`` selects of ``count`` objects: for an integer the object itself, else an object array.

    After an integer further indices select of the object, if it is an array: of a column whose arrays differ in shape
    that is the only way to a part of one.

    Raises
    ------
    IndexError
        As NumPy does.
    """
    parts = key if isinstance(key, tuple) else (key,)
    further = any(part is not ... for part in parts[1:])
    if further and isinstance(parts[0], (int, np.integer)) and not isinstance(parts[0], bool):
        (value,) = read([int(np.arange(count)[parts[0]])])
        if not isinstance(value, np.ndarray):
            raise IndexError(f"too many indices: each value is one object, a {type(value).__name__}, not an array")
        return value[parts[1:]]
    try:
        chosen = np.arange(count)[key]
    except (TypeError, ValueError) as error:
        raise IndexError(f"{key!r} is no index of {count} values: {error}") from error
    values = read(chosen.ravel().tolist())
    return as_objects(values).reshape(chosen.shape) if chosen.ndim else values[0]


def rows_at_once(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Return how many values along axis 0 are read at once where all are wanted: some 16 MiB, or one that is larger."""
    return max(1, _BLOCK // max(1, math.prod(shape[1:]) * dtype.itemsize))

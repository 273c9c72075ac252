"""Object arrays with one entry per value, and values that are read lazily."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.core.lazy import Index, Known

if TYPE_CHECKING:
    from analysis_store.dtypes import AnyArray


_BLOCK = 16 << 20


class LazyValue(Known):
    """The lazy value of one event: its elements are read on demand, in C order."""

    @abstractmethod
    def elements(self, start: int, stop: int) -> AnyArray:
        """Return the elements ``start <= i < stop`` in C order, shape ``(stop - start,)``."""

    def read(self) -> AnyArray:
        """Return the whole value."""
        return self.elements(0, self.size).reshape(self.shape)

    def blocks(self, limit: int = _BLOCK) -> Iterator[AnyArray]:
        """Yield all elements in C order, about ``limit`` bytes at a time."""
        step = max(1, limit // max(1, self.dtype.itemsize))
        return (self.elements(start, min(self.size, start + step)) for start in range(0, self.size, step))


class Joined(LazyValue):
    """Several values, concatenated.

    Parameters
    ----------
    values : sequence of ndarray or LazyValue
        At least one value; with equal dtypes and any shapes.
    shape : tuple of int, optional
        Shape of all elements; by default one axis.
    """

    def __init__(self, values: Sequence[Any], shape: tuple[int, ...] | None = None) -> None:
        self._values = values
        self._ends = np.cumsum([value.size for value in values], dtype=np.int64)
        super().__init__((int(self._ends[-1]),) if shape is None else shape, values[0].dtype)

    def elements(self, start: int, stop: int) -> AnyArray:
        """Return the elements ``start <= i < stop`` of all values."""
        parts = [np.empty(0, self.dtype)]
        number = int(np.searchsorted(self._ends, start, "right"))
        while start < stop:
            value, end = self._values[number], int(self._ends[number])
            begin, last = end - value.size, min(stop, end)
            parts.append(elements_of(value, start - begin, last - begin))
            start, number = last, number + 1
        return parts[-1] if len(parts) < 3 else np.concatenate(parts, dtype=self.dtype)


def elements_of(value: AnyArray | LazyValue, start: int, stop: int) -> AnyArray:
    """Return the elements ``start <= i < stop`` of an array in C order, in memory or not."""
    return value.elements(start, stop) if isinstance(value, LazyValue) else value.reshape(-1)[start:stop]


def as_objects(values: Collection[object]) -> AnyArray:
    """Return an object array of one dimension with one entry per value, for values of any type."""
    made = np.empty(len(values), object)
    for index, value in enumerate(values):
        made[index] = value
    return made


def select_objects(key: Index, count: int, read: Callable[[list[int]], Sequence[Any]]) -> Any:
    """Return the selection ``key`` from ``count`` objects: for an integer the object itself, else an object array.

    Indices after an integer select from the object, if it is an array. In a column whose arrays differ in shape, this
    is the only way to select a part of an array.

    Raises
    ------
    IndexError
        As in NumPy.
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
        raise IndexError(f"{key!r} is not an index of {count} values: {error}") from error
    values = read(chosen.ravel().tolist())
    return as_objects(values).reshape(chosen.shape) if chosen.ndim else values[0]


def rows_at_once(shape: tuple[int, ...], dtype: np.dtype) -> int:
    """Return the number of values along axis 0 to read at once: about 16 MiB, or one larger value."""
    return max(1, _BLOCK // max(1, math.prod(shape[1:]) * dtype.itemsize))

"""All values of a key, unread: shape and dtype at once, values by NumPy's indices, as many as are asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from analysis_store.errors import TooLargeError

if TYPE_CHECKING:
    import dask.array

    from analysis_store.dtypes import AnyArray

_CHUNK = 16 << 20
_OBJECTS = 256


class Source(Protocol):
    """Where the values are."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Values first; what it is now."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values; object for text, ragged arrays and objects."""
        ...

    def __getitem__(self, key: Any) -> Any:
        """Return what NumPy's index selects, reading no more than that."""
        ...


class Series:
    """The values of a key; axis 0 is their number. It grows while they are recorded.

    Examples
    --------
    >>> recorder.get_all("train/loss")[-10:]  # doctest: +SKIP
    """

    def __init__(self, key: str, source: Source, attrs: Mapping[str, Any] | None = None) -> None:
        self.key = key
        self.attrs = dict(attrs or {})
        """``units`` and what else is known of the values."""
        self._source = source

    @property
    def shape(self) -> tuple[int, ...]:
        """Values first."""
        return tuple(self._source.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values; object for text, arrays of many shapes, and objects."""
        return self._source.dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        """Return what ``key`` selects, reading no more than that; an integer gives one value."""
        value = self._source[key]
        if isinstance(value, np.ndarray) and value.ndim == 0:
            return value[()]
        return value

    def __iter__(self) -> Iterator[Any]:
        step, total = self._run(), len(self)
        return (value for start in range(0, total, step) for value in self[start : min(start + step, total)])

    def read(self) -> AnyArray:
        """Return all values.

        Raises
        ------
        TooLargeError
            They do not fit into memory; slices still work.
        """
        try:
            return np.asarray(self._source[:])
        except MemoryError as error:
            raise TooLargeError(f"{self!r} does not fit into memory; read slices, or use to_dask().") from error

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        values = self.read()
        return values if dtype is None else values.astype(dtype, copy=bool(copy))

    def to_dask(self) -> dask.array.Array:
        """Return a dask array of what is recorded now, whose chunks are read when it is computed."""
        import dask.array

        shape = self.shape
        chunks = (max(1, min(shape[0], self._run())), *(size or 1 for size in shape[1:]))
        lazy: dask.array.Array = dask.array.from_array(_Fixed(self, shape), chunks=chunks, asarray=True)  # type: ignore[no-untyped-call]
        return lazy

    def _run(self) -> int:
        """Return how many values are read at once where all are wanted."""
        if self.dtype.kind == "O":
            return _OBJECTS
        return max(1, _CHUNK // max(1, math.prod(self.shape[1:]) * self.dtype.itemsize))

    def __repr__(self) -> str:
        units = self.attrs.get("units")
        return f"<{self.key}: {self.dtype} {self.shape}{f' {units}' if units else ''}>"


class _Fixed:
    """A series as long as it was once."""

    def __init__(self, series: Series, shape: tuple[int, ...]) -> None:
        self._series, self.shape, self.dtype, self.ndim = series, shape, series.dtype, len(shape)

    def __getitem__(self, key: Any) -> Any:
        return self._series[key]

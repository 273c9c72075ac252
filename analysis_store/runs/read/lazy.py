"""One data key across all events of a stream, read only as far as it is asked for."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.arrays import rows_at_once
from analysis_store.core.lazy import InMemory, Known, Source, Through
from analysis_store.dtypes import TEXT_KINDS
from analysis_store.errors import AnalysisStoreError

if TYPE_CHECKING:
    from dask.array.core import Array as DaskArray

    from analysis_store.core.lazy import Index
    from analysis_store.documents import Document


_HIDDEN = frozenset(
    ("dtype", "dtype_numpy", "shape", "source", "external", "dims", "role", "object_name", "recorded_key", "attrs")
)
"""Entries of a data key that are not attributes of its values."""

_OBJECTS = 64
"""Number of objects read at once by a loop over all of them."""


class Values(Through):
    """The values of a key, which a source gives as far as they are asked for."""

    def __init__(self, key: str, source: Source) -> None:
        super().__init__(source)
        self.key = key

    @property
    @abstractmethod
    def attrs(self) -> dict[str, Any]:
        """``units`` and other metadata of the values."""

    def __getitem__(self, key: Index) -> Any:
        """Return the part that ``key`` selects, reading only this part; an integer gives one value."""
        return _one(self._source[key])

    def __iter__(self) -> Iterator[Any]:
        step, total = self._at_once(), len(self)
        for start in range(0, total, step):
            block = self[start : min(start + step, total)]
            yield from (_one(block[index, ...]) for index in range(len(block)))

    def _at_once(self) -> int:
        """Return the number of values read at once by a loop over all of them."""
        return _OBJECTS if self.dtype.kind == "O" else rows_at_once(self.shape, self.dtype)

    def to_dask(self) -> DaskArray:
        """Return a dask array of the values that there are now, whose chunks are read when it is computed."""
        import dask.array

        shape = self.shape
        chunks = (max(1, min(shape[0], self._at_once())), *(size or 1 for size in shape[1:]))
        lazy: dask.array.Array = dask.array.from_array(_Fixed(self, shape), chunks=chunks, asarray=True)  # type: ignore[no-untyped-call]
        return lazy

    def __repr__(self) -> str:
        units = self.attrs.get("units")
        try:
            return f"<{self.key}: {self.dtype} {self.shape}{f' {units}' if units else ''}>"
        except AnalysisStoreError as error:
            return f"<{self.key}: cannot be read: {error}>"


def _one(value: Any) -> Any:
    """Return a scalar for an array without axes; of foreign byte order it stays one, as NumPy's scalars are native.

    So does one of a subclass, such as a quantity, which may have more than its element.
    """
    return value[()] if type(value) is np.ndarray and value.ndim == 0 and value.dtype.isnative else value


class _Fixed(Known):
    """Values as many as there were once."""

    def __init__(self, values: Values, shape: tuple[int, ...]) -> None:
        super().__init__(shape, values.dtype)
        self._values = values

    def __getitem__(self, key: Index) -> Any:
        return self._values[key]


class LazyArray(Values):
    """The values of one data key; axis 0 is the event.

    Examples
    --------
    >>> run["primary"]["mu"][0, :5]  # doctest: +SKIP
    """

    def __init__(self, key: str, source: Source, data_key: Document) -> None:
        super().__init__(key, source)
        self._data_key = data_key

    @property
    def form(self) -> str:
        """Form of storage: ``"array"``, ``"ragged"``, ``"table"`` or ``"object"``."""
        return str(getattr(self._source, "form", "array"))

    @property
    def attrs(self) -> dict[str, Any]:
        """Entries of the descriptor for the key: units, precision, limits …"""
        own = {name: value for name, value in self._data_key.items() if name not in _HIDDEN and value is not None}
        attrs = self._data_key.get("attrs")
        return {**attrs, **own} if isinstance(attrs, dict) else own

    @property
    def dims(self) -> tuple[str, ...]:
        """``"time"``, then one name per dimension."""
        declared = self._data_key.get("dims") or []
        inner = len(self.shape) - 1
        names = declared if len(declared) == inner else [f"{self.key}-dim-{axis}" for axis in range(inner)]
        return ("time", *map(str, names))

    def loaded(self) -> LazyArray:
        """Return the same column with its values in memory."""
        return LazyArray(self.key, InMemory(self.read()), self._data_key)

    def read(self) -> Any:
        """Return all values.

        Raises
        ------
        TooLargeError
            They do not fit in memory; slices still work.
        """
        return self._source.read()

    def digest(self) -> str:
        """Return the digest of the values, ``blake3:<hex>``, as in the stop document."""
        own: str | None = self._source.digest() if hasattr(self._source, "digest") else None
        if own is None and self.form == "array" and self.dtype.kind not in TEXT_KINDS and self.ndim:
            return self._digest_in_blocks()
        return own or self._digest_of(self if self.form == "ragged" else self.read())

    def digest_of(self, values: object) -> str:
        """Return the digest of the values read before; for objects, that of the file content."""
        return self.digest() if self.form == "object" else self._digest_of(values)

    def _digest_of(self, values: Any) -> str:
        from analysis_store.digests import digest_ragged, digest_values

        if self.form == "ragged":
            return digest_ragged(values)
        return str(getattr(self._source, "digest_of", digest_values)(values))

    def _digest_in_blocks(self) -> str:
        """Return the digest of an array that need not fit into memory."""
        from analysis_store.digests import ValueDigest

        digest = ValueDigest(self.shape, self.dtype)
        if hasattr(self._source, "blocks"):
            for block in self._source.blocks():
                digest.update(block)
            return digest.result()
        step = rows_at_once(self.shape, self.dtype)
        for start in range(0, len(self), step):
            digest.update(np.asarray(self._source[start : start + step]))
        return digest.result()


def safe_dtype(text: Any) -> np.dtype:
    """Return the dtype that a document names; one that NumPy does not know is ``object``."""
    try:
        dtype: np.dtype = np.dtype(text)
    except (TypeError, ValueError):
        return np.dtype(object)
    return dtype if dtype.kind in "biufcmMSU" else np.dtype(object)

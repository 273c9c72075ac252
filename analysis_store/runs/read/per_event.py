"""Values of third-party handlers, event by event: one array if they are alike, else separate values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from analysis_store.arrays import as_objects, select_objects
from analysis_store.core.lazy import Lazy
from analysis_store.core.memory import check_fits
from analysis_store.core.selection import Runs, runs_of
from analysis_store.digests import ValueDigest, digest_foreign, digest_values
from analysis_store.errors import (
    AnalysisStoreError,
    DamagedFileError,
    InvalidDataError,
    PairError,
    TooLargeError,
)
from analysis_store.handlers.columns import Part
from analysis_store.runs.read.lazy import safe_dtype
from analysis_store.runs.values import columns
from analysis_store.runs.values.array_like import NoArrayError, as_array
from analysis_store.runs.values.column import Place

if TYPE_CHECKING:
    from analysis_store.core.lazy import Index
    from analysis_store.documents import Document

_NUMBERS = "biufcmM"
_TEXT = "SU"
_LABELS = ("dims", "index", "columns", "units")
"""Attributes that only more than arrays have; such values are unchanged."""


class _UnlikeError(Exception):
    """A value has not the shape and dtype of the first."""


class _One(NamedTuple):
    """Type of one value; its dtype is object if each value is a separate object."""

    shape: tuple[int, ...]
    dtype: np.dtype


_OBJECT = _One((), np.dtype(object))


class PerEvent(Lazy):
    """A source that calls a handler for each event that is asked for.

    Shape and dtype are those of the first value, regardless of documents: many documents have none, or
    something else. Only a document that says that the shape varies is believed.

    Parameters
    ----------
    key : str
        Name of the object in messages.
    read_one : callable
        Returns the value of one event, maybe lazily; None if the event has none.
    length : int
        Number of events.
    data_key : mapping
        Entries of the descriptor; used if there is no event, and for the width of text.
    """

    def __init__(self, key: str, read_one: Callable[[int], Any], length: int, data_key: Document) -> None:
        self._key, self._read_one, self._length, self._data_key = key, read_one, length, data_key

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, events first."""
        return (self._length, *self._one.shape)

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the values; object if they are not arrays, or differ in shape."""
        found: np.dtype = self._one.dtype
        return found

    @cached_property
    def _one(self) -> _One:
        shape, named = self._data_key.get("shape") or [], safe_dtype(self._data_key.get("dtype_numpy"))
        if None in shape:
            return _OBJECT
        if not self._length:
            plain = named.kind != "O" and all(isinstance(size, int) and size >= 0 for size in shape)
            return _One(tuple(shape), named) if plain else _OBJECT
        first = self._value(0)
        if not _is_array(first):
            return _OBJECT
        if first.dtype.kind in _TEXT:  # the next may be longer: only the document knows how long they are
            return _One(first.shape, named) if np.can_cast(first.dtype, named, "safe") else _OBJECT
        return _One(first.shape, first.dtype)

    def __getitem__(self, key: Index) -> Any:
        """Return the part that ``key`` selects, as NumPy does, reading as little as the handler allows."""
        parts = key if isinstance(key, tuple) else (key,)
        is_one = bool(parts) and isinstance(parts[0], (int, np.integer)) and not isinstance(parts[0], bool)
        if is_one and len(parts) == 1:
            return self._whole(_within(parts[0], self._length))
        if self.dtype.kind == "O":
            return select_objects(key, self._length, lambda numbers: list(map(self._whole, numbers)))
        return self._of_one(_within(parts[0], self._length), parts[1:]) if is_one else self._of_many(parts)

    def _of_one(self, number: int, further: tuple[Any, ...]) -> Any:
        """Return the part that further indices select from the value of one event, which may differ from the others."""
        value = self._value(number)
        if not self._is_like(value):
            return np.asarray(value)[further]
        (_, *inner), local = runs_of((0, *further), (1, *self._one.shape))
        return self._cut(number, value, inner)[None][(*local, ...)]

    def _of_many(self, parts: tuple[Any, ...]) -> Any:
        (events, *inner), local = runs_of(parts, self.shape)
        numbers = [number for _, (start, count, step) in events for number in range(start, start + count * step, step)]
        try:
            return self._gather(numbers, inner)[(*local, ...)]
        except _UnlikeError as error:
            if any(part is not ... and not (isinstance(part, slice) and part == slice(None)) for part in parts[1:]):
                raise InvalidDataError(
                    f"Got {error} in an event of {self._key!r}; expected {self.dtype} {self._one.shape}, as in the "
                    "first. Read parts of it event by event, as in [3, :10]."
                ) from None
        return as_objects([self._whole(number) for number in numbers])[local[0]]

    def read(self) -> Any:
        """Return the values of all events: one array if they are alike, else an object array."""
        if self.dtype.kind == "O":
            return as_objects([self._whole(number) for number in range(self._length)])
        try:
            return self._gather(range(self._length), None)
        except _UnlikeError:
            return together([self._whole(number) for number in range(self._length)])

    def digest(self) -> str | None:
        """Return the digest of the values, keeping one in memory at a time; None if each is a separate object.

        For a lazy value, some rows are kept.
        """
        if self.dtype.kind == "O":
            return self._digest_of_unread() if None in (self._data_key.get("shape") or []) else None
        digest = ValueDigest(self.shape, self.dtype)
        try:
            for number in range(self._length):
                for block in self._blocks(number):
                    digest.update(block)
        except _UnlikeError:
            return digest_values(self.read())
        return digest.result()

    def _digest_of_unread(self) -> str | None:
        """Return the digest of numbers that differ in shape; None if the handler does not return them lazily."""
        values: list[Part] = []
        for number in range(self._length):
            value = self._value(number)
            if not isinstance(value, Part) or value.dtype != (values or [value])[0].dtype:
                return None
            values.append(value)
        if not values or values[0].dtype.kind not in _NUMBERS:
            return None
        with _blaming(f"the values of {self._key!r}"):
            return digest_foreign(values)

    def _blocks(self, number: int) -> Iterator[np.ndarray]:
        """Yield one value in C order, in parts if its handler returns it lazily."""
        value = self._like(number)
        if not isinstance(value, Part):
            yield self._cut(number, value, None)
            return
        with _blaming(self._where(number)):
            yield from value.blocks()

    def digest_of(self, values: Any) -> str:
        """Return the digest of values that were read before."""
        return digest_foreign(values) or digest_values(values)

    def _gather(self, numbers: Sequence[int], inner: Sequence[Runs] | None) -> np.ndarray:
        """Return the same part of several values as one array.

        Raises
        ------
        _UnlikeError
            One of the values is not like the first.
        """
        shape = self._one.shape if inner is None else tuple(run[-1][0] + run[-1][1][1] for run in inner)
        rows = (len(numbers), *shape)
        check_fits(int(np.prod(rows, dtype=object)) * self.dtype.itemsize, f"{len(numbers)} values of {self._key!r}")
        out = np.empty(rows, self.dtype)
        for row, number in enumerate(numbers):
            out[row] = self._part(number, inner)
        return out

    def _part(self, number: int, inner: Sequence[Runs] | None) -> np.ndarray:
        return self._cut(number, self._like(number), inner)

    def _like(self, number: int) -> Any:
        """Return a value, unread if its handler left it so, that is like the first."""
        value = self._value(number)
        if not self._is_like(value):
            named = f"{value.dtype} {value.shape}" if _is_array(value) else f"a {type(value).__name__}"
            raise _UnlikeError(named)
        return value

    def _is_like(self, value: Any) -> bool:
        """Return True if a value has the shape of the first, and a dtype that the others hold without loss."""
        if not _is_array(value) or value.shape != self._one.shape:
            return False
        wider_text = value.dtype.kind == self.dtype.kind in _TEXT and np.can_cast(value.dtype, self.dtype, "safe")
        return bool(value.dtype == self.dtype or wider_text)

    def _cut(self, number: int, value: Any, inner: Sequence[Runs] | None) -> np.ndarray:
        """Return the part of a value that index runs along each axis select, or all of it."""
        with _blaming(self._where(number)):
            if inner is None:
                return np.asarray(value)
            found = np.asarray(value[tuple(map(_covering, inner))])
        for axis, run in enumerate(inner):
            if len(run) > 1:
                found = found.take(np.concatenate([np.arange(a, a + n) for _, (a, n, _) in run]) - run[0][1][0], axis)
        return found

    def _whole(self, number: int) -> Any:
        """Return the value of one event: an array, or any other value of the handler."""
        with _blaming(self._where(number)):
            value = self._read_one(number)
            found = value if isinstance(value, (bool, int, float, complex)) else _plain(value)
            if isinstance(found, Part):  # our own handler's, of text
                return found[()]
            return np.asarray(found) if _is_array(found) and not _has_class(found) else found

    def _value(self, number: int) -> Any:
        with _blaming(self._where(number)):
            return _plain(self._read_one(number))

    def _where(self, number: int) -> str:
        return f"event {number} of {self._key!r}"


def _has_class(value: Any) -> bool:
    """Return True if a value is an array of a class with more than numbers, which is kept unchanged."""
    return isinstance(value, np.ndarray) or type(value).__module__.partition(".")[0] in {"pandas", "xarray", "pint"}


def together(values: Sequence[object]) -> np.ndarray:
    """Return the values of all events as one array if that loses nothing, else as an object array."""
    try:
        found = columns.of_values(values, Place("event[", "]"))
    except (InvalidDataError, IndexError):
        return as_objects(values)
    if found.form != "array":
        return as_objects(values if found.form == "object" else list(found.values))
    return found.values if isinstance(found.values, np.ndarray) else columns.stack(found.values)


def _plain(value: Any) -> Any:
    """Return a value as an array if it is one, lazily if the handler returned it so; other values unchanged."""
    if isinstance(value, (bool, int, float, complex, np.bool_, np.number, np.datetime64, np.timedelta64)):
        found = np.asarray(value)
        return value if found.dtype.kind == "O" else found  # an integer of more than 64 bits
    if isinstance(value, (list, tuple)):
        try:
            return as_array(value)
        except (NoArrayError, InvalidDataError):
            return value
    return value


def _is_array(value: Any) -> bool:
    """Return True if a value is a plain array: NumPy's, one of ours, dask's, h5py's, zarr's …"""
    sized = isinstance(getattr(value, "dtype", None), np.dtype) and isinstance(getattr(value, "shape", None), tuple)
    if not sized or value.dtype.kind not in _NUMBERS + _TEXT or np.ma.is_masked(value):
        return False
    is_hdf5 = type(value).__module__.partition(".")[0] == "h5py"  # whose datasets have dims, all without names
    return is_hdf5 or not (isinstance(value, np.generic) or any(hasattr(value, label) for label in _LABELS))


def _covering(run: Runs) -> slice:
    """Return the slice that contains all wanted elements along an axis, with gaps between several runs."""
    (_, (start, count, step)), (_, (last, more, _)) = run[0], run[-1]
    if len(run) == 1:
        return slice(start, start + (count - 1) * step + 1 if count else start, step)
    return slice(start, last + more)


def _within(index: Any, length: int) -> int:
    if not -length <= index < length:
        raise IndexError(f"event {index} of {length}")
    return int(index) % length


@contextmanager
def _blaming(where: str) -> Iterator[None]:
    """Translate any error of a third-party handler into ours, with its location."""
    try:
        yield
    except AnalysisStoreError:
        raise
    except MemoryError as error:
        raise TooLargeError(f"{where}: its handler ran out of memory: {error}.") from error
    except OSError as error:
        raise DamagedFileError(f"{where}: its handler failed: {type(error).__name__}: {error}.") from error
    except Exception as error:
        raise PairError(f"{where}: its handler failed: {type(error).__name__}: {error}.") from error

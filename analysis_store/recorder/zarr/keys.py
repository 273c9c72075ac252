"""One key of a Zarr datastore: its written values, its waiting values, and both as one array."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from analysis_store.core.lazy import Lazy
from analysis_store.core.selection import select
from analysis_store.errors import AnalysisStoreError, DamagedFileError
from analysis_store.recorder.core.memory import Listed

if TYPE_CHECKING:
    from analysis_store.core.lazy import Index
    from analysis_store.documents import Document
    from analysis_store.recorder.core.value_kinds import Form
    from analysis_store.recorder.zarr.arrays import Arrays, Latest

_T = TypeVar("_T")


@dataclass(slots=True)
class Key:
    """A key with its waiting values."""

    form: Form
    arrays: Arrays | None
    latest: Latest | None = None
    at: float = 0.0
    """Time of the set value."""
    values: list[Any] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    size: int = 0
    """Size of the waiting values, bytes."""
    room: int = 0
    """Largest size of the waiting values, bytes."""

    def counts(self) -> bool:
        """Return True if a value is written."""
        return bool(self.latest.number if self.arrays is None and self.latest is not None else len(self.arrays or ()))

    def described(self) -> Document:
        """Return the description for the attributes of the directory."""
        form = self.form
        told = {"kind": form.kind, "dtype": form.dtype.str, "shape": form.shape, "attrs": dict(form.attrs)}
        if self.latest is not None:
            return {**told, "set": self.latest.number, "time": self.at}
        return {**told, "sizes": self.arrays.sizes if self.arrays is not None else {}}


class KeyValues(Lazy):
    """The values of a key, on disk and waiting."""

    def __init__(self, entry: Key, lock: AbstractContextManager[object], refresh: Callable[[], None]) -> None:
        self._entry, self._lock, self._refresh = entry, lock, refresh

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the values."""
        return self._entry.form.array_dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Present shape, values first."""
        with self._lock:
            self._refresh()
            return (self._count() + len(self._entry.values), *self._row())

    def __getitem__(self, key: Index) -> Any:
        with self._lock:
            return select(key, self.shape, self._rows)

    def _row(self) -> tuple[int, ...]:
        return self._entry.form.shape

    def _count(self) -> int:
        return 0 if self._entry.arrays is None else len(self._entry.arrays)

    def _rows(self, run: slice, rest: tuple[Any, ...]) -> Any:
        """Return consecutive values, from the disk and from memory."""
        count = self._count()
        step = run.step or 1
        there = range(run.start, min(run.stop, count), step)
        waiting = slice(run.start + len(there) * step - count, run.stop - count, step)
        parts = [self._stored(slice(run.start, there.stop, step), rest)] if there else []
        if run.stop > count or not parts:
            parts.append(self._waiting(waiting if run.stop > count else slice(0, 0), rest))
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def _stored(self, run: slice, rest: tuple[Any, ...]) -> Any:
        form, arrays = self._entry.form, self._entry.arrays
        if arrays is None:
            return None
        found = reading(lambda: arrays.read(run, rest))
        return found if form.kind == "array" else Listed(found, form).rows(slice(None), rest)

    def _waiting(self, run: slice, rest: tuple[Any, ...]) -> Any:
        return Listed(self._entry.values, self._entry.form).rows(run, rest)


class KeyTimes(KeyValues):
    """The times of a key's values."""

    @property
    def dtype(self) -> np.dtype:
        """Dtype of times in s."""
        return np.dtype(float)

    def _row(self) -> tuple[int, ...]:
        return ()

    def _stored(self, run: slice, rest: tuple[Any, ...]) -> Any:
        arrays = self._entry.arrays
        return None if arrays is None else reading(lambda: arrays.times(run))

    def _waiting(self, run: slice, rest: tuple[Any, ...]) -> Any:
        return np.array(self._entry.times, float)[run]


def reading(work: Callable[[], _T]) -> _T:
    """Return the result of a read; errors of Zarr and the operating system become errors of the package."""
    try:
        return work()
    except AnalysisStoreError:
        raise
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise DamagedFileError(f"Recorded values cannot be read: {error}. The directory was changed.") from error

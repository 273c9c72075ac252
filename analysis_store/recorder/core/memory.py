"""Recorded values in the memory of this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.arrays import as_objects
from analysis_store.core.lazy import Lazy
from analysis_store.core.selection import select
from analysis_store.recorder.core.base import DataStore
from analysis_store.recorder.core.object_bytes import unpacked
from analysis_store.recorder.core.series import Series
from analysis_store.recorder.core.value_kinds import Form

if TYPE_CHECKING:
    from analysis_store.core.lazy import Index
    from analysis_store.dtypes import AnyArray


class InMemoryDataStore(DataStore):
    """Keeps recorded values in lists, until the process ends.

    Examples
    --------
    >>> datastore = InMemoryDataStore()
    >>> datastore.append("loss", 0.5, 0.0)
    >>> datastore.get_all("loss")
    <loss: float64 (1,)>
    """

    def __init__(self) -> None:
        super().__init__()
        self._values: dict[str, list[Any]] = {}
        self._known_at: dict[str, list[float]] = {}

    def _add_key(self, key: str, form: Form, *, is_set: bool) -> None:
        self._values[key], self._known_at[key] = [], []

    def _append(self, key: str, form: Form, value: Any, time: float) -> None:
        self._values[key].append(value)
        self._known_at[key].append(time)

    def _set(self, key: str, form: Form, value: Any, time: float) -> None:
        self._values[key][:], self._known_at[key][:] = [value], [time]

    def _last(self, key: str) -> Any:
        return given(self._forms[key], self._values[key][-1])

    def _series(self, key: str) -> Series:
        form = self._forms[key]
        return Series(key, Listed(self._values[key], form), form.attrs)

    def _times(self, key: str) -> Series:
        return Series(key, Listed(self._known_at[key], Form("array", np.dtype(float))), {"units": "s"})

    def _flush(self) -> None:
        """Do nothing: the values are in memory already."""

    def _close(self) -> None:
        """Do nothing: recorded values can still be read."""

    def __repr__(self) -> str:
        return f"<InMemoryDataStore of {len(self._forms)} keys>"


class Listed(Lazy):
    """Values in a list, as from `Form.fitted`, read as arrays."""

    def __init__(self, values: list[Any], form: Form) -> None:
        self._values, self._form = values, form

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, values first."""
        return (len(self._values), *self._form.shape)

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the values."""
        return self._form.array_dtype

    def __getitem__(self, key: Index) -> Any:
        return select(key, self.shape, self.rows)

    def rows(self, run: slice, rest: tuple[Any, ...] = ()) -> AnyArray:
        """Return an array of consecutive values, with the selection ``rest`` of each."""
        found: AnyArray = self._array(self._values[run])[(slice(None), *rest)]
        return found

    def _array(self, values: list[Any]) -> AnyArray:
        if self._form.kind == "array":
            return np.array(values, self.dtype).reshape(len(values), *self._form.shape)
        return as_objects([given(self._form, value) for value in values])


def given(form: Form, value: Any) -> Any:
    """Return a value as it was given: a copy of an array, or a number."""
    if form.kind == "object":
        return unpacked(value)
    if isinstance(value, np.ndarray):
        return value[()] if value.ndim == 0 else value.copy()
    return value

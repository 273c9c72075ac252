"""Columns in memory as the input of a step, protected from changes by other steps."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.arrays import as_objects, select_objects
from analysis_store.core.lazy import InMemory, Known, Source, Through
from analysis_store.core.selection import runs_of
from analysis_store.runs.values.columns import stack

if TYPE_CHECKING:
    from analysis_store.core.lazy import Index
    from analysis_store.runs.values.column import Column


class ReadOnly(Through):
    """A source of read-only arrays, so that results from disk and from memory behave equally.

    Otherwise a function that changes its input would work with the one and fail with the other.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.form: str = str(getattr(source, "form", "array"))

    def __getitem__(self, key: Index) -> Any:
        return self._sealed(self._source[key])

    def read(self) -> Any:
        """Return all values."""
        return self._sealed(self._source.read())

    def digest(self) -> str | None:
        """Return the digest of the values, if the source has one of its own."""
        found: str | None = self._source.digest() if hasattr(self._source, "digest") else None
        return found

    def _sealed(self, value: Any) -> Any:
        if self.form in ("object", "table") or not isinstance(value, np.ndarray):
            return value  # created again for each access
        for part in (value, *value.flat) if value.dtype.kind == "O" else (value,):
            if isinstance(part, np.ndarray):
                part.flags.writeable = False
        return value


def held(column: Column) -> ReadOnly:
    """Return a column as the stored run would return it, copied now: the caller may change its arrays later."""
    if column.form != "array":
        return ReadOnly(HeldObjects(column.form, column.values))
    values = column.values
    return ReadOnly(HeldArray(np.array(values, order="C") if isinstance(values, np.ndarray) else stack(values)))


class HeldArray(InMemory):
    """The values of a column that is one array."""

    def __init__(self, values: np.ndarray) -> None:
        super().__init__(values)
        values.flags.writeable = False

    def __getitem__(self, key: Index) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        runs_of(parts, self.shape)  # refuses what files refuse but NumPy accepts
        found = self._values[parts if any(part is ... for part in parts) else (*parts, ...)]
        return found if found.flags.c_contiguous else found.copy()  # in the order of a column read from a file


class HeldObjects(Known):
    """The values of a column that has one array, table or object per event."""

    def __init__(self, form: str, values: Any) -> None:
        self.form = form
        self._values = [copy.deepcopy(value) for value in values]
        super().__init__((len(self._values),), np.dtype(object))

    def __getitem__(self, key: Index) -> Any:
        """Return the value of an event for an integer, else an object array of those that ``key`` selects."""
        return select_objects(key, len(self._values), self._copies)

    def read(self) -> np.ndarray:
        """Return all values."""
        return as_objects(self._copies(range(len(self._values))))

    def digest(self) -> str | None:
        """Return the digest of objects; arrays and tables have the general one."""
        if self.form != "object":
            return None
        from analysis_store.codecs.digest import digest_nodes
        from analysis_store.codecs.many import Objects

        return digest_nodes(Objects(self._values).nodes())

    def _copies(self, numbers: Any) -> list[Any]:
        return [copy.deepcopy(self._values[number]) for number in numbers]

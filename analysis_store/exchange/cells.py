"""Cells: how the values of a data key are written in a table of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.arrays import as_objects
from analysis_store.errors import ExportError

if TYPE_CHECKING:
    from analysis_store.dtypes import AnyArray
    from analysis_store.runs.read.lazy import LazyArray
    from analysis_store.runs.read.stream import Stream

_PLAIN = "biufcmMSUT"


class Column:
    """One key that becomes one column, or two columns if its numbers are complex."""

    def __init__(self, stream: Stream, key: str, events: range) -> None:
        self.key = key
        self.values: LazyArray = stream[key]
        self.dtype: np.dtype = self.values.dtype
        self.is_text: bool = self.dtype.kind in "OSUT"
        if self.is_text:
            self.values = self.values.loaded()  # read twice: to look for text beyond ASCII, and to write
        if self.dtype.kind == "O":
            self.dtype = _common(self.values[events.start : events.stop])
        self.events = events
        self.units: str = str(stream.data_keys[key].get("units") or "")
        self.ndim: int | None = self._ndim()

    def _ndim(self) -> int | None:
        """Return the number of dimensions of a value; None if a cell cannot hold the values."""
        if self.values.dtype.kind != "O":
            return self.values.ndim - 1 if self.dtype.kind in _PLAIN else None
        values = self.values[self.events.start : self.events.stop]
        found = {_dimensions(value) for value in values}
        unclear = self.dtype.kind == "O" and any(_is_complex(value) for value in values)  # one column, or two?
        return 0 if not found else found.pop() if len(found) == 1 and not unclear else None

    def names(self, name: str) -> list[str]:
        """Return the column headers of the key, given its name in the table."""
        units = self.units
        if self.dtype.kind == "m":
            units = np.datetime_data(self.dtype)[0].removeprefix("generic")
        opening, closing = "()" if set("[]") & set(units) else "[]"
        told = f" {opening}{units}{closing}" if units else ""
        return [f"{name}.{part}{told}" for part in ("real", "imag")] if self.dtype.kind == "c" else [f"{name}{told}"]

    def texts(self) -> Iterator[str]:
        """Yield all text that the key adds to the table."""
        if self.is_text and self.dtype.kind in "OSUT":
            for value in self.values[self.events.start : self.events.stop]:
                cells = cells_of(np.atleast_1d(as_array(value)))[0]
                yield from (cell for cell in cells if isinstance(cell, str))


def _common(values: Iterable[Any]) -> np.dtype:
    """Return the common dtype of arrays that differ in length, or object."""
    dtypes = {value.dtype if isinstance(value, np.ndarray) else np.dtype(object) for value in values}
    return dtypes.pop() if len(dtypes) == 1 else np.dtype(object)


def _is_complex(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "c"


def _is_cell(value: Any) -> bool:
    return value is None or isinstance(value, (str, bool, int, float))


def _dimensions(value: Any) -> int | None:
    """Return 0 for a value that fits a cell, 1 for a column of cells, None for anything else."""
    if _is_cell(value):
        return 0
    if isinstance(value, list):  # numbers of several kinds, as in documents of other programs
        return 1 if all(map(_is_cell, value)) else None
    return value.ndim if isinstance(value, np.ndarray) and value.dtype.kind in _PLAIN else None


def as_array(value: object) -> AnyArray:
    """Return the value of one event as an array; text and missing values as objects."""
    if isinstance(value, list):
        return as_objects(value)
    return np.array(value, dtype=object) if value is None or isinstance(value, str) else np.asarray(value)


def cells_of(values: AnyArray) -> list[list[object]]:
    """Return the cells of values, shape (n,), in one column or in two: real and imaginary part."""
    kind = values.dtype.kind
    if kind == "c":
        return [*cells_of(values.real), *cells_of(values.imag)]
    if kind == "M":
        return [["" if text == "NaT" else text for text in np.datetime_as_string(values).tolist()]]
    if kind == "m":
        count = np.datetime_data(values.dtype)[1]
        known = ~np.isnat(values)
        numbers = values.astype(np.int64).tolist()
        return [[number * count if is_known else "" for number, is_known in zip(numbers, known, strict=True)]]
    if kind == "f" and values.dtype.itemsize > 8:
        return [list(map(str, values))]
    if kind in "SO":
        return [list(map(_text, values.tolist()))]
    return [values.tolist()]


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise ExportError(
                f"csv is text, and the bytes {value!r:.60} are not valid UTF-8; export to parquet, json, npz or hdf5."
            ) from error
    return "" if value is None else str(value)

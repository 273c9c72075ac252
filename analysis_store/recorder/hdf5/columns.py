"""Layout of a key's values in the datasets of a live file: creating, appending, reading."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.arrays import as_objects
from analysis_store.core.lazy import Lazy
from analysis_store.core.selection import runs_of, select
from analysis_store.digests import utf8
from analysis_store.errors import DamagedFileError, InvalidDataError
from analysis_store.handlers.columns import OpenDataset
from analysis_store.hdf5.making import set_attrs
from analysis_store.layout import FORM, OFFSETS, RAGGED_FORM, SHAPES, VALUES
from analysis_store.recorder.core.object_bytes import unpacked
from analysis_store.recorder.core.value_kinds import MOST_RAGGED_AXES
from analysis_store.recorder.hdf5.live_reading import rows_in
from analysis_store.recorder.hdf5.row_counts import Column

if TYPE_CHECKING:
    import h5py
    from h5py import h5f

    from analysis_store.core.lazy import Index
    from analysis_store.dtypes import AnyArray
    from analysis_store.hdf5.blocks import Compression
    from analysis_store.recorder.core.value_kinds import Form

TEXT_FORM = "recorded_text"
OBJECTS_FORM = "recorded_objects"
"""Attribute `layout.FORM` of a group whose ``values`` are bytes: UTF-8, or HDF5 files as `forms.packed` makes them."""

_FORMS = {"ragged": RAGGED_FORM, "text": TEXT_FORM, "object": OBJECTS_FORM}
_BYTES = np.dtype("u1")
_INTEGERS = np.dtype("i8")
Read = Callable[[Callable[["h5f.FileID"], Any]], Any]
"""Calls a function with the file and returns its result: `LiveFile.read`, or `read_live` with a path."""


def columns_of(base: str, form: Form, compression: Compression = None) -> dict[str, Column]:
    """Return the datasets of a key at ``base`` in the file, for `LiveFile.add`.

    A key that is not an ``"array"`` has a group, which `mark` has to mark.
    """
    if form.kind == "array":
        return {base: Column(form.dtype, form.shape, attributes(form.attrs), compression)}
    dtype = form.dtype if form.kind == "ragged" else _BYTES
    made = {VALUES: Column(dtype, compression=compression), OFFSETS: Column(_INTEGERS)}
    if form.kind == "ragged":
        made[SHAPES] = Column(_INTEGERS, (MOST_RAGGED_AXES,))
    return {f"{base}/{name}": column for name, column in made.items()}


def mark(file: h5py.File, base: str, form: Form) -> None:
    """Mark the group of a key, if it has one, with its form."""
    if form.kind != "array":
        set_attrs(file[base].id, {**attributes(form.attrs), FORM: _FORMS[form.kind]})


def attributes(attrs: Mapping[str, object]) -> dict[str, Any]:
    """Return attributes that HDF5 can hold: values other than text and numbers as JSON.

    Raises
    ------
    InvalidDataError
        An attribute cannot be JSON either.
    """
    for text in (*attrs, *(value for value in attrs.values() if isinstance(value, str))):
        utf8(text)
    return {name: value if _is_plain(value) else json.dumps(value, default=_plain) for name, value in attrs.items()}


def counted(base: str, form: Form) -> str:
    """Return the dataset of a key with one row per value."""
    return base if form.kind == "array" else f"{base}/{OFFSETS}"


def rows_of(base: str, form: Form, values: Sequence[Any], length: Callable[[str], int]) -> dict[str, AnyArray]:
    """Return the rows to append to each dataset of a key.

    Parameters
    ----------
    base : str
        The place of the key in the file.
    form : Form
        The form of the values.
    values : sequence
        As from `kept`.
    length : callable
        Returns the present number of rows of a dataset (`LiveFile.length`).
    """
    if form.kind == "array":
        return {base: np.array(values, form.dtype).reshape(len(values), *form.shape)}
    flat = [value.ravel() if form.kind == "ragged" else np.frombuffer(value, _BYTES) for value in values]
    offsets = length(f"{base}/{VALUES}") + np.cumsum([len(part) for part in flat], dtype=_INTEGERS)
    if not length(f"{base}/{OFFSETS}"):
        offsets = np.concatenate([np.zeros(1, _INTEGERS), offsets])
    rows = {VALUES: np.concatenate(flat, dtype=flat[0].dtype), OFFSETS: offsets}  # not the native order
    if form.kind == "ragged":
        rows[SHAPES] = np.full((len(values), MOST_RAGGED_AXES), -1, _INTEGERS)
        for row, value in zip(rows[SHAPES], values, strict=True):
            row[: value.ndim] = value.shape
    return {f"{base}/{name}": found for name, found in rows.items()}


def kept(form: Form, value: object) -> Any:
    """Return a value of `Form.fitted` for `rows_of`: text as UTF-8."""
    return utf8(value) if form.kind == "text" else value


def returned(form: Form, value: Any) -> Any:
    """Return a copy of a value of `kept`, as it was given."""
    if form.kind == "object":
        return unpacked(value)
    if form.kind == "text":
        return value.decode()
    return value[()] if value.ndim == 0 else value.copy()


class ColumnSource(Lazy):
    """The values of a key in a file, for `Series`; each read sees the rows that are committed at that time.

    Parameters
    ----------
    read : callable
        Calls a function with the file.
    base : str
        The place of the key in it.
    form : Form
        The form of the values.
    """

    def __init__(self, read: Read, base: str, form: Form) -> None:
        self._read, self._base, self._form = read, base, form
        self._opened: tuple[h5f.FileID, OpenDataset] | None = None

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the values."""
        return self._form.array_dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, values first; ``(n,)`` for values that differ in size."""
        return (int(self._read(self._count)), *self._form.shape)

    def __getitem__(self, key: Index) -> Any:
        """Return the selection ``key``, as NumPy does."""
        return self._read(partial(self._array if self._form.kind == "array" else self._objects, key))

    def _count(self, file: h5f.FileID) -> int:
        rows = rows_in(file, counted(self._base, self._form))
        return rows if self._form.kind == "array" else max(0, rows - 1)

    def _array(self, key: Any, file: h5f.FileID) -> AnyArray:
        dataset = self._dataset(file)
        runs, local = runs_of(key, (self._count(file), *dataset.facts.shape[1:]))
        found: AnyArray = dataset.runs(runs)[(*local, ...)]
        return found

    def _dataset(self, file: h5f.FileID) -> OpenDataset:
        """Return the dataset, which stays open as long as its file: HDF5 then remembers the places of chunks."""
        if self._opened is None or self._opened[0] is not file:
            self._opened = file, OpenDataset(file, self._base)
        return self._opened[1]

    def _objects(self, key: Any, file: h5f.FileID) -> Any:
        return select(key, (self._count(file),), partial(self._rows, file))

    def _rows(self, file: h5f.FileID, run: slice, rest: tuple[Any, ...]) -> AnyArray:
        wanted = range(run.start, run.stop, run.step or 1)
        parts = self._parts(file, wanted) if wanted else []
        return as_objects([returned(self._form, part) for part in parts])[(slice(None), *rest)]

    def _parts(self, file: h5f.FileID, wanted: range) -> list[Any]:
        """Return values as from `kept`; values between them are read as well."""
        start, stop = wanted[0], wanted[-1] + 1
        offsets = self._member(file, OFFSETS).rows(start, stop + 1)
        if offsets.dtype.kind not in "iu" or offsets.ndim != 1 or (np.diff(offsets) < 0).any():
            raise DamagedFileError(f"The offsets of {self._base!r} are invalid. Another program changed the file.")
        flat = self._member(file, VALUES).rows(int(offsets[0]), int(offsets[-1]))
        parts = [flat[a:b] for a, b in zip(offsets[:-1] - offsets[0], offsets[1:] - offsets[0], strict=True)]
        if self._form.kind != "ragged":
            return [part.tobytes() for part in parts[:: wanted.step]]
        shapes = self._member(file, SHAPES).rows(start, stop)
        shaped = [part.reshape(shape[shape >= 0]) for part, shape in zip(parts, shapes, strict=True)]
        return shaped[:: wanted.step]

    def _member(self, file: h5f.FileID, name: str) -> OpenDataset:
        return OpenDataset(file, f"{self._base}/{name}")


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, bool, int, float)) or (
        isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biuf"
    )


def _plain(value: Any) -> Any:
    try:
        return value.tolist()
    except AttributeError as error:
        raise InvalidDataError(f"Got {value!r} as an attribute; expected text, numbers, or JSON of them.") from error

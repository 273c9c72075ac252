"""Writer of columns whose values differ in shape: flat values, their offsets, and their shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from h5py import h5d, h5g

from analysis_store.arrays import Joined, LazyValue
from analysis_store.digests import digest_ragged
from analysis_store.dtypes import AnyArray, refuse
from analysis_store.errors import InvalidDataError
from analysis_store.hdf5.columns import Stored, as_values, offsets_of
from analysis_store.hdf5.encoding import name_of
from analysis_store.hdf5.making import create_group, open_group
from analysis_store.layout import DTYPES, FORM, OFFSETS, RAGGED_FORM, RAGGED_SPEC, SHAPES, VALUES
from analysis_store.writers.arrays import write_array
from analysis_store.writers.growing import GrowingWriter, add_offset, extend, last_offset

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analysis_store.hdf5.blocks import Compression

_WIDENED = "iufcSU"
"""Kinds of dtype in which a wider dtype of the same kind holds values exactly."""


def write_ragged(
    group: h5g.GroupID,
    name: str,
    values: Sequence[object],
    *,
    compression: Compression = "auto",
    attrs: Mapping[str, object] | None = None,
) -> Stored:
    """Write a column of arrays that differ in shape as one group.

    Parameters
    ----------
    group : h5py.h5g.GroupID or h5py.h5f.FileID
        Parent of the group.
    name : str
        Name of the group, without ``/``.
    values : sequence of array_like
        One value per event: any shapes, and one dtype, or dtypes that differ in width only (``<U3`` and ``<U5``).
    compression : "auto", None or a filter of hdf5plugin
        Filter for the flat values, as in `write_array`.
    attrs : mapping, optional
        Attributes of the group, e.g. ``{"units": "eV"}``.

    Raises
    ------
    InvalidDataError
        A value cannot be stored with the others; ``index`` is its event.
    """
    arrays = as_values(values)
    common = common_dtype(arrays)
    made = create_group(group, name, ragged_attrs(attrs))
    write_array(made, VALUES, _flat(arrays, common), compression=compression)
    write_array(made, OFFSETS, offsets_of([array.size for array in arrays]), compression=None)
    write_array(made, SHAPES, shapes_of(arrays, max((array.ndim for array in arrays), default=0)), compression=None)
    if any(array.dtype != common for array in arrays):
        write_array(made, DTYPES, np.array([array.dtype.str for array in arrays], dtype="S"), compression=None)
    return Stored(digest_ragged(arrays), [1], name_of(common), (len(arrays),))


def _flat(arrays: Sequence[AnyArray], common: np.dtype) -> Any:
    """Return the elements of all values; values outside memory are read when they are written."""
    if any(isinstance(array, LazyValue) for array in arrays):
        return Joined(arrays)
    flat = [array.ravel().astype(common, copy=False) for array in arrays]
    return np.concatenate(flat, dtype=common) if flat else np.empty(0, common)


def ragged_attrs(attrs: Mapping[str, object] | None) -> dict[str, Any]:
    """Return the attributes of a ragged group."""
    return {"NX_class": "NXcollection", **(attrs or {}), FORM: RAGGED_FORM}


def common_dtype(arrays: Sequence[AnyArray]) -> np.dtype:
    """Return a dtype that holds all of these dtypes exactly.

    Raises
    ------
    InvalidDataError
        There is no such dtype; ``index`` is the first that does not match earlier ones.
    """
    common = arrays[0].dtype if arrays else np.dtype(float)
    for index, array in enumerate(arrays):
        if array.dtype != common:
            if array.dtype.kind != common.kind or common.kind not in _WIDENED:
                raise InvalidDataError(
                    f"Got value {index} of dtype {array.dtype} after values of {common}; expected one dtype, or "
                    "one kind in "
                    "several widths. Convert them with .astype(...), or use two data keys.",
                    index,
                )
            common = np.promote_types(common, array.dtype)
        refuse(array.dtype)
    return common


def shapes_of(arrays: Sequence[AnyArray], ndim: int) -> AnyArray:
    """Return the shapes, ``(n, ndim)``, padded with -1 for values of fewer dimensions."""
    shapes = np.full((len(arrays), ndim), -1, np.int64)
    for row, array in zip(shapes, arrays, strict=True):
        row[: array.ndim] = array.shape
    return shapes


class RaggedWriter(GrowingWriter):
    """Writes arrays that differ in shape, one event's value at a time, into one group.

    Parameters
    ----------
    path : str
        The HDF5 file; created if needed.
    dataset : str
        Absolute path of the group in it.
    chunk_shape : sequence of int, optional
        As in its handler; not needed here.
    swmr : bool
        True if others may read the file while it is written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder, RaggedWriter(Path(folder) / "run.h5", "/entry/peaks") as writer:
    ...     writer({"peaks": np.arange(3.0)}), writer({"peaks": np.arange(2.0)})
    ({'peaks': {'point_number': 0}}, {'peaks': {'point_number': 1}})
    """

    spec: ClassVar[str] = RAGGED_SPEC

    def _append(self, group: h5g.GroupID, name: str, value: Any) -> int:
        array = as_values([value])[0]
        refuse(array.dtype)
        made = open_group(group, name) or create_group(group, name, ragged_attrs(None))
        number, begin = last_offset(made, OFFSETS)
        # The offsets last: an unfinished value is then not counted.
        extend(made, SHAPES, shapes_of([array], _ndim(made, array)), at=number)
        extend(made, VALUES, array.ravel(), at=begin)
        add_offset(made, OFFSETS, begin + array.size, number)
        return number


def _ndim(group: h5g.GroupID, array: AnyArray) -> int:
    """Return the number of dimensions that the shapes in the file can hold."""
    if SHAPES.encode() not in group:
        return array.ndim
    room = int(h5d.open(group, SHAPES.encode()).shape[1])
    if array.ndim > room:
        raise InvalidDataError(f"Got a value of {array.ndim} dimensions; expected at most {room}, as in the first one.")
    return room

"""HDF5 objects created by the low-level interface, with types and property lists prepared once.

The high-level interface of h5py takes four times as long for a small file: it builds the same types, spaces and
property lists again for each object.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5a, h5d, h5g, h5p, h5s, h5t

from analysis_store.digests import utf8

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analysis_store.dtypes import AnyArray

_SCALAR = h5s.create(h5s.SCALAR)

UTF8_LINK = h5p.create(h5p.LINK_CREATE)
UTF8_LINK.set_char_encoding(h5t.CSET_UTF8)

# No time stamps: equal values give equal bytes.
CONTIGUOUS = h5p.create(h5p.DATASET_CREATE)
CONTIGUOUS.set_obj_track_times(False)

_GROUP = h5p.create(h5p.GROUP_CREATE)
_GROUP.set_obj_track_times(False)


@lru_cache(maxsize=256)
def utf8_type(width: int) -> h5t.TypeID:
    """Return the type of text of ``width`` bytes, NUL-padded UTF-8."""
    made = h5t.C_S1.copy()
    made.set_size(max(width, 1))
    made.set_strpad(h5t.STR_NULLPAD)
    made.set_cset(h5t.CSET_UTF8)
    made.lock()
    return made


def _variable_type() -> h5t.TypeID:
    made = h5t.C_S1.copy()
    made.set_size(h5t.VARIABLE)
    made.set_cset(h5t.CSET_UTF8)
    made.lock()
    return made


VARIABLE_TEXT = _variable_type()
VARIABLE_BYTES = h5t.vlen_create(h5t.STD_U8LE)

# Type of such values in memory: Python objects, which h5py converts.
OBJECTS = h5t.py_create(np.dtype(object))


@lru_cache(maxsize=256)
def number_type(dtype: np.dtype) -> h5t.TypeID:
    """Return the type of a plain dtype: numbers, bool, complex, fixed bytes, structures of them."""
    return h5t.py_create(dtype, logical=True)


@lru_cache(maxsize=256)
def space(shape: tuple[int, ...]) -> h5s.SpaceID:
    """Return the simple space of this shape, the scalar one for ``()``."""
    return h5s.create_simple(shape) if shape else _SCALAR


def create_group(parent: h5g.GroupID, name: str, attrs: Mapping[str, object] | None = None) -> h5g.GroupID:
    """Create a group with its attributes and return its id.

    Parameters
    ----------
    parent : h5py.h5g.GroupID or h5py.h5f.FileID
        Parent of the new group.
    name : str
        One name, without ``/``.
    attrs : mapping, optional
        Attributes for `set_attrs`.
    """
    made = h5g.create(parent, utf8(name), UTF8_LINK, _GROUP)
    if attrs:
        set_attrs(made, attrs)
    return made


def open_group(parent: h5g.GroupID, name: str) -> h5g.GroupID | None:
    """Return an existing group, or None."""
    return h5g.open(parent, utf8(name)) if utf8(name) in parent else None


def create_dataset(
    parent: h5g.GroupID,
    name: str | None,
    kind: h5t.TypeID,
    shape: tuple[int, ...],
    made_with: h5p.PropDCID = CONTIGUOUS,
) -> h5d.DatasetID:
    """Create a dataset of a fixed shape (unnamed without ``name``), and return its id."""
    return h5d.create(parent, None if name is None else utf8(name), kind, space(shape), made_with, UTF8_LINK)


def set_attrs(obj: h5g.GroupID | h5d.DatasetID, attrs: Mapping[str, object]) -> None:
    """Write attributes: text as UTF-8 of variable length, which h5py returns as str; other values as in NumPy.

    Parameters
    ----------
    obj : h5py.h5g.GroupID, h5py.h5d.DatasetID or h5py.h5f.FileID
        Owner of the attributes.
    attrs : mapping of str to str, number, bool, sequence of str or of numbers
        Names and values.
    """
    for name, value in attrs.items():
        kind, array = _attribute(value)
        stored = VARIABLE_TEXT if array.dtype.kind == "O" else kind
        h5a.create(obj, utf8(name), stored, space(array.shape)).write(array, mtype=kind)


def _attribute(value: Any) -> tuple[h5t.TypeID, AnyArray]:
    if isinstance(value, str):
        return OBJECTS, np.array(utf8(value), dtype=object)
    if isinstance(value, (list, tuple)) and value and all(isinstance(item, str) for item in value):
        return OBJECTS, np.array([utf8(item) for item in value], dtype=object)
    array = np.asarray(value)
    return number_type(array.dtype), array


def write_string(parent: h5g.GroupID, name: str, text: str, attrs: Mapping[str, object] | None = None) -> h5d.DatasetID:
    """Write a scalar of text, fixed-length UTF-8, and return its id."""
    array = np.array(utf8(text))
    kind = utf8_type(array.itemsize)
    made = create_dataset(parent, name, kind, ())
    made.write(h5s.ALL, h5s.ALL, array, mtype=kind)
    if attrs:
        set_attrs(made, attrs)
    return made


def write_strings(
    parent: h5g.GroupID, name: str, texts: Sequence[str], attrs: Mapping[str, object] | None = None
) -> h5d.DatasetID:
    """Write a one-dimensional array of text of variable length, UTF-8, and return its id."""
    made = create_dataset(parent, name, VARIABLE_TEXT, (len(texts),))
    if texts:
        made.write(h5s.ALL, h5s.ALL, np.array([utf8(text) for text in texts], dtype=object), mtype=OBJECTS)
    if attrs:
        set_attrs(made, attrs)
    return made

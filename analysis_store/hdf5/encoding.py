"""Encoding of values for HDF5: the array to write, its HDF5 type, and attributes that preserve the dtype."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analysis_store.digests import utf8
from analysis_store.dtypes import AnyArray, cf_units, encode_text, named_in_file
from analysis_store.errors import InvalidDataError
from analysis_store.hdf5.making import VARIABLE_BYTES, VARIABLE_TEXT, number_type, set_attrs, utf8_type
from analysis_store.layout import DTYPE, UNITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from h5py import h5d, h5t

_LONGEST_TYPE = 60_000
"""Limit in bytes for the description of a type, which must fit a header message of at most 64 KiB."""


def is_plain(dtype: np.dtype) -> bool:
    """Return True if the elements have the same bytes in memory and in the file."""
    return dtype.kind not in "OTU" and dtype.itemsize > 0


def plain_type(dtype: np.dtype) -> h5t.TypeID:
    """Return the HDF5 type of a plain dtype; times are integers of the same byte order.

    Raises
    ------
    InvalidDataError
        A structured dtype would come back as another: h5py takes the fields ``r`` and ``i`` for a complex number. Or
        it has more fields than a dataset can describe.
    """
    if dtype.kind in "mM":
        return number_type(np.dtype("i8").newbyteorder(dtype.byteorder))
    kind = number_type(dtype)
    if dtype.names and kind.dtype != dtype:
        raise InvalidDataError(f"The dtype {dtype} would come back as {kind.dtype}; expected fields of other names.")
    if dtype.names and len(kind.encode()) > _LONGEST_TYPE:
        raise InvalidDataError(
            f"Got a structured dtype of {len(dtype.names)} fields; expected fewer, because HDF5 describes a type in "
            "64 KiB. Store the fields as data keys of their own, or a table (pandas.DataFrame)."
        )
    return kind


def as_stored(values: AnyArray) -> tuple[AnyArray, h5t.TypeID]:
    """Return the array and the type to write for values that are not plain.

    Text of variable length is UTF-8; strings with NUL, which ends HDF5's strings, are sequences of bytes.

    Raises
    ------
    InvalidDataError
        An object is not text, or a string is not valid UTF-8.
    """
    if values.dtype.kind not in "OT":
        encoded = encode_text(values)
        return encoded, utf8_type(encoded.dtype.itemsize)
    texts = np.empty(values.size, object)
    texts[:] = [utf8(text) for text in values.ravel()]
    texts = texts.reshape(values.shape)
    if any(b"\0" in text for text in texts.flat):
        return as_bytes(texts), VARIABLE_BYTES
    return texts, VARIABLE_TEXT


def as_bytes(texts: AnyArray) -> AnyArray:
    """Return encoded text as sequences of bytes."""
    made = np.empty(texts.size, object)
    for index, text in enumerate(texts.flat):
        made[index] = np.frombuffer(text, np.uint8)
    return made.reshape(texts.shape)


def describe(dataset: h5d.DatasetID, dtype: np.dtype, attrs: Mapping[str, object] | None) -> None:
    """Write the attributes of a dataset: the given ones, and parts of the dtype that its HDF5 type lacks."""
    told = dict(attrs or {})
    named = named_in_file(dtype)
    if named is not None:
        told[DTYPE] = named
    units = cf_units(dtype) if dtype.kind in "mM" else None
    if units is not None:
        told[UNITS] = units  # always the unit of these integers, even if another was given
    if told:
        set_attrs(dataset, told)


def name_of(dtype: np.dtype) -> str:
    """Return the dtype for documents: with a width, which event-model requires even for text of any length."""
    return "|O8" if dtype.kind in "OT" else dtype.str

"""Values as HDF5 has them: the array to write, its HDF5 type, and the attributes that tell what it was."""

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
"""Bytes that the description of a type may take; the message of a header that holds it has at most 64 KiB."""


def is_plain(dtype: np.dtype) -> bool:
    """Whether the bytes of the elements in memory are those in the file."""
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
    """Return values that are not plain as the array and the type to write.

    Text of variable length is UTF-8; where a string holds NUL, which ends HDF5's strings, sequences of bytes.

    Raises
    ------
    InvalidDataError
        An object is no text, or a string cannot be said in UTF-8.
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
    """Write the attributes of a dataset: those given, and what its HDF5 type does not tell of the dtype."""
    told = dict(attrs or {})
    named = named_in_file(dtype)
    if named is not None:
        told[DTYPE] = named
    units = cf_units(dtype) if dtype.kind in "mM" else None
    if units is not None:
        told[UNITS] = units  # whatever unit was given, these integers are counted in this one
    if told:
        set_attrs(dataset, told)


def name_of(dtype: np.dtype) -> str:
    """Return the dtype as documents have it: with a width, which event-model wants even of text of any length."""
    return "|O8" if dtype.kind in "OT" else dtype.str

"""The values of one dataset, through HDF5 alone: the file may be in memory, or open for writing."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import h5py
import numpy as np
from h5py import h5d, h5f, h5fd, h5i, h5s, h5t

from analysis_store.core.memory import SMALL_ENOUGH, check_fits
from analysis_store.dtypes import decode_text
from analysis_store.hdf5.opening import dtypes_of, memory_type
from analysis_store.hdf5.reading import check_held
from analysis_store.hdf5.text import read_text

if TYPE_CHECKING:
    from analysis_store.dtypes import AnyArray


def read_values(dataset: h5d.DatasetID) -> AnyArray:
    """Return the values.

    Raises
    ------
    TooLargeError
        The values do not fit into memory, or the file declares more than it holds.
    """
    shape = tuple(map(int, dataset.shape))
    stored, dtype = dtypes_of(dataset)
    size = math.prod(shape) * max(dtype.itemsize, stored.itemsize)
    if size > SMALL_ENOUGH:
        check_held(dataset, stored.itemsize * math.prod(shape))
        check_fits(size, name_of(dataset))
    if stored.kind == "O":
        return _read_text(dataset, dtype, shape)
    out = np.empty(shape, stored)
    if out.size:
        dataset.read(h5s.ALL, h5s.ALL, out, mtype=memory_type(dataset, stored)[0])
    if dtype.kind in "mM":
        return out.view(dtype)
    return out if dtype == stored else decode_text(out, dtype)


def _read_text(dataset: h5d.DatasetID, dtype: np.dtype, shape: tuple[int, ...]) -> AnyArray:
    file = h5i.get_file_id(dataset)
    on_disk = file.get_access_plist().get_driver() == h5fd.SEC2 and not file.get_intent() & h5f.ACC_RDWR
    if on_disk and shape:
        return read_text(dataset, dtype, tuple((0, length, 1) for length in shape))
    out = np.empty(shape, dtype)
    flat = [bytes(text).decode() for text in _objects(dataset, shape).flat]
    for index, text in zip(itertools.product(*map(range, shape)), flat, strict=True):
        out[index] = text
    return out


def _objects(dataset: h5d.DatasetID, shape: tuple[int, ...]) -> AnyArray:
    is_bytes = isinstance(dataset.get_type(), h5t.TypeVlenID)
    out = np.empty(shape, h5py.vlen_dtype(np.uint8) if is_bytes else h5py.string_dtype())
    if out.size:
        dataset.read(h5s.ALL, h5s.ALL, out)
    return out


def name_of(here: object) -> str:
    """Return the location of an object in its file, for messages."""
    return (h5i.get_name(here) or b"?").decode(errors="replace")

"""Writer of columns of arrays, each as one HDF5 dataset with exactly their dtype and shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from h5py import h5d, h5g, h5s

from analysis_store.digests import ValueDigest
from analysis_store.dtypes import AnyArray, refuse
from analysis_store.errors import InvalidDataError
from analysis_store.exact import MAX_NDIM
from analysis_store.hdf5.blocks import Compression, write_blocks
from analysis_store.hdf5.columns import Column, Stored, as_column, as_one, as_values, chunk_of, dtype_of, shape_of
from analysis_store.hdf5.encoding import as_stored, describe, is_plain, name_of, plain_type
from analysis_store.hdf5.making import OBJECTS, create_dataset
from analysis_store.layout import ARRAY_SPEC
from analysis_store.writers.growing import GrowingWriter, extend

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_READ = 4 << 20


def write_array(
    group: h5g.GroupID,
    name: str,
    values: AnyArray | Sequence[object],
    *,
    compression: Compression = "auto",
    attrs: Mapping[str, object] | None = None,
) -> Stored:
    """Write a column as one dataset.

    Parameters
    ----------
    group : h5py.h5g.GroupID or h5py.h5f.FileID
        Parent of the dataset, in a file on disk (h5py's default driver).
    name : str
        Name of the dataset, without ``/``.
    values : numpy.ndarray or sequence
        The whole column, shape ``(n, *shape)``, or ``n`` values of one dtype and shape. Large ones are not copied.
    compression : "auto", None or a filter of hdf5plugin
        ``"auto"`` tries bitshuffle-lz4 on samples of columns of 1 MiB or more, and uses it if it saves a third.
    attrs : mapping, optional
        Attributes of the dataset, e.g. ``{"units": "eV"}``.

    Raises
    ------
    InvalidDataError
        The values cannot be stored; its ``index`` is the event at fault.
    OSError
        The disk refused the write.
    """
    column = as_column(values)
    dtype, shape = dtype_of(column), shape_of(column)
    refuse(dtype)
    if len(shape) > MAX_NDIM:
        raise InvalidDataError(
            f"Got a column of {len(shape)} dimensions including the events; expected at most {MAX_NDIM}, the limit of "
            "HDF5. Use .reshape(...)."
        )
    digest = ValueDigest(shape, dtype)
    dataset, chunk = _write(group, name, column, compression=compression, digest=digest)
    describe(dataset, dtype, attrs)
    return Stored(digest.result(), list(chunk or chunk_of(shape, max(1, dtype.itemsize), _READ)), name_of(dtype), shape)


def _write(
    group: h5g.GroupID, name: str, column: Column, *, compression: Compression, digest: ValueDigest
) -> tuple[h5d.DatasetID, tuple[int, ...] | None]:
    dtype = dtype_of(column)
    if is_plain(dtype):
        return write_blocks(group, name, column, plain_type(dtype), compression=compression, feed=digest.update)
    whole = as_one(column)
    digest.update(whole)
    encoded, kind = as_stored(whole)
    if encoded.dtype.kind == "S":
        return write_blocks(group, name, encoded, kind, compression=compression, feed=_nothing)
    dataset = create_dataset(group, name, kind, encoded.shape)
    if encoded.size:
        dataset.write(h5s.ALL, h5s.ALL, encoded, mtype=OBJECTS)
    return dataset, None


def _nothing(block: AnyArray) -> None:
    """Compute no digest: it was computed from the values before encoding."""


class ArrayWriter(GrowingWriter):
    """Writes arrays of one dtype and shape, one event's value at a time, into one dataset.

    Parameters
    ----------
    path : str
        The HDF5 file; created if needed.
    dataset : str
        Absolute path of the dataset in it.
    chunk_shape : sequence of int, optional
        Chunks for Tiled; not needed here.
    swmr : bool
        True if others may read the file while it is written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder, ArrayWriter(Path(folder) / "run.h5", "/entry/image") as writer:
    ...     writer({"image": np.zeros((2, 3))})
    {'image': {'point_number': 0}}
    """

    spec: ClassVar[str] = ARRAY_SPEC

    def _append(self, group: h5g.GroupID, name: str, value: Any) -> int:
        array = as_values([value])[0]
        refuse(array.dtype)
        return extend(group, name, array[np.newaxis])

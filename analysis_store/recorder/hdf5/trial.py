"""Tests in memory if HDF5 can hold the values of a key, before the first value is recorded."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import h5py
import numpy as np

from analysis_store.recorder.core.object_bytes import refused_by_hdf5
from analysis_store.recorder.hdf5.columns import columns_of, mark
from analysis_store.recorder.hdf5.row_counts import create

if TYPE_CHECKING:
    from analysis_store.hdf5.blocks import Compression
    from analysis_store.recorder.core.value_kinds import Form

_PLACE = "/tried"


def try_out(key: str, form: Form, compression: Compression = None) -> None:
    """Test a key in a file in memory: create its datasets as in the live file, with a first chunk in each.

    Raises
    ------
    InvalidDataError
        HDF5 refused; the message says why. In the live file it would refuse at the next flush, and values
        of other keys would be lost.
    """
    with refused_by_hdf5(key), h5py.File(io.BytesIO(), "w", libver="v110") as file:
        for number, (path, column) in enumerate(columns_of(_PLACE, form, compression).items()):
            create(file, path, column, number)
            dataset = file[path]
            dataset.resize(1, axis=0)
            first = tuple(slice(0, min(size, chunk)) for size, chunk in zip(dataset.shape, dataset.chunks, strict=True))
            dataset[first] = np.zeros([part.stop for part in first], dataset.dtype)
        mark(file, _PLACE, form)
        file.flush()  # filters run when the chunk is written

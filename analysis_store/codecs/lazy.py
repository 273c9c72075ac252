"""A large array inside an object, read when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from analysis_store.hdf5.opening import dtypes_of

if TYPE_CHECKING:
    from h5py import h5d

    from analysis_store.dtypes import AnyArray

LARGE = 1 << 20
"""Bytes from which an array is left in the file by ``load(..., lazy=True)``."""


class LazyValues:
    """An array in a file; it can be read as long as the file is open.

    Examples
    --------
    >>> load(file["fit"], lazy=True)["image"][0]  # doctest: +SKIP
    """

    def __init__(self, dataset: h5d.DatasetID) -> None:
        self._dataset = h5py.Dataset(dataset)
        self._stored, self.dtype = dtypes_of(dataset)
        self.shape: tuple[int, ...] = tuple(int(length) for length in dataset.shape)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Size in memory, bytes."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        """Return what ``key`` selects, as h5py takes it, reading no more than that."""
        values = self._dataset.astype(self._stored)[key]
        return values.view(self.dtype) if self.dtype != self._stored else values

    def read(self) -> AnyArray:
        """Return all values.

        Raises
        ------
        TooLargeError
            They do not fit into memory.
        """
        from analysis_store.codecs.read import read_values

        return read_values(self._dataset.id)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        values = self.read()
        return values if dtype is None else values.astype(dtype, copy=bool(copy))

    def __repr__(self) -> str:
        return f"<LazyValues {self.dtype} {self.shape} of {self._dataset.file.filename}>"

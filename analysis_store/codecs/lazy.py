"""A large array inside an object, read on access."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py

from analysis_store.codecs.values import read_values
from analysis_store.core.lazy import Known
from analysis_store.hdf5.opening import dtypes_of

if TYPE_CHECKING:
    from h5py import h5d

    from analysis_store.core.lazy import Index
    from analysis_store.dtypes import AnyArray

LARGE = 1 << 20
"""Size in bytes from which ``load(..., lazy=True)`` leaves an array in the file."""


class LazyValues(Known):
    """An array in a file; it can be read as long as the file is open.

    Examples
    --------
    >>> load(file["fit"], lazy=True)["image"][0]  # doctest: +SKIP
    """

    def __init__(self, dataset: h5d.DatasetID) -> None:
        self._dataset = h5py.Dataset(dataset)
        self._stored, dtype = dtypes_of(dataset)
        super().__init__(tuple(map(int, dataset.shape)), dtype)

    def __getitem__(self, key: Index) -> Any:
        """Return the part that ``key`` selects, as in h5py, reading only this part."""
        values = self._dataset.astype(self._stored)[key]
        return values.view(self.dtype) if self.dtype != self._stored else values

    def read(self) -> AnyArray:
        """Return all values.

        Raises
        ------
        TooLargeError
            The values do not fit into memory.
        """
        return read_values(self._dataset.id)

    def __repr__(self) -> str:
        return f"<LazyValues {self.dtype} {self.shape} of {self._dataset.file.filename}>"

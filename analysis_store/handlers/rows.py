"""Reader of values that are blocks of rows of one dataset, which turns existing files into events."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from analysis_store.errors import DamagedFileError
from analysis_store.handlers.base import Handler
from analysis_store.handlers.columns import LazyDataset, Part
from analysis_store.layout import ROWS_SPEC

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis_store.dtypes import AnyArray


class RowsHandler(Handler):
    """Reads blocks of rows of a dataset; the last may be shorter.

    Parameters
    ----------
    path : str
        The HDF5 file.
    dataset : str
        Absolute path of the dataset in it.
    rows : int
        Number of rows per value.
    chunk_shape : sequence of int, optional
        Chunks for Tiled; not needed here.
    swmr : bool
        True if the file is still being written.
    """

    specs: ClassVar[set[str]] = {ROWS_SPEC}

    def __init__(
        self, path: str, dataset: str, rows: int, chunk_shape: Sequence[int] | None = None, swmr: bool = False
    ) -> None:
        self.path: str = str(path)
        self._column = LazyDataset(self.path, dataset, bool(swmr))
        self._rows = int(rows)

    def __call__(self, point_number: int) -> AnyArray:
        """Return one block, shape ``(rows, …)``.

        Raises
        ------
        DamagedFileError
            The dataset does not have these rows.
        """
        return self.unread(point_number)[()]

    def unread(self, point_number: int) -> Part:
        """Return one block, reading only the slices that are used."""
        first, length = point_number * self._rows, len(self._column)
        if first < 0 or (first >= length and first > 0):
            raise DamagedFileError(f"Got block {point_number} of {self._column!r}, which has only {length} rows.")
        return Part(self._column, range(first, min(first + self._rows, length)))

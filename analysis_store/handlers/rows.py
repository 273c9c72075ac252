"""Reads values that are blocks of rows of one dataset: how a file that is there already becomes events."""

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
        How many rows one value has.
    chunk_shape : sequence of int, optional
        What Tiled reads at once; not needed here.
    swmr : bool
        Whether the file is still being written.
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
            The dataset has no such rows.
        """
        return self.unread(point_number)[()]

    def unread(self, point_number: int) -> Part:
        """Return one block, of which only what is sliced is read."""
        first, length = point_number * self._rows, len(self._column)
        if first < 0 or (first >= length and first > 0):
            raise DamagedFileError(f"{self._column!r} has {length} rows, none of block {point_number}.")
        return Part(self._column, range(first, min(first + self._rows, length)))

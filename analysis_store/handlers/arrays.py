"""Reads columns of arrays: one HDF5 dataset whose first axis is the event."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from analysis_store.handlers.base import Handler
from analysis_store.handlers.columns import LazyDataset, Part, check_number
from analysis_store.layout import ARRAY_SPEC

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis_store.dtypes import AnyArray


class ArrayHandler(Handler):
    """Reads the values of a column of arrays.

    Parameters
    ----------
    path : str
        The HDF5 file.
    dataset : str
        Absolute path of the dataset in it, shape ``(n, *shape)``.
    chunk_shape : sequence of int, optional
        What Tiled reads at once; not needed here.
    swmr : bool
        Whether the file is still being written.

    Examples
    --------
    >>> handler = ArrayHandler("run.h5", "/entry/primary/image")
    >>> handler.path
    'run.h5'
    """

    specs: ClassVar[set[str]] = {ARRAY_SPEC}

    def __init__(self, path: str, dataset: str, chunk_shape: Sequence[int] | None = None, swmr: bool = False) -> None:
        self.path: str = str(path)
        self._column = LazyDataset(self.path, str(dataset), bool(swmr))

    def __call__(self, point_number: int) -> AnyArray:
        """Return the value of one event, shape ``()`` for a scalar.

        Raises
        ------
        DamagedFileError
            The column has no such value.
        """
        check_number(self._column, point_number)
        return self._column[point_number]

    def unread(self, point_number: int) -> Part:
        """Return the value of one event, of which only what is sliced is read."""
        check_number(self._column, point_number)
        return Part(self._column, int(point_number))

    def column(self) -> LazyDataset:
        """Return the whole column, read when it is asked for."""
        return self._column

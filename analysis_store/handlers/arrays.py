"""Reader of columns of arrays: one HDF5 dataset whose first axis is the event."""

from __future__ import annotations

from typing import ClassVar

from analysis_store.handlers.columns import ColumnHandler, LazyDataset, Part, check_number
from analysis_store.layout import ARRAY_SPEC


class ArrayHandler(ColumnHandler):
    """Reads the values of a column of arrays; parameters as `ColumnHandler` has them.

    Examples
    --------
    >>> handler = ArrayHandler("run.h5", "/entry/primary/image")
    >>> handler.path
    'run.h5'
    """

    specs: ClassVar[set[str]] = {ARRAY_SPEC}
    lazy = LazyDataset
    _column: LazyDataset

    def unread(self, point_number: int) -> Part:
        """Return the value of one event, reading only the slices that are used."""
        check_number(self._column, point_number)
        return Part(self._column, int(point_number))

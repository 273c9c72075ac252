"""Writer of values as blocks of rows of one dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from analysis_store.errors import InvalidDataError
from analysis_store.hdf5.columns import as_value
from analysis_store.layout import ROWS_SPEC
from analysis_store.writers.growing import GrowingWriter, extend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from h5py import h5g


class RowsWriter(GrowingWriter):
    """Appends blocks of rows to a dataset: `rows` each, only the last may be shorter.

    Parameters
    ----------
    path, dataset, chunk_shape, swmr
        As in `RowsHandler`.
    rows : int
        Number of rows per value.
    """

    spec: ClassVar[str] = ROWS_SPEC

    def __init__(
        self, path: str, dataset: str, rows: int, chunk_shape: Sequence[int] | None = None, swmr: bool = False
    ) -> None:
        super().__init__(path, dataset, chunk_shape, swmr)
        self._rows = int(rows)

    def _append(self, group: h5g.GroupID, name: str, value: Any) -> int:
        block = as_value(value)
        if block.ndim == 0 or len(block) > self._rows:
            raise InvalidDataError(
                f"Got a block of shape {block.shape}; expected up to {self._rows} rows. Use a key of its own."
            )
        first = extend(group, name, block)
        if first % self._rows:
            raise InvalidDataError(
                f"Got a block after a short one; only the last may have less than {self._rows} rows."
            )
        return first // self._rows

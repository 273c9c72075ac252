"""Lazy values of a key: shape and dtype at once, values by NumPy's indices, which read only the selected values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.errors import TooLargeError
from analysis_store.runs.read.lazy import Values

if TYPE_CHECKING:
    from analysis_store.core.lazy import Source
    from analysis_store.dtypes import AnyArray


class Series(Values):
    """The values of a key; axis 0 counts them, and grows while values are recorded.

    Examples
    --------
    >>> recorder.get_all("train/loss")[-10:]  # doctest: +SKIP
    """

    def __init__(self, key: str, source: Source, attrs: Mapping[str, object] | None = None) -> None:
        super().__init__(key, source)
        self._attrs = dict(attrs or {})

    @property
    def attrs(self) -> dict[str, Any]:
        """``units`` and other attributes of the values."""
        return self._attrs

    def read(self) -> AnyArray:
        """Return all values.

        Raises
        ------
        TooLargeError
            The values do not fit into memory; slices still work.
        """
        try:
            return np.asarray(self._source[:])
        except MemoryError as error:
            raise TooLargeError(f"{self!r} does not fit into memory; read slices, or use to_dask().") from error

"""Reader of columns whose values differ in shape: flat values, their offsets, and their shapes."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from analysis_store.errors import DamagedFileError
from analysis_store.handlers.columns import ColumnHandler
from analysis_store.handlers.grouped import LazyGroup, OpenGroup
from analysis_store.layout import DTYPES, OFFSETS, RAGGED_FORM, RAGGED_SPEC, SHAPES, VALUES

if TYPE_CHECKING:
    from analysis_store.dtypes import AnyArray

_MOST_DIMENSIONS = 64
_DTYPE = re.compile(rb"[<>|][iufcSU]\d{1,9}")


class LazyRagged(LazyGroup):
    """A column of arrays that differ in shape."""

    form = RAGGED_FORM

    def _one(self, group: OpenGroup, number: int) -> AnyArray:
        begin, end = group.span(OFFSETS, number)
        (shape,) = group.rows(SHAPES, number, number + 1)
        lengths = _lengths(shape, end - begin)
        values = group.rows(VALUES, begin, end)
        if values.ndim != 1:
            raise DamagedFileError(f"Got {values.ndim} axes for the values of {self!r}; expected one.")
        return self._narrowed(group, number, values).reshape(lengths)

    def _narrowed(self, group: OpenGroup, number: int, values: AnyArray) -> AnyArray:
        """Return values in their original width; a dtype from a file must be one that the writer can write."""
        if DTYPES not in group:
            return values
        (text,) = group.rows(DTYPES, number, number + 1)
        if not isinstance(text, bytes) or not _DTYPE.fullmatch(text):
            raise DamagedFileError(
                f"Got {text!r} as the dtype of value {number} of {self!r}; expected one like b'<f4'."
            )
        dtype = np.dtype(text.decode())
        if dtype.kind != values.dtype.kind or dtype.itemsize > values.dtype.itemsize:
            raise DamagedFileError(f"Value {number} of {self!r} declares {dtype}, which {values.dtype} cannot hold.")
        return values.astype(dtype)


def _lengths(shape: AnyArray, size: int) -> tuple[int, ...]:
    """Return the shape of a value without padding, if it has ``size`` elements."""
    if shape.dtype.kind not in "iu" or shape.ndim != 1 or len(shape) > _MOST_DIMENSIONS:
        raise DamagedFileError("Got invalid shapes of a ragged column; expected a table of integers.")
    lengths = tuple(int(length) for length in shape if length >= 0)
    if math.prod(lengths) != size or any(length >= 0 for length in shape[len(lengths) :]):
        raise DamagedFileError(f"Got {size} elements for a value of shape {tuple(shape.tolist())}.")
    return lengths


class RaggedHandler(ColumnHandler):
    """Reads the values of a column of arrays that differ in shape; parameters as in `GroupHandler`."""

    specs: ClassVar[set[str]] = {RAGGED_SPEC}
    lazy = LazyRagged

"""Reads columns whose values differ in shape: flat values, where each begins, and its shape."""

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
            raise DamagedFileError(f"The values of {self!r} have {values.ndim} axes; expected one.")
        return self._narrowed(group, number, values).reshape(lengths)

    def _narrowed(self, group: OpenGroup, number: int, values: AnyArray) -> AnyArray:
        """Return values in the width they had; a dtype from a file is let through only where it is one of theirs."""
        if DTYPES not in group:
            return values
        (text,) = group.rows(DTYPES, number, number + 1)
        if not isinstance(text, bytes) or not _DTYPE.fullmatch(text):
            raise DamagedFileError(f"The dtype of value {number} of {self!r} is {text!r}; expected one like b'<f4'.")
        dtype = np.dtype(text.decode())
        if dtype.kind != values.dtype.kind or dtype.itemsize > values.dtype.itemsize:
            raise DamagedFileError(f"Value {number} of {self!r} says {dtype}, which does not lie in {values.dtype}.")
        return values.astype(dtype)


def _lengths(shape: AnyArray, size: int) -> tuple[int, ...]:
    """Return the shape of a value without what fills it up, if it is one of ``size`` elements."""
    if shape.dtype.kind not in "iu" or shape.ndim != 1 or len(shape) > _MOST_DIMENSIONS:
        raise DamagedFileError("The shapes of a ragged column are no table of integers.")
    lengths = tuple(int(length) for length in shape if length >= 0)
    if math.prod(lengths) != size or any(length >= 0 for length in shape[len(lengths) :]):
        raise DamagedFileError(f"A value of shape {tuple(shape.tolist())} was given {size} elements.")
    return lengths


class RaggedHandler(ColumnHandler):
    """Reads the values of a column of arrays that differ in shape; parameters as `ColumnHandler` has them."""

    specs: ClassVar[set[str]] = {RAGGED_SPEC}
    lazy = LazyRagged

"""Columns in the form for writing: one array, or one per event, without copies of large data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.arrays import Joined, LazyValue
from analysis_store.dtypes import AnyArray
from analysis_store.errors import InvalidDataError
from analysis_store.exact import exact_array

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Column = AnyArray | LazyValue | list[AnyArray]
"""The whole column, in memory or not, or one array per event, all of one dtype and shape."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Metadata of a column that was written, for the documents."""

    digest: str
    """``blake3:<hex>`` of the values, as in `analysis_store.digests`."""

    chunk_shape: list[int]
    """A good shape to read at once, events first: the chunk of a compressed dataset, else about 4 MiB."""

    dtype_numpy: str
    """Dtype of the values in NumPy's notation, e.g. ``"<f8"``."""

    shape: tuple[int, ...]
    """Shape of the column, events first; ``(n,)`` for a table or ragged column."""


def as_value(value: object) -> AnyArray:
    """Return one event's value as an array: its own dtype, shape ``()`` for a scalar.

    Text becomes an object array of str, because NumPy's fixed width would lose NULs at its end.

    Raises
    ------
    InvalidDataError
        No array can hold the value exactly.
    """
    if isinstance(value, LazyValue):
        return value  # type: ignore[return-value]  # an array for all that is asked of it here
    found = exact_array(value)
    if found is None:
        raise InvalidDataError(_refusal(value))
    is_fixed = isinstance(value, (np.ndarray, np.generic)) or found.dtype.kind != "U"
    return found if is_fixed else found.astype(object)


def _refusal(value: Any) -> str:
    if isinstance(value, np.ma.MaskedArray):
        return (
            "Got a masked array, which would lose its mask; expected plain values. Store value.filled(...) and "
            "np.ma.getmaskarray(value) as two data keys."
        )
    if isinstance(value, (list, tuple)):
        return (
            "Got a list whose rows differ in length, or that mixes text, numbers and other types; expected a "
            "regular one of one type. Give its parts under separate data keys, or as events of their own."
        )
    if isinstance(value, (int, bytes)):
        return (
            f"Got {str(value)[:60]!r}, which does not fit a NumPy number of at most 64 bits, or fixed-width bytes; "
            "expected a "
            "value that does."
        )
    return (
        f"Got a value of type {type(value).__module__}.{type(value).__qualname__}, which cannot be stored; expected a "
        "number, "
        "text, an array or a pandas.DataFrame. Give its numbers as arrays, one data key for each."
    )


def as_column(values: AnyArray | Sequence[object]) -> Column:
    """Return a column as one array, or as a list of arrays of one dtype and shape.

    Raises
    ------
    InvalidDataError
        The values differ in dtype or shape, or one of them cannot be stored; ``index`` of the error is its position.
    """
    if isinstance(values, LazyValue):
        return values
    if isinstance(values, np.ndarray):
        if values.ndim == 0:
            raise InvalidDataError(
                "Got a 0-d array; expected a column with an axis for the events. Use values[np.newaxis]."
            )
        return as_value(values)
    arrays = as_values(values)
    for index, array in enumerate(arrays):
        if array.dtype != arrays[0].dtype or array.shape != arrays[0].shape:
            raise InvalidDataError(
                f"Value {index} has dtype {array.dtype} and shape {array.shape}, value 0 has dtype "
                f"{arrays[0].dtype} and "
                f"shape {arrays[0].shape}; expected them to be alike. Use the ragged pair for shapes that differ.",
                index,
            )
    if any(isinstance(array, LazyValue) for array in arrays):
        return Joined(arrays, (len(arrays), *arrays[0].shape))
    return arrays or np.empty((0,))


def as_values(values: Sequence[object]) -> list[AnyArray]:
    """Return `as_value` of each; the error of an invalid value has its index."""
    made = []
    for index, value in enumerate(values):
        try:
            made.append(as_value(value))
        except InvalidDataError as error:
            raise InvalidDataError(str(error), index) from error
    return made


def shape_of(column: Column) -> tuple[int, ...]:
    """Return the shape of a column, events first."""
    return (len(column), *column[0].shape) if isinstance(column, list) else column.shape


def dtype_of(column: Column) -> np.dtype:
    """Return the common dtype of a column."""
    return column[0].dtype if isinstance(column, list) else column.dtype


def as_one(column: Column) -> AnyArray:
    """Return a column as one array; a list is copied."""
    if isinstance(column, list):
        return np.stack(column, dtype=column[0].dtype)  # stack would use native byte order
    return np.asarray(column)


def pieces(column: Column, limit: int) -> Iterator[AnyArray]:
    """Yield flat C-contiguous pieces of about ``limit`` bytes, in C order, copying only non-contiguous ones."""
    if isinstance(column, LazyValue):
        yield from column.blocks(limit)
        return
    if isinstance(column, np.ndarray) and column.flags.c_contiguous:
        flat, step = column.reshape(-1), max(1, limit // max(1, column.dtype.itemsize))
        for start in range(0, len(flat), step):
            yield flat[start : start + step]
        return
    row_bytes = max(1, column[0].nbytes)
    if row_bytes >= limit and column[0].ndim:
        for row in column:
            yield from pieces(row, limit)
        return
    step = max(1, limit // row_bytes)
    for start in range(0, len(column), step):
        yield np.ascontiguousarray(as_one(column[start : start + step])).reshape(-1)


def chunk_of(shape: tuple[int, ...], itemsize: int, target: int) -> tuple[int, ...]:
    """Return the shape of a chunk of at most about ``target`` bytes, contiguous in C order: ``(1, …, k, all, all)``.

    The axis that is cut is cut evenly, so that the last chunk has little padding.
    """
    chunk = [max(1, length) for length in shape]
    for axis, length in enumerate(chunk):
        rest = itemsize * math.prod(chunk[axis + 1 :])
        if rest * length <= target:
            break
        parts = -(-length // max(1, target // rest))
        chunk[axis] = -(-length // parts)
        if chunk[axis] > 1:
            break
    return tuple(chunk)


def region(column: Column, start: tuple[int, ...], chunk: tuple[int, ...]) -> AnyArray:
    """Return the values of one chunk, C-contiguous; fewer at the edges."""
    if isinstance(column, LazyValue):  # a chunk is contiguous in C order
        shape = tuple(min(part, length - at) for at, part, length in zip(start, chunk, column.shape, strict=True))
        first = int(np.ravel_multi_index(start, column.shape))
        return column.elements(first, first + math.prod(shape)).reshape(shape)
    rows = as_one(column[start[0] : start[0] + chunk[0]])
    inner = tuple(slice(at, at + length) for at, length in zip(start[1:], chunk[1:], strict=True))
    return np.ascontiguousarray(rows[(slice(None), *inner)])


def offsets_of(sizes: Sequence[int]) -> AnyArray:
    """Return the offsets of values in the flat array: ``n + 1`` integers from 0."""
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)

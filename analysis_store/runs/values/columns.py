"""Columns: the caller's values of any type, gathered key by key along the event axis and checked as a whole."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from analysis_store.arrays import LazyValue
from analysis_store.core.text import is_utf8, to_utf8
from analysis_store.documents import MAX_INLINE_SIZE
from analysis_store.errors import InvalidDataError
from analysis_store.exact import NUMBERS, exact_text
from analysis_store.runs.values.array_like import NoArrayError, as_array, is_array, read_handle
from analysis_store.runs.values.column import Column, Place
from analysis_store.runs.values.labels import column_labels, common_labels, is_xarray, labelled

_INLINE_KINDS = "biuf"
_NUMBERS_AND_TIMES = "biufcmM"
_DTYPES = {"b": "boolean", "i": "integer", "u": "integer", "f": "number", "U": "string", "T": "string"}
_MAX_FIXED_TEXT = 1 << 26
"""Size in bytes above which a column of strings is stored with variable length instead of fixed width."""


def of_values(values: Sequence[Any], where: Place) -> Column:
    """Return the column of one value per event, each a scalar, string, array, list or table."""
    kinds = set(map(type, values))
    if kinds <= {float, int, bool, str}:
        return _of_scalars(values, kinds, where)
    if kinds <= {str, np.str_}:
        return _of_strings(list(map(exact_text, values)), where)
    if len(kinds) == 1 and kinds <= NUMBERS:
        return _of_uniform(np.array(values, kinds.pop()), where)
    if any(_is_table(kind) for kind in kinds):
        return _of_tables(values, where)
    try:
        arrays = _as_arrays(values, where)
        found = common_labels(values, where)
    except NoArrayError:
        _check_kinds(values, where)
        return of_objects([read_handle(value, where.at(index)) for index, value in enumerate(values)], where)
    return labelled(_of_arrays(arrays, where), found)


def of_array(values: Any, where: Place) -> Column:
    """Return the column whose first axis is the event: an array, a list, a Series, a DataArray, a Quantity.

    The container of the column is not kept, each value is. If one array cannot hold all, they are checked one by
    one.
    """
    if isinstance(values, list) or type(values) is tuple:
        return of_values(list(values), where)
    if hasattr(values, "array") and hasattr(values, "index"):  # a pandas Series
        return _of_series(values, where)
    inner = read_handle(values.data if is_xarray(values) else values, where.at(":"))
    _check_axis(inner, values, where)
    try:
        column = _of_uniform(_as_arrays([inner], where, ":")[0], where)
    except NoArrayError:
        column = of_values([inner[index] for index in range(inner.shape[0])], where)
    found = column_labels(values, where)
    return labelled(column, {label: said for label, said in found.items() if label not in column.data_key})


def _check_axis(array: Any, values: Any, where: Place) -> None:
    if not getattr(array, "shape", ()):
        raise InvalidDataError(
            f"{where.at(':')}: Got a single value, {_named(values)}; expected a column, one value per "
            "event. Give a list of event mappings, or columns of equal length."
        )


def foreign(values: Sequence[object], where: Place) -> Column:
    """Return a column that the caller's own writer stores; anything may be in it."""
    shapes = [tuple(map(int, getattr(value, "shape", None) or ())) for value in values]
    data_key: dict[str, Any] = {"dtype": "array", "shape": _common_shape(shapes), "source": "analysis"}
    dtypes = {getattr(value, "dtype", None) for value in values}
    dtype = dtypes.pop() if len(dtypes) == 1 else None
    if isinstance(dtype, np.dtype) and dtype.kind in "biufcmMSU":
        data_key["dtype_numpy"] = dtype.str
    return Column(where, list(values), "foreign", inline=False, data_key=data_key)


def _common_shape(shapes: Sequence[tuple[int, ...]]) -> list[int | None]:
    """Return the lengths that the values of all events share, None for an axis along which they differ."""
    ndim = len(shapes[0]) if shapes else 0
    if any(len(shape) != ndim for shape in shapes):
        return [None] * ndim
    return [sizes[0] if len(set(sizes)) == 1 else None for sizes in zip(*shapes, strict=True)]


# ------------------------------------------------------------------------------------------------- scalars


def _of_scalars(values: Sequence[Any], kinds: set[type], where: Place) -> Column:
    if kinds == {str}:
        return _of_strings(values, where)
    if len(kinds) > 1 and kinds != {int, float}:
        other = next(i for i, value in enumerate(values) if type(value) is not type(values[0]))
        raise InvalidDataError(
            f"{where.at(other)}: Got {_named(values[other])} after {_named(values[0])} in event 0; "
            "all events of a stream give a key values of one kind. Convert them, or use two keys."
        )
    try:
        return _of_uniform(_numbers(values, kinds, where), where)
    except OverflowError:  # integers of more than 64 bits
        return of_objects(values, where)


def _numbers(values: Sequence[Any], kinds: set[type], where: Place) -> np.ndarray:
    if kinds == {bool}:
        return np.array(values, dtype=bool)
    if kinds == {float}:
        return np.array(values, dtype=float)
    if kinds == {int} or not kinds:
        return _integers(values)
    lossy = next((i for i, value in enumerate(values) if type(value) is int and int(float(value)) != value), None)
    if lossy is not None:
        raise InvalidDataError(
            f"{where.at(lossy)}: the integer {values[lossy]} cannot become a float without loss, and other "
            "events have floats; make all of them integers or all of them floats."
        )
    return np.array(values, dtype=float)


def _integers(values: Sequence[int]) -> np.ndarray:
    try:
        return np.array(values, dtype=np.int64)
    except OverflowError:
        return np.array(values, dtype=np.uint64)


def _of_strings(values: Sequence[str], where: Place) -> Column:
    for index, value in enumerate(values):
        if not is_utf8(value):
            to_utf8(value, where.at(index))
    longest = max(map(len, values), default=0)
    fixed = longest * len(values) * 4 <= _MAX_FIXED_TEXT and not any("\0" in value for value in values)
    array = np.array(values, dtype=f"<U{max(longest, 1)}") if fixed else np.array(values, dtype=object)
    column = Column(where, array, "array", inline=True)
    column.data_key = {"dtype": "string", "shape": [], "source": "analysis", "dtype_numpy": f"<U{max(longest, 1)}"}
    return column


# -------------------------------------------------------------------------------------------------- arrays


def _as_arrays(values: Sequence[Any], where: Place, at: str | None = None) -> list[np.ndarray]:
    """Return each value as an array; the error of one has its position, by default its index."""
    arrays = []
    for index, value in enumerate(values):
        try:
            arrays.append(as_array(value))
        except InvalidDataError as error:
            raise InvalidDataError(f"{where.at(at or index)}: {error}") from error
    return arrays


def _check_kinds(values: Sequence[Any], where: Place) -> None:
    """Raise for a key that has numbers or arrays in some events, and other values in others.

    Values of one class, of which arrays can say some and not others, are objects together.
    """
    objects = [index for index, value in enumerate(values) if not is_array(value)]
    arrays = [i for i, value in enumerate(values) if i not in set(objects) and not isinstance(value, (list, tuple))]
    kinds = set(map(type, values))
    if not arrays or (len(kinds) == 1 and np.ndarray not in kinds):
        return
    odd, plain = objects[0], arrays[0]
    advice = " For a missing number use NaN." if values[odd] is None or values[odd] is np.ma.masked else ""
    raise InvalidDataError(
        f"{where.at(odd)}: Got {_named(values[odd])}, and {_named(values[plain])} in event {plain}; all events of a "
        f"stream give a key values of one kind. Convert them, or use two keys.{advice}"
    )


def _of_arrays(arrays: list[np.ndarray], where: Place) -> Column:
    first: Any = arrays[0]
    dtypes = {array.dtype for array in arrays}
    if len(dtypes) > 1 and all(dtype.kind in "US" for dtype in dtypes) and len({d.str[:2] for d in dtypes}) == 1:
        wide = max(dtypes, key=lambda dtype: dtype.itemsize)
        arrays = [array.astype(wide) for array in arrays]
    elif len(dtypes) > 1:
        odd = next(i for i, array in enumerate(arrays) if array.dtype != first.dtype)
        raise InvalidDataError(
            f"{where.at(odd)}: Got dtype {arrays[odd].dtype} after {first.dtype} in event 0; all events of a "
            "stream give a key values of one dtype. Convert them, or use two keys."
        )
    if len({array.shape for array in arrays}) == 1:
        if isinstance(first, LazyValue) or (len(arrays) > 1 and first.nbytes >= 1 << 20):
            return _of_uniform(arrays, where)
        return _of_uniform(first[None] if len(arrays) == 1 else stack(arrays), where)
    return _of_ragged(arrays, where)


def stack(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return arrays of one shape and dtype as one array of that dtype; NumPy alone would make it native."""
    return np.stack(arrays, dtype=arrays[0].dtype)


def _of_uniform(values: np.ndarray | list[np.ndarray], where: Place) -> Column:
    dtype, shape = (
        (values.dtype, values.shape[1:]) if isinstance(values, np.ndarray) else (values[0].dtype, values[0].shape)
    )
    column = Column(where, values, "array", inline=_inline(dtype, [shape]))
    column.data_key = _data_key(dtype, list(shape), values)
    return column


def _of_ragged(arrays: list[np.ndarray], where: Place) -> Column:
    first = arrays[0]
    odd = next((i for i, array in enumerate(arrays) if array.ndim != first.ndim), None)
    if odd is not None:
        raise InvalidDataError(
            f"{where.at(odd)}: Got {arrays[odd].ndim} dimensions after {first.ndim} in event 0; the size of an "
            "array may change from event to event, the number of its dimensions may not."
        )
    shapes = [array.shape for array in arrays]
    column = Column(where, arrays, "ragged", inline=_inline(first.dtype, set(shapes)))
    column.data_key = _data_key(first.dtype, _common_shape(shapes), arrays)
    return column


def _inline(dtype: np.dtype, shapes: Iterable[tuple[int, ...]]) -> bool:
    shapes = list(shapes)
    if dtype.kind in "UT" or dtype.kind == "O":
        return all(shape == () for shape in shapes)
    return (
        dtype.kind in _INLINE_KINDS
        and dtype.itemsize <= 8
        and all(math.prod(shape) <= MAX_INLINE_SIZE for shape in shapes)
    )


def _data_key(dtype: np.dtype, shape: list[int | None], values: Any) -> dict[str, Any]:
    text = dtype.str
    if dtype.kind in {"O", "T"}:
        longest = max((len(item) for array in values for item in np.ravel(array)), default=0)
        text = f"<U{max(longest, 1)}"
    kind = "array" if shape else _DTYPES.get("U" if dtype.kind == "O" else dtype.kind, "array")
    return {"dtype": kind, "shape": shape, "source": "analysis", "dtype_numpy": text}


# -------------------------------------------------------------------------------------------------- tables


def _is_table(kind: type) -> bool:
    return kind.__name__ == "DataFrame" and kind.__module__.split(".")[0] == "pandas"


def _of_tables(values: Sequence[Any], where: Place) -> Column:
    odd = next((i for i, value in enumerate(values) if not _is_table(type(value))), None)
    if odd is not None:
        raise InvalidDataError(
            f"{where.at(odd)}: Got {_named(values[odd])}; other events have a DataFrame. Give all events of "
            "a key values of one kind."
        )
    from analysis_store.frames import fits_arrays  # a caller with a table has loaded pandas
    from analysis_store.writers.tables import take_all_apart

    if not all(map(fits_arrays, values)):
        return of_objects(values, where)
    try:
        take_all_apart(values)
    except InvalidDataError as error:
        raise InvalidDataError(f"{where.at(error.index or 0)}: {error}", error.index) from error
    column = Column(where, list(values), "table", inline=False)
    shape = _common_shape([value.shape for value in values])
    column.data_key = {"dtype": "array", "shape": shape, "source": "analysis"}
    return column


def of_objects(values: Sequence[object], where: Place) -> Column:
    """Return the column of one object per event, each of any type."""
    from analysis_store.codecs.many import Objects

    data_key = {"dtype": "array", "shape": [], "source": "analysis"}
    return Column(where, Objects(values, where.at), "object", inline=False, data_key=data_key)


def _of_series(series: Any, where: Place) -> Column:
    gaps = not isinstance(series.dtype, np.dtype) and bool(series.isna().any())
    values = series.to_numpy()
    if values.dtype.kind in _NUMBERS_AND_TIMES and not gaps:  # with gaps, pandas would make floats of integers
        return _of_uniform(values, where)
    return of_values(_items_of_series(series, where), where)


def _items_of_series(series: Any, where: Place) -> list[Any]:
    """Return the values of a Series that no array of NumPy holds; some types of Arrow's lose a part of each."""
    import pandas

    items: list[Any] = series.tolist()
    if not isinstance(series.dtype, np.dtype) and not pandas.array(items, dtype=series.dtype).equals(series.array):
        raise InvalidDataError(
            f"{where.at(':')}: the values of dtype {series.dtype} cannot be taken one by one without loss; use "
            ".astype(...) to convert them to another one."
        )
    return items


def _named(value: Any) -> str:
    kind = type(value)
    name = kind.__name__ if kind.__module__ in ("builtins", "numpy") else f"{kind.__module__}.{kind.__qualname__}"
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}" if value is not None else "None"

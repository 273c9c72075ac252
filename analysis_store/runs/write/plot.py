"""The default plot of a stream for NeXus viewers: the key to draw and its axis."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.arrays import LazyValue, elements_of

if TYPE_CHECKING:
    from analysis_store.runs.values.column import Column
    from analysis_store.runs.values.stream_data import StreamData

_DRAWN = "iuf"
_MAX_AXIS = 1 << 20
_FEW = 16
_MANY = 1 << 20
_INTERPRETATIONS = {1: "spectrum", 2: "image"}


@dataclass(frozen=True, slots=True)
class Plot:
    """Signal and axes for NeXus, by data key."""

    signal: str
    axis: str | None = None
    """The key that the last dimension of the signal runs over."""

    axis_values: np.ndarray | None = None
    """The axis as one vector, if it is the same in every event and the signal has more dimensions."""

    interpretation: str | None = None


def default_plot(stream: StreamData, start: Mapping[str, object]) -> Plot | None:
    """Return the plot of a stream, or None if nothing in it can be drawn.

    The signal is the first hinted field; without hints, the first array that varies over another one (two keys of
    one shape, the first of them monotonic: x, then y), else the first array. Numbers take the place of arrays in a
    stream that has none.
    """
    drawn = {key: column for key, column in stream.columns.items() if _is_drawn(column)}
    if not drawn or not stream.length:
        return None
    for key in _hinted(stream, drawn) or _by_interest(stream, drawn):
        axis = _axis_of(key, stream, drawn, start)
        if axis or key in _hinted(stream, drawn):
            return _plot(key, axis, drawn)
    first = _by_interest(stream, drawn)
    return _plot(first[0], None, drawn) if first else None


def _is_drawn(column: Column) -> bool:
    return column.form == "array" and len(column) > 0 and column.dtype.kind in _DRAWN and 0 not in column.row_shape


def _hinted(stream: StreamData, drawn: Mapping[str, Column]) -> list[str]:
    hints = stream.extra.get("hints") or {}
    fields = [f for hint in hints.values() if isinstance(hint, Mapping) for f in hint.get("fields", ())]
    return [field for field in fields if field in drawn]


def _by_interest(stream: StreamData, drawn: Mapping[str, Column]) -> list[str]:
    """Return the candidates: arrays, or numbers if there are no arrays and several events."""
    arrays = [key for key, column in drawn.items() if column.row_shape]
    numbers = [key for key, column in drawn.items() if not column.row_shape]
    for kind in (arrays, numbers if stream.length > 1 else []):
        plain = [key for key in kind if drawn[key].data_key.get("role") != "coordinate"]
        if plain:
            return plain
    return []


def _axis_of(key: str, stream: StreamData, drawn: Mapping[str, Column], start: Mapping[str, Any]) -> str | None:
    shape = drawn[key].row_shape
    declared = (drawn[key].data_key.get("dims") or [None])[-1]
    for candidate in [declared, *_dimensions(stream, start), *drawn]:
        if candidate == key:
            if candidate is not declared:
                break  # x comes before y
            continue
        if candidate in drawn and _fits(drawn[candidate], shape):
            return str(candidate)
    return None


def _dimensions(stream: StreamData, start: Mapping[str, Any]) -> list[str]:
    hints = start.get("hints")
    dimensions = hints.get("dimensions", ()) if isinstance(hints, Mapping) else ()
    return [
        field
        for dimension in dimensions
        if isinstance(dimension, (list, tuple)) and len(dimension) == 2 and dimension[1] == stream.name
        for field in dimension[0]
    ]


def _fits(axis: Column, shape: tuple[int, ...]) -> bool:
    """Return True if ``axis`` can be the axis of the signal's last dimension: as long, and strictly monotonic."""
    if not shape:
        return axis.row_shape == () and len(axis) > 1 and _monotonic(axis.values)
    return axis.row_shape == shape[-1:] and all(_monotonic(row) for row in axis.values)


def _monotonic(values: Any) -> bool:
    """Return True if values only rise or only fall; read in parts, since a few values usually decide."""
    values = values if isinstance(values, LazyValue) else np.asarray(values)
    few = elements_of(values, 0, min(_FEW, len(values)))
    if len(few) < 2:
        return False
    order = np.less if few[0] < few[1] else np.greater
    starts = [0] if len(values) <= _FEW else range(0, len(values) - 1, _MANY)
    return _ordered(few, order) and all(
        _ordered(elements_of(values, start, min(len(values), start + _MANY + 1)), order) for start in starts
    )


def _ordered(values: np.ndarray, order: np.ufunc) -> bool:
    return bool(order(values[:-1], values[1:]).all())


def _plot(signal: str, axis: str | None, drawn: Mapping[str, Column]) -> Plot:
    ndim = len(drawn[signal].row_shape)
    vector = None
    if axis and ndim:
        rows = drawn[axis].values
        if math.prod(drawn[axis].row_shape) * len(rows) <= _MAX_AXIS:
            first = np.asarray(rows[0])
            vector = first if all(np.array_equal(first, row) for row in rows) else None
    return Plot(signal, axis, vector, _INTERPRETATIONS.get(ndim))

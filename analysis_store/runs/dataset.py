"""A stream as an `xarray.Dataset`: dims, coordinates and units as the descriptor has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray

    from analysis_store.runs.lazy import LazyArray


def build(columns: Mapping[str, LazyArray], times: np.ndarray, name: str, coordinates: Iterable[str]) -> xarray.Dataset:
    """Return all columns of a stream, read whole.

    ``times``, s since 1970, is the coordinate of the event dimension. A key of ``coordinates`` becomes a coordinate;
    one that is the same in every event and names its own dimension is given once, without the event dimension.
    """
    import xarray

    data: dict[str, Any] = {}
    coords: dict[str, Any] = {"time": ("time", times, {"units": "s", "long_name": "POSIX time of the event"})}
    wanted = set(coordinates)
    for key, column in columns.items():
        label = "time_" if key == "time" else key
        values = column.read()
        dims = _free_dims(column, columns)
        if key in wanted and dims[1:] == (key,) and len(values) and _same_rows(values):
            coords[label] = (dims[1:], values[0], column.attrs)
        elif key in wanted and key not in dims:
            coords[label] = (dims, values, column.attrs)
        else:
            data[label] = (dims, values, column.attrs)
    return xarray.Dataset(data, coords, attrs={"stream_name": name})


def _free_dims(column: LazyArray, columns: Mapping[str, LazyArray]) -> tuple[str, ...]:
    """Return the dims of a column; a declared one is made unique where another key gives it another size."""
    sizes: dict[str, set[int]] = {}
    for other in columns.values():
        for dim, size in zip(other.dims[1:], other.shape[1:], strict=True):
            sizes.setdefault(dim, set()).add(size)
    clash = [dim for dim in column.dims[1:] if len(sizes[dim]) > 1 or dim == "time"]
    dims = [f"{column.key}-{dim}" if dim in clash else dim for dim in column.dims[1:]]
    if len(set(dims)) < len(dims):  # two axes of one name
        dims = [f"{column.key}-dim-{axis}" for axis in range(len(dims))]
    return ("time", *dims)


def _same_rows(values: np.ndarray) -> bool:
    return all(np.array_equal(values[0], row) for row in values[1:])

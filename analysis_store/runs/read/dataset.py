"""A stream as an `xarray.Dataset`: dims, coordinates and units as the descriptor has them."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.runs.values.times import NAMED, fitting

if TYPE_CHECKING:
    import xarray

    from analysis_store.documents import Document
    from analysis_store.runs.read.lazy import LazyArray

EVENT_TIME = {"units": "s", "long_name": "POSIX time of the event"}
"""The attributes of the coordinate of the events."""


def attrs_of(descriptors: Iterable[Mapping[str, object]]) -> Document:
    """Return the stream metadata in its descriptors: the attributes of the original Dataset."""
    found: dict[str, Any] = {}
    for descriptor in descriptors:
        attrs = descriptor.get("attrs")
        found.update(attrs if isinstance(attrs, dict) else {})
    return found


def build(
    columns: Mapping[str, LazyArray],
    times: np.ndarray,
    name: str,
    coordinates: Iterable[str],
    of_stream: Mapping[str, object] | None = None,
) -> xarray.Dataset:
    """Return all columns of a stream, read whole.

    ``times``, s since 1970, is the coordinate of the event dimension. A key of ``coordinates`` becomes a coordinate;
    one that is the same in every event and names its own dimension has no event dimension. Times
    that xarray cannot hold become integers, with a warning; objects are unchanged.
    """
    import xarray

    data: dict[str, Any] = {}
    coords: dict[str, Any] = {"time": ("time", times, EVENT_TIME)}
    wanted, all_dims = set(coordinates), free_dims(columns)
    for key, column in columns.items():
        label = label_of(key, columns)
        values, attrs = held(key, name, column.read(), column.attrs)
        dims = coordinate_dims(key, all_dims[key], values) if key in wanted else None
        if dims is None:
            data[label] = variable(all_dims[key], values, attrs)
        else:
            coords[label] = variable(dims, values if dims == all_dims[key] else values[0], attrs)
    return xarray.Dataset(data, coords, attrs={**(of_stream or {}), "stream_name": name})


def coordinate_dims(key: str, dims: tuple[str, ...], values: Any) -> tuple[str, ...] | None:
    """Return the dims of a coordinate, None if xarray has no such coordinate.

    One that names its own dimension and is the same in every event has no event dimension.
    """
    if dims[1:] == (key,) and len(values) and _same_rows(np.asarray(values)):
        return dims[1:]
    return None if key in dims else dims


def variable(dims: tuple[str, ...], values: Any, attrs: Mapping[str, object]) -> xarray.Variable:
    """Return a variable with these values; xarray itself would convert objects to times if pandas accepts them."""
    import xarray

    return xarray.Variable(dims, values, attrs, fastpath=values.dtype.kind == "O")


def label_of(key: str, keys: Container[str]) -> str:
    """Return the variable name of a key: its own, except ``time``, which names the event coordinate."""
    label = key
    while label == "time" or (key == "time" and label in keys):
        label += "_"
    return label


def free_dims(columns: Mapping[str, LazyArray]) -> dict[str, tuple[str, ...]]:
    """Return the dims of each column; a declared one is renamed if another key has it with another size."""
    shapes = {
        key: dict(enumerate(zip(column.dims[1:], column.shape[1:], strict=True))) for key, column in columns.items()
    }
    sizes = Counter(dim for dim, _ in {pair for axes in shapes.values() for pair in axes.values()})
    taken = {"time", *columns, *sizes}
    return {
        key: ("time", *_unique(key, [dim for dim, _ in axes.values()], sizes, taken)) for key, axes in shapes.items()
    }


def _unique(key: str, dims: Sequence[str], sizes: Mapping[str, int], taken: set[str]) -> list[str]:
    """Return the dims of a column; a new name is one that nothing else has, and is taken from then on."""
    twice = len(set(dims)) < len(dims)
    found = []
    for axis, dim in enumerate(dims):
        if twice or sizes[dim] > 1 or dim == "time":
            dim = f"{key}-dim-{axis}" if twice else f"{key}-{dim}"
            while dim in taken:
                dim += "_"
            taken.add(dim)
        found.append(dim)
    return found


def _same_rows(values: np.ndarray) -> bool:
    return all(np.array_equal(values[0], row) for row in values[1:])


def held(key: str, stream: str, values: Any, attrs: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return values and attributes in a form that xarray can hold, with a warning if times become integers."""
    found, labels = fitting(values, attrs)
    if NAMED in labels:
        warnings.warn(
            f"{key!r} of {stream!r} is given as integers: xarray cannot hold these values of {values.dtype} exactly. "
            f"The attribute units says what they count; values.view({labels[NAMED]!r}) gives the times.",
            stacklevel=5,
        )
    return found, labels

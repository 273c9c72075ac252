"""One value as an array that has lost nothing, or none."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis_store.arrays import LazyValue
from analysis_store.core.lazy import Lazy
from analysis_store.dtypes import VARIABLE_TEXT, AnyArray, encode_text
from analysis_store.errors import InvalidDataError
from analysis_store.exact import MAX_NDIM, exact_array
from analysis_store.runs.values.labels import is_xarray, units_of

_HANDLES = ("h5py", "dask")
"""Packages whose arrays are outside memory: their values are read, or computed."""


class NoArrayError(Exception):
    """A value is not an array; it can be stored as an object."""


def as_array(value: object) -> AnyArray:
    """Return one value as an array that has lost nothing but the units and dims that `labels` gives.

    Raises
    ------
    NoArrayError
        The value cannot be an array, and is left to the codecs.
    InvalidDataError
        The value is text that no file can hold, or has too many dimensions, or cannot be read.
    """
    if isinstance(value, LazyValue):
        return value  # type: ignore[return-value]  # it is read when it is written
    found = exact_array(value)
    if found is None:
        found = _unlabelled(value)
    if found is None:
        raise NoArrayError
    return storable(found)


def is_array(value: object) -> bool:
    """Return True if a value can be an array."""
    try:
        as_array(value)
    except NoArrayError:
        return False
    return True


def storable(array: AnyArray) -> AnyArray:
    """Return an array whose dtype a file has; raises as `as_array`."""
    if array.dtype.kind not in "biufcmMSUTO":
        raise NoArrayError
    if array.dtype.kind == "T" and array.dtype not in VARIABLE_TEXT.values():
        raise NoArrayError
    if array.dtype.kind == "O" and any(type(item) is not str for item in array.ravel()):
        raise NoArrayError
    if array.ndim >= MAX_NDIM:
        raise InvalidDataError(
            f"Got an array of {array.ndim} dimensions; expected at most {MAX_NDIM - 1}, because HDF5 has "
            f"{MAX_NDIM} and the events take one. Use .reshape(...)."
        )
    if array.dtype.kind == "U":
        encode_text(array)
    return array


def read_handle(value: Any, where: str = "") -> Any:
    """Return the values of a lazy array, read or computed; other values unchanged.

    Raises
    ------
    InvalidDataError
        The array cannot be read.
    """
    package = type(value).__module__.partition(".")[0]
    if not (isinstance(value, Lazy) or (package in _HANDLES and hasattr(value, "__array__"))):
        return value
    name = f"{where}{': ' * bool(where)}the {type(value).__module__}.{type(value).__qualname__}"
    try:
        found = value.compute() if package == "dask" else np.asarray(value)  # NumPy would drop the mask of dask's
    except Exception as error:  # a dask graph or a closed file may raise any error
        raise InvalidDataError(f"{name} cannot be read: {error}.") from error
    if "enum" in (found.dtype.metadata or ()):
        raise InvalidDataError(
            f"{name} is an enumeration, the names of which would be lost; give dataset[...].astype(int)."
        )
    return found


def _unlabelled(value: Any) -> AnyArray | None:
    """Return the array under labels that a descriptor can hold, or the array of a handle.

    A value with more than that, such as a name, an uncertainty or the coordinates of a DataArray, is an object.
    """
    if is_xarray(value):
        return _of_xarray(value)
    if type(value).__module__.partition(".")[0] in ("pint", "quantities") and type(value).__name__ == "Quantity":
        return _of_quantity(value)
    found = read_handle(value)
    return found if type(found) is np.ndarray else None


def _of_xarray(value: Any) -> AnyArray | None:
    """Return the values of a DataArray or Variable that has nothing else than dims and units in text."""
    if type(value).__name__ == "IndexVariable" or len(getattr(value, "coords", ())):
        return None
    units = value.attrs.get("units", "1")
    if getattr(value, "name", None) is not None or value.attrs.keys() - {"units"} or type(units) is not str:
        return None
    found = read_handle(value.data)
    return found if type(found) is np.ndarray else None


def _of_quantity(value: Any) -> AnyArray | None:
    magnitude = value.magnitude
    known = type(magnitude) in (int, float, complex, np.ndarray) or isinstance(magnitude, np.generic)
    return exact_array(magnitude) if known and units_of(value) else None

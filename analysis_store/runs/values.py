"""One value as an array that has lost nothing, or none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from analysis_store.dtypes import encode_text


class NoArrayError(Exception):
    """A value is no array; as an object it comes back as it is."""


def as_array(value: Any) -> np.ndarray:
    """Return one value as an array that has lost nothing.

    Raises
    ------
    NoArrayError
        It cannot be one, and is left to the codecs.
    InvalidDataError
        It is text that no file can hold.
    """
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return _regular(value)
    if type(value) is np.ndarray or isinstance(value, (str, bool, int, float, complex, np.generic)):
        return storable(np.asarray(value))
    if np.ma.isMaskedArray(value) and not np.ma.is_masked(value):
        return storable(np.asarray(value))
    if _is_array_with_labels(value):
        return storable(np.asarray(getattr(value, "magnitude", value)))
    raise NoArrayError


def is_array(value: Any) -> bool:
    """Tell whether a value can be an array."""
    try:
        as_array(value)
    except NoArrayError:
        return False
    return True


def _is_array_with_labels(value: Any) -> bool:
    """Whether a value is an array whose labels a descriptor can tell: units and names of dimensions.

    What has more than that, the index of a Series or the coordinates of a DataArray, is an object.
    """
    package = type(value).__module__.partition(".")[0]
    if package == "xarray":
        return hasattr(value, "dims") and hasattr(value, "dtype") and not getattr(value, "coords", ())
    if package in ("pint", "quantities"):
        return hasattr(value, "units") and isinstance(
            getattr(value, "magnitude", None), (int, float, np.ndarray, np.generic)
        )
    from analysis_store.codecs.registry import for_type

    has_array = hasattr(value, "__array__") and hasattr(value, "shape") and hasattr(value, "dtype")
    return has_array and (isinstance(value, np.memmap) or for_type(type(value)) is None)  # dask, h5py and their like


def storable(array: np.ndarray) -> np.ndarray:
    """Return an array whose dtype a file has; raises as `as_array`."""
    if array.dtype.kind == "U":
        encode_text(array)
    if array.dtype.kind in "biufcmMSUT":
        return array
    if array.dtype.kind == "O" and all(type(item) is str for item in array.ravel()):
        return array
    raise NoArrayError


def _regular(value: Sequence[Any]) -> np.ndarray:
    """Return a (nested) list as an array, if NumPy changes nothing in it."""
    kinds: set[type] = set()
    for leaf in _leaves(value):
        kinds.add(type(leaf))
    plain = kinds - {np.ndarray}
    if not (plain <= {int, float} or len(plain) <= 1 or all(issubclass(kind, np.number) for kind in plain)):
        raise NoArrayError
    try:
        array = np.asarray(value, dtype=object if kinds == {str} else None)
    except (ValueError, OverflowError) as error:
        raise NoArrayError from error
    if kinds == {str}:
        return storable(_fixed_text(array))
    exact = {int: "iu", bool: "b", float: "f"}.get(next(iter(plain))) if len(plain) == 1 else None
    lossy = plain == {int, float} and any(type(leaf) is int and int(float(leaf)) != leaf for leaf in _leaves(value))
    if lossy or (exact and array.dtype.kind not in exact):
        raise NoArrayError
    return storable(array)


def _fixed_text(array: np.ndarray) -> np.ndarray:
    if array.size == 0 or any("\0" in text for text in array.ravel()):
        return array
    return array.astype(np.str_)


def _leaves(value: Any) -> Iterable[Any]:
    for item in value:
        if isinstance(item, (list, tuple)):
            yield from _leaves(item)
        else:
            yield item

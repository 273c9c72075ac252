"""Times on their way into xarray, which holds s, ms, µs and ns: others become one of these, or integers with units."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.dtypes import TIME_KINDS, units_of_time

if TYPE_CHECKING:
    from analysis_store.dtypes import AnyArray

NAMED = "dtype_numpy"
"""The attribute that says which dtype the integers had: ``values.view(attrs["dtype_numpy"])`` gives the times."""

NOT_A_TIME = "not_a_time"
"""The attribute that says which integer stands for NaT."""

_HELD = ("s", "ms", "us", "ns")
_NAT = int(np.iinfo(np.int64).min)


def fitting(values: object, attrs: Mapping[str, object]) -> tuple[Any, dict[str, Any]]:
    """Return values and attributes in a form that xarray holds without change; values that are not times unchanged.

    Times are converted to a unit of xarray if that is exact for all of them, else to the integers that NumPy
    keeps, with attributes that declare the unit.
    """
    if not isinstance(values, np.ndarray) or values.dtype.kind not in TIME_KINDS:
        return values, dict(attrs)
    unit, count = np.datetime_data(values.dtype)
    if unit in _HELD and count == 1:
        return values, dict(attrs)
    exact = _converted(values, _unit_for(values))
    return (integers(values), told(values.dtype, attrs)) if exact is None else (exact, dict(attrs))


def always_fits(dtype: np.dtype) -> bool:
    """Return True if xarray can hold all times of a dtype that are not too far from now."""
    return dtype.kind not in TIME_KINDS or (_exact_unit(dtype) is not None and np.datetime_data(dtype)[1] == 1)


def integers(values: AnyArray) -> AnyArray:
    """Return times as the integers that they are in memory."""
    return values.view(np.dtype(np.int64).newbyteorder(values.dtype.byteorder))


def told(dtype: np.dtype, attrs: Mapping[str, object]) -> dict[str, object]:
    """Return attributes that declare the unit of integers of a time dtype, and how to restore the times."""
    units = units_of_time(dtype)
    return {**attrs, **({"units": units} if units else {}), NAMED: dtype.str, NOT_A_TIME: _NAT}


def restored(values: AnyArray, attrs: Mapping[str, Any]) -> tuple[AnyArray, dict[str, object]]:
    """Return the times of integers whose attributes say that they are times, anything else as it is."""
    if NOT_A_TIME not in attrs or values.dtype.kind != "i" or values.dtype.itemsize != np.dtype(np.int64).itemsize:
        return values, dict(attrs)
    return values.view(attrs[NAMED]), {name: value for name, value in attrs.items() if name not in (NAMED, NOT_A_TIME)}


def _unit_for(values: AnyArray) -> str | None:
    if np.datetime_data(values.dtype)[0] == "generic":  # without a unit nothing but NaT says a time
        return "s" if np.isnat(values).all() else None
    return _exact_unit(values.dtype)


def _exact_unit(dtype: np.dtype) -> str | None:
    """Return the unit of xarray that can hold times of a dtype, None if some of them do not fit."""
    unit = np.datetime_data(dtype)[0]
    if unit in _HELD:
        return unit
    fixed = unit in ("W", "D", "h", "m") or (dtype.kind == "M" and unit in ("Y", "M"))  # a month has no length
    return "s" if fixed else None


def _converted(values: AnyArray, unit: str | None) -> AnyArray | None:
    """Return times in another unit, None if one of them does not fit."""
    if unit is None:
        return None
    with suppress(OverflowError):
        found = values.astype(f"{values.dtype.kind}8[{unit}]")
        if np.array_equal(integers(found.astype(values.dtype)), integers(values)):
            return found
    return None

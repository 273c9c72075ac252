"""Labels: the units and the names of dimensions that values carry, which go into the descriptor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis_store.errors import InvalidDataError

if TYPE_CHECKING:
    from analysis_store.runs.columns import Column, Place

_WITHOUT = ("builtins", "numpy")
"""Packages whose types carry none."""


def labels(value: Any) -> tuple[str | None, list[str] | None]:
    """Return the units and dimension names that a DataArray or a Quantity carries."""
    attrs, dims = getattr(value, "attrs", None), getattr(value, "dims", None)
    units = attrs.get("units") if isinstance(attrs, Mapping) else None
    if hasattr(value, "magnitude") and hasattr(value, "dimensionality"):
        own = value.dimensionality.string if hasattr(value.dimensionality, "string") else str(value.units)
        units = own or "dimensionless"
    named = [str(dim) for dim in dims] if isinstance(dims, tuple) else None
    return (units if isinstance(units, str) else None), named


def common_labels(values: Sequence[Any], where: Place) -> tuple[str | None, list[str] | None]:
    """Return the units and dimension names of the values of all events."""
    if all(kind.__module__.partition(".")[0] in _WITHOUT for kind in set(map(type, values))):
        return None, None
    units, dims = labels(values[0])
    odd = next((i for i, value in enumerate(values) if labels(value)[0] != units), None)
    if odd is not None:
        raise InvalidDataError(
            f"{where.at(odd)}: the units {labels(values[odd])[0]!r} came after {units!r} in event 0; all events of a "
            "stream give a key values in one unit. Convert the value."
        )
    return units, dims


def checked_units(units: str, where: str) -> str:
    """Return units as they are, or refuse those that no file can hold."""
    if "\0" in units:
        raise InvalidDataError(f"{where}: the units {units!r} hold NUL; expected text like 'eV'.")
    return units


def labelled(column: Column, units: str | None, dims: Sequence[str] | None) -> Column:
    """Return a column with its units and the names of the dimensions of a value in its data key."""
    if units:
        column.data_key["units"] = checked_units(units, column.where.at(":"))
    if dims:
        column.data_key["dims"] = list(dims)
    return column

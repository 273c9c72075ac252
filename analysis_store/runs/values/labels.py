"""Labels: the units, names of dimensions and attributes that values carry, which go into the descriptor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis_store.core.lazy import Lazy
from analysis_store.documents import clean_metadata, dumps
from analysis_store.errors import InvalidDataError

if TYPE_CHECKING:
    from analysis_store.runs.values.column import Column, Place

LABELS = ("units", "dims", "attrs")
"""Entries of a data key that describe the values."""

_LABELS = frozenset(LABELS)
_WITHOUT = ("builtins", "numpy")
"""Packages whose types carry none."""


def units_of(quantity: Any) -> str | None:
    """Return the units of a quantity as text, None if text would not be exact."""
    if not hasattr(quantity.dimensionality, "string"):
        return f"{quantity.units:D}"  # however the registry of pint shows units otherwise
    from analysis_store.codecs.libraries.quantities import tell_units

    dimensionality = quantity.dimensionality
    if not isinstance(tell_units(dimensionality), str):  # a unit of one's own, which its name does not define
        return None
    powers = {unit: float(power) for unit, power in dimensionality.items()}
    text: str = type(dimensionality)(powers).string  # of the integer power 10 the library would say 1
    return text


def is_xarray(value: object) -> bool:
    """Return True for an array of xarray's, whose dimensions have names."""
    kind = type(value)
    return kind.__module__.startswith("xarray.") and kind.__name__ in ("DataArray", "Variable", "IndexVariable")


def labels(value: Any) -> dict[str, Any]:
    """Return the units and names of dimensions that a DataArray, a Quantity or a column of a run carries."""
    attrs, dims = getattr(value, "attrs", None), getattr(value, "dims", None)
    units = attrs.get("units") if isinstance(attrs, Mapping) else None
    quantity = value.data if is_xarray(value) else value
    if hasattr(quantity, "magnitude") and hasattr(quantity, "dimensionality"):
        units = units_of(quantity)
    found: dict[str, Any] = {"units": units} if isinstance(units, str) else {}
    return {**found, "dims": [str(dim) for dim in dims]} if isinstance(dims, tuple) else found


def common_labels(values: Sequence[object], where: Place) -> dict[str, Any]:
    """Return the labels of the values of all events, which have to be the same."""
    if all(kind.__module__.partition(".")[0] in _WITHOUT for kind in set(map(type, values))):
        return {}
    first = labels(values[0])
    for index, value in enumerate(values):
        check_same(first, labels(value), where, index)
    return first


def column_labels(values: Any, where: Place) -> dict[str, Any]:
    """Return the labels of a whole column: without the dimension of the events, with all attributes of xarray."""
    found = labels(values)
    found["dims"] = found.get("dims", [])[1:]
    if isinstance(values, Lazy) or is_xarray(values):
        attrs = {name: item for name, item in values.attrs.items() if name != "units" or "units" not in found}
        found["attrs"] = clean_metadata(attrs, f"{where.at(':')}.attrs")
    return {label: said for label, said in found.items() if said or label == "units"}


def check_same(before: Mapping[str, object], now: Mapping[str, object], where: Place, index: int) -> None:
    """Raise for a value whose labels differ from those of earlier values.

    Raises
    ------
    InvalidDataError
        They differ; all events of a stream give a key values of one unit, with the same dimensions.
    """
    if _LABELS.isdisjoint(before) and _LABELS.isdisjoint(now):
        return
    for label in LABELS:
        if dumps(before.get(label)) != dumps(now.get(label)):  # in which NaN equals itself
            raise InvalidDataError(
                f"{where.at(index)}: got the {label} {now.get(label)!r}, event 0 has {before.get(label)!r}; expected "
                "the same in all events of a key. Convert the value, or use another key."
            )


def checked_units(units: str, where: str) -> str:
    """Return units as they are, or refuse those that no file can hold."""
    if "\0" in units:
        raise InvalidDataError(f"{where}: the units {units!r} hold NUL; expected text like 'eV'.")
    return units


def labelled(column: Column, found: Mapping[str, Any]) -> Column:
    """Return a column with its labels in its data key."""
    checked_units(found.get("units", ""), column.where.at(":"))
    column.data_key.update(found)
    return column

"""Codecs of the package `quantities`: a quantity is a magnitude, and units as exact text."""

from __future__ import annotations

import re
from functools import cache, partial
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import quantities as pq
from quantities import unitquantity
from quantities.dimensionality import Dimensionality

from analysis_store.codecs.model import Codec
from analysis_store.errors import InvalidDataError

_LABEL = re.compile(r"[^\s*/()]+")
_FACTOR = re.compile(r"([^\s*/()]+)(?:\*\*(-?\d{1,9}|-?\d{1,9}\.\d{1,17}|-?\d(?:\.\d{1,17})?e-?\d{1,3}))?")

_DIMENSIONLESS = "dimensionless"

_own_by_class: WeakValueDictionary[str, Any] = WeakValueDictionary()
"""Units that are not from the library, shared by all values of a process, since two of one name are rarely equal."""

# ------------------------------------------------------------------------------------------------ units


@cache
def _library() -> dict[str, Any]:
    """Return the units of the library by name and, if unambiguous, by symbol.

    The library's own registry evaluates the text of a lookup, and also holds units of users.
    """
    found: dict[int, Any] = {}
    for module in (pq, pq.units, pq.constants):
        found.update((id(unit), unit) for unit in vars(module).values() if isinstance(unit, pq.UnitQuantity))
    units = list(found.values())
    named = {_name(unit): unit for unit in units if _LABEL.fullmatch(_name(unit))}
    symbols = [(unit.symbol, unit) for unit in units if _LABEL.fullmatch(unit.symbol)]
    known = [symbol for symbol, _ in symbols]
    return {symbol: unit for symbol, unit in symbols if known.count(symbol) == 1} | named


def _name(unit: Any) -> str:
    return str(unit._name)  # noqa: SLF001 - the public one depends on how units are shown


def _is_of_library(unit: Any, label: str) -> bool:
    there = _library().get(label)
    return there is unit or (there is not None and type(there) is type(unit) and repr(there) == repr(unit))


def tell_units(units: Dimensionality) -> Any:
    """Return units as text, ``"kg*m**2*s**-2"``, or as pairs of unit and power if text would not be exact.

    The library's own text is ``m**1`` for ``m**10``.
    """
    factors = [_tell_factor(unit, power) for unit, power in units.items()]
    if any(factor is None for factor in factors):
        return [[unit, power] for unit, power in units.items()]
    return "*".join(sorted(str(factor) for factor in factors)) or _DIMENSIONLESS


def _tell_factor(unit: Any, power: Any) -> str | None:
    if isinstance(power, np.generic):
        power = power.item()
    label = next((label for label in (unit.symbol, _name(unit)) if _is_of_library(unit, label)), None)
    text = label if label is None or (type(power) is int and power == 1) else f"{label}**{power!r}"
    return text if text is not None and _FACTOR.fullmatch(text) and type(power) in {int, float} else None


def read_units(told: Any) -> Dimensionality:
    """Return the units for a result of `tell_units`; names are looked up, and nothing is evaluated.

    Raises
    ------
    InvalidDataError
        A unit is not known, or the text is invalid.
    """
    if type(told) is str:
        return _parse(told).copy()
    units = Dimensionality()
    for unit, power in told:
        if not isinstance(unit, pq.UnitQuantity):
            raise InvalidDataError(f"Got a {type(unit).__name__} as unit; expected a unit of the package quantities.")
        units[unit] = power
    return units


@cache
def _parse(text: str) -> Dimensionality:
    units = Dimensionality()
    for factor in re.split(r"(?<!\*)\*(?!\*)", text) if text != _DIMENSIONLESS else ():
        match = _FACTOR.fullmatch(factor)
        unit = _library().get(match[1]) if match else None
        if match is None or unit is None:
            raise InvalidDataError(
                f"Got {factor[:60]!r} in the units {text[:60]!r}, which this version of quantities does not have; "
                "expected names "
                'or symbols of its units, with powers, joined by "*".'
            )
        power = match[2]
        units[unit] = 1 if power is None else (int(power) if power.lstrip("-").isdigit() else float(power))
    return units


def _unit_state(unit: Any) -> dict[str, Any]:
    if _is_of_library(unit, _name(unit)):
        return {"name": _name(unit)}
    _own_by_class[f"{type(unit).__name__} {unit!r}"] = unit
    definition = None if unit._definition is unit else unit._definition  # noqa: SLF001 - the public one is never None
    state = {"name": _name(unit), "definition": definition}
    if type(unit) is pq.CompoundUnit:
        return state
    shown = {"symbol": unit._symbol, "u_symbol": unit._u_symbol}  # noqa: SLF001 - as above
    return state | shown | {"aliases": list(unit._aliases), "doc": vars(unit).get("__doc__")}  # noqa: SLF001


def _unit(cls: type, state: dict[str, Any]) -> Any:
    if state.keys() == {"name"}:
        unit = _library().get(state["name"])
        if type(unit) is not cls:
            raise InvalidDataError(
                f"Got {state['name']!r:.60}, which is not a {cls.__name__} of this version of quantities."
            )
        return unit
    if not isinstance(state["definition"], pq.Quantity | None):
        raise InvalidDataError(f"Got a {type(state['definition']).__name__} as definition; expected a quantity.")
    # Without calling the class, which would register the unit under its name for the whole process.
    unit = pq.UnitQuantity.__new__(cls, **state)
    if cls is unitquantity.Dimensionless:
        unit._definition = unit  # noqa: SLF001 - as its __init__ does
    return _own_by_class.setdefault(f"{cls.__name__} {unit!r}", unit)


# ------------------------------------------------------------------------------------------------ quantities


def _quantity_state(value: Any) -> dict[str, Any]:
    return {"magnitude": value.magnitude, "units": tell_units(value.dimensionality)}


def _quantity(state: dict[str, Any]) -> Any:
    return with_units(state["magnitude"], state["units"], pq.Quantity)


def with_units(magnitude: object, units: object, cls: type) -> Any:
    """Return an array as a quantity of ``cls``, without copying or rescaling it.

    Raises
    ------
    InvalidDataError
        The magnitude is not an array, or the units are not known.
    """
    if type(magnitude) is not np.ndarray:
        raise InvalidDataError(f"Got a {type(magnitude).__name__} as magnitude; expected an array.")
    value: Any = magnitude.view(cls)
    value._dimensionality = read_units(units)  # noqa: SLF001 - the setter rescales
    return value


def _uncertain_state(value: Any) -> dict[str, Any]:
    return _quantity_state(value) | {"uncertainty": value.uncertainty}


def _uncertain(state: dict[str, Any]) -> Any:
    value = with_units(state["magnitude"], state["units"], pq.UncertainQuantity)
    uncertainty = state["uncertainty"]
    if not isinstance(uncertainty, pq.Quantity) or uncertainty.shape != value.shape:
        raise InvalidDataError("Got an uncertainty of another shape; expected one number for each value.")
    value._uncertainty = uncertainty  # noqa: SLF001 - the setter rescales
    return value


_UNITS = (
    pq.UnitQuantity,
    pq.CompoundUnit,
    pq.UnitConstant,
    unitquantity.Dimensionless,
    unitquantity.IrreducibleUnit,
    *unitquantity.IrreducibleUnit.__subclasses__(),
)

CODECS = (
    Codec("quantities.Quantity", pq.Quantity, _quantity_state, _quantity),
    Codec("quantities.UncertainQuantity", pq.UncertainQuantity, _uncertain_state, _uncertain),
    Codec("quantities.Dimensionality", Dimensionality, tell_units, read_units),
    *(Codec(f"quantities.{cls.__name__}", cls, _unit_state, partial(_unit, cls), shared=False) for cls in _UNITS),
)

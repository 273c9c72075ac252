"""Codecs of the package `pint`: a quantity is a magnitude, and units as names with exponents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pint
from pint.facets.measurement.objects import Measurement
from pint.facets.plain import PlainQuantity, PlainUnit

from analysis_store.codecs.model import Codec
from analysis_store.errors import InvalidDataError


def _tell_units(items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return dict(sorted(items))


def _registry() -> Any:
    return pint.get_application_registry()  # type: ignore[no-untyped-call]


def _units(told: Mapping[str, Any]) -> Any:
    """Return units of this process's registry by name, without parsing an expression."""
    registry = _registry()
    for name in told:
        if not _is_known(registry, name):
            raise InvalidDataError(
                f"Got the unit {name!r:.60}; expected a name in the unit registry of this process. Define "
                "it there, or use the registry that has it: pint.set_application_registry()."
            )
    units = registry.UnitsContainer(told)
    if dict(units) != dict(told):
        raise InvalidDataError(
            f"Got the exponents {list(told.values())!r:.100}, which the unit registry of this process cannot "
            "use; expected a registry with the same non_int_type. Set it with pint.set_application_registry()."
        )
    return units


def _is_known(registry: Any, name: Any) -> bool:
    try:
        return type(name) is str and bool(name.isprintable()) and registry.get_name(name) == name
    except pint.UndefinedUnitError:
        return False


def _quantity_state(value: Any) -> dict[str, Any]:
    return {"magnitude": value.magnitude, "units": _tell_units(value.unit_items())}


def _quantity(state: dict[str, Any]) -> Any:
    magnitude = state["magnitude"]
    if isinstance(magnitude, str | bytes | list | dict | None):
        raise InvalidDataError(f"Got a {type(magnitude).__name__} as magnitude; expected a number or an array.")
    return _registry().Quantity(magnitude, _units(state["units"]))


def _unit_state(unit: Any) -> dict[str, Any]:
    return {"units": _tell_units(unit._units.items())}  # noqa: SLF001 - pint has no public name for it


def _unit(state: dict[str, Any]) -> Any:
    return _registry().Unit(_units(state["units"]))


def _measurement_state(value: Any) -> dict[str, Any]:
    if type(value.magnitude).__name__ != "Variable":
        raise InvalidDataError(
            f"Got the measurement {value:.3g}, which depends on others that a file cannot hold; expected an "
            "independent one. "
            "Store its value and error, from which value.plus_minus(error) creates an independent one."
        )
    magnitude = value.magnitude
    return {"value": magnitude.n, "error": magnitude.s, "units": _tell_units(value.unit_items())}


def _measurement(state: dict[str, Any]) -> Any:
    numbers = [state["value"], state["error"]]
    if not all(isinstance(number, int | float) for number in numbers):
        raise InvalidDataError(f"Got {numbers!r:.100} as value and error of a measurement; expected numbers.")
    return _registry().Measurement(*numbers, _units(state["units"]))


CODECS = (
    Codec("pint.Quantity", pint.Quantity, _quantity_state, _quantity),
    Codec("pint.Unit", pint.Unit, _unit_state, _unit, shared=False),
    Codec("pint.Measurement", pint.Measurement, _measurement_state, _measurement),
)


def find(cls: type) -> Codec | None:
    """Return the codec of a class that a unit registry created for itself; None for any other class."""
    if cls.__module__.partition(".")[0] != "pint":
        return None
    # A measurement is a quantity, too.
    for base, codec in zip((Measurement, PlainQuantity, PlainUnit), (CODECS[2], *CODECS[:2]), strict=True):
        if issubclass(cls, base):
            return replace(codec, cls=cls)
    return None

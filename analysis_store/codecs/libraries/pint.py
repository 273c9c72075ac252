"""What quantities of the package `pint` are in a file: a magnitude as it is, and units as names with exponents."""

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
    """Return units in the registry of this process, by name; no expression is parsed."""
    registry = _registry()
    for name in told:
        if not _is_known(registry, name):
            raise InvalidDataError(
                f"The unit {name!r:.60} is not in the unit registry of this process; expected one of its names. Define "
                "it there, or make the registry that has it the one of the process: pint.set_application_registry()."
            )
    units = registry.UnitsContainer(told)
    if dict(units) != dict(told):
        raise InvalidDataError(
            f"The exponents {list(told.values())!r:.100} are not of a kind that the unit registry of this process "
            "counts in; expected a registry with the same non_int_type. Set it with pint.set_application_registry()."
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
        raise InvalidDataError(f"A {type(magnitude).__name__} came as magnitude; expected a number or an array.")
    return _registry().Quantity(magnitude, _units(state["units"]))


def _unit_state(unit: Any) -> dict[str, Any]:
    return {"units": _tell_units(unit._units.items())}  # noqa: SLF001 - pint has no public name for it


def _unit(state: dict[str, Any]) -> Any:
    return _registry().Unit(_units(state["units"]))


def _measurement_state(value: Any) -> dict[str, Any]:
    if type(value.magnitude).__name__ != "Variable":
        raise InvalidDataError(
            f"The measurement {value:.3g} depends on others, which a file could not tell; expected an independent one. "
            "Store its value and error, which value.plus_minus(error) makes an independent one of."
        )
    magnitude = value.magnitude
    return {"value": magnitude.n, "error": magnitude.s, "units": _tell_units(value.unit_items())}


def _measurement(state: dict[str, Any]) -> Any:
    numbers = [state["value"], state["error"]]
    if not all(isinstance(number, int | float) for number in numbers):
        raise InvalidDataError(f"{numbers!r:.100} came as value and error of a measurement; expected numbers.")
    return _registry().Measurement(*numbers, _units(state["units"]))


CODECS = (
    Codec("pint.Quantity", pint.Quantity, _quantity_state, _quantity),
    Codec("pint.Unit", pint.Unit, _unit_state, _unit, shared=False),
    Codec("pint.Measurement", pint.Measurement, _measurement_state, _measurement),
)


def find(cls: type) -> Codec | None:
    """Return the codec of a class that a unit registry made for itself; None for any other class."""
    if cls.__module__.partition(".")[0] != "pint":
        return None
    # A measurement is a quantity, too.
    for base, codec in zip((Measurement, PlainQuantity, PlainUnit), (CODECS[2], *CODECS[:2]), strict=True):
        if issubclass(cls, base):
            return replace(codec, cls=cls)
    return None

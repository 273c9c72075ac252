"""Quantities of the package pint in a file: names of units, never expressions."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from analysis_store.codecs.registry import for_type, revive
from analysis_store.errors import DamagedFileError, InvalidDataError
from analysis_store.testing.codecs import through_file
from analysis_store.testing.equality import assert_identical

pint = pytest.importorskip("pint")

units = pint.get_application_registry()


@pytest.mark.parametrize(
    "value",
    [
        units.Quantity(1, "mV"),
        units.Quantity(1e-6, "s"),
        units.Quantity(-0.0, "kg*m**2/s**2"),
        units.Quantity(float("nan"), ""),
        units.Quantity(np.arange(6.0).reshape(2, 3), "m**0.5"),
        units.Quantity(np.array([1, 2], ">i4"), "1/s"),
        units.Quantity(np.float32(0.1), "eV"),
        units.Quantity(Fraction(1, 3), "m"),
        units.Quantity(Decimal("1.50"), "m"),
        units.Quantity(21.5, "degC"),
        units.Quantity(1.5, "delta_degC/min"),
        units.meter,
        units.Unit("dimensionless"),
        units.Unit("kiloelectron_volt / angstrom ** 2"),
    ],
    ids=repr,
)
def test_comes_back(value):
    """Magnitude, its type and units are what they were."""
    assert_identical(value, through_file(value))


def test_state_reads_well():
    """A reader without the library sees a magnitude, and units as names with exponents."""
    state = for_type(units.Quantity).to_state(units.Quantity(9.81, "m/s**2"))
    assert state == {"magnitude": 9.81, "units": {"meter": 1, "second": -2}}


def test_of_another_registry():
    """A quantity of any registry is stored, and comes back in the registry of the process."""
    own = pint.UnitRegistry()
    found = through_file([own.Quantity(1.5, "mV"), own.meter, units.Quantity(2, "s")])
    assert [type(value) for value in found] == [type(units.Quantity(1)), type(units.meter), type(units.Quantity(1))]
    assert found == [units.Quantity(1.5, "mV"), units.meter, units.Quantity(2, "s")]


def test_unknown_unit():
    """A unit that the registry of the process does not know is named, with a way out."""
    own = pint.UnitRegistry()
    own.define("flurb = 3 * volt")
    with pytest.raises(
        DamagedFileError, match=r"unit 'flurb'; expected a name in the unit registry.*set_application_registry"
    ):
        through_file(own.Quantity(2.0, "flurb"))


def test_measurement():
    """A value with its error comes back; one that depends on others is refused, because that would be lost."""
    pytest.importorskip("uncertainties")
    found = through_file(units.Quantity(1.5, "mV").plus_minus(0.1))
    assert type(found) is type(units.Quantity(1.5, "mV").plus_minus(0.1))
    assert (found.value, found.error) == (units.Quantity(1.5, "mV"), units.Quantity(0.1, "mV"))
    with pytest.raises(InvalidDataError, match=r"obj\[0\].*depends on others"):
        through_file([units.Quantity(1.5, "mV").plus_minus(0.1) * 2])
    with pytest.raises(DamagedFileError, match="cannot be created from its state"):
        revive(for_type(units.Measurement), 1, {"value": "1", "error": 1.0, "units": {}})


def test_fractions_as_exponents():
    """An exponent that the registry of the process cannot hold is refused, not rounded."""
    own = pint.UnitRegistry(non_int_type=Fraction)
    with pytest.raises(DamagedFileError, match="non_int_type"):
        through_file(own.Quantity(Fraction(2), own.UnitsContainer({"meter": Fraction(1, 3)})))


@pytest.mark.parametrize(
    ("cls", "state"),
    [
        (units.Quantity, {"magnitude": 1, "units": {"__import__('os').system('true')": 1}}),
        (units.Quantity, {"magnitude": 1, "units": {"m*m": 1}}),
        (units.Quantity, {"magnitude": 1, "units": {"mV": 1}}),
        (units.Quantity, {"magnitude": 1, "units": {"": 1}}),
        (units.Quantity, {"magnitude": 1, "units": {7: 1}}),
        (units.Quantity, {"magnitude": 1, "units": {"meter": "2"}}),
        (units.Quantity, {"magnitude": 1, "units": "meter"}),
        (units.Quantity, {"magnitude": "9**9**9 m", "units": {}}),
        (units.Quantity, {"magnitude": [1, 2], "units": {}}),
        (units.Quantity, {"units": {}}),
        (units.Unit, {"units": {"m" * 100000: 1}}),
    ],
    ids=lambda it: repr(it)[:60],
)
def test_crafted_states(cls, state):
    """A state that somebody made up is refused."""
    with pytest.raises(DamagedFileError, match="cannot be created from its state"):
        revive(for_type(cls), 1, state)

"""Quantities of the package quantities in a file: exact, and never evaluated."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from analysis_store.codecs.registry import for_type, revive
from analysis_store.errors import DamagedFileError
from analysis_store.testing.codecs import through_file
from analysis_store.testing.equality import assert_identical

pq = pytest.importorskip("quantities")

from analysis_store.codecs.libraries import quantities as codecs  # noqa: E402 - needs the package

FLURB = pq.UnitQuantity("flurb", 3 * pq.mV, symbol="fl", u_symbol="ƒ", aliases=["flurbs"], doc="Of no use.")
DUCAT = pq.UnitCurrency("ducat", symbol="dct")


@pytest.mark.parametrize(
    "value",
    [
        1e-6 * pq.s,
        0.12345 * pq.s,
        pq.Quantity(np.arange(6).reshape(2, 3), "mV"),
        pq.Quantity(np.asfortranarray(np.ones((2, 3))), "kg*m**2/s**2"),
        pq.Quantity(np.array([1, 2], ">i2"), "m"),
        pq.Quantity(np.float32(0.1), "1/s"),
        pq.Quantity(np.array([], "f4"), "pA"),
        pq.Quantity([np.nan, -0.0, np.inf], "degC"),
        pq.Quantity(1 + 2j, "ohm"),
        pq.Quantity(3.0),
        pq.Quantity(2, "percent"),
        pq.Quantity([1.5, 2.5], "m") ** 0.5,
        2.0 * pq.CompoundUnit("1/cm**3") / pq.s,
        4.0 * pq.constants.electron_mass,
        4.0 * FLURB / pq.s,
        4.0 * DUCAT,
        pq.UncertainQuantity([1.0, 2.0], "mV", [0.1, 0.2]),
        pq.UncertainQuantity(1.0, "s", 1e-9) * 3,
        pq.mV,
        pq.dimensionless,
        pq.kilogram,
        pq.CompoundUnit("0.1*mm"),
        pq.constants.Planck_constant,
        FLURB,
        DUCAT,
        (3 * pq.V / pq.s).dimensionality,
    ],
    ids=repr,
)
def test_comes_back(value):
    """Value, dtype, order and units are what they were, and so is the type."""
    found = through_file(value)
    assert_identical(value, found)
    if isinstance(value, pq.Quantity):
        assert found.dimensionality.string == value.dimensionality.string
        assert (found == value).all() or np.isnan(value.magnitude).any()


def test_high_powers():
    """The library's own text says m**1 of m**10; what is stored is right."""
    value = pq.Quantity(2.0, pq.m.dimensionality**10)
    assert value.dimensionality.string == "m**1"
    assert through_file(value).dimensionality[pq.m] == 10
    assert for_type(pq.Quantity).to_state(value)["units"] == "m**10"


@pytest.mark.parametrize("power", [1 / 3, 1e-7, -2.5, 7, np.float64(0.1), np.int64(2)])
def test_powers(power):
    """A power comes back to the last bit."""
    found = through_file(pq.Quantity(1.0, pq.m.dimensionality**power))
    assert list(found.dimensionality.values()) == [power]


def test_all_units_of_the_library():
    """Each unit that the library brings is told as text, and found again as the object that it is."""
    units = {id(unit): unit for unit in codecs._library().values()}.values()
    assert len(units) > 600
    for unit in units:
        codec = for_type(type(unit))
        assert codec.from_state(codec.to_state(unit)) is unit
        factors = pq.Quantity(1.0, unit).dimensionality
        told = codecs.tell_units(factors)
        assert type(told) is str
        assert codecs.read_units(told) == factors


def test_state_reads_well():
    """A reader without the library sees a magnitude and its units."""
    state = for_type(pq.Quantity).to_state(9.81 * pq.m / pq.s**2)
    assert state == {"magnitude": 9.81, "units": "m*s**-2"}


def test_units_of_a_user_are_told_whole():
    """A unit that the library does not bring is told by what it is made of, whatever the registry has of it."""
    state = for_type(type(FLURB)).to_state(FLURB)
    assert state["definition"] == 3 * pq.mV
    assert (state["name"], state["symbol"]) == ("flurb", "fl")


def test_units_are_not_registered_by_loading():
    """Loading a file changes nothing in the library's registry."""
    codec = for_type(pq.UnitQuantity)
    unit = codec.from_state({"name": "snorp", "definition": 2 * pq.m, "symbol": "snp"})
    assert (3 * unit).rescale("m") == 6 * pq.m
    with pytest.raises(LookupError):
        pq.unit_registry["snorp"]


def test_unpickled_units_are_those_of_the_library():
    """A copy of a unit of the library, as unpickling makes it, is told by its name."""
    copied = pickle.loads(pickle.dumps(3.0 * pq.mV))
    assert for_type(pq.Quantity).to_state(copied)["units"] == "mV"


def test_shared_quantities_stay_shared():
    """One quantity met twice comes back as one."""
    value = [1.0, 2.0] * pq.mV
    first, second = through_file([value, value])
    assert second is first


@pytest.mark.parametrize(
    "text",
    [
        "().__class__.__base__.__subclasses__()",
        "__import__('os').system('true')",
        "9**9**9**9",
        "m**9**9**9",
        "m**" + "9" * 100,
        "m*" * 10000 + "m!",
        "mV/s",
        "(m)",
        "flurb",
        "UnitQuantity",
        "",
        "m\0",
        "m**1e9999",
    ],
)
def test_crafted_units(text):
    """Text of units from a file is looked up part by part; what is no unit is refused by name."""
    with pytest.raises(DamagedFileError, match="which this version of quantities does not have; expected names"):
        revive(for_type(pq.Quantity), 1, {"magnitude": np.ones(2), "units": text})


@pytest.mark.parametrize(
    ("cls", "state"),
    [
        (pq.Quantity, {"magnitude": "evil", "units": "mV"}),
        (pq.Quantity, {"magnitude": np.ones(2), "units": [[3.0, 1]]}),
        (pq.Quantity, {"magnitude": np.ones(2), "units": 7}),
        (pq.Quantity, {"magnitude": np.ones(2)}),
        (pq.Quantity, "mV"),
        (pq.UncertainQuantity, {"magnitude": np.ones(2), "units": "mV", "uncertainty": np.ones(2)}),
        (pq.UncertainQuantity, {"magnitude": np.ones(2), "units": "mV", "uncertainty": np.ones(3) * pq.mV}),
        (pq.UnitQuantity, {"name": "second"}),
        (pq.UnitQuantity, {"name": ["second"]}),
        (pq.UnitQuantity, {"name": "x", "definition": "9**9**9"}),
        (pq.UnitQuantity, {"name": 3, "definition": None}),
        (pq.UnitQuantity, {"name": "x", "definition": 3 * pq.m, "evil": 1}),
    ],
    ids=repr,
)
def test_crafted_states(cls, state):
    """A state that somebody made up is refused."""
    with pytest.raises(DamagedFileError, match="cannot be created from its state"):
        revive(for_type(cls), 1, state)

"""Absorption spectra: made ones whose edge is known, and measured ones."""

from __future__ import annotations

import numpy as np
import pytest

from analysis_store.errors import InputError
from analysis_store.processing.library.xafs import absorption, normalise_absorption
from tests.unit.library_inputs import file, inputs, run

ENERGY = np.linspace(6900.0, 7900.0, 2001)
LINE = 0.4 - 2e-4 * (ENERGY - 7112)
EDGE = 1.3 * (0.5 + np.arctan((ENERGY - 7112) / 0.8) / np.pi)
MEASURED = {  # edge energy that tables give, eV; edge step as it was found, checked by eye
    "cu_metal_rt.xdi": (8979, 2.77),
    "fe3c_rt.xdi": (7112, 2.42),
    "feo_rt1.xdi": (7112, 1.38),
    "ni_metal_rt.xdi": (8333, 2.56),
}


def normalised(energy=ENERGY, mu=LINE + EDGE, units="eV", **parameters):
    """What is made of one spectrum."""
    found = normalise_absorption(inputs(run({"energy": units}, energy=energy, mu=mu)), **parameters)
    return found["primary"].isel(event=0)


def test_edge_that_is_known():
    """Edge, step, line and normalised spectrum are those that the spectrum was made with."""
    found = normalised()
    behind = found["energy"].values > 7250

    assert abs(float(found["e0"]) - 7112) <= 0.5
    assert float(found["edge_step"]) == pytest.approx(1.3, abs=0.01)
    np.testing.assert_allclose(found["pre_edge"], LINE, atol=0.03)
    np.testing.assert_allclose(found["flat"].values[behind], 1.0, atol=2e-3)
    np.testing.assert_allclose(found["norm"].values[found["energy"].values < 7000], 0.0, atol=2e-3)
    assert {key: found[key].attrs["units"] for key in ("e0", "energy")} == {"e0": "eV", "energy": "eV"}


def test_formulas():
    """They hold between what is returned: norm, and the step as the distance of the two curves at the edge."""
    found = normalised(e0=7112.0)
    at = int(np.argmin(abs(found["energy"].values - 7112)))

    np.testing.assert_allclose(found["norm"], (found["mu"] - found["pre_edge"]) / found["edge_step"])
    assert float(found["post_edge"][at] - found["pre_edge"][at]) == pytest.approx(float(found["edge_step"]))
    assert float(found["e0"]) == 7112.0


@pytest.mark.parametrize("name", MEASURED)
def test_measured_spectra(name, real_data):
    """Edges are where tables have them, steps are sane, and the spectra go from 0 to 1."""
    found = normalise_absorption(inputs(file(real_data / "xafs" / name)))["primary"].isel(event=0)
    energy, (edge, step) = found["energy"].values - float(found["e0"]), MEASURED[name]

    assert abs(float(found["e0"]) - edge) < 12
    assert float(found["edge_step"]) == pytest.approx(step, abs=0.01)
    assert abs(found["norm"].values[energy < -50].mean()) < 2e-3
    assert found["flat"].values[energy > 100].mean() == pytest.approx(1, abs=1e-3)
    assert all(np.isfinite(found[key].values).all() for key in found.variables)


def test_from_intensities(real_data):
    """A scan that tells only intensities is made one of absorption first."""
    found = absorption(inputs(file(real_data / "xafs" / "v_foil.xdi")), signal="i1")["primary"].isel(event=0)
    again = normalised(found["energy"].values, found["mu"].values)

    assert found["energy"].attrs == {"units": "eV"}
    assert abs(float(again["e0"]) - 5465) < 5
    assert float(again["edge_step"]) == pytest.approx(2.45, abs=0.01)


def test_beer_and_lambert():
    """In transmission it is ln(i0 / i), in fluorescence the ratio; without light there is nothing."""
    given = inputs(run({"energy": "keV"}, energy=[1.0, 2, 3, 4], i0=[10.0, 10, 0, 5], itrans=[10.0, 10 / np.e, 3, 0]))
    through = absorption(given)["primary"]
    aside = absorption(given, mode="fluorescence")["primary"]

    np.testing.assert_allclose(through["mu"].values[0], [0, 1, np.nan, np.nan], atol=1e-15)
    np.testing.assert_allclose(aside["mu"].values[0], [1, 1 / np.e, np.nan, 0])
    assert through["energy"].attrs == {"units": "keV"}


def test_kiloelectronvolts_and_order():
    """A spectrum in keV, measured downwards with a dead point, gives the same in eV."""
    mu = LINE + EDGE
    mu[5] = np.nan
    found = normalised(ENERGY[::-1] / 1000, mu[::-1], "keV")

    assert float(found["e0"]) == pytest.approx(float(normalised()["e0"]))
    assert float(found["edge_step"]) == pytest.approx(float(normalised()["edge_step"]), rel=1e-5)
    assert len(found["energy"]) == 2000


def test_glitch_is_no_edge():
    """One point that jumps is not taken for the edge, nor an energy that was measured twice."""
    energy, mu = np.insert(ENERGY, 900, ENERGY[900]), np.insert(LINE + EDGE, 900, 1.9)
    mu[1500] += 2.0

    assert abs(float(normalised(energy, mu)["e0"]) - 7112) <= 0.5


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"mu": np.zeros(2001)}, "rises nowhere"),
        ({"mu": np.full(2001, -1000.0)}, "rises nowhere"),
        ({"mu": LINE[:5], "energy": ENERGY[:5]}, "5 points came; expected a spectrum with an edge"),
        ({"e0": 6905.0}, "The data reach from -5.0 to 995.0 eV: give pre= or post="),
        ({"e0": 7112.0, "mu": LINE - EDGE}, "an edge step of -1.29 at 7112.0 eV; expected one up"),
        ({"e0": 7112.0, "mu": np.zeros(2001)}, "an edge step of 0 at"),
        ({"units": "mm"}, "'energy' is in 'mm'; expected eV or keV"),
    ],
)
def test_no_edge(parameters, message):
    """What has no edge, or does not reach far enough, is refused with what to give."""
    with pytest.raises(InputError, match=message):
        normalised(**parameters)


def test_key_of_absorption():
    """The usual names are known; what is not there is answered with what is."""
    found = normalise_absorption(inputs(run(energy=ENERGY, mutrans=LINE + EDGE, other=ENERGY)))
    assert "norm" in found["primary"]

    with pytest.raises(InputError, match=r"\['a', 'b'\]; name one, mu=key"):
        normalise_absorption(inputs(run(energy=ENERGY, a=LINE, b=LINE)))
    with pytest.raises(InputError, match=r"no numbers 'energy'; name one of \['mu'\]"):
        normalise_absorption(inputs(run(mu=LINE)))

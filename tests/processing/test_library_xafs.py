"""Absorption spectra: made ones whose edge is known, and measured ones."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from analysis_store.errors import InputError
from analysis_store.processing.library.xafs import absorption, normalise_absorption
from tests.processing.library_inputs import file, inputs, run

ENERGY = np.linspace(6900.0, 7900.0, 2001)
LINE = 0.4 - 2e-4 * (ENERGY - 7112)
EDGE = 1.3 * (0.5 + np.arctan((ENERGY - 7112) / 0.8) / np.pi)
LARCH = Path(__file__).resolve().parents[1] / "data" / "larch"
REFERENCE = json.loads((LARCH / "reference.json").read_text())
MEASURED = {  # edge energy that tables give, eV; edge step as it was found, checked by eye
    "cu_metal_rt.xdi": (8979, 2.73),
    "fe3c_rt.xdi": (7112, 2.42),
    "feo_rt1.xdi": (7112, 1.35),
    "ni_metal_rt.xdi": (8333, 2.53),
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
    assert float(found["edge_step"]) == pytest.approx(1.3, abs=0.015)
    np.testing.assert_allclose(found["pre_edge"], LINE, atol=0.03)
    np.testing.assert_allclose(found["flat"].values[behind], 1.0, atol=2e-3)
    np.testing.assert_allclose(found["norm"].values[found["energy"].values < 7000], 0.0, atol=2e-3)
    assert all(found[key].attrs["units"] == "eV" for key in ("e0", "energy", "pre_window", "post_window"))


def test_formulas():
    """They hold between what is returned: norm, and the step as the distance of the two curves at the edge."""
    found = normalised(e0=7112.0)
    at = int(np.argmin(abs(found["energy"].values - 7112)))

    np.testing.assert_allclose(found["norm"], (found["mu"] - found["pre_edge"]) / found["edge_step"])
    assert float(found["post_edge"][at] - found["pre_edge"][at]) == pytest.approx(float(found["edge_step"]))
    assert float(found["e0"]) == 7112.0


def spectrum(name):
    """Return energy and absorption of a spectrum that is made as that was which Larch was given."""
    spec = importlib.util.spec_from_file_location("make_larch", LARCH / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.made(name)


def assert_as_larch(found, name, tolerance):
    """Fail where step, windows, degree or curves are not those of Larch, of the step by more than the tolerance."""
    told = REFERENCE[name]
    assert float(found["edge_step"]) == pytest.approx(told["edge_step"], rel=tolerance)
    assert found["degree"] == told["degree"]
    for ours, theirs in (("pre_window", "pre"), ("post_window", "post")):
        np.testing.assert_allclose(found[ours], told[theirs], atol=1e-9)
    for key in ("norm", "flat"):
        np.testing.assert_allclose(found[key].values[told["at"]], told[key], atol=tolerance)


@pytest.mark.parametrize("name", ["long", "short", "xanes", "coarse"])
def test_made_spectra_as_larch_has_them(name):
    """Windows follow the scan, however short or coarse it is, and the result is that of Larch."""
    energy, mu = spectrum(name)

    assert_as_larch(normalised(energy, mu, e0=REFERENCE[name]["e0"]), name, 1e-7)


@pytest.mark.parametrize("name", ["cu_metal_rt", "fe3c_rt", "feo_rt1", "ni_metal_rt", "v_foil"])
def test_measured_spectra_as_larch_has_them(name, real_data):
    """Of measured spectra, too, within half a percent with the edge that is found, exactly with that of Larch."""
    source = inputs(file(real_data / "xafs" / f"{name}.xdi"))
    if name == "v_foil":
        found = absorption(source, signal="i1")["primary"]
        source = inputs(run({"energy": "eV"}, energy=found["energy"].values, mu=found["mu"].values))
    found = normalise_absorption(source)["primary"].isel(event=0)

    assert float(found["e0"]) == pytest.approx(REFERENCE[name]["e0"], abs=1.0)
    assert_as_larch(found, name, 5e-3)
    assert_as_larch(normalise_absorption(source, e0=REFERENCE[name]["e0"])["primary"].isel(event=0), name, 1e-7)


def test_a_short_scan():
    """From 60 eV before the edge to 80 eV behind it the spectrum goes from 0 to 1; the windows are in the result."""
    energy, mu = spectrum("short")
    found = normalised(energy, mu, e0=7112.0)
    offset = energy - 7112.0

    assert abs(found["norm"].values[offset < -20]).max() < 0.05
    assert abs(found["flat"].values[offset > 25] - 1).max() < 0.1
    assert found["pre_window"].values.tolist() == [-60.0, -30.0]
    assert found["post_window"].values.tolist() == [25.0, 80.0]
    assert (int(found["pre_points"]), int(found["post_points"]), int(found["degree"])) == (60, 110, 1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"pre": (-3.0, -1.5)},
            r"3 points from -3.0 to -1.5 eV of the edge are too few .* from -212.0 to 788.0 eV: give pre=",
        ),
        (
            {"post": (100.0, 102.0), "degree": 1},
            r"4 points from 100.0 to 102.0 eV of the edge are too few .* give post=",
        ),
    ],
)
def test_few_points_in_a_window(given, message):
    """What is fitted to a handful of points is given, and a warning with it."""
    with pytest.warns(UserWarning, match=message):
        found = normalised(e0=7112.0, **given)

    assert np.isfinite(found["norm"].values).all()


@pytest.mark.parametrize("name", MEASURED)
def test_measured_spectra(name, real_data):
    """Edges are where tables have them, steps are sane, and the spectra go from 0 to 1."""
    found = normalise_absorption(inputs(file(real_data / "xafs" / name)))["primary"].isel(event=0)
    energy, (edge, step) = found["energy"].values - float(found["e0"]), MEASURED[name]

    assert abs(float(found["e0"]) - edge) < 12
    assert float(found["edge_step"]) == pytest.approx(step, abs=0.01)
    assert abs(found["norm"].values[energy < -50].mean()) < 2e-3
    assert found["flat"].values[energy > 100].mean() == pytest.approx(1, abs=2e-3)
    assert all(np.isfinite(found[key].values).all() for key in found.variables)


def test_from_intensities(real_data):
    """A scan that tells only intensities is made one of absorption first."""
    found = absorption(inputs(file(real_data / "xafs" / "v_foil.xdi")), signal="i1")["primary"].isel(event=0)
    again = normalised(found["energy"].values, found["mu"].values)

    assert found["energy"].attrs == {"units": "eV"}
    assert abs(float(again["e0"]) - 5465) < 5
    assert float(again["edge_step"]) == pytest.approx(2.39, abs=0.01)


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
        (
            {"e0": 6900.0},
            "0 points from 0.0 to 0.0 eV .* The data reach from 0.0 to 1000.0 eV: give pre= or another e0=",
        ),
        ({"e0": 7112.0, "post": (100.0, 101.0), "degree": 3}, "2 points from 100.0 to 101.0 eV .* expected at least 4"),
        ({"e0": 7112.0, "mu": LINE - EDGE}, "an edge step of -1.289 at 7112.0 eV; expected one up"),
        ({"e0": 7112.0, "mu": np.zeros(2001)}, "an edge step of 0 at"),
        ({"units": "mm"}, "'energy' is in 'mm'; expected eV or keV"),
    ],
)
def test_no_edge(parameters, message):
    """What has no edge, or does not reach far enough, is refused with what to give."""
    with pytest.raises(InputError, match=message):
        normalised(**parameters)


def test_key_of_absorption():
    """The usual names are known; what is not there is answered with what is, and so are several."""
    found = normalise_absorption(inputs(run(energy=ENERGY, mutrans=LINE + EDGE, other=ENERGY)))
    assert "norm" in found["primary"]
    found = normalise_absorption(inputs(run(energy=ENERGY, mutrans=LINE, mu=LINE + EDGE)))
    assert "norm" in found["primary"]

    both = inputs(run(energy=ENERGY, mutrans=LINE, mufluor=LINE + EDGE))
    with pytest.raises(
        InputError, match=r"has the absorptions \['mutrans', 'mufluor'\]; name the one that is the signal"
    ):
        normalise_absorption(both)
    assert "norm" in normalise_absorption(both, mu="mufluor")["primary"]

    with pytest.raises(InputError, match=r"\['a', 'b'\]; name one, mu=key"):
        normalise_absorption(inputs(run(energy=ENERGY, a=LINE, b=LINE)))
    with pytest.raises(InputError, match=r"no numbers 'energy'; name one of \['mu'\]"):
        normalise_absorption(inputs(run(mu=LINE)))

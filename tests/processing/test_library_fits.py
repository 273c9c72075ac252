"""Fits of peaks: what was put in comes out, and what is no peak is told."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from lmfit import models

from analysis_store.errors import MissingDependencyError
from analysis_store.processing.library.fits import fit_peak
from tests.processing.library_inputs import inputs, run
from tests.sweeps import some

X = np.linspace(-5.0, 5.0, 201)
SHAPES = {
    "gaussian": models.gaussian(X, 3.0, 0.7, 0.5),
    "lorentzian": models.lorentzian(X, 3.0, 0.7, 0.5),
    "voigt": models.voigt(X, 3.0, 0.7, 0.5),
    "pseudo_voigt": models.pvoigt(X, 3.0, 0.7, 0.5, 0.3),
}


def fitted(y, x=X, **parameters):
    """What is found of one curve."""
    return fit_peak(inputs(run({"x": "mm", "y": "counts"}, x=x, y=y)), x="x", y="y", **parameters)["primary"]


@pytest.mark.parametrize("background", some(["constant", "none", "linear"], 1))
@pytest.mark.parametrize("model", SHAPES)
def test_what_was_put_in_comes_out(model, background):
    """Area, place and width are those that the curve was made with, within the errors that are told."""
    noise = np.random.default_rng(1).normal(0, 0.02, len(X))
    ground = {"none": 0.0, "constant": 2.0, "linear": 2.0 + 0.3 * X}[background]
    found = fitted(SHAPES[model] + ground + noise, model=model, background=background)

    assert bool(found["success"][0])
    for name, wanted in {"amplitude": 3.0, "center": 0.7, "sigma": 0.5}.items():
        error = float(found[f"{name}_stderr"][0])
        assert 0 < error < 0.3
        assert abs(float(found[name][0]) - wanted) < 5 * error
    assert float(found["redchi"][0]) == pytest.approx(0.02**2, rel=0.4)
    np.testing.assert_allclose(found["best_fit"].values[0], SHAPES[model] + ground, atol=0.03)


@pytest.mark.parametrize("background", ["none", "constant", "linear"])
@pytest.mark.parametrize("model", SHAPES)
def test_dip(model, background):
    """A peak that points down has a negative area and height."""
    found = fitted(
        -SHAPES[model] + {"none": 0.0, "constant": 7.0, "linear": X}[background], model=model, background=background
    )

    assert bool(found["success"][0])
    assert float(found["amplitude"][0]) == pytest.approx(-3, rel=1e-3)
    assert float(found["center"][0]) == pytest.approx(0.7, rel=1e-3)
    assert float(found["height"][0]) < 0


@pytest.mark.parametrize("model", some(SHAPES, 1))
@pytest.mark.parametrize("spike", [1e300, -1e300, 1e-300])
def test_fit_that_goes_astray(model, spike):
    """Values at the ends of what floats can hold give a result, with whatever success."""
    found = fitted(np.where(X == X[100], spike, 0.0), model=model)

    assert found["success"].dtype == bool
    assert found["best_fit"].shape == (1, 201)


def test_width_and_height_follow():
    """FWHM and height are those of the shape."""
    found = fitted(SHAPES["gaussian"], background="constant")

    assert float(found["fwhm"][0]) == pytest.approx(0.5 * 2 * np.sqrt(2 * np.log(2)), rel=1e-4)
    assert float(found["height"][0]) == pytest.approx(SHAPES["gaussian"].max(), rel=1e-3)


def test_units():
    """Units follow from those of the curve."""
    found = fitted(SHAPES["gaussian"], background="linear")
    units = {key: found[key].attrs.get("units") for key in found.variables}

    assert units["center"] == units["fwhm"] == units["sigma_stderr"] == units["x"] == "mm"
    assert units["height"] == units["intercept"] == units["best_fit"] == "counts"
    assert (units["amplitude"], units["slope"], units["redchi"]) == ("counts*mm", "counts/mm", None)


@pytest.mark.parametrize("background", some(["constant", "none", "linear"], 1))
@pytest.mark.parametrize("model", some(SHAPES, 2))
@pytest.mark.parametrize(
    "y", [np.zeros(201), np.full(201, -1000.0), X, SHAPES["gaussian"][:3]], ids=["zeros", "constant", "slope", "short"]
)
def test_no_peak(y, model, background):
    """Zeros, constants, a slope on a line and three points are no success, and have the same keys as one."""
    found = fitted(y, X[: len(y)], model=model, background=background)

    if y is not X or background == "linear":
        assert not found["success"].values.any()
    assert set(found.variables) == set(fitted(SHAPES[model], model=model, background=background).variables)


def test_points_that_are_not_finite():
    """They are left out of the fit, and of the curves that are told."""
    y = SHAPES["gaussian"].copy()
    y[::10] = np.nan
    found = fitted(y)

    assert found["x"].shape == found["best_fit"].shape == (1, 180)
    assert float(found["center"][0]) == pytest.approx(0.7)


def test_without_lmfit(monkeypatch):
    """Where lmfit is not installed, the error names the extra."""
    monkeypatch.setitem(sys.modules, "lmfit", None)

    with pytest.raises(MissingDependencyError, match=r"analysis_store\[fit\]"):
        fitted(SHAPES["gaussian"])

"""Peak statistics: what Bluesky says of the same scan, and what holds of any."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
from bluesky.callbacks.fitting import PeakStats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analysis_store.processing.library.peaks import peak_statistics
from tests.processing.library_inputs import inputs, run

GAUSS = 1 / (2 * np.sqrt(2 * np.log(2)))
"""Sigma of a Gaussian of FWHM 1."""


def statistics(x, y, **parameters):
    """What is found of one curve."""
    found = peak_statistics(inputs(run(x=x, y=y)), x="x", **parameters)["primary"]
    return {key: value.values[0] for key, value in found.items()}


def bluesky(x, y, edge_points):
    """What Bluesky finds of it."""
    stats = PeakStats("x", "y", edge_count=edge_points or None)
    stats("start", {"uid": "1"})
    for at, up in zip(x, y, strict=True):
        stats("event", {"data": {"x": at, "y": up}})
    stats("stop", {"exit_status": "success"})
    return stats


@pytest.mark.parametrize("edge_points", [0, 3])
@pytest.mark.parametrize("seed", range(8))
def test_agrees_with_bluesky(seed, edge_points):
    """Maximum, minimum, centre of mass, centre and width are those of `PeakStats`, background or not."""
    random = np.random.default_rng(seed)
    x = np.linspace(-2, 3, 41)
    y = 100 * np.exp(-(((x - 0.4) / 0.5) ** 2)) + random.poisson(5, 41) + 3 * x + 20
    found, wanted = statistics(x, y, edge_points=edge_points), bluesky(x, y, edge_points)

    assert (found["position"], found["maximum"]) == wanted.max
    assert (found["minimum_position"], found["minimum"]) == wanted.min
    assert found["centre_of_mass"] == pytest.approx(wanted.com, rel=1e-12)
    assert found["centre"] == pytest.approx(wanted.cen, rel=1e-12)
    assert found["fwhm"] == pytest.approx(wanted.fwhm, rel=1e-12)


def test_gaussian():
    """A Gaussian of FWHM 1 and area 1 has both, whatever it stands on."""
    x = np.linspace(-6, 6, 2401)
    y = np.exp(-((x - 0.3) ** 2) / (2 * GAUSS**2)) / (GAUSS * np.sqrt(2 * np.pi)) + 0.1 * x + 2
    found = statistics(x, y, edge_points=5)

    assert found["fwhm"] == pytest.approx(1, abs=1e-3)
    assert found["area"] == pytest.approx(1, abs=1e-6)
    assert found["centre"] == pytest.approx(0.3, abs=1e-4)
    assert found["centre_of_mass"] == pytest.approx(0.3, abs=1e-6)


def test_direction_and_gaps_do_not_matter():
    """A scan downwards, and one with points that are not finite, give what the scan upwards gives of the others."""
    x = np.linspace(0, 1, 21)
    y = np.sin(3 * x)
    holes = np.where(np.arange(21) % 5 == 4, np.nan, y)
    kept = np.isfinite(holes)

    assert statistics(x[::-1], y[::-1]) == statistics(x, y)
    assert statistics(x, holes) == statistics(x[kept], y[kept])
    assert statistics(x, holes)["points"] == 17


@pytest.mark.parametrize(("level", "mass"), [(0.0, np.nan), (-1000.0, 0.5)])
def test_constant(level, mass):
    """What says nothing of a peak has no width and no centre: NaN; zeros have no centre of mass, either."""
    found = statistics(np.linspace(0, 1, 11), np.full(11, level))

    assert np.isnan([found["fwhm"], found["centre"]]).all()
    np.testing.assert_allclose(found["centre_of_mass"], mass)
    assert (found["maximum"], found["minimum"]) == (level, level)
    assert found["area"] == pytest.approx(level)


def test_one_point():
    """One point has a place and a height."""
    found = statistics([2.0], [7.0], edge_points=3)

    assert (found["position"], found["maximum"], found["points"], found["area"]) == (2.0, 7.0, 1, 0.0)


@given(arrays(np.float64, st.integers(1, 30), elements=st.floats(-1e6, 1e6)), st.integers(0, 4))
def test_width_is_within_the_data(y, edge_points):
    """Whatever the values are, place, centre and width lie within the scan, or are NaN."""
    found = statistics(np.arange(len(y), dtype=float), y, edge_points=edge_points)

    assert 0 <= found["position"] <= len(y) - 1
    assert np.isnan(found["fwhm"]) or 0 <= found["fwhm"] <= len(y) - 1
    assert np.isnan(found["centre"]) or 0 <= found["centre"] <= len(y) - 1


def test_measured_scans(open_store, real_data):
    """Of scans as they were recorded the motor and the detector are found, and what is said of them is within them."""
    with gzip.open(real_data / "bluesky" / "apstools.json.gz") as file:
        for name, document in json.load(file):
            open_store(name, document)
    runs = [one for one in open_store.search(plan_name="scan") if one.stop and one.start.get("motors") == ["motor1"]]

    assert len(runs) > 20
    for one in runs:
        found = open_store.compute("peak_statistics", one)["primary"].read().isel(time=0)
        x = one["primary"]["motor1"].read()
        assert x.min() <= found["position"] <= x.max()
        assert 0 < found["fwhm"] < np.ptp(x)
        assert abs(found["centre"]) < 0.2

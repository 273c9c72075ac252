"""Azimuthal integration: a ring is where its radius says, in each unit."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from pyFAI.integrator.azimuthal import AzimuthalIntegrator

from analysis_store.errors import InputError, MissingDependencyError, ParameterError
from analysis_store.processing.library.scattering import azimuthal_integration
from tests.processing.library_inputs import file, inputs, run

PIXEL, DISTANCE, WAVELENGTH, RADIUS = 1e-4, 0.1, 1e-10, 5e-3  # m
ROWS, COLUMNS = np.indices((201, 181))
RING = 1000 * np.exp(-(((np.hypot(ROWS - 100, COLUMNS - 90) * PIXEL - RADIUS) / 2e-4) ** 2) / 2)
GEOMETRY = {
    "distance": DISTANCE,
    "poni1": 100.5 * PIXEL,
    "poni2": 90.5 * PIXEL,
    "pixel1": PIXEL,
    "wavelength": WAVELENGTH,
}
ANGLE = np.arctan(RADIUS / DISTANCE)
WHERE = {
    "q_nm^-1": ("q", 4e-9 * np.pi * np.sin(ANGLE / 2) / WAVELENGTH, "1/nm"),
    "q_A^-1": ("q", 4e-10 * np.pi * np.sin(ANGLE / 2) / WAVELENGTH, "1/angstrom"),
    "2th_deg": ("two_theta", np.degrees(ANGLE), "deg"),
    "2th_rad": ("two_theta", ANGLE, "rad"),
    "r_mm": ("radius", RADIUS * 1e3, "mm"),
}


def integrated(*others, image=RING[None], **parameters):
    """What is found of a stack."""
    given = inputs(run({"image": "counts"}, image=image, x=np.arange(len(image))), *others)
    return azimuthal_integration(given, points=400, **parameters)["primary"]


def peak(found, name):
    """Where the intensity of the first image is largest."""
    return float(found[name].values[0][found["intensity"].values[0].argmax()])


@pytest.mark.parametrize("unit", WHERE)
def test_ring(unit):
    """A ring of known radius is found there, with its height and its units."""
    found = integrated(unit=unit, **GEOMETRY)
    name, wanted, units = WHERE[unit]

    assert peak(found, name) == pytest.approx(wanted, rel=0.01)
    assert found[name].attrs == {"units": units}
    assert found["intensity"].attrs == {"units": "counts"}
    assert found["intensity"].shape == (1, 400)
    assert float(found["intensity"].max()) == pytest.approx(1000, rel=0.02)


def test_geometry_of_a_file(tmp_path):
    """A PONI file as second input says what the parameters say."""
    path = tmp_path / "geometry.poni"
    AzimuthalIntegrator(DISTANCE, 100.5 * PIXEL, 90.5 * PIXEL, 0, 0, 0, PIXEL, PIXEL, wavelength=WAVELENGTH).save(
        str(path)
    )

    assert integrated(file(path)).identical(integrated(**GEOMETRY))


def test_bad_pixels_do_not_count():
    """What is not finite is left out, and what is negative, unless that is said to count."""
    spoilt = RING[None].copy()
    spoilt[0, 20:40, 20:40], spoilt[0, 100:103, 60:70] = np.nan, -1.0
    found = integrated(image=spoilt, unit="r_mm", **GEOMETRY)

    assert peak(found, "radius") == pytest.approx(5, rel=0.01)
    assert np.isfinite(found["intensity"].values).all()
    assert found["intensity"].values.min() >= 0
    assert not integrated(image=spoilt, unit="r_mm", negative=True, **GEOMETRY).identical(found)


def test_frames():
    """An event with several frames gives a curve for each."""
    found = integrated(image=np.stack([[RING, 2 * RING], [RING, 0 * RING]]), **GEOMETRY)
    heights = found["intensity"].values.max(-1)

    assert found["intensity"].shape == (2, 2, 400)
    np.testing.assert_allclose(heights / heights[0, 0], [[1, 2], [1, 0]], rtol=1e-5)


@pytest.mark.parametrize("level", [0, 7])
def test_constant_image(level):
    """Zeros stay zeros, and a constant is one, but for the solid angle and where no pixel is."""
    found = integrated(image=np.full((1, 201, 181), level), unit="r_mm", **GEOMETRY)["intensity"].values

    assert np.isfinite(found).all()
    assert abs(found[found > 0] / level - 1).max(initial=0) < 0.05 if level else not found.any()


def test_geometry_that_is_not_told(tmp_path):
    """What is missing is named; a file that is no geometry is refused."""
    (tmp_path / "no.poni").write_text("hello")
    with pytest.raises(InputError, match=r"lacks \['pixel1', 'wavelength'\].*or a \.poni file"):
        integrated(distance=1.0)
    with pytest.raises(InputError, match=r"no\.poni: tells of no detector"):
        integrated(file(tmp_path / "no.poni"))
    (tmp_path / "other.poni").write_text("Distance: far")
    with pytest.raises(InputError, match=r"other\.poni: is no PONI file"):
        integrated(file(tmp_path / "other.poni"))
    with pytest.raises(InputError, match=r"2 inputs came; expected a run, or a run and a \.poni file"):
        integrated(run(x=[1]), **GEOMETRY)


def test_one_point():
    """The library needs two; fewer are refused before anything is read."""
    with pytest.raises(ParameterError, match="points: Got 1; input should be greater than or equal to 2"):
        azimuthal_integration.preset(points=1)


@pytest.mark.slow
def test_file_without_wavelength(tmp_path):
    """Angles need no wavelength, momentum transfer does."""
    path = tmp_path / "geometry.poni"
    AzimuthalIntegrator(DISTANCE, 100.5 * PIXEL, 90.5 * PIXEL, 0, 0, 0, PIXEL, PIXEL).save(str(path))

    assert peak(integrated(file(path), unit="2th_deg"), "two_theta") == pytest.approx(np.degrees(ANGLE), rel=0.01)
    with pytest.raises(InputError, match="tells no wavelength"):
        integrated(file(path))


def test_without_pyfai(monkeypatch):
    """Where pyFAI is not installed, the error names the extra."""
    monkeypatch.setitem(sys.modules, "pyFAI.integrator.azimuthal", None)

    with pytest.raises(MissingDependencyError, match=r"analysis_store\[scattering\]"):
        integrated(**GEOMETRY)

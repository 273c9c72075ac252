"""Scattering: images of an area detector to intensity over angle, as pyFAI integrates them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from analysis_store.errors import InputError, MissingDependencyError
from analysis_store.processing.library.curves import returned
from analysis_store.processing.library.images import image_key
from analysis_store.processing.model.processor import processor

if TYPE_CHECKING:
    from analysis_store.processing.inputs.inputs import Input, Inputs
    from analysis_store.processing.library.curves import Returned

_UNITS = {"q_nm^-1": "1/nm", "q_A^-1": "1/angstrom", "2th_deg": "deg", "2th_rad": "rad", "r_mm": "mm"}


@processor(
    id="azimuthal_integration",
    version="1",
    descriptor_md={"primary": {"hints": {"analysis": {"fields": ["intensity"]}}}},
)
def azimuthal_integration(
    inputs: Inputs,
    *,
    image: str | None = None,
    stream: str = "primary",
    distance: Annotated[float, Field(gt=0)] | None = None,
    poni1: float = 0.0,
    poni2: float = 0.0,
    rot1: float = 0.0,
    rot2: float = 0.0,
    rot3: float = 0.0,
    pixel1: Annotated[float, Field(gt=0)] | None = None,
    pixel2: Annotated[float, Field(gt=0)] | None = None,
    wavelength: Annotated[float, Field(gt=0)] | None = None,
    unit: Literal["q_nm^-1", "q_A^-1", "2th_deg", "2th_rad", "r_mm"] = "q_nm^-1",
    points: Annotated[int, Field(ge=2)] = 1000,
    negative: bool = False,
) -> Returned:
    """The intensity of each image over the scattering angle, averaged around the beam.

    pyFAI does it (https://pyfai.readthedocs.io), splitting pixels at their corners and correcting for the solid angle.
    The geometry is that of its PONI files.

    Parameters
    ----------
    inputs : Inputs
        One run; or a run and a ``.poni`` file, which gives the geometry in place of the parameters.
    image : str, optional
        Key of the images, shape (height, width) or (frames, height, width) per event; the only such.
    stream : str
        Stream of the run.
    distance : float
        From the sample to the detector, m.
    poni1, poni2 : float
        The point of normal incidence, along rows and along columns, m from the corner of the first pixel.
    rot1, rot2, rot3 : float
        Rotations of the detector, rad.
    pixel1, pixel2 : float
        Height and width of a pixel, m; the width is the height unless it is given.
    wavelength : float
        Wavelength of the radiation, m; not needed for angles and radii.
    unit : {"q_nm^-1", "q_A^-1", "2th_deg", "2th_rad", "r_mm"}
        Unit of the abscissa: momentum transfer ``4 pi sin(theta) / wavelength``, scattering angle, or radius.
    points : int
        Number of points of the abscissa.
    negative : bool
        True if negative pixels count; detectors use negative values for dead pixels.

    Returns
    -------
    dict
        Stream "primary", one event per event of the input, float64: ``q`` (or ``two_theta``, ``radius``), shape
        (points,), with its units; and ``intensity`` in the units of the image, shape (points,) or (frames, points).
        Non-finite pixels do not count; without valid pixels, the intensity is 0.

    Raises
    ------
    InputError
        There are no images, or several keys of images and no choice; or the geometry is missing.
    MissingDependencyError
        pyFAI is not installed.
    """
    if len(inputs) not in {1, 2} or (len(inputs) == 2 and inputs[1].path is None):
        raise InputError(f"{len(inputs)} inputs came; expected a run, or a run and a .poni file.")
    one = inputs[0]
    key = image_key(one, stream, image)
    images = one[stream][key]
    if len(inputs) == 2:
        integrator = _of_file(inputs[1])
    else:
        told = {"distance": distance, "pixel1": pixel1}
        if unit.startswith("q"):
            told["wavelength"] = wavelength
        missing = [name for name, value in told.items() if value is None]
        if missing:
            raise InputError(f"the geometry lacks {missing}; give them as parameters, or a .poni file as second input.")
        integrator = _integrator(
            dist=distance, poni1=poni1, poni2=poni2, rot1=rot1, rot2=rot2, rot3=rot3,
            pixel1=pixel1, pixel2=pixel2 or pixel1, wavelength=wavelength,
        )  # fmt: skip
    if unit.startswith("q") and not integrator.wavelength:
        raise InputError(f"{inputs[1].label}: tells no wavelength; expected one for {unit!r}. Take unit='2th_deg'.")
    name = {"q": "q", "2": "two_theta", "r": "radius"}[unit[0]]
    rows = []
    for event in images:
        axis, intensity = _integrated(integrator, np.asarray(event), unit, points, negative)
        rows.append({name: axis, "intensity": intensity})
    units = {name: _UNITS[unit], "intensity": images.attrs.get("units", "")}
    inner = ["frame"] * (len(images.shape) - 3)
    return returned(rows, units, {name: [name], "intensity": [*inner, name]})


def _integrated(integrator: Any, images: Any, unit: str, points: int, negative: bool) -> tuple[Any, Any]:
    """Return the abscissa, and the intensity of one image, or of each of several."""
    if images.ndim == 3:
        found = [_integrated(integrator, image, unit, points, negative) for image in images]
        return found[0][0], np.stack([intensity for _, intensity in found])
    bad = ~np.isfinite(images) | ((images < 0) & (not negative))
    result = integrator.integrate1d(
        np.where(bad, 0, images).astype(np.float32), points, unit=unit, mask=bad, method=("full", "histogram", "cython")
    )
    return np.asarray(result.radial, np.float64), np.asarray(result.intensity, np.float64)


def _integrator(**geometry: Any) -> Any:
    try:
        from pyFAI.integrator.azimuthal import AzimuthalIntegrator
    except ImportError as error:
        raise MissingDependencyError(
            "azimuthal_integration needs pyFAI: pip install 'analysis_store[scattering]'."
        ) from error
    return AzimuthalIntegrator(**geometry)


def _of_file(one: Input) -> Any:
    """Return the integrator described by a PONI file."""
    integrator = _integrator()
    try:
        integrator.load(str(one.path))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(f"{one.label}: is no PONI file of pyFAI ({error}); expected one as second input.") from error
    if not integrator.detector.pixel1:  # pyFAI accepts any text, and leaves missing values unset
        raise InputError(f"{one.label}: tells of no detector; expected a PONI file of pyFAI as second input.")
    return integrator

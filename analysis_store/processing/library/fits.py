"""Peaks with a model: least-squares fits of lmfit."""

from __future__ import annotations

import warnings
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from analysis_store.errors import MissingDependencyError
from analysis_store.processing.library.curves import Floats, columns_of, returned
from analysis_store.processing.library.peaks import finite, keys_of_scan, scans
from analysis_store.processing.model.processor import processor

if TYPE_CHECKING:
    from analysis_store.processing.inputs.inputs import Inputs
    from analysis_store.processing.library.curves import Returned

_SHAPES = {
    "gaussian": "GaussianModel",
    "lorentzian": "LorentzianModel",
    "voigt": "VoigtModel",
    "pseudo_voigt": "PseudoVoigtModel",
}
_BACKGROUNDS = {"constant": "ConstantModel", "linear": "LinearModel"}


@processor(id="fit_peak", version="1", descriptor_md={"primary": {"hints": {"analysis": {"fields": ["best_fit"]}}}})
def fit_peak(
    inputs: Inputs,
    *,
    x: str | None = None,
    y: str | None = None,
    stream: str = "primary",
    model: Literal["gaussian", "lorentzian", "voigt", "pseudo_voigt"] = "gaussian",
    background: Literal["none", "constant", "linear"] = "constant",
) -> Returned:
    """A peak on a background, fitted by least squares.

    Models, parameters and start values are those of lmfit (https://lmfit.github.io/lmfit-py/builtin_models.html);
    all points have the same weight. Points that are not finite are left out, and the others are taken in the order of
    x.

    Parameters
    ----------
    inputs : Inputs
        One run or column file. A key with one number per event is one curve; one with an array per event, a curve each.
    x : str, optional
        Key of the abscissa; the motor of the scan, else the number of the point.
    y : str, optional
        Key of the ordinate; the only other one.
    stream : str
        Stream of the run.
    model : {"gaussian", "lorentzian", "voigt", "pseudo_voigt"}
        Shape of the peak.
    background : {"none", "constant", "linear"}
        Background below the peak.

    Returns
    -------
    dict
        Stream "primary", one event per curve:

        * ``amplitude`` (area), ``center``, ``sigma``, ``fwhm``, ``height``, with pseudo_voigt ``fraction``; of the
          background ``c``, or ``slope`` and ``intercept``: float64, in the units that follow from those of x and y
        * each again with ``_stderr``: its standard error, NaN if there is no such error
        * ``chisqr``, ``redchi``: chi square, and that by degree of freedom
        * ``success``: whether the fit converged, with finite values and the peak within the data (bool)
        * ``x``, ``y``, ``best_fit``: the points used and the fitted curve, float64, shape (points,)

        A curve without a peak (constant, or fewer points than unknowns) has ``success`` False, and NaN
        for all fitted values.

    Raises
    ------
    InputError
        A key or stream is missing, or the choice is ambiguous.
    MissingDependencyError
        lmfit is not installed.
    """
    models = _lmfit()
    columns = columns_of(inputs, stream)
    x, y = keys_of_scan(columns, x, y)
    curves = [finite(columns.label, *curve) for curve in scans(columns, x, y)]
    rows = [_fitted(_model(models, model, background), *curve) for curve in curves]
    across, up = columns.units.get(x or "", ""), columns.units.get(y, "")
    units = dict.fromkeys(("center", "sigma", "fwhm", "x"), across)
    units |= dict.fromkeys(("height", "c", "intercept", "y", "best_fit"), up)
    if across and up:
        units |= {"amplitude": f"{up}*{across}", "slope": f"{up}/{across}"}
    units |= {f"{name}_stderr": unit for name, unit in units.items()}
    return returned(rows, units, {name: [x or "point"] for name in ("x", "y", "best_fit")})


def _lmfit() -> ModuleType:
    try:
        from lmfit import models
    except ImportError as error:
        raise MissingDependencyError("fit_peak needs lmfit: pip install 'analysis_store[fit]'.") from error
    return models  # type: ignore[no-any-return]


def _model(models: ModuleType, shape: str, background: str) -> tuple[Any, Any]:
    """Return the models of the peak and of its background, if any."""
    ground = getattr(models, _BACKGROUNDS[background])() if background in _BACKGROUNDS else None
    return getattr(models, _SHAPES[shape])(), ground


def _fitted(model: tuple[Any, Any], x: Floats, y: Floats) -> dict[str, Any]:
    peak, ground = model
    whole = peak + ground if ground is not None else peak
    start = peak.make_params() if ground is None else peak.make_params() + ground.make_params()
    free = sum(one.vary for one in start.values())
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of diverging fits, which `success` marks
        if len(x) <= free or np.ptp(x) == 0 or _is_background(x, y, "slope" in start):
            return _told(start, x, y, None)
        try:
            return _told(start, x, y, whole.fit(y, _start(peak, ground, x, y), x=x))
        except ValueError:  # lmfit stops if the model is NaN
            return _told(start, x, y, None)


def _told(start: Any, x: Floats, y: Floats, result: Any) -> dict[str, Any]:
    """Return each parameter with its error, and the curve; the names are the same for failed fits."""
    found = {} if result is None else result.params
    told: dict[str, Any] = {}
    for name in start:
        value, error = (found[name].value, found[name].stderr) if name in found else (np.nan, None)
        told |= {name: float(value), f"{name}_stderr": np.nan if error is None else float(error)}
    told |= {name: np.nan if result is None else float(getattr(result, name)) for name in ("chisqr", "redchi")}
    good = (
        result is not None and result.success and bool(np.isfinite([told["chisqr"], *(told[it] for it in start)]).all())
    )
    best = np.full_like(y, np.nan) if result is None else np.asarray(result.best_fit, np.float64)
    return told | {"success": good and bool(x[0] <= told["center"] <= x[-1]), "x": x, "y": y, "best_fit": best}


def _is_background(x: Floats, y: Floats, sloping: bool) -> bool:
    """Return True if a curve contains only a background, to the last digits."""
    line = np.polynomial.Polynomial.fit(x, y, int(sloping))(x)
    return bool(np.ptp(y - line) <= 1e-12 * np.abs(y).max())


def _start(peak: Any, ground: Any, x: Floats, y: Floats) -> Any:
    """Return start values: for the background, the line between the ends; for the peak, lmfit's guess above it."""
    if ground is None:
        return peak.guess(y, x=x, negative=_points_down(y))
    slope = (y[-1] - y[0]) / (x[-1] - x[0])
    level = float(np.median(y))
    given = {"c": level} if "c" in ground.param_names else {"slope": slope, "intercept": y[0] - slope * x[0]}
    line = level if "c" in given else y[0] + slope * (x - x[0])
    return peak.guess(y - line, x=x, negative=_points_down(y - line)) + ground.make_params(**given)


def _points_down(y: Floats) -> bool:
    return bool(-y.min() > y.max())

"""Position and width of a peak without a model, for a first look at a scan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from analysis_store.errors import InputError
from analysis_store.processing.library.curves import Columns, Floats, columns_of, returned
from analysis_store.processing.model.processor import processor

if TYPE_CHECKING:
    from analysis_store.processing.inputs.inputs import Inputs
    from analysis_store.processing.library.curves import Returned


@processor(id="peak_statistics", version="1")
def peak_statistics(
    inputs: Inputs,
    *,
    x: str | None = None,
    y: str | None = None,
    stream: str = "primary",
    edge_points: Annotated[int, Field(ge=0)] = 0,
) -> Returned:
    """Maximum, centre of mass, width and area of a peak.

    The definitions are those of `bluesky.callbacks.fitting.PeakStats`. Points whose x or y is not finite are left out,
    and the others are taken in the order of x.

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
    edge_points : int
        Subtract a straight line through the means of this number of points at both ends; 0: subtract nothing.

    Returns
    -------
    dict
        Stream "primary", one event per curve, float64, in the units of x and y:

        * ``position``, ``maximum``: x and y of the highest point; ``minimum_position``, ``minimum``: of the lowest
        * ``centre_of_mass``: mean of x, weighted with y; NaN where the y add up to 0
        * ``centre``: mean of the x at which y crosses the middle between its minimum and maximum, by linear
          interpolation; NaN where it never does
        * ``fwhm``: the distance of the first and the last of these; NaN where there are fewer than two
        * ``area``: by the trapezoidal rule, units of x times y
        * ``points``: number of points used (int)

        Extremes are those of the measured y; other values are computed after subtracting the line.

    Raises
    ------
    InputError
        A key or stream is missing, or the choice is ambiguous; no point is finite.
    """
    columns = columns_of(inputs, stream)
    x, y = keys_of_scan(columns, x, y)
    rows = [_statistics(*finite(columns.label, *curve), edge_points) for curve in scans(columns, x, y)]
    across, up = columns.units.get(x or "", ""), columns.units.get(y, "")
    units = dict.fromkeys(("position", "minimum_position", "centre_of_mass", "centre", "fwhm"), across)
    units |= {"maximum": up, "minimum": up, "area": f"{up}*{across}" if up and across else up or across}
    return returned(rows, units, {})


def keys_of_scan(columns: Columns, x: str | None, y: str | None) -> tuple[str | None, str]:
    """Return the chosen keys: given, else the motor, and the only other one; without x, the point number is used."""
    if x is None and len(columns.motors) == 1 and columns.motors[0] != y:
        (x,) = columns.motors
    return x, columns.only("y", x) if y is None else y


def scans(columns: Columns, x: str | None, y: str) -> list[tuple[Floats, Floats]]:
    """Return the curves y over x; over the number of the point, from 0, without x."""
    if x is None:
        return [(np.arange(len(curve), dtype=np.float64), curve) for (curve,) in columns.curves(y)]
    return [(across, up) for across, up in columns.curves(x, y)]


def finite(label: str, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return the finite points of a curve in the order of x.

    Raises
    ------
    InputError
        No point is finite.
    """
    good = np.isfinite(x) & np.isfinite(y)
    if not good.any():
        raise InputError(f"{label}: none of {len(x)} points is finite; expected one at least.")
    order = np.argsort(x[good], kind="stable")
    return x[good][order], y[good][order]


def _statistics(x: Floats, y: Floats, edge_points: int) -> dict[str, Any]:
    above = y - _line(x, y, edge_points)
    high, low = int(above.argmax()), int(above.argmin())
    crossings = _crossings(x, above)
    total = float(above.sum())
    index = np.arange(len(x))
    # Bluesky weights the point numbers and looks up their x; both agree for evenly spaced points.
    mass = float(np.interp((above * index).sum() / total, index, x)) if total else np.nan
    return {
        "position": float(x[high]),
        "maximum": float(y[high]),
        "minimum_position": float(x[low]),
        "minimum": float(y[low]),
        "centre_of_mass": mass,
        "centre": float(crossings.mean()) if crossings.size else np.nan,
        "fwhm": float(crossings[-1] - crossings[0]) if crossings.size > 1 else np.nan,
        "area": float(np.trapezoid(above, x)),
        "points": len(x),
    }


def _line(x: Floats, y: Floats, edge_points: int) -> Floats | float:
    """Return the straight line between the ends of a curve."""
    if not edge_points:
        return 0.0
    (left, down), (right, up) = ((x[it].mean(), y[it].mean()) for it in (np.s_[:edge_points], np.s_[-edge_points:]))
    slope = (up - down) / (right - left) if right != left else 0.0
    return np.asarray(down + slope * (x - left), np.float64)


def _crossings(x: Floats, y: Floats) -> Floats:
    """Return the x where y crosses the middle between its extremes."""
    offset = y - (y.max() + y.min()) / 2
    at = np.flatnonzero(np.diff(offset > 0))
    rise = offset[at + 1] - offset[at]
    return np.asarray(x[at] - offset[at] * (x[at + 1] - x[at]) / rise, np.float64)

"""X-ray absorption: from intensities to absorption, from absorption to the normalised spectrum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.polynomial import Polynomial

from analysis_store.errors import InputError
from analysis_store.processing.function import processor
from analysis_store.processing.library.curves import Columns, Floats, columns_of, returned
from analysis_store.processing.library.peaks import finite

if TYPE_CHECKING:
    from analysis_store.processing.inputs import Inputs

_KNOWN = ("mu", "mutrans", "mufluor", "xmu")
_EDGE = 0.05
"""The part of a scan at either end in which no edge is looked for."""


@processor(id="absorption", version="1", descriptor_md={"primary": {"hints": {"analysis": {"fields": ["mu"]}}}})
def absorption(
    inputs: Inputs,
    *,
    energy: str = "energy",
    i0: str = "i0",
    signal: str = "itrans",
    mode: Literal["transmission", "fluorescence"] = "transmission",
    stream: str = "primary",
) -> Any:
    """The absorption of a sample, from the intensities before and behind it.

    In transmission it is ``ln(i0 / signal)``, the law of Beer and Lambert; in fluorescence ``signal / i0``, which is
    proportional to the absorption of a thin or dilute sample.

    Parameters
    ----------
    inputs : Inputs
        One run or column file. A key with one number per event is one curve; one with an array per event, a curve each.
    energy, i0, signal : str
        Keys of the photon energy, the incoming intensity, and the transmitted or fluorescence intensity.
    mode : {"transmission", "fluorescence"}
        How was measured.
    stream : str
        Which stream of the run.

    Returns
    -------
    dict
        Stream "primary", one event per curve: ``energy`` in the units of the input and ``mu`` (no unit), float64, shape
        (points,). Where an intensity is not positive ``mu`` is NaN: nothing was measured there.

    Raises
    ------
    InputError
        A key or stream is not there.
    """
    columns = columns_of(inputs, stream)
    rows = []
    for across, before, behind in columns.curves(energy, i0, signal):
        dark = (before <= 0) | ((behind <= 0) if mode == "transmission" else False)
        ratio = np.divide(behind, before, out=np.full_like(behind, np.nan), where=~dark)
        rows.append({"energy": across, "mu": -np.log(ratio) if mode == "transmission" else ratio})
    units = {"energy": columns.units.get(energy, "")}
    return returned(rows, units, {"energy": ["energy"], "mu": ["energy"]})


@processor(
    id="normalise_absorption", version="1", descriptor_md={"primary": {"hints": {"analysis": {"fields": ["norm"]}}}}
)
def normalise_absorption(
    inputs: Inputs,
    *,
    energy: str = "energy",
    mu: str | None = None,
    stream: str = "primary",
    e0: float | None = None,
    pre: tuple[float | None, float] = (None, -50.0),
    post: tuple[float, float | None] = (100.0, None),
    degree: Literal[0, 1, 2, 3] | None = None,
) -> Any:
    """The normalised absorption spectrum: the edge rises from 0 to 1.

    As IFEFFIT and Larch define it (M. Newville, J. Phys. Conf. Ser. 430, 012007 (2013);
    https://xraypy.github.io/xraylarch/xafs_preedge.html): a line is fitted before the edge, and to what is above it a
    polynomial behind the edge; the edge step is the value of the polynomial at the edge;
    ``norm = (mu - line) / step``. For ``flat`` the slope and curvature of the polynomial are taken out behind the edge.
    Points that are not finite are left out, and the others are taken in the order of the energy.

    Parameters
    ----------
    inputs : Inputs
        One run or column file. A key with one number per event is one curve; one with an array per event, a curve each.
    energy : str
        Key of the photon energy, eV.
    mu : str, optional
        Key of the absorption; ``mu``, ``mutrans``, ``mufluor`` or ``xmu``, the first there is.
    stream : str
        Which stream of the run.
    e0 : float, optional
        Energy of the edge, eV; where the absorption rises fastest, single glitches apart.
    pre, post : (float or None, float or None)
        Windows of the two fits, eV from the edge; None: as far as the data go.
    degree : {0, 1, 2, 3}, optional
        Of the polynomial behind the edge; 2 for a window wider than 400 eV, 1 if wider than 100, else 0.

    Returns
    -------
    dict
        Stream "primary", one event per curve: ``e0`` (eV), ``edge_step`` (units of mu); and, float64 of shape
        (points,), ``energy`` (eV), ``mu``, ``pre_edge``, ``post_edge``, ``norm`` and ``flat``.

    Raises
    ------
    InputError
        A key or stream is not there; the data do not reach to both windows; there is no step up at the edge.
    """
    columns = columns_of(inputs, stream)
    key = mu or next((name for name in _KNOWN if name in columns.values), None) or columns.only("mu", energy)
    columns.check(energy, key)
    scale, units = _electronvolts(columns, energy), columns.units.get(key, "")
    rows = []
    for across, up in columns.curves(energy, key):
        x, y = finite(columns.label, across * scale, up)
        edge = _edge(columns.label, x, y) if e0 is None else e0
        rows.append(_normalised(columns.label, (x, y), edge, (pre, post), degree))
    along = ("energy", "mu", "pre_edge", "post_edge", "norm", "flat")
    told = {"e0": "eV", "energy": "eV", **dict.fromkeys(("mu", "edge_step", "pre_edge", "post_edge"), units)}
    return returned(rows, told, {name: ["energy"] for name in along})


def _electronvolts(columns: Columns, energy: str) -> float:
    """Return by what an energy is to be multiplied to be in eV; what has no units is taken to be."""
    units = columns.units.get(energy, "eV")
    scales = {"ev": 1.0, "kev": 1e3}
    if units.lower() not in scales:
        raise InputError(f"{columns.label}: {energy!r} is in {units!r}; expected eV or keV.")
    return scales[units.lower()]


def _edge(label: str, x: Floats, y: Floats) -> float:
    """Return where y rises fastest between points that rise as well: a glitch is one point wide."""
    within = max(3, int(len(x) * _EDGE))
    steps = np.diff(x)
    if len(x) < 2 * within + 3 or not (steps > 0).any():
        raise InputError(f"{label}: {len(x)} points came; expected a spectrum with an edge. Give e0=.")
    x, y = (it[np.concatenate(([True], steps > 0))] for it in (x, y))  # an energy that was measured twice has no slope
    slope = np.gradient(y, x)
    steep = slope > 0.1 * slope[within:-within].max()
    good = steep & np.roll(steep, 1) & np.roll(steep, -1)
    good[:within] = good[-within:] = False
    if not good.any() or slope[good].max() <= 0:
        raise InputError(f"{label}: the absorption rises nowhere; expected an edge. Give e0= if there is one.")
    return float(x[np.where(good, slope, -np.inf).argmax()])


def _normalised(
    label: str,
    curve: tuple[Floats, Floats],
    e0: float,
    windows: tuple[tuple[float | None, float], tuple[float, float | None]],
    degree: int | None,
) -> dict[str, Any]:
    (x, y), (pre, post) = curve, windows
    offset = x - e0
    low, high = (offset[0] if pre[0] is None else pre[0]), (offset[-1] if post[1] is None else post[1])
    if degree is None:
        degree = int(high - post[0] > 100) + int(high - post[0] > 400)
    before = _fit(label, offset, y, (low, pre[1]), 1)(offset)
    behind = _fit(label, offset, y - before, (post[0], high), degree)
    step = float(behind(0.0))
    if not step > 0:
        raise InputError(f"{label}: an edge step of {step:.4g} at {e0:.1f} eV; expected one up. Give e0=, pre=, post=.")
    norm = (y - before) / step
    return {
        "e0": float(e0),
        "edge_step": step,
        "energy": x,
        "mu": y,
        "pre_edge": before,
        "post_edge": before + behind(offset),
        "norm": norm,
        "flat": np.where(offset >= 0, norm - behind(offset) / step + 1.0, norm),
    }


def _fit(label: str, offset: Floats, y: Floats, window: tuple[float, float], degree: int) -> Polynomial:
    """Return the polynomial through the points within a window, eV from the edge."""
    within = (offset >= window[0]) & (offset <= window[1])
    if within.sum() <= degree + 1:
        raise InputError(
            f"{label}: {within.sum()} points from {window[0]:.1f} to {window[1]:.1f} eV of the edge; expected at least "
            f"{degree + 2}. The data reach from {offset[0]:.1f} to {offset[-1]:.1f} eV: give pre= or post=."
        )
    return Polynomial.fit(offset[within], y[within], degree)

"""X-ray absorption: from intensities to absorption, and to the normalised spectrum."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.polynomial import Polynomial

from analysis_store.errors import InputError
from analysis_store.processing.library.curves import Columns, Floats, columns_of, returned
from analysis_store.processing.library.peaks import finite
from analysis_store.processing.model.processor import processor

if TYPE_CHECKING:
    from analysis_store.processing.inputs.inputs import Inputs
    from analysis_store.processing.library.curves import Returned

_KNOWN = ("mutrans", "mufluor", "xmu")
_FEW = 5
"""Number of points in a window below which its fit is mostly noise."""
Window = tuple[float | None, float | None]
_EDGE = 0.05
"""Fraction of a scan at both ends in which no edge is searched."""


@processor(id="absorption", version="1", descriptor_md={"primary": {"hints": {"analysis": {"fields": ["mu"]}}}})
def absorption(
    inputs: Inputs,
    *,
    energy: str = "energy",
    i0: str = "i0",
    signal: str = "itrans",
    mode: Literal["transmission", "fluorescence"] = "transmission",
    stream: str = "primary",
) -> Returned:
    """The absorption of a sample, from the intensities before and after it.

    In transmission it is ``ln(i0 / signal)``, the law of Beer and Lambert; in fluorescence ``signal / i0``, which is
    proportional to the absorption of a thin or dilute sample.

    Parameters
    ----------
    inputs : Inputs
        One run or column file. A key with one number per event is one curve; one with an array per event, a curve each.
    energy, i0, signal : str
        Keys of the photon energy, the incoming intensity, and the transmitted or fluorescence intensity.
    mode : {"transmission", "fluorescence"}
        Geometry of the measurement.
    stream : str
        Stream of the run.

    Returns
    -------
    dict
        Stream "primary", one event per curve: ``energy`` in the units of the input and ``mu`` (no unit), float64, shape
        (points,). If an intensity is not positive, ``mu`` is NaN, since the measurement is invalid.

    Raises
    ------
    InputError
        A key or stream is missing.
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
    id="normalise_absorption", version="2", descriptor_md={"primary": {"hints": {"analysis": {"fields": ["norm"]}}}}
)
def normalise_absorption(
    inputs: Inputs,
    *,
    energy: str = "energy",
    mu: str | None = None,
    stream: str = "primary",
    e0: float | None = None,
    pre: tuple[float | None, float | None] = (None, None),
    post: tuple[float | None, float | None] = (None, None),
    degree: Literal[0, 1, 2, 3] | None = None,
) -> Returned:
    """The normalised absorption spectrum: the edge rises from 0 to 1.

    As IFEFFIT and Larch define it (M. Newville, J. Phys. Conf. Ser. 430, 012007 (2013);
    https://xraypy.github.io/xraylarch/xafs_preedge.html): a line is fitted before the edge, and to what is above it a
    polynomial behind the edge; the edge step is the value of the polynomial at the edge;
    ``norm = (mu - line) / step``. For ``flat`` the slope and curvature of the polynomial are taken out behind the edge.
    Points that are not finite are left out, and the others are taken in the order of the energy.

    Windows and degree that are not given follow the scan, as in ``pre_edge`` of Larch 2026.3:

    * before the edge, from the second point to half of the way; the former is rounded to 5 eV, or to 2 eV where at most
      20 points lie before the edge
    * behind it, from a third of the way, but from 25 eV at most, to the last point; both are rounded to 5 eV
    * degree 2; 1 for a window of less than 300 eV or 5 points, 0 for one of less than 30 eV or 2 points; before the
      edge, a constant is fitted to fewer than 3 points

    A window begins with the last point that is not beyond its lower end, and ends before the point that is nearest to
    its upper end, as Larch has it, too.

    A window with fewer than 5 points gives a warning: a fit to them is mostly noise. The windows and
    their numbers of points are part of the result.

    Parameters
    ----------
    inputs : Inputs
        One run or column file. A key with one number per event is one curve; one with an array per event, a curve each.
    energy : str
        Key of the photon energy, eV.
    mu : str, optional
        Key of the absorption; ``mu``, else the only one of ``mutrans``, ``mufluor`` and ``xmu``.
    stream : str
        Stream of the run.
    e0 : float, optional
        Energy of the edge, eV; where the absorption rises fastest, single glitches apart.
    Windows of the two fits, eV from the edge; None: as described above.
        Windows of the two fits, eV from the edge; None: as said above.
    degree : {0, 1, 2, 3}, optional
        Degree of the polynomial above the edge; None: as described above.

    Returns
    -------
    dict
        Stream "primary", one event per curve: ``e0`` (eV), ``edge_step`` (units of mu); ``pre_window`` and
        ``post_window``, eV from the edge, shape (2,), ``pre_points`` and ``post_points``, their numbers of points, and
        ``degree``; and, float64 of shape (points,), ``energy`` (eV), ``mu``, ``pre_edge``, ``post_edge``, ``norm`` and
        ``flat``.

    Raises
    ------
    InputError
        A key or stream is missing; the data do not cover both windows; there is no step up at the edge.
    """
    columns = columns_of(inputs, stream)
    key = mu or _absorption_of(columns, energy)
    columns.check(energy, key)
    scale, units = _electronvolts(columns, energy), columns.units.get(key, "")
    rows = []
    for across, up in columns.curves(energy, key):
        x, y = finite(columns.label, across * scale, up)
        edge = _edge(columns.label, x, y) if e0 is None else e0
        rows.append(_normalised(columns.label, (x, y), edge, (pre, post), degree))
    along = ("energy", "mu", "pre_edge", "post_edge", "norm", "flat")
    dims = {name: ["energy"] for name in along} | {name: ["end"] for name in ("pre_window", "post_window")}
    told = dict.fromkeys(("e0", "energy", "pre_window", "post_window"), "eV")
    told |= dict.fromkeys(("mu", "edge_step", "pre_edge", "post_edge"), units)
    return returned(rows, told, dims)


def _absorption_of(columns: Columns, energy: str) -> str:
    """Return the key of the absorption, if it is unambiguous."""
    found = [name for name in _KNOWN if name in columns.values]
    if "mu" in columns.values:
        return "mu"
    if len(found) > 1:
        raise InputError(f"{columns.label}: has the absorptions {found}; name the one that is the signal, mu=key.")
    return found[0] if found else columns.only("mu", energy)


def _electronvolts(columns: Columns, energy: str) -> float:
    """Return the factor from an energy to eV; energies without units are in eV."""
    units = columns.units.get(energy, "eV")
    scales = {"ev": 1.0, "kev": 1e3}
    if units.lower() not in scales:
        raise InputError(f"{columns.label}: {energy!r} is in {units!r}; expected eV or keV.")
    return scales[units.lower()]


def _edge(label: str, x: Floats, y: Floats) -> float:
    """Return the position of the steepest rise between points that rise as well: a glitch is one point wide."""
    within = max(3, int(len(x) * _EDGE))
    steps = np.diff(x)
    if len(x) < 2 * within + 3 or not (steps > 0).any():
        raise InputError(f"{label}: {len(x)} points came; expected a spectrum with an edge. Give e0=.")
    x, y = (it[np.concatenate(([True], steps > 0))] for it in (x, y))  # repeated energies have no slope
    slope = np.gradient(y, x)
    steep = slope > 0.1 * slope[within:-within].max()
    good = steep & np.roll(steep, 1) & np.roll(steep, -1)
    good[:within] = good[-within:] = False
    if not good.any() or slope[good].max() <= 0:
        raise InputError(f"{label}: the absorption rises nowhere; expected an edge. Give e0= if there is one.")
    return float(x[np.where(good, slope, -np.inf).argmax()])


@dataclass(frozen=True, slots=True)
class _Window:
    """Range in which a polynomial is fitted, eV from the edge."""

    name: str
    low: float
    high: float

    @classmethod
    def before(cls, offset: Floats, given: Window) -> _Window:
        """Return the window before the edge."""
        step = 5.0 if np.count_nonzero(offset < 0) > 20 else 2.0
        second = _rounded(offset[min(1, len(offset) - 1)], step)  # the first point is often bad
        low = max(second, float(offset[0])) if given[0] is None else given[0]
        return cls("pre", low, low / 2 if given[1] is None else given[1])

    @classmethod
    def behind(cls, offset: Floats, given: Window) -> _Window:
        """Return the window above the edge."""
        high = min(_rounded(offset[-1], 5.0), float(offset[-1])) if given[1] is None else given[1]
        low = min(25.0, _rounded(high / 3, 5.0), high - 2) if given[0] is None else given[0]
        return cls("post", low, high)

    def points(self, offset: Floats) -> slice:
        """Return the points in the window."""
        first = max(0, int(np.searchsorted(offset, self.low, "right")) - 1)
        return slice(first, max(first, int(np.abs(offset - self.high).argmin())))

    def degree(self, count: int) -> int:
        """Return the degree for the window and its number of points."""
        if self.name == "pre":
            return int(count > 2)
        wide = self.high - self.low
        return min(int(wide >= 30) + int(wide >= 300), int(count > 1) + int(count > 4))


def _rounded(value: float, step: float) -> float:
    return step * round(float(value) / step)


@dataclass(frozen=True, slots=True)
class _Fit:
    """A polynomial, and the points it was fitted to."""

    window: _Window
    points: int
    degree: int
    at: Polynomial

    def told(self) -> dict[str, Any]:
        """Return the entries of a result that describe the fit."""
        name, ends = self.window.name, np.array([self.window.low, self.window.high], np.float64)
        return {f"{name}_window": ends, f"{name}_points": self.points}


def _fit(label: str, offset: Floats, y: Floats, window: _Window, degree: int | None) -> _Fit:
    """Return the polynomial through the points of a window; warn if there are few, raise if there are too few."""
    chosen = window.points(offset)
    count = chosen.stop - chosen.start
    degree = window.degree(count) if degree is None else degree
    found = f"{count} points from {window.low:.1f} to {window.high:.1f} eV of the edge"
    reach = f"The data reach from {offset[0]:.1f} to {offset[-1]:.1f} eV: give {window.name}= or another e0=."
    if count <= degree:
        raise InputError(f"{label}: {found}; expected at least {degree + 1}. {reach}")
    if count < _FEW:
        warnings.warn(f"{label}: {found} are too few for a fit to be trusted. {reach}", stacklevel=2)
    return _Fit(window, count, degree, Polynomial.fit(offset[chosen], y[chosen], degree))


def _normalised(
    label: str, curve: tuple[Floats, Floats], e0: float, windows: tuple[Window, Window], degree: int | None
) -> dict[str, Any]:
    x, y = curve
    offset = x - e0
    pre = _fit(label, offset, y, _Window.before(offset, windows[0]), None)
    before = pre.at(offset)
    post = _fit(label, offset, y - before, _Window.behind(offset, windows[1]), degree)
    behind, step = post.at(offset), float(post.at(0.0))
    if not step > 0:
        raise InputError(f"{label}: an edge step of {step:.4g} at {e0:.1f} eV; expected one up. Give e0=, pre=, post=.")
    norm = (y - before) / step
    return {
        "e0": float(e0),
        "edge_step": step,
        **pre.told(),
        **post.told(),
        "degree": post.degree,
        "energy": x,
        "mu": y,
        "pre_edge": before,
        "post_edge": before + behind,
        "norm": norm,
        "flat": np.where(offset >= 0, norm - behind / step + 1.0, norm),
    }

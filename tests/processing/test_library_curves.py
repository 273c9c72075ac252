"""How the processors of the library find their numbers, and what they say when they cannot."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from bluesky import RunEngine
from bluesky.plans import scan
from ophyd.sim import det, motor

from analysis_store.errors import InputError
from analysis_store.processing.inputs.in_memory import FreshInput
from analysis_store.processing.inputs.inputs import Inputs
from analysis_store.processing.inputs.returned import gather_returned
from analysis_store.processing.library.fits import fit_peak
from analysis_store.processing.library.peaks import peak_statistics
from analysis_store.runs.values.gather import gather
from tests.processing.library_inputs import file, inputs, run

X = np.linspace(-3.0, 3.0, 31)
Y = np.exp(-(X**2))


def test_scalars_are_one_curve_and_arrays_one_each():
    """A scan of 31 events is one curve; a result with an array per event has a curve for each of them."""
    across = peak_statistics(inputs(run(x=X, y=Y)), x="x")["primary"]
    each = peak_statistics(inputs(run(x=[X, X + 1], y=[Y, 2 * Y])), x="x")["primary"]

    assert across.sizes["event"] == 1
    assert each["maximum"].values.tolist() == [1.0, 2.0]
    assert each["position"].values.tolist() == pytest.approx([0.0, 1.0])


def test_curves_of_different_lengths():
    """Ragged keys are curves, too, and what comes of them is ragged."""
    lengths = [31, 21]
    given = gather([{"primary": {"x": X[:n], "y": xr.Variable(["p"], Y[:n], {"units": "counts"})}} for n in lengths])
    found = fit_peak(Inputs([FreshInput(given, "ragged")]), x="x", y="y")
    fits = FreshInput(gather_returned(found, "fit_peak"), "fits")["primary"]

    assert fits["best_fit"].form == "ragged"
    assert [len(curve) for curve in fits["best_fit"]] == lengths
    assert fits["height"].attrs == fits["best_fit"].attrs == {"units": "counts"}
    assert fits["center"][...] == pytest.approx(0.0, abs=1e-3)


def test_motor_and_only_key_are_found():
    """A scan says what was moved; what else there is in numbers is what was measured. Units go along."""
    found = peak_statistics(inputs(run({"m": "mm", "det": "counts"}, ["m"], m=X, det=Y)))["primary"]

    assert float(found["position"][0]) == pytest.approx(0.0)
    assert found["fwhm"].attrs == {"units": "mm"}
    assert found["maximum"].attrs == {"units": "counts"}
    assert found["area"].attrs == {"units": "counts*mm"}


def test_scan_of_the_run_engine(open_store):
    """Of a real scan the motor and the detector are found: where the motor was sent is neither."""
    engine = RunEngine()
    engine.subscribe(open_store)
    (uid,) = engine(scan([det], motor, -3, 3, 31))
    result = open_store.compute("peak_statistics", uid)

    assert "motor_setpoint" in open_store[uid]["primary"]
    assert result.parents == [uid]
    assert float(result["primary"]["position"][0]) == pytest.approx(0.0)
    assert float(result["primary"]["fwhm"][0]) == pytest.approx(2.355, abs=0.02)


def test_points_are_counted_where_there_is_no_abscissa():
    """With one key and no motor, x is the number of the point, from 0."""
    assert float(peak_statistics(inputs(run(y=Y)))["primary"]["position"][0]) == 15.0


@pytest.mark.parametrize(
    ("given", "parameters", "message"),
    [
        ([run(a=X, b=Y)], {}, r"has the numbers \['a', 'b'\]; name one, y=key"),
        ([run(a=X)], {"y": "b"}, r"no numbers 'b'; name one of \['a'\]"),
        ([run(a=X)], {"stream": "baseline"}, r"no stream 'baseline'; name one of \['primary'\]"),
        ([run(a=["x", "y"])], {}, r"has the numbers \[\]"),
        ([run(a=X), run(a=X)], {}, "2 inputs came; expected one input"),
        ([run(a=X[:2], b=[Y, Y])], {"x": "a", "y": "b"}, "a: 1, b: 2 curves came"),
        ([run(a=[X], b=[Y[:3]])], {"x": "a", "y": "b"}, "expected curves of one length"),
        ([run(a=[[X, X]])], {"y": "a"}, "expected curves of one length"),
        ([run(a=np.empty((0, 3)))], {"y": "a"}, "a: 0 curves came"),
        ([run(a=np.empty(0))], {"y": "a"}, "one point at least"),
        ([run(a=[np.nan, np.inf])], {"y": "a"}, "none of 2 points is finite"),
    ],
)
def test_what_cannot_be_read(given, parameters, message):
    """A key or stream that is not there is answered with those that are; what is no curve is refused."""
    with pytest.raises(InputError, match=message):
        peak_statistics(inputs(*given), **parameters)


def test_column_file(tmp_path):
    """The columns of a file are curves, in the units that it tells."""
    path = tmp_path / "scan.csv"
    path.write_text("x (mm),y\n" + "\n".join(f"{x},{y}" for x, y in zip(X, Y, strict=True)))

    found = peak_statistics(inputs(file(path)), x="x")["primary"]

    assert float(found["position"][0]) == pytest.approx(0.0)
    assert found["position"].attrs == {"units": "mm"}

"""Tables of pandas and xarray as columns: each value is kept, and no label is lost in silence."""

from __future__ import annotations

from typing import Any

import dask.array
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xarray as xr

from analysis_store import AnalysisStore, Provenance
from analysis_store.errors import InvalidDataError, InvalidMetadataError
from analysis_store.exchange import export, read_export
from analysis_store.runs.values.gather import gather
from analysis_store.testing.equality import assert_identical
from tests.zoo import Mode

ENERGY = [7112.0, 7113.0]
SPECTRUM = xr.DataArray([0.1, 0.2], {"energy": ENERGY}, ["energy"], name="mu", attrs={"units": "1", "edge": "K"})


def column(values: Any, **others: Any) -> Any:
    """Return the column of key ``k`` which is given whole."""
    return gather({"s": {"k": values, **others}})["s"].columns["k"]


def test_attributes_of_a_dataset_come_back(store: AnalysisStore, origin: Provenance) -> None:
    """Those of the whole and of each variable, from the run and from an export of it."""
    dataset = xr.Dataset(
        {"mu": SPECTRUM, "i0": ("energy", [1, 2], {"long_name": "monitor", "valid_range": [0, 5], "units": 5})},
        attrs={"title": "Fe foil", "n": 3},
    )
    run = store.insert({"scan": dataset}, {}, provenance=origin)
    found = store[run.uid].read("scan")

    assert found.attrs == {"title": "Fe foil", "n": 3, "stream_name": "scan"}
    assert {name: dict(found[name].attrs) for name in ("mu", "i0")} == {
        "mu": {"units": "1", "edge": "K"},
        "i0": {"long_name": "monitor", "valid_range": [0, 5], "units": 5},
    }
    assert run["scan"]["mu"].attrs == {"units": "1", "edge": "K"}
    assert read_export(export(run, store.root / "run.json")).read("scan").identical(found)
    again = store.insert({"scan": found}, {}, provenance=origin)  # and once more
    assert again.read("scan").attrs == found.attrs


def test_attributes_that_json_cannot_hold_are_refused() -> None:
    """With their path."""
    with pytest.raises(InvalidMetadataError, match=r'data\["s"\]\["mu"\]\[:\].attrs\["made"\]: a function'):
        gather({"s": xr.Dataset({"mu": ("t", [1.0], {"made": gather})})})
    with pytest.raises(InvalidMetadataError, match=r'data\["s"\].attrs\["made"\]'):
        gather({"s": xr.Dataset({"mu": ("t", [1.0])}, attrs={"made": gather})})


def test_attributes_of_a_frame_come_back(store: AnalysisStore, origin: Provenance) -> None:
    """As those of a Dataset."""
    frame = pd.DataFrame({"x": [1, 2]})
    frame.attrs["title"] = "Fe foil"
    run = store.insert({"scan": frame}, {}, provenance=origin)

    assert run.read("scan").attrs["title"] == "Fe foil"


@pytest.mark.parametrize(
    "values",
    [
        SPECTRUM,
        pd.Series([0.1, 0.2], index=ENERGY),
        pd.Series([0.1, 0.2], index=["a", "b"]),
        pd.Series([0.1, 0.2], index=pd.Index([3, 4], name="energy")),
    ],
    ids=["DataArray", "numbers", "text", "named"],
)
def test_labels_of_a_column_are_refused_unless_they_are_one(values: Any) -> None:
    """The energies of a spectrum were dropped without a word."""
    with pytest.raises(InvalidDataError, match=r'data\["s"\]\["k"\]: its labels .* would be lost'):
        column(values)
    if isinstance(values, xr.DataArray):
        assert column(values, energy=values["energy"]).values.tolist() == [0.1, 0.2]
        with pytest.raises(InvalidDataError, match="would be lost"):
            column(values, energy=[0.0, 1.0])


def test_row_numbers_are_no_labels() -> None:
    """An index of integers without a name only counts; so it may be left out."""
    assert column(pd.Series([0.1, 0.2], index=[7, 9])).values.tolist() == [0.1, 0.2]
    assert list(gather({"s": pd.DataFrame({"x": [1, 2]}, index=[7, 9])})["s"].columns) == ["x"]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"x": [1]}, index=["Fe"]), "index 'without a name'"),
        (pd.DataFrame({"x": [1]}, index=pd.Index([2], name="x")), "index 'x'"),
        (pd.DataFrame({"x": [1]}, index=pd.MultiIndex.from_tuples([("a", 1)], names=["i", None])), None),
        (
            pd.DataFrame({"x": [1]}, index=pd.MultiIndex.from_tuples([("a", "b")], names=["i", None])),
            "index 'without a name'",
        ),
    ],
)
def test_the_index_of_a_frame_is_not_lost(frame: pd.DataFrame, message: str | None) -> None:
    """Sample names without a title, and an index that a column of its name would cover up, are refused."""
    if message is None:
        assert list(gather({"s": frame})["s"].columns) == ["i", "x"]
        return
    with pytest.raises(InvalidDataError, match=rf'data\["s"\]: the {message}.*would be lost'):
        gather({"s": frame})


@pytest.mark.parametrize(
    ("series", "values"),
    [
        (pd.Series([1, 2], dtype="Int8"), np.array([1, 2], "i1")),
        (pd.Series([True, False], dtype="boolean"), np.array([True, False])),
        (pd.Series(pd.Categorical([3, 1])), np.array([3, 1])),
        (pd.Series(pd.arrays.SparseArray([0.0, 1.0])), np.array([0.0, 1.0])),
        (pd.Series(["a", "b\0"], dtype="string"), np.array(["a", "b\0"], object)),
        (pd.Series([1.5, np.nan]), np.array([1.5, np.nan])),
        (pd.Series([pd.NaT, pd.Timestamp(1)]), np.array(["NaT", 1], "M8[ns]")),
    ],
    ids=lambda value: str(value.dtype),
)
def test_a_series_gives_its_values(series: Any, values: np.ndarray) -> None:
    """What is in it is what comes out; in which of pandas' ways it holds them is not kept."""
    assert_identical(values, column(series).values)


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([2**53 + 1, None], dtype="Int64"),
        pd.Series([2**63 + 1, None], dtype=pd.ArrowDtype(pa.uint64())),
        pd.Series([1.5, None], dtype="Float32"),
        pd.Series(["a", None], dtype="string"),
        pd.Series(pd.arrays.ArrowExtensionArray(pa.array([1, 2], pa.time64("ns")))),
        pd.Series(np.ma.array([1.0, 2.0], mask=[0, 1]).tolist(), dtype=object),
    ],
    ids=lambda series: str(series.dtype),
)
def test_a_series_that_would_change_is_refused(series: Any) -> None:
    """With gaps pandas makes floats of its integers, and of nanoseconds of Arrow's microseconds."""
    with pytest.raises(InvalidDataError, match=r'data\["s"\]\["k"\]\['):
        column(series)


def test_zoned_times_stay_in_their_zone() -> None:
    """They are objects, each with its zone."""
    times = pd.date_range("2026-01-01", periods=2, tz="Europe/Berlin")

    assert_identical(list(times), list(column(pd.Series(times)).values))


@pytest.mark.parametrize(
    ("values", "forms"),
    [
        (np.ma.array([1.0, 2.0]), "array"),
        (np.ma.array([[1.0, 2.0]] * 2), "object"),
        (np.array([[1.0, 2.0]] * 2).view(np.matrix), "object"),
        (np.zeros(2, "i4,f8"), "object"),
        (np.rec.array([(1, 2.5), (2, 3.5)], dtype="i4,f8"), "object"),
        (pd.Index([1, 2]), "array"),
        (pd.array([1, 2], dtype="Int16"), "array"),
        (dask.array.ones((4, 3), chunks=2), "array"),
        (np.array([["a", None]], object), "object"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_like_an_array_is_a_column_of_its_items(values: Any, forms: str) -> None:
    """Each item is what indexing gives, of its own class."""
    found = column(values)

    assert found.form == forms
    assert len(found) == len(values)
    for index, value in enumerate(found.values):
        wanted = values[index].compute() if isinstance(values, dask.array.Array) else values[index]
        assert_identical(
            np.asarray(wanted) if forms == "array" else wanted, np.asarray(value) if forms == "array" else value
        )


def test_masked_values_of_a_column_are_refused() -> None:
    """The numbers under a mask are no measurement."""
    with pytest.raises(InvalidDataError, match=r'data\["s"\]\["k"\]\[1\]: .*Masked.*NaN'):
        column(np.ma.array([1.0, 2.0], mask=[False, True]))


def test_uncertainties_of_a_column_are_kept(store: AnalysisStore, origin: Provenance) -> None:
    """Each value has its own."""
    pq = pytest.importorskip("quantities")
    measured = pq.UncertainQuantity([1.0, 2.0], "mV", [0.1, 0.2])
    run = store.insert({"s": {"k": measured}}, {}, provenance=origin)

    assert_identical(measured[1], run["s"]["k"][1])


def test_text_of_a_dataset_is_text() -> None:
    """Xarray holds it as objects, each of which was an array of its own."""
    dataset = xr.Dataset({"sample": ("t", np.array(["Fe", "Ni"], object))}, {"t": [1, 2]})

    assert gather({"s": dataset})["s"].columns["sample"].values.tolist() == ["Fe", "Ni"]


def test_names_are_what_they_say() -> None:
    """A member of an Enum as a name is its text, not its name; NumPy's text is text."""
    events = gather([{Mode.FAST: {np.str_("x"): 1}}])
    table = gather({"s": pd.DataFrame([[1.0]], columns=pd.Index([Mode.FAST], dtype=object))})

    assert [(type(name), name) for name in (*events, *events["fast"].columns)] == [(str, "fast"), (str, "x")]
    assert list(table["s"].columns) == ["fast"]


def test_dims_are_the_same_in_all_events() -> None:
    """What is (x, y) in one event and (y, x) in the next would be labelled wrongly."""
    one, other = (xr.DataArray(np.zeros((2, 2)), dims=dims) for dims in (("x", "y"), ("y", "x")))

    with pytest.raises(InvalidDataError, match=r'data\[1\]\["s"\]\["k"\]: got the dims .*y.*, event 0 has'):
        gather([{"s": {"k": one}}, {"s": {"k": other}}])

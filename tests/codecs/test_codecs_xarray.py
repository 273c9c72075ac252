"""Codecs of xarray: labelled arrays come back identical, with the types of their coordinates and indexes."""

from __future__ import annotations

import datetime

import dask.array
import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from xarray.indexes import PandasIndex, PandasMultiIndex

from analysis_store.codecs import dump, load
from analysis_store.codecs.registry import for_name
from analysis_store.errors import InvalidDataError


def _trip(value):
    """Return a value as a file gives it back."""
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        dump(value, file, "value")
        return load(file["value"])


def _same_variable(found, variable):
    assert type(found) is type(variable)
    assert found.dims == variable.dims
    assert found.dtype == variable.dtype
    assert found.dtype.str == variable.dtype.str if isinstance(found.dtype, np.dtype) else True
    assert type(found.data) is type(variable.data)
    assert list(found.attrs) == list(variable.attrs)
    xr.testing.assert_identical(found, variable)


def _same(found, value):
    assert type(found) is type(value)
    xr.testing.assert_identical(found, value)
    assert list(found.coords) == list(value.coords)
    assert set(found.xindexes) == set(value.xindexes)
    for name, coord in value.coords.items():
        _same_variable(found.coords[name].variable, coord.variable)
    for name, index in value.xindexes.items():
        assert type(found.xindexes[name]) is type(index)
        assert type(found.indexes[name]) is type(value.indexes[name])
        assert found.indexes[name].identical(value.indexes[name])
        assert found.indexes[name].dtype == value.indexes[name].dtype
        assert getattr(found.indexes[name], "freq", None) == getattr(value.indexes[name], "freq", None)


# -------------------------------------------------------------------------------------------------- variables


@pytest.mark.parametrize(
    "values",
    [
        np.float32([[1, np.nan], [-0.0, 2]]),
        np.array([[1, 2], [3, 4]], ">i2"),
        np.asfortranarray(np.arange(4.0).reshape(2, 2)),
        np.array([["a", "bc"], ["", "d"]]),
        np.array([[None, "x"], [{"k": 1}, (1, 2)]], object),
        np.array([["2026", "NaT"], ["2025", "2024"]], "M8[s]"),
        np.zeros((0, 2), "c8"),
    ],
    ids=lambda values: values.dtype.str,
)
def test_variables(values):
    """A variable keeps dims, values, dtype, memory order and attributes."""
    variable = xr.Variable(("x", "y"), values, {"units": "mm", "range": (0, 1), "made": datetime.date(2026, 11, 20)})

    found = _trip(variable)

    _same_variable(found, variable)
    assert found.data.flags.f_contiguous == variable.data.flags.f_contiguous
    assert found.attrs == variable.attrs
    assert type(found.attrs["range"]) is tuple


@pytest.mark.parametrize("values", [3.5, "text", np.datetime64("2026-11-20", "ns"), None, np.int8(1)], ids=str)
def test_no_dims(values):
    """A single value without dims keeps its dtype."""
    _same_variable(_trip(xr.Variable((), values)), xr.Variable((), values))


@pytest.mark.parametrize(
    "values",
    [pd.array([1, None], "Int8"), pd.Categorical(["b", "a"], ["b", "c", "a"])],
    ids=lambda values: str(values.dtype),
)
def test_values_of_pandas(values):
    """Values that pandas holds stay those of pandas."""
    variable = xr.Variable("x", values)

    found = _trip(variable)

    assert found.dtype == variable.dtype
    xr.testing.assert_identical(found, variable)


def test_index_variable():
    """A variable of a dimension stays one."""
    variable = xr.IndexVariable("x", np.float32([1, 2]), {"units": "mm"})

    _same_variable(_trip(variable), variable)


def test_index_variable_of_several_levels():
    """A variable cannot say what its levels are; the array that it belongs to can."""
    array = xr.DataArray([1, 2], coords=xr.Coordinates.from_pandas_multiindex(_levels()[:2], "z"))

    with pytest.raises(InvalidDataError, match=r"'z' with 2 levels.*DataArray"):
        _trip(array.coords["z"].variable)


# -------------------------------------------------------------------------------------------------- arrays


def _levels():
    return pd.MultiIndex.from_product([["a", "b"], [1.5, 2.5]], names=["kind", "at"])


def _odd_name():
    array = xr.DataArray([1.0, 2.0], dims="x", coords={"place": ("x", ["p", "q"])})
    return array.set_xindex("place")


def _arrays():
    times = pd.date_range("2026-11-20", periods=3, tz="Europe/Berlin", name="time")
    yield xr.DataArray(
        np.arange(6.0).reshape(2, 3),
        dims=("energy", "scan"),
        coords={
            "energy": ("energy", np.float32([7.1, 7.2]), {"units": "keV"}),
            "theta": ("energy", np.array([3, 4], ">i2"), {"units": "deg"}),
            "label": ("scan", ["first", "b", "c"]),
            "temperature": 295.5,
            "day": np.datetime64("2026-11-20", "s"),
            "area": (("energy", "scan"), np.zeros((2, 3), "u1")),
        },
        name="mu",
        attrs={"units": "1", "history": ["cut", ("bin", 3)], "nested": {"a": [1]}, "curve": np.arange(3)},
    )
    yield xr.DataArray([1, 2, 3], dims="scan", coords={"scan": ["x", "yy", ""]})
    yield xr.DataArray([1, 2, 3], dims="time", coords={"time": pd.date_range("2026", periods=3, freq="2D")})
    yield xr.DataArray([1, 2, 3], dims="time", coords={"time": times})
    yield xr.DataArray([1, 2, 3], dims="dt", coords={"dt": pd.timedelta_range(0, periods=3, freq="s")})
    yield xr.DataArray([1, 2, 3], dims="n", coords={"n": pd.RangeIndex(3)})
    yield xr.DataArray([1, 2, 3], dims="p", coords={"p": pd.period_range("2026", periods=3, freq="M")})
    yield xr.DataArray([1, 2, 3], dims="b", coords={"b": pd.interval_range(0, 3)})
    yield xr.DataArray([1, 2], dims="c", coords={"c": pd.CategoricalIndex(["u", "v"], ["v", "w", "u"])})
    yield xr.DataArray([1, 2], dims="o", coords={"o": np.array(["a", 1], object)})
    yield xr.DataArray(np.arange(4), coords=xr.Coordinates.from_pandas_multiindex(_levels(), "z"))
    yield xr.DataArray([1, 2], dims="x", coords={"x": [3, 4]}).drop_indexes("x")
    yield _odd_name()
    yield xr.DataArray(5.0)
    yield xr.DataArray(np.zeros((0, 2)), dims=("x", "y"), name=("odd", 1))
    yield xr.DataArray([1, 2], dims=[("odd", 1)])


@pytest.mark.parametrize("array", list(_arrays()), ids=lambda array: "-".join(map(str, array.coords)) or "bare")
def test_arrays(array):
    """An array keeps name, values, coordinates with their dtypes, indexes of their classes, and frequencies."""
    found = _trip(array)

    _same(found, array)
    assert found.name == array.name
    assert type(found.name) is type(array.name)


def test_attributes():
    """Attributes of an array and of its coordinates are any values that can be stored."""
    attrs = {"units": "mm", "at": pd.Timestamp("2026"), "shape": (1, 2), "table": {"a": [1, None]}, 1: None}
    array = xr.DataArray([1.0, 2.0], coords={"x": ("x", [1, 2], attrs)}, dims="x", attrs=attrs)

    found = _trip(array)

    assert found.attrs == found.x.attrs == attrs
    assert type(found.attrs["shape"]) is tuple


def test_units_read_well():
    """Plain h5py finds dims, values and units under these names."""
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        dump(xr.DataArray([1.0, 2.0], {"x": [3, 4]}, "x", attrs={"units": "mm"}), file, "array")

        assert file["array/values"][:].tolist() == [1.0, 2.0]
        assert file["array/coords/x/values"][:].tolist() == [3, 4]
        assert file["array"]["attrs"]["units"][()] == b"mm"


def test_encoding_is_dropped():
    """How a file held the values is no part of them."""
    array = xr.DataArray([1.0], dims="x")
    array.encoding = {"source": "other.nc", "chunksizes": (1,)}

    assert _trip(array).encoding == {}


def test_computed():
    """Values that dask would compute are computed; the array that was given is left as it is."""
    array = xr.DataArray(dask.array.arange(10, chunks=3), dims="x", coords={"y": ("x", dask.array.ones(10))})

    found = _trip(array)

    assert type(found.data) is np.ndarray
    assert type(found.y.data) is np.ndarray
    assert array.chunks is not None
    xr.testing.assert_identical(found, array.compute())


# -------------------------------------------------------------------------------------------------- datasets and trees


def _dataset():
    return xr.Dataset(
        {
            "mu": (("energy", "z"), np.random.default_rng(1).random((2, 4)), {"units": "1"}),
            "text": ("energy", ["a", "b"]),
            "single": 5,
            "flag": ("energy", pd.array([True, False], "boolean")),
        },
        xr.Coordinates.from_pandas_multiindex(_levels(), "z").assign(energy=("energy", [7.0, 8.0], {"units": "keV"})),
        {"title": "scan", "by": {"name": "x"}},
    )


def test_dataset():
    """A dataset keeps its variables in their order, one index for all the levels of a dimension, and attributes."""
    dataset = _dataset()

    found = _trip(dataset)

    _same(found, dataset)
    assert list(found.data_vars) == list(dataset.data_vars)
    assert found.attrs == dataset.attrs
    assert found.xindexes["z"] is found.xindexes["kind"] is found.xindexes["at"]
    assert found.mu.attrs == {"units": "1"}
    xr.testing.assert_identical(found.sel(kind="b"), dataset.sel(kind="b"))


def test_levels_once():
    """The levels of an index are kept as its coordinates, and not as tuples once more."""
    coords = for_name("xarray.Dataset").to_state(_dataset())["coords"]

    assert list(coords) == ["z", "kind", "at", "energy"]
    assert coords["z"] == {"dims": ["z"], "attrs": {}}
    assert coords["at"]["values"].tolist() == [1.5, 2.5, 1.5, 2.5]


@pytest.mark.parametrize(
    "dataset", [xr.Dataset(), xr.Dataset(coords={"x": [1, 2]}), xr.Dataset(attrs={"a": 1})], ids=str
)
def test_small_datasets(dataset):
    """A dataset without variables, or without anything, is still one."""
    _same(_trip(dataset), dataset)


def test_opened_lazily(tmp_path):
    """A dataset that reads from a file when it is asked is read, and does not need that file any more."""
    path = tmp_path / "given.nc"
    xr.Dataset({"a": ("x", np.arange(5.0))}, {"x": list("abcde")}).to_netcdf(path, engine="h5netcdf")
    with xr.open_dataset(path, engine="h5netcdf") as dataset:
        expected = dataset.compute()
        found = _trip(dataset)
    path.unlink()

    xr.testing.assert_identical(found, expected)


def test_tree():
    """A tree keeps its nodes, and what they inherit is inherited again."""
    tree = xr.DataTree.from_dict(
        {"/": xr.Dataset({"a": 1}, {"x": [1, 2]}), "/b/c": xr.Dataset({"d": ("x", [3, 4])}), "/e": xr.Dataset()},
        name="n",
    )

    found = _trip(tree)

    xr.testing.assert_identical(found, tree)
    assert found.name == "n"
    assert found["b/c"].to_dataset(inherit=False).coords.keys() == set()


# -------------------------------------------------------------------------------------------------- refusals


def test_other_indexes_are_refused():
    """An index of another kind is refused, with what to do."""

    class Nearest(PandasIndex):
        pass

    array = xr.DataArray([1, 2], dims="x", coords={"x": [3, 4]}).drop_indexes("x").set_xindex("x", Nearest)

    with pytest.raises(InvalidDataError, match=r"obj: Got the coordinates \['x'\] with .*Nearest.*drop_indexes"):
        _trip(array)


def test_subclass_is_refused():
    """A subclass says more than its parent."""

    class Own(xr.Dataset):
        __slots__ = ()

    with pytest.raises(InvalidDataError, match="Own object cannot be stored"):
        _trip(Own())


def _state(**changed):
    state = for_name("xarray.DataArray").to_state(xr.DataArray([1, 2], dims="x", coords={"x": [3, 4]}))
    return {**state, **changed}


COORD = {"dims": ["x"], "values": np.zeros(2), "attrs": {}}


@pytest.mark.parametrize(
    "state",
    [
        _state(dims=["x", "y"]),
        _state(dims=range(10**12)),
        _state(dims=[range(10**12)]),
        _state(values=range(10**12)),
        _state(values=pd.RangeIndex(10**12)),
        _state(attrs=[pd.RangeIndex(10**12)]),
        _state(indexed=range(10**12)),
        _state(values=np.zeros(3)),
        _state(indexed=["gone"]),
        _state(indexed=["x", "y"], coords={"x": COORD, "y": {**COORD, "dims": []}}),
        _state(indexes=[{"coords": ["x"], "index": pd.RangeIndex(3)}], indexed=[]),
        _state(indexes=[{"coords": ["x"], "index": "x"}], indexed=[]),
        _state(indexes=[{"coords": [], "index": _levels()}], indexed=[]),
        _state(indexes=[{"coords": ["x"], "index": _levels()[:2]}], indexed=[]),
    ],
)
def test_crafted(state):
    """A state whose parts do not fit each other makes no array."""
    with pytest.raises((ValueError, TypeError, LookupError, AttributeError)):
        for_name("xarray.DataArray").from_state(state)


def test_kinds_of_index():
    """The two kinds of index that are kept are those that xarray makes by itself."""
    found = _trip(_dataset())

    assert type(found.xindexes["energy"]) is PandasIndex
    assert type(found.xindexes["z"]) is PandasMultiIndex

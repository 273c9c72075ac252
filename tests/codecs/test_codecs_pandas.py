"""Codecs of pandas: tables, series, indexes, their arrays and single values come back as they were."""

from __future__ import annotations

import datetime
import importlib.util
import math
from decimal import Decimal

import h5py
import numpy as np
import pandas as pd
import pytest

from analysis_store.codecs import dump, load
from analysis_store.codecs.registry import for_name, for_type, revive
from analysis_store.errors import DamagedFileError, InvalidDataError


def _trip(value, **options):
    """Return a value as a file gives it back."""
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        dump(value, file, "value")
        return load(file["value"], **options)


def _same_index(found, index):
    assert type(found) is type(index)
    pd.testing.assert_index_equal(found, index, exact=True, check_exact=True)
    assert found.identical(index)
    assert getattr(found, "freq", None) == getattr(index, "freq", None)
    for level, expected in zip(getattr(found, "levels", ()), getattr(index, "levels", ()), strict=True):
        _same_index(level, expected)


def _same_column(found, column):
    assert found.dtype == column.dtype
    assert type(found.array) is type(column.array)
    pd.testing.assert_series_equal(found, column, check_exact=True, check_index_type="exact", check_flags=True)
    assert [type(item) for item in found.array] == [type(item) for item in column.array]
    _same_index(found.index, column.index)
    assert found.attrs == column.attrs


def _same_frame(found, frame):
    assert type(found) is pd.DataFrame
    pd.testing.assert_frame_equal(found, frame, check_exact=True, check_index_type="exact", check_column_type="exact")
    _same_index(found.columns, frame.columns)
    _same_index(found.index, frame.index)
    assert found.attrs == frame.attrs
    for number in range(frame.shape[1]):
        _same_column(found.iloc[:, number], frame.iloc[:, number])


# -------------------------------------------------------------------------------------------------- single values

BERLIN = "Europe/Berlin"

VALUES = [
    *(pd.Timestamp("2026-11-20T12:00:00.123456789"), pd.Timestamp("2026-11-20").as_unit("s")),
    *(pd.Timestamp("2026-11-20", tz=BERLIN), pd.Timestamp("2026-11-20", tz="UTC"), pd.Timestamp.min, pd.Timestamp.max),
    *(pd.Timestamp(f"2026-10-25T0{hour}:30Z").tz_convert(BERLIN) for hour in (0, 1)),
    pd.Timestamp("2026-11-20", tz=datetime.timezone(-datetime.timedelta(hours=5, minutes=30))),
    pd.Timestamp(year=2026, month=10, day=25, hour=2, minute=30, fold=1),
    *(pd.Timedelta("1 days 00:00:00.000000001"), pd.Timedelta(-3, "s"), pd.Timedelta(1, "us").as_unit("us")),
    *(pd.Period("2026-11", "M"), pd.Period("2026Q4", "Q-JAN"), pd.Period("2026-11-20 12:00", "15min")),
    *(
        pd.Interval(0, 1),
        pd.Interval(0.5, 1.5, "both"),
        pd.Interval(pd.Timestamp("2025"), pd.Timestamp("2026"), "left"),
    ),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values(value):
    """A single value keeps its type, its unit, its zone, and which of two equal hours it is in."""
    found = _trip(value)

    assert type(found) is type(value)
    assert found == value
    assert str(found) == str(value)
    for name in ("unit", "fold", "freq", "closed"):
        assert getattr(found, name, None) == getattr(value, name, None)
    assert str(getattr(found, "tz", None)) == str(getattr(value, "tz", None))
    assert hash(found) == hash(value)


@pytest.mark.parametrize("value", [pd.NaT, pd.NA])
def test_missing_values(value):
    """There is one of each mark for what is missing, and it is that one."""
    assert _trip([value, 1, value])[0] is value


def test_zone_by_name():
    """A time in a zone follows the zone into the summer."""
    found = _trip(pd.Timestamp("2026-03-28 12:00", tz=BERLIN)) + pd.DateOffset(days=1)

    assert found.utcoffset() == datetime.timedelta(hours=2)
    assert str(found.tz) == BERLIN


OFFSETS = [
    *(pd.offsets.Day(2), pd.offsets.Hour(-3), pd.offsets.Nano(5), pd.offsets.MonthEnd(2), pd.offsets.YearEnd(month=3)),
    *(pd.offsets.Week(weekday=2), pd.offsets.QuarterBegin(startingMonth=2), pd.offsets.BusinessDay(3, normalize=True)),
    *(pd.offsets.LastWeekOfMonth(weekday=4), pd.offsets.Easter(), pd.DateOffset(months=3, n=2), pd.DateOffset(hour=4)),
    *(pd.offsets.FY5253(weekday=3, startingMonth=2, variation="last"), pd.offsets.SemiMonthEnd(day_of_month=10)),
]


@pytest.mark.parametrize("value", OFFSETS, ids=repr)
def test_offsets(value):
    """A step of a calendar keeps what it was made of."""
    found = _trip(value)

    assert type(found) is type(value)
    assert found == value
    assert pd.Timestamp("2026-11-20 13:00") + found == pd.Timestamp("2026-11-20 13:00") + value


# -------------------------------------------------------------------------------------------------- arrays

STORAGES = ("python", "pyarrow") if importlib.util.find_spec("pyarrow") else ("python",)
TEXT = ["a", None, "", "Größe", "b\0", "  "]


def _arrays():
    for dtype in ("Int8", "UInt64", "Float32", "Float64", "boolean"):
        yield pd.array([1, None, 0], dtype=dtype)
        yield pd.array([], dtype=dtype)
    yield pd.arrays.FloatingArray(np.array([1.0, np.nan, -0.0]), np.array([False, False, True]))
    yield pd.array([2**64 - 1, None], dtype="UInt64")
    for storage in STORAGES:
        for missing in (pd.NA, np.nan):
            yield pd.array(TEXT, dtype=pd.StringDtype(storage, na_value=missing))
            yield pd.array([], dtype=pd.StringDtype(storage, na_value=missing))
    for unit in ("s", "ms", "us", "ns"):
        yield pd.array(["2026-11-20", None], dtype=f"M8[{unit}]")
        yield pd.array(["2026-11-20", None], dtype=pd.DatetimeTZDtype(unit, BERLIN))
        yield pd.array([1, None], dtype=f"m8[{unit}]")
    yield pd.array(["2026-10-25T00:30Z", "2026-10-25T01:30Z"], dtype=pd.DatetimeTZDtype("ns", BERLIN))
    yield pd.array([], dtype=pd.DatetimeTZDtype("ns", "UTC"))
    yield pd.array(["2026-11-20"], dtype=pd.DatetimeTZDtype("s", datetime.timezone(datetime.timedelta(hours=1))))
    yield from (pd.array(["2026-01", None], dtype=f"period[{freq}]") for freq in ("M", "Q-JAN", "3D", "W-TUE", "h"))
    for closed in ("left", "right", "both", "neither"):
        yield pd.arrays.IntervalArray.from_breaks([0, 1, 2], closed=closed)
    yield pd.arrays.IntervalArray.from_tuples([(0.5, 1.0), None])
    yield pd.arrays.IntervalArray.from_breaks(pd.date_range("2026", periods=3, tz=BERLIN))
    yield pd.Categorical(["b", None, "a"], categories=["b", "unused", "a"], ordered=True)
    yield pd.Categorical([1.5, 2.5])
    yield pd.Categorical(pd.to_datetime(["2026-11-20", None]).tz_localize(BERLIN))
    yield pd.Categorical(pd.interval_range(0, 3))
    yield pd.Categorical([(1, 2), "x", 3])
    yield pd.Categorical([])
    yield pd.arrays.SparseArray([0, 0, 1, 2, 0])
    yield pd.arrays.SparseArray([1.0, np.nan, -0.0], kind="block")
    yield pd.arrays.SparseArray([True, False], fill_value=True)
    yield pd.arrays.SparseArray([5, 5, 5, 1], fill_value=5, dtype="i2")
    yield pd.arrays.SparseArray([], dtype="f4")


@pytest.mark.parametrize("array", list(_arrays()), ids=lambda array: str(array.dtype).replace(" ", ""))
def test_arrays(array):
    """An array of pandas comes back equal alone, and as a column of its own type."""
    found = _trip(array)

    assert type(found) is type(array)
    assert found.dtype == array.dtype
    pd.testing.assert_extension_array_equal(found, array, check_exact=True)
    _same_column(_trip(pd.Series(array, name="x")), pd.Series(array, name="x"))


ARROW = {
    "int8": [1, None, -128],
    "uint64": [2**64 - 1, None],
    "int64": [2**63 - 1, None, 2**53 + 1],
    "float16": [0.5, None],
    "float32": [0.5, None],
    "float64": [-0.0, None, 1e-6],
    "bool_": [True, None, False],
    "string": TEXT,
    "large_string": TEXT,
    "binary": [b"a\0", None, b""],
    "date32": [datetime.date(2026, 11, 20), None],
    "date64": [datetime.date(2026, 11, 20), None],
}


def _arrow_types():
    pa = pytest.importorskip("pyarrow")
    yield from ((getattr(pa, name)(), values) for name, values in ARROW.items())
    yield from ((pa.timestamp(unit), [1, None]) for unit in ("s", "ms", "us", "ns"))
    yield from ((pa.timestamp("ns", zone), [1, None]) for zone in ("UTC", BERLIN))
    yield from ((pa.duration(unit), [1, None]) for unit in ("s", "ns"))
    yield from ((kind, [1, None]) for kind in (pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")))
    yield from ((kind, [Decimal("1.50"), None]) for kind in (pa.decimal128(10, 2), pa.decimal256(40, 3)))


def test_arrow():
    """Arrays in Arrow's memory keep their type, also without gaps, empty, and in several pieces."""
    for kind, values in _arrow_types():
        for given in (values, [value for value in values if value is not None], [], [None]):
            array = pd.array(given, dtype=pd.ArrowDtype(kind))
            pieces = pd.concat([pd.Series(array), pd.Series(array)]).array

            found = _trip(pieces)

            assert type(found) is type(array)
            assert found.dtype == array.dtype
            pd.testing.assert_extension_array_equal(found, pieces, check_exact=True)
            assert [type(item) for item in found] == [type(item) for item in pieces]


def test_arrow_keeps_not_a_number():
    """A NaN in Arrow's memory is no gap."""
    pa = pytest.importorskip("pyarrow")
    array = pd.arrays.ArrowExtensionArray(pa.array([float("nan"), None, 1.0]))

    found = pa.array(_trip(array))

    assert found.null_count == 1
    assert found[0].as_py() != found[0].as_py()


def test_arrow_of_other_types():
    """What Arrow nests is refused, with what to do."""
    pa = pytest.importorskip("pyarrow")

    with pytest.raises(InvalidDataError, match=r"obj\.values: Got values of Arrow's type list<.*astype\(object\)"):
        _trip(pd.Series([[1], [2]], dtype=pd.ArrowDtype(pa.list_(pa.int8()))))


@pytest.mark.parametrize(
    "state",
    [
        {"type": "list<item: int8>", "values": [[1]]},
        {"type": "timestamp[s, tz=dateutil//etc/localtime]", "values": np.zeros(1, "i8"), "mask": np.zeros(1, bool)},
        {"type": "int8", "values": np.zeros(2, "i8"), "mask": np.zeros(2, bool)},
        {"type": "int8", "values": np.zeros(2, "i1"), "mask": np.zeros(3, bool)},
        {"type": "time32[ns]", "values": np.zeros(2, "i8"), "mask": np.zeros(2, bool)},
        {"type": "timestamp[s]", "values": np.zeros(2, "i4"), "mask": np.zeros(2, bool)},
        {"type": "string", "values": [1, 2]},
        {"type": "decimal128(99, 2)", "values": [Decimal(1)]},
    ],
)
def test_crafted_arrow(state):
    """Only the types that are written are made, and only of values that fit them."""
    pytest.importorskip("pyarrow")

    with pytest.raises((ValueError, TypeError)):
        for_name("pandas.arrays.ArrowExtensionArray").from_state(state)


def test_numpy_array_of_pandas():
    """The shell that pandas puts around an array stays one."""
    found = _trip(pd.Series([1.5, 2.5]).array)

    assert type(found) is pd.arrays.NumpyExtensionArray
    assert found.to_numpy().tolist() == [1.5, 2.5]


def test_sparse_stays_sparse():
    """An array that is long and almost empty is never made whole."""
    array = pd.arrays.SparseArray([0, 7])
    state = {**for_name("pandas.arrays.SparseArray").to_state(array), "length": 2**31 - 1}

    found = for_name("pandas.arrays.SparseArray").from_state(state)

    assert (len(found), found[1], found.npoints) == (2**31 - 1, 7, 1)


def test_nan_and_missing_are_two_things():
    """A number that is none and one that is missing stay apart in a column that may have both."""
    array = pd.arrays.FloatingArray(np.array([np.nan, 1.0]), np.array([False, True]))

    state = for_name("pandas.arrays.FloatingArray").to_state(_trip(array))

    assert math.isnan(state["values"][0])
    assert state["mask"].tolist() == [False, True]


# -------------------------------------------------------------------------------------------------- indexes


def _indexes():
    yield from (pd.Index(np.array([3, 1, 2], dtype), name="n") for dtype in ("i1", "u8", "f4", "f8", "?", "c16"))
    yield from (pd.Index(["a", "b\0", ""]), pd.Index(["a", None], dtype=object), pd.Index([], dtype=object))
    yield from (pd.Index([1, "a", (1, 2), None], dtype=object), pd.Index([(1, 2)], tupleize_cols=False))
    yield from (pd.Index([1, 1, 2], name=("a", 1)), pd.Index([1], name=7), pd.Index([1, None], dtype="Int64"))
    yield from (pd.RangeIndex(5), pd.RangeIndex(10, 0, -3, name="k"), pd.RangeIndex(0))
    yield from (
        pd.CategoricalIndex(["b", "a"], ["b", "c", "a"], ordered=True, name="c"),
        pd.Index(["x"], dtype="string"),
    )
    yield from (pd.date_range("2026", periods=3, tz=BERLIN, name="t"), pd.date_range("2026", periods=1, freq="ME"))
    yield from (pd.DatetimeIndex(["2026-11-20", None]), pd.DatetimeIndex([], tz="UTC"), pd.date_range("2026", "2026"))
    yield from (pd.date_range("2026", periods=3, freq="W-TUE", unit="s"), pd.date_range("2026", periods=0, freq="2h"))
    yield from (pd.timedelta_range(0, periods=3, freq="90s"), pd.TimedeltaIndex([1, None, 5], name="d"))
    yield from (pd.period_range("2026", periods=3, freq="Q-JAN", name="p"), pd.PeriodIndex([], freq="D"))
    yield from (pd.interval_range(0, 3, closed="left", name="i"), pd.IntervalIndex.from_tuples([(0.5, 1), (0, 3)]))
    yield pd.MultiIndex.from_product([["a", "b"], pd.date_range("2026", periods=2)], names=["x", "t"])
    yield pd.MultiIndex.from_tuples([("a", 1.5), (None, np.nan), ("a", 1.5)], names=[None, ("odd", 1)])
    yield pd.MultiIndex.from_product([["a", "b"], [1, 2]])[:1]
    yield pd.MultiIndex.from_arrays([pd.Categorical(["u", "v"]), [1, 2]])
    yield pd.MultiIndex.from_arrays([[], []], names=["a", "a"])


@pytest.mark.parametrize(
    "index", list(_indexes()), ids=lambda index: f"{type(index).__name__}-{index.dtype}".replace(" ", "")
)
def test_indexes(index):
    """An index keeps its class, dtype, name, frequency, and the levels that nothing uses."""
    _same_index(_trip(index), index)


# -------------------------------------------------------------------------------------------------- series and tables


def _columns():
    yield from (pd.Series([1.0, np.nan, -0.0], name="x"), pd.Series([], dtype="f4"), pd.Series([1, 2], dtype=">i4"))
    yield from (
        pd.Series([1, 2], index=["a", "a"], name=None),
        pd.Series([True], name=("a", 1)),
        pd.Series([1], name=0),
    )
    yield from (pd.Series(TEXT, dtype=object), pd.Series(TEXT), pd.Series(TEXT, dtype="string[python]"))
    yield pd.Series([1, "a", None, np.nan, pd.NA, pd.NaT, 2.5, Decimal("0.10")], dtype=object)
    yield pd.Series([np.arange(3), [1, 2], {"k": (1,)}], dtype=object)
    yield pd.Series([pd.Timestamp("2026"), datetime.date(2026, 11, 20)], dtype=object)
    yield pd.Series([b"a\0", b""], dtype=object)


@pytest.mark.parametrize(
    "column", list(_columns()), ids=lambda column: f"{column.dtype}-{column.name}".replace(" ", "")
)
def test_series(column):
    """A series keeps dtype, name, index and every object in it."""
    found = _trip(column)

    assert found.dtype == column.dtype
    assert found.name == column.name
    assert type(found.name) is type(column.name)
    _same_index(found.index, column.index)
    if any(isinstance(item, (np.ndarray, list, dict)) for item in column):
        np.testing.assert_array_equal(found[0], column[0])
        assert found[1:].tolist() == column[1:].tolist()
    else:
        _same_column(found, column)


def _frames():
    yield pd.DataFrame({"energy": np.linspace(7, 8, 5), "mu": np.float32([1, 2, 3, 4, 5]), "n": range(5)})
    yield pd.DataFrame(np.arange(6.0).reshape(2, 3))
    yield pd.DataFrame(np.arange(6).reshape(3, 2), columns=["same", "same"], index=["r", "r", "s"])
    yield pd.DataFrame({"text": TEXT, "cat": pd.Categorical(list("abcabc")), "t": pd.date_range("2026", periods=6)})
    yield pd.DataFrame({"a/b": [1], "": [2], ".": [3], "c\0": [4], "attrs": [5]})
    yield pd.DataFrame({1: [1], "1": [2], (1, 2): [3], None: [4]})
    yield pd.DataFrame([[1, "x"], [2.5, None]], dtype=object)
    yield pd.DataFrame(columns=pd.MultiIndex.from_product([["u", "v"], [1, 2]], names=["k", None]), index=[0], data=1.5)
    yield pd.DataFrame(index=pd.date_range("2026", periods=3, tz=BERLIN, name="t"))
    yield pd.DataFrame(columns=["a", "b"])
    yield pd.DataFrame({"a": np.empty(0, "i2"), "b": np.empty(0, "M8[s]")})
    yield pd.DataFrame()
    yield pd.DataFrame({"n": pd.array([1, None], "Int8"), "s": pd.arrays.SparseArray([0, 1])}).rename_axis(
        columns="kind"
    )
    yield pd.DataFrame({"x": [1, 2]}, index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["u", "v"]))


@pytest.mark.parametrize("frame", list(_frames()), ids=lambda frame: "x".join(map(str, frame.shape)))
def test_frames(frame):
    """A table keeps its columns, labels and index, also where it has none."""
    _same_frame(_trip(frame), frame)


def test_attributes_and_flags():
    """Attributes of a table come back, and that it refuses labels which come twice."""
    frame = pd.DataFrame({"x": [1.5]}).set_flags(allows_duplicate_labels=False)
    frame.attrs = {"units": {"x": "mm"}, "made": pd.Timestamp("2026-11-20"), 1: (1, 2)}

    found, column = _trip([frame, frame["x"]])

    assert found.attrs == column.attrs == frame.attrs
    assert found.flags.allows_duplicate_labels is column.flags.allows_duplicate_labels is False
    assert _trip(pd.DataFrame()).flags.allows_duplicate_labels is True


def test_a_table_reads_well():
    """Plain h5py finds a column under its label, and times as numbers with a unit."""
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        dump(pd.DataFrame({"energy": [7.0, 7.5], "n": [1, 2]}), file, "table")

        assert file["table/data/energy"][:].tolist() == [7.0, 7.5]
        assert file["table/data/n"].dtype == "i8"


def test_one_index_of_many_columns():
    """Tables with one index share it in the file."""
    index = pd.Index(np.arange(10_000.0))
    first, second = pd.Series(index.to_numpy(), index=index), pd.Series(index.to_numpy(), index=index)

    for found in _trip([first, second]):
        _same_column(found, first)


def test_changing_what_came_back():
    """A table that was read can be written to."""
    found = _trip(pd.DataFrame({"a": [1.0, 2.0], "t": ["x", "y"]}))

    found.loc[0, "a"] = 5.0
    found["b"] = found["a"] * 2

    assert found["b"].tolist() == [10.0, 4.0]


# -------------------------------------------------------------------------------------------------- refusals


class _OwnSeries(pd.Series):
    pass


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (pd.Series(["\ud800"], dtype="string[python]"), "lone surrogate"),
        (pd.Series([lambda: None]), r"obj\.values.*\[0\].*function object cannot be stored"),
        (_OwnSeries([1.0]), "_OwnSeries object cannot be stored"),
        (
            pd.Timestamp("2026", tz=datetime.timezone(datetime.timedelta(hours=1), "mine")),
            r"time zone .* has no name.*tz_convert",
        ),
        (pd.offsets.CustomBusinessDay(), "CustomBusinessDay object cannot be stored"),
        (pd.DataFrame({"a": [1]}).groupby("a"), "GroupBy object cannot be stored"),
    ],
    ids=["surrogate", "function", "subclass", "zone", "calendar", "groupby"],
)
def test_refused(value, message):
    """What cannot be kept is refused, with the place and the reason."""
    with pytest.raises(InvalidDataError, match=message):
        _trip(value)


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("pandas.Timestamp", {"time": np.array("NaT", "M8[s]"), "zone": None, "fold": 0}),
        ("pandas.Timestamp", {"time": np.array(0, "M8[s]"), "zone": "dateutil//etc/localtime", "fold": 0}),
        ("pandas.Timestamp", {"time": np.array(0, "M8[s]"), "zone": "../../etc/passwd", "fold": 0}),
        ("pandas.Timestamp", {"time": np.array(0, "M8[s]"), "zone": "Nowhere/Else", "fold": 0}),
        ("pandas.Timedelta", np.array(0.5)),
        ("pandas.offsets.DateOffset", {"n": 1, "normalize": False, "nonsense": 1}),
        ("pandas.Categorical", {"codes": np.array([3], "i1"), "categories": pd.Index(["a"]), "ordered": False}),
        ("pandas.arrays.IntegerArray", {"values": np.zeros(2, "i8"), "mask": np.zeros(3, bool)}),
        ("pandas.arrays.IntegerArray", {"values": np.zeros(2, "f8"), "mask": np.zeros(2, bool)}),
        ("pandas.arrays.BooleanArray", {"values": np.zeros(2, "i8"), "mask": np.zeros(2, bool)}),
        ("pandas.arrays.PeriodArray", {"ordinals": np.zeros(2, "i8"), "freq": "nonsense"}),
        ("pandas.arrays.IntervalArray", {"left": np.array([2]), "right": np.array([1]), "closed": "left"}),
        ("pandas.arrays.DatetimeArray", {"values": np.zeros(2, "M8[ns]"), "zone": "tzlocal()"}),
        ("pandas.RangeIndex", {"start": 0, "stop": 1, "step": 0, "name": None}),
        ("pandas.Index", {"values": np.zeros((2, 2)), "name": None}),
        ("pandas.Index", {"values": np.zeros(2, "M8[ns]"), "name": None}),
        ("pandas.DatetimeIndex", {"values": np.zeros(3, "M8[ns]"), "name": None, "freq": pd.offsets.Day()}),
        ("pandas.MultiIndex", {"levels": [pd.Index([1])], "codes": [np.array([7], "i1")], "sortorder": None}),
        ("pandas.Series", {"values": np.zeros(3), "index": pd.RangeIndex(2), "name": None}),
        ("pandas.DataFrame", {"data": {"a": np.zeros(3)}, "columns": pd.Index(["a"]), "index": pd.RangeIndex(2)}),
        ("pandas.DataFrame", {"data": {"a": np.zeros(2)}, "columns": pd.Index(["b"]), "index": pd.RangeIndex(2)}),
        ("pandas.DataFrame", {"data": [np.zeros(2)], "columns": pd.Index(["a", "b"]), "index": pd.RangeIndex(2)}),
    ],
)
def test_crafted(name, state):
    """A state that does not fit itself makes nothing."""
    with pytest.raises((ValueError, TypeError, LookupError, OverflowError)):
        for_name(name).from_state(state)


LONG = pd.RangeIndex(10**12)


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("pandas.arrays.PeriodArray", {"ordinals": np.array(7), "freq": "D"}),
        ("pandas.arrays.PeriodArray", {"ordinals": LONG, "freq": "D"}),
        ("pandas.arrays.DatetimeArray", {"values": LONG, "zone": None}),
        ("pandas.arrays.TimedeltaArray", LONG),
        ("pandas.arrays.NumpyExtensionArray", LONG),
        ("pandas.arrays.StringArray", {"text": LONG, "mask": LONG, "missing": "NA", "storage": "python"}),
        ("pandas.Categorical", {"codes": np.zeros(1, "i1"), "categories": LONG, "ordered": False}),
        ("pandas.Categorical", {"codes": np.zeros(1, "i1"), "categories": range(10**12), "ordered": False}),
        ("pandas.DatetimeIndex", {"values": LONG, "name": None, "freq": None}),
        ("pandas.MultiIndex", {"levels": [LONG], "codes": [np.zeros(1, "i1")], "sortorder": None}),
        ("pandas.MultiIndex", {"levels": [pd.Index([1])], "codes": [LONG], "sortorder": None}),
        ("pandas.Series", {"values": LONG, "index": LONG, "name": None}),
        ("pandas.DataFrame", {"data": LONG, "columns": LONG, "index": LONG}),
        ("pandas.offsets.Week", {"n": 1, "normalize": False, "weekday": LONG}),
    ],
)
def test_crafted_to_be_large(name, state):
    """What takes no room in a file takes none in memory: a range where an array was is refused as such."""
    with pytest.raises((TypeError, ValueError), match=r"(Got|got) "):
        for_name(name).from_state(state)


@pytest.mark.parametrize("name", ["pandas.Series", "pandas.Index", "pandas.RangeIndex"])
def test_crafted_names(name):
    """A name that would take for ever to be hashed is refused."""
    label = ()
    for _ in range(60):
        label = (label, label)
    state = {"values": np.zeros(1), "index": pd.RangeIndex(1), "start": 0, "stop": 1, "step": 1, "name": label}

    with pytest.raises(InvalidDataError, match="parts to be hashed"):
        for_name(name).from_state(state)


@pytest.mark.parametrize("positions", [[5], [-1], [2**31]])
def test_crafted_sparse_positions(positions):
    """A position outside of a sparse array is found before compiled code follows it."""
    state = {"values": np.ones(1), "positions": np.array(positions), "fill_value": 0.0, "length": 5, "kind": "integer"}

    with pytest.raises(ValueError, match=r"[Ii]nd|position"):
        for_name("pandas.arrays.SparseArray").from_state(state)


def test_lazily():
    """Asked for lazily, a large table is still a table."""
    frame = pd.DataFrame({"a": np.arange(200_000.0), "b": np.arange(200_000)})

    _same_frame(_trip(frame, lazy=True), frame)


def test_a_crafted_sort_order():
    """A number that would take half a minute to write out is no sort order."""
    codec = for_type(pd.MultiIndex)
    state = codec.to_state(pd.MultiIndex.from_tuples([(1, 2)]))

    with pytest.raises(DamagedFileError, match="cannot be created from its state"):
        revive(codec, 1, {**state, "sortorder": Decimal("1E+999999")})

"""Both forms of data become columns; what cannot be stored is refused with its place, and nothing is modified."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis_store.errors import InvalidDataError
from analysis_store.runs.values.gather import gather


def column(value: Any, *more: Any) -> Any:
    """Return the column of key ``k`` in a stream whose events have these values."""
    return gather([{"s": {"k": item}} for item in (value, *more)])["s"].columns["k"]


@pytest.mark.parametrize(
    ("values", "dtype", "dtype_numpy", "inline"),
    [
        ([1, 2], "integer", "<i8", True),
        ([2**63, 1], "integer", "<u8", True),
        ([1.5, 2], "number", "<f8", True),
        ([True, False], "boolean", "|b1", True),
        (["a", "öß"], "string", "<U2", True),
        ([np.float32(1)], "number", "<f4", True),
        ([np.zeros(16)], "array", "<f8", True),
        ([np.zeros(17)], "array", "<f8", False),
        ([np.zeros(3, ">i2")], "array", ">i2", True),
        ([np.array(1j)], "array", "<c16", False),
        ([np.datetime64("2026-01-01", "ns")], "array", "<M8[ns]", False),
        ([[1, 2, 3]], "array", "<i8", True),
        ([["a", "bc"]], "array", "<U2", False),
        ([np.array(["a", "b"])], "array", "<U1", False),
        ([np.longdouble(1)], "number", np.dtype(np.longdouble).str, False),
    ],
)
def test_dtype_and_place_follow_from_the_values(values: list[Any], dtype: str, dtype_numpy: str, inline: bool) -> None:
    """The descriptor says what the data are; small real numbers and text stay in the events."""
    found = column(*values)

    assert (dtype, dtype_numpy) == (found.data_key["dtype"], found.data_key["dtype_numpy"])
    assert inline is found.inline


def test_arrays_of_changing_shape_have_null_in_their_shape() -> None:
    """Only the axis that changes is unknown."""
    found = column(np.zeros((2, 30)), np.zeros((3, 30)))

    assert found.form == "ragged"
    assert found.data_key["shape"] == [None, 30]


def test_tables_are_external() -> None:
    """A DataFrame keeps rows and columns in its shape."""
    found = column(pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}))

    assert (found.form, found.inline, found.data_key["shape"]) == ("table", False, [2, 2])


@pytest.mark.parametrize(
    "value",
    [
        None,
        [1, "x"],
        [True, 1.5],
        [[1], [2, 3]],
        {1, 2},
        2**70,
        b"x",
        {"a": [None]},
        np.array([None, 1], object),
        np.zeros(3, "i4,f8"),
        np.ma.array([1, 2], mask=[0, 1]),
        pd.Series([1, 2], index=["a", "b"]),
        pd.DataFrame({"a": [1, None, "x"]}, dtype=object),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_array_is_an_object(value: Any) -> None:
    """It comes back as it is, and its type is in the file."""
    found = column(value, value)

    assert (found.form, found.inline, found.data_key["shape"]) == ("object", False, [])


def test_integers_of_any_size_stay_integers() -> None:
    """One that has more than 64 bits makes all of them objects."""
    assert [column(1, 2**64 - 1).form, column(1, 2**64).form] == ["array", "object"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([{"p": {"a": 1}}, {"p": {"b": 1, "c": 2}}], r'data\[1\]\["p"\] lacks \[\'a\'\] and adds \[\'b\', \'c\'\]'),
        ([{"p": {"a": 1}}, {}, {"p": {"a": None}}], r'data\[2\]\["p"\]\["a"\]: Got None, and an int .* NaN'),
        ([{"p": {"a.b": 1}}], r"'a_b'"),
        ([{"p/q": {"a": 1}}], r'data\[0\]\["p/q"\]'),
        ([{"p": {1: 1}}], "expected text for streams and data keys"),
        ([{"p": {"a": 1}}, {"p": {"a": "x"}}], r'data\[1\]\["p"\]\["a"\]: Got a str after an int in event 0'),
        ([{"p": {"a": np.zeros(2)}}, {"p": {"a": np.zeros(2, int)}}], "dtype int64 after float64"),
        ([{"p": {"a": np.zeros(2)}}, {"p": {"a": np.zeros((2, 2))}}], "2 dimensions after 1"),
        ([{"p": {"a": 0.5}}, {"p": {"a": 2**60 + 1}}], "without loss"),
        ([{"p": {"a": np.array([object()])}}], r'data\[0\]\["p"\]\["a"\].*no codec'),
        (
            [{"p": {"a": {"fit": [1, object()]}}}],
            r"""data\[0\]\["p"\]\["a"\]\['fit'\]\[1\]: the object object .*no codec""",
        ),
        ([{"p": {"a": {}}}, {"p": {"a": 1.0}}], r'data\[0\]\["p"\]\["a"\]: Got a dict, and a float in event 1'),
        ([{"p": {"a": "\ud800"}}], "lone surrogate"),
        ({"p": {"a": 1}}, r"Got a single value, an int;"),
        ({"p": {"a": [1, 2], "b": [1]}}, r"a: 2, b: 1"),
        ({"p": 3}, "Got int"),
        (3, "Got int; expected a list of events"),
        ([3], r"data\[0\]: Got int"),
        ([{"p": 3}], r'data\[0\]\["p"\]: Got int'),
        ({"p": xr.Dataset({"a": ("t", [1.0], {"units": "e\0V"})})}, r'data\["p"\]\["a"\]\[:\]: the units .* hold NUL'),
    ],
)
def test_what_cannot_be_stored_is_refused_with_its_place(data: Any, message: str) -> None:
    """The message leads to the value and says what to do."""
    with pytest.raises(InvalidDataError, match=message):
        gather(data)


@pytest.mark.parametrize(
    ("writers", "message"),
    [
        ({"k": {}}, "names no writer"),
        ({"k": {"writer": dict, "spec": "X", "color": 1}}, r"unknown options \['color'\]; known: writer"),
        ({"k": {"writer": dict}}, "without a spec"),
        ({"k": {"writer": dict, "spec": "X", "resource": 3}}, r'\["resource"\]'),
    ],
)
def test_a_writers_dict_that_cannot_work_is_refused(writers: dict[str, Any], message: str) -> None:
    """Before anything is written, naming the entry."""
    with pytest.raises(InvalidDataError, match=message):
        gather([{"s": {"k": 1}}], writers)


def test_surplus_writers_are_no_error() -> None:
    """Profiles of 2018 have writers for keys that a result may lack."""
    found = gather([{"s": {"k": 1}}], {"other": {"writer": dict, "spec": "X"}})

    assert list(found["s"].columns) == ["k"]


def test_order_of_keys_is_free() -> None:
    """Events with the same keys in another order are alike."""
    found = gather([{"s": {"a": 1, "b": 2}}, {"s": {"b": 4, "a": 3}}])["s"].columns

    assert [found["a"].inline_values(), found["b"].inline_values()] == [[1, 3], [2, 4]]


def test_a_dataset_keeps_dims_units_and_coordinates() -> None:
    """Coordinates become keys of their own; the first dimension is the event."""
    dataset = xr.Dataset(
        {"mu": (("t", "energy"), np.zeros((2, 5)), {"units": "1"})},
        coords={"energy": ("energy", np.arange(5.0), {"units": "eV"}), "t": [1.0, 2.0]},
    )

    found = gather({"s": dataset})["s"].columns

    assert {"mu", "energy", "t"} == set(found)
    assert (found["mu"].data_key["dims"], found["mu"].data_key["units"]) == (["energy"], "1")
    assert tuple(found["energy"].data_key[key] for key in ("dims", "units", "role")) == (["energy"], "eV", "coordinate")
    assert found["energy"].values.shape == (2, 5)


def test_a_named_index_of_a_frame_is_a_key() -> None:
    """An unnamed one counts rows, and is none."""
    frame = pd.DataFrame({"x": [1, 2]}, index=pd.Index([0.5, 1.5], name="e"))

    assert list(gather({"s": frame})["s"].columns) == ["e", "x"]
    assert list(gather({"s": frame.reset_index(drop=True)})["s"].columns) == ["x"]


def test_nothing_is_modified() -> None:
    """The 2018 prototype put datum ids into the caller's data."""
    data = [{"s": {"a": np.arange(3), "b": [1, 2], "c": pd.DataFrame({"x": [1]})}}]
    before = copy.deepcopy(data)

    gather(data, descriptor_md={"s": {"data_keys": {"a": {"units": "eV"}}}})

    assert before[0]["s"].keys() == data[0]["s"].keys()
    np.testing.assert_array_equal(before[0]["s"]["a"], data[0]["s"]["a"])
    pd.testing.assert_frame_equal(before[0]["s"]["c"], data[0]["s"]["c"])


@pytest.mark.parametrize(
    ("descriptor_md", "message"),
    [
        ({"q": {}}, "no such stream"),
        ({"s": {"data_keys": {"z": {}}}}, r'\["z"\]: the data have no such key'),
        ({"s": {"data_keys": {"k": {"dtype": "string"}}}}, "'string' was declared, but the data have 'integer'"),
        ({"s": {"data_keys": {"k": {"dims": ["x"]}}}}, "1 dims were named"),
        ({"s": {"uid": "x"}}, "which the store sets"),
        ({"s": 3}, "Got int"),
    ],
)
def test_descriptor_md_that_does_not_fit_is_refused(descriptor_md: dict[str, Any], message: str) -> None:
    """What the data are is not a matter of opinion."""
    with pytest.raises(InvalidDataError, match=message):
        gather([{"s": {"k": 1}}], descriptor_md=descriptor_md)


def test_tables_are_looked_at_before_anything_is_written() -> None:
    """A column of mixed objects, and a table unlike the first, are refused with their place."""
    with pytest.raises(InvalidDataError, match=r'data\[0\]\["s"\]\["k"\].*mixed'):
        column(pd.DataFrame({"mixed": [1, "x", object()]}))
    with pytest.raises(InvalidDataError, match=r'data\[1\]\["s"\]\["k"\].*surplus'):
        column(pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]}))

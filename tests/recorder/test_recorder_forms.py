"""What the values of a key are: nothing is lost, and nothing is a surprise."""

from __future__ import annotations

import json
from enum import IntEnum

import numpy as np
import pytest

from analysis_store.errors import DamagedFileError, InvalidDataError
from analysis_store.recorder.core.numeric import as_array
from analysis_store.recorder.core.object_bytes import packed, unpacked
from analysis_store.recorder.core.value_kinds import Declared, Form, form_of
from analysis_store.recorder.hdf5.keys import line_of, parsed
from analysis_store.recorder.redis.values import form_text, form_told


class Colour(IntEnum):
    """A number that is more than one."""

    RED = 1


CYCLE: list = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    ("value", "dtype", "shape"),
    [
        (1, "i8", ()),
        (True, "?", ()),
        (1.5, "f8", ()),
        (1j, "c16", ()),
        (np.float32(1), "f4", ()),
        (np.bool_(True), "?", ()),
        (np.datetime64("2026-01-01"), "M8[D]", ()),
        ([1, 2], "i8", (2,)),
        ([1, 2.5], "f8", (2,)),
        ([[1, 2], [3, 4], [5, 6]], "i8", (3, 2)),
        (np.zeros((2, 0), ">i4"), ">i4", (2, 0)),
        (np.array(["ab"]), "U2", (1,)),
        (np.array([b"ab"]), "S2", (1,)),
    ],
)
def test_arrays(value, dtype, shape):
    """Numbers, arrays, and lists of numbers that are regular are arrays."""
    assert Form("array", np.dtype(dtype), shape) == form_of(value, "a")


@pytest.mark.parametrize(
    "value",
    [
        [],
        [[]],
        None,
        2**63,
        [2**63],
        [2**53 + 1, 0.5],
        [-(2**63) - 1, 1],
        [1, True],
        [True, False],
        [1, None],
        [1, "a"],
        [[1], [1, 2]],
        [1, [2]],
        [np.ones(2), np.ones(2)],
        (1, 2),
        {"a": 1},
        b"a\0",
        np.bytes_(b"a"),
        Colour.RED,
        np.array([1, None], object),
        np.zeros(2, [("a", "f8")]),
        np.ma.masked_array([1.0], [True]),
    ],
    ids=repr,
)
def test_objects(value):
    """Whatever an array would change is kept as an object."""
    assert "object" == form_of(value, "a").kind


def test_a_list_in_itself():
    """A list that holds itself is no array of any depth."""
    assert as_array(CYCLE) is None


@pytest.mark.parametrize("value", ["a", "", np.str_("a"), "a\0"])
def test_text(value):
    """NumPy's text is text: its width changes from one to the next."""
    form = form_of(value, "a")
    assert "text" == form.kind
    assert (value, str) == (form.fitted(value, "a"), type(form.fitted(value, "a")))


@pytest.mark.parametrize(
    ("dtype", "value", "wanted"),
    [
        ("f8", 3, 3.0),
        ("f4", 2**24, 2.0**24),
        ("c16", 3, 3 + 0j),
        ("i2", 200, 200),
        ("u1", 200, 200),
        ("U3", "abc", "abc"),
        ("U3", "", ""),
        ("S3", b"abc", b"abc"),
        ("M8[ns]", np.datetime64("2026-01-01"), np.datetime64("2026-01-01", "ns")),
        ("m8[ms]", np.timedelta64("NaT", "s"), np.timedelta64("NaT", "ms")),
    ],
)
def test_converted(dtype, value, wanted):
    """What the dtype of the key can say as well is taken."""
    found = Form("array", np.dtype(dtype)).fitted(value, "a")
    assert np.dtype(dtype) == found.dtype
    assert np.array_equal(np.array(wanted, dtype), found, equal_nan=dtype.startswith("m"))


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("f8", 2**53 + 1),
        ("f4", 2**24 + 1),
        ("f2", 70_000),
        ("f4", 0.5),
        ("i2", 40_000),
        ("u1", -1),
        ("u8", -1),
        ("i8", np.uint64(2**63)),
        ("i8", True),
        ("f8", True),
        ("?", 1),
        ("U21", 3),
        ("U3", "abcd"),
        ("U3", "a\0"),
        ("U3", "\ud800"),
        ("S3", b"a\0"),
        ("S3", "a"),
        ("m8[s]", 3),
        ("M8[ns]", np.datetime64("3000-01-01", "s")),
        ("M8[s]", np.datetime64("2026-01-01T00:00:00.5", "ms")),
        ("f8", [1.0]),
    ],
)
def test_refused(dtype, value):
    """What would change is refused, and the message says what to do."""
    with pytest.raises(InvalidDataError, match=r"'key'.*(another key|surrogate)"):
        Form("array", np.dtype(dtype)).fitted(value, "key")


def test_ragged():
    """A key that was declared ragged takes any shape of its dtype; an empty list among them, also first."""
    for first in ([], [1.5], np.ones((2, 2))):
        form = form_of(first, "a", Declared(ragged=True))
        assert Form("ragged", np.dtype(float)) == form
        for value, shape in (([], (0,)), (3, ()), ([[1.0], [2]], (2, 1)), (np.ones((1, 1, 1)), (1, 1, 1))):
            assert (np.dtype(float), shape) == (form.fitted(value, "a").dtype, form.fitted(value, "a").shape)
        with pytest.raises(InvalidDataError, match="'a'"):
            form.fitted("text", "a")
    for wrong in ("text", {"a": 1}, None):
        with pytest.raises(InvalidDataError, match="an array, as was declared"):
            form_of(wrong, "a", Declared(ragged=True))


def test_objects_are_packed():
    """An object becomes the bytes of a file; what has no codec is refused by its path, and damage is told."""
    data = packed({"a": [1, None]}, "key")
    assert {"a": [1, None]} == unpacked(data)
    with pytest.raises(InvalidDataError, match="key"):
        packed({"a": {"b": iter(())}}, "key")
    for damaged in (b"", data[:-100], data[:8] + b"\xff" * 60 + data[68:]):
        with pytest.raises(DamagedFileError, match="cannot be read"):
            unpacked(damaged)


@pytest.mark.parametrize(
    "form",
    [
        Form("array", np.dtype(">i2"), (3, 4), {"units": "eV"}),
        Form("array", np.dtype("M8[25s]")),
        Form("array", np.dtype("g")),
        Form("array", np.dtype("G")),
        Form("array", np.dtype("?")),
        Form("array", np.dtype("S3")),
        Form("ragged", np.dtype("U20")),
        Form("text"),
        Form("object", attrs={"a": 1}),
    ],
    ids=str,
)
def test_form_is_said_and_understood(form):
    """In the table of an HDF5 file and in Redis."""
    line = line_of("x", form, is_set=False)
    assert parsed(line.encode()) == [("x", form, False)]
    assert form_told(b"3 " + form_text(form, is_set=True).encode()) == (3, form, True)


@pytest.mark.parametrize(
    "told",
    [{"dtype": "|O"}, {"dtype": "|V8"}, {"dtype": "f8,O"}, {"dtype": 8}, {"dtype": "<M8[-1s]"}, {"dtype": "<i3"},
     {"shape": [1.5]}, {"shape": "12"}, {"shape": [-1]}, {"kind": "pickle"}, {"kind": []}, {"attrs": None}],
    ids=str,
)  # fmt: skip
def test_what_no_form_can_be(told):
    """Only what can have been recorded is believed, whoever says it."""
    said = {"kind": "array", "dtype": "<f8", "shape": [], "attrs": {}, "set": False, "key": "x", **told}
    with pytest.raises(
        DamagedFileError, match=r"table of keys cannot be read: .*Got the (kind|dtype) .*; expected one of"
    ):
        parsed(json.dumps(said).encode())
    with pytest.raises(DamagedFileError, match=r"Got the (kind|dtype) .*; expected one of"):
        form_told(b"0 " + json.dumps(said).encode())

"""Codecs of NumPy: what is more than an array of numbers goes into a file and comes back with its type and bits."""

from __future__ import annotations

import warnings

import h5py
import numpy as np
import pytest
from numpy.dtypes import StringDType

from analysis_store.codecs import dump, load
from analysis_store.codecs.libraries.numpy_arrays import put_together, take_apart
from analysis_store.codecs.libraries.numpy_dtypes import restore, tell
from analysis_store.codecs.registry import for_name
from analysis_store.errors import InvalidDataError


def _trip(value):
    """Return a value as a file gives it back."""
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        dump(value, file, "value")
        return load(file["value"])


def _same_array(first, second):
    """Compare type, dtype, byte order, shape, memory order and every element."""
    assert type(first) is type(second)
    assert first.dtype == second.dtype
    assert first.dtype.byteorder == second.dtype.byteorder
    assert first.shape == second.shape
    assert first.flags.f_contiguous == second.flags.f_contiguous
    _same_elements(np.asarray(first), np.asarray(second))


def _same_elements(first, second):
    if second.dtype.names is None:
        np.testing.assert_array_equal(first, second)
    for name in second.dtype.names or ():
        _same_elements(first[name], second[name])


# -------------------------------------------------------------------------------------------------- scalars

SCALARS = [
    *(np.True_, np.False_, np.int8(-128), np.uint8(255), np.int16(-3), np.uint16(3), np.int32(-7), np.uint32(7)),
    *(np.int64(-(2**63)), np.uint64(2**64 - 1), np.longlong(5), np.ulonglong(5), np.intc(4), np.uintc(4)),
    *(np.float16(0.1), np.float32(-0.0), np.float64(1e-6), np.float64("inf"), np.longdouble("0.1")),
    *(np.complex64(1 - 0.0j), np.complex128(complex(-0.0, 3.5)), np.clongdouble(1 + 2j)),
    *(np.str_(""), np.str_("Größe"), np.str_("a\0"), np.str_("  "), np.bytes_(b""), np.bytes_(b"a\0b\0")),
    *(np.datetime64("2026-11-20T12:00:00.123456789"), np.datetime64("2026", "Y"), np.datetime64(7, "25s")),
    *(np.timedelta64(3, "ms"), np.timedelta64(-1, "as")),
]


@pytest.mark.parametrize("value", SCALARS, ids=repr)
def test_scalars(value):
    """A scalar keeps its type and its value, the sign of a zero included."""
    found = _trip(value)

    assert type(found) is type(value)
    assert found.dtype == value.dtype
    assert found == value
    assert not isinstance(value, (str, bytes)) or len(found) == len(value)
    if value.dtype.kind in "fc":
        assert np.signbit([found.real, found.imag]).tolist() == np.signbit([value.real, value.imag]).tolist()


@pytest.mark.parametrize("value", [np.float16("nan"), np.float64("nan"), np.complex64(complex("nan+1j"))], ids=repr)
def test_not_a_number(value):
    """A NaN keeps its type and its bits."""
    found = _trip(value)

    assert type(found) is type(value)
    assert found.tobytes() == value.tobytes()


@pytest.mark.parametrize("value", [np.datetime64("NaT", "ns"), np.timedelta64("NaT", "s")], ids=repr)
def test_not_a_time(value):
    """A missing time keeps its unit, or that it has none."""
    found = _trip(value)

    assert np.isnat(found)
    assert found.dtype == value.dtype


def test_many_scalars():
    """Scalars of several types side by side in a list keep their types."""
    values = [np.float32(1), np.int8(2), np.float32(3), 4.0, np.str_("x"), np.datetime64("2026")]

    found = _trip(values)

    assert found == values
    assert [type(item) for item in found] == [type(item) for item in values]


RECORD = np.dtype([("name", "U5"), ("when", "M8[s]"), ("at", ">f8", (2,)), ("inner", [("raw", "V3"), ("any", "O")])])


def test_structured_scalar():
    """An element of a structured array keeps its dtype and its fields."""
    value = np.array(("ä", "2026-11-20", [1, 2], (b"abc", {"x": 1})), RECORD)[()]

    found = _trip(value)

    assert type(found) is np.void
    assert found.dtype == value.dtype
    assert found.item()[:2] == value.item()[:2]
    assert found["inner"]["any"] == {"x": 1}
    np.testing.assert_array_equal(found["at"], value["at"])


def test_raw_scalar():
    """Raw bytes keep the zeros at their end."""
    found = _trip(np.void(b"ab\0\0"))

    assert type(found) is np.void
    assert found.tobytes() == b"ab\0\0"


def test_record():
    """A record stays one, with its fields as attributes."""
    value = np.rec.array([(1, 2.5)], dtype=[("a", ">i2"), ("b", "f4")])[0]

    found = _trip(value)

    assert type(found) is np.record
    assert found.dtype == value.dtype
    assert (found.a, found.b) == (1, 2.5)


# -------------------------------------------------------------------------------------------------- odd arrays


def _objects(*items):
    made = np.empty(len(items), object)
    made[:] = items
    return made


def _nested_lists():
    made = np.empty(2, object)
    made[0], made[1] = [1, 2], [3, 4]
    return made


ODD = [
    _objects(None, 1, "a", 2.5, b"b", (1, 2), {"x": [1]}),
    _nested_lists(),
    np.array(["a", "b\0", ""], object),
    np.array([[1, None], ["x", 2.0]], object),
    np.asfortranarray(np.array([[1, None], ["x", 2.0]], object)),
    np.array(None, object),
    np.empty((0, 3), object),
    np.empty(0, "V4"),
    np.array([b"ab\0c", b"\0\0\0\0"], "V4"),
    np.array(b"abc", "V3"),
    np.zeros((2, 3), [("name", "U3"), ("value", ">f4")]),
    np.asfortranarray(np.array([[("a", 1), ("b", 2)], [("c", 3), ("d", 4)]], [("name", "U3"), ("value", ">f4")])),
    np.array([("2026-11-20", "NaT")], [("day", "M8[D]"), ("span", ">m8[25s]")]),
    np.array([((1, "x"), [["a", "b"]])], [("pair", [("n", "i4"), ("t", "S2")]), ("texts", "U1", (1, 2))]),
    np.array([(1, "x")], np.dtype([("n", "u1"), ("t", "U2")], align=True)),
    np.array([(1, "x")], [(("the number", "n"), "u1"), ("t", "U2")]),
    np.array(["a", "b"], [("x", "U1"), ("y", "U1")])[["y"]],
    np.zeros(3, []),
    np.zeros(2, np.dtype((np.record, [("a", "i4"), ("b", "f8")]))),
    np.zeros(2, [("in", np.dtype((np.record, [("a", "i4")])))]),
    np.arange(6000.0).view([(f"field {number}", "f8") for number in range(3000)]),
    np.array(["a", None, ""], StringDType(na_object=None)),
    np.array(["a", np.nan, "b\0"], StringDType(na_object=np.nan, coerce=False)),
    np.array(["a", "gone"], StringDType(na_object="gone")),
    np.array([["a", None], ["b", "c"]], StringDType(na_object=None)),
    np.array("a", StringDType(na_object=None)),
]


@pytest.mark.parametrize("value", ODD, ids=lambda value: f"{value.dtype}{value.shape}".replace(" ", ""))
def test_odd_arrays(value):
    """Arrays that HDF5 has no type for keep dtype, shape, order and elements."""
    found = _trip(value)

    _same_array(found, value)
    assert [type(item) for item in found.flat] == [type(item) for item in value.flat]


def test_as_many_dimensions_as_hdf5_has():
    """Alone and side by side; an array of more is refused before anything is written."""
    flat = np.ones((1,) * 32)
    with h5py.File("dimensions", "w", driver="core", backing_store=False) as file:
        dump([flat, flat + 1, {"in": flat + 2}], file, "value")
        one, two, three = load(file["value"])
        with pytest.raises(InvalidDataError, match=r"obj\['in'\]\[1\]: Got an array of 33 dimensions; .*at most 32"):
            dump({"in": [flat, flat[np.newaxis]]}, file, "more")
        assert "more" not in file

    assert [(it.shape, it.item()) for it in (one, two, three["in"])] == [((1,) * 32, number) for number in (1, 2, 3)]


def test_plain_part_of_odd_arrays():
    """The state of an odd array is one that needs no codec for arrays again."""
    state = take_apart(np.array([("a", 1.5)], [("name", "U3"), ("value", ">f4")]))

    assert state["dtype"]["formats"] == ["<U3", ">f4"]
    assert state["fields"]["value"].dtype == ">f4"
    assert (state["shape"], state["order"]) == ([1], "C")


def test_missing_marks_are_the_same_object():
    """What marks missing text is the mark again, and not a text of its name."""
    found = _trip(np.array(["None", None], StringDType(na_object=None)))

    assert found[0] == "None"
    assert found[1] is None


def test_shared_in_object_arrays():
    """An object that lies twice in an array is one object afterwards."""
    inner = [1]
    found = _trip(_objects(inner, inner, [1]))

    assert found[0] is found[1]
    assert found[0] is not found[2]


def test_unknown_in_an_object_array():
    """What no codec knows is refused where it lies."""
    with pytest.raises(InvalidDataError, match=r"obj\['a'\].*\[1\].*object cannot be stored"):
        _trip({"a": _objects(1, lambda: None)})


def test_padding_is_bounded():
    """Records of almost nothing but padding are refused, with what helps."""
    dtype = np.dtype({"names": ["a"], "formats": ["U1"], "offsets": [0], "itemsize": 2**22})

    with pytest.raises(InvalidDataError, match=r"records of 4194304 bytes .*repack_fields"):
        _trip(np.zeros(1, dtype))


# -------------------------------------------------------------------------------------------------- kinds of array


@pytest.mark.parametrize(
    "value",
    [
        np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0], fill_value=-1.0, hard_mask=True),
        np.ma.array([[1, 2], [3, 4]], dtype=">i2"),
        np.ma.array(5, mask=True),
        np.ma.array([], dtype="f4"),
        np.ma.array(["a", "bc"], mask=[1, 0]),
        np.ma.array(["2026", "NaT"], mask=[1, 0], dtype="M8[D]"),
        np.ma.array([(1, 2.0), (3, 4.0)], mask=[(0, 1), (1, 0)], dtype=[("a", "i4"), ("b", "f8")]),
        np.ma.array([(1, "x"), (3, "y")], mask=[(0, 1), (1, 0)], dtype=[("a", "i4"), ("b", "U2")]),
        np.ma.array([None, "x", 3], mask=[0, 1, 0], dtype=object),
        np.ma.array([[1, 2], [3, 4]], mask=[[1, 0], [0, 0]], order="F"),
    ],
    ids=lambda value: str(value.dtype).replace(" ", ""),
)
def test_masked(value):
    """A masked array keeps what lies under the mask, the mask or that there is none, the fill value and hardness."""
    found = _trip(value)

    _same_array(found, value)
    assert type(found) is np.ma.MaskedArray
    assert (found.mask is np.ma.nomask) == (value.mask is np.ma.nomask)
    np.testing.assert_array_equal(found.mask, value.mask)
    assert repr(found.fill_value) == repr(value.fill_value)
    assert found.hardmask == value.hardmask


def test_masked_element():
    """The one masked element is itself."""
    assert _trip([np.ma.masked])[0] is np.ma.masked


@pytest.mark.parametrize("dtype", [[("a", ">i2"), ("b", "f4")], [("a", "U2"), ("b", "M8[s]")]], ids=str)
def test_recarray(dtype):
    """A record array stays one, as do its elements."""
    value = np.zeros(3, dtype).view(np.recarray)

    found = _trip(value)

    _same_array(found, value)
    assert type(found[0]) is np.record
    np.testing.assert_array_equal(found.a, value.a)


def test_matrix():
    """A matrix stays one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        value = np.matrix([[1.0, 2.0], [3.0, 4.0]])

    _same_array(_trip(value), value)


def test_memory_map(tmp_path):
    """A memory map is refused, with what to give instead."""
    value = np.memmap(tmp_path / "raw", "f8", "w+", shape=(3,))

    with pytest.raises(InvalidDataError, match=r"obj: Got a memory-mapped array \(3,\);.*numpy.asarray"):
        _trip(value)
    _same_array(_trip(np.asarray(value)), np.zeros(3))


def test_foreign_subclass():
    """A class of array that nobody registered is refused, not made an ndarray."""

    class Image(np.ndarray):
        pass

    with pytest.raises(InvalidDataError, match="Image object cannot be stored"):
        _trip(np.zeros(3).view(Image))


def test_generators_are_refused():
    """The state of a random generator is no value."""
    with pytest.raises(InvalidDataError, match=r"Generator object cannot be stored"):
        _trip(np.random.default_rng(1))


# -------------------------------------------------------------------------------------------------- dtypes

DTYPES = [
    *(np.dtype(text) for text in ("?", "<i4", ">u8", "f2", ">f8", "g", "c8", "G", "U0", ">U7", "S0", "S3", "V0", "V5")),
    *(np.dtype(text) for text in ("O", "M8", "m8[25us]", ">M8[as]")),
    np.dtype([("a", "i1"), ("b", "O")]),
    np.dtype([("a", "i1"), ("b", "f8", (2, 3))], align=True),
    np.dtype([(("title", "a"), "i1"), ("b", [("c", "U2")])]),
    np.dtype({"names": ["a", "b"], "formats": ["<i4", ">i2"], "offsets": [0, 2], "itemsize": 16}),
    np.dtype([]),
    np.dtype((np.int16, (2, 3))),
    np.dtype(StringDType()),
    np.dtype(StringDType(na_object=None, coerce=False)),
]


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: str(dtype).replace(" ", ""))
def test_dtypes(dtype):
    """A dtype comes back equal, padding, alignment, titles and byte order included."""
    found = _trip(dtype)

    assert type(found) is type(dtype)
    assert found == dtype
    assert (found.str, found.itemsize, found.isalignedstruct) == (dtype.str, dtype.itemsize, dtype.isalignedstruct)
    assert found.fields == dtype.fields


def test_deep_dtypes_are_refused():
    """A dtype that is nested without end is refused before it is told, and not made from a file."""
    dtype, state = np.dtype("i1"), "|i1"
    for _ in range(40):
        dtype = np.dtype([("a", dtype)])
        state = {"base": state, "shape": [1]}

    with pytest.raises(InvalidDataError, match="more than 32 deep"):
        tell(dtype)
    with pytest.raises(ValueError, match="more than 32 deep"):
        restore(state)


# -------------------------------------------------------------------------------------------------- crafted states


@pytest.mark.parametrize(
    "text", ["i4,i4", "(2,3)f8", "f8 ", "datetime64[ns]", "U99999999999", "O\n", "void", "=i4", ""]
)
def test_crafted_dtypes(text):
    """Of the many texts that NumPy takes for a dtype only those that are written are taken from a file."""
    with pytest.raises(ValueError, match="is not a dtype that this version knows"):
        restore(text)


FIELD = {"names": ["a"], "formats": ["|u1"], "offsets": [0], "itemsize": 1, "aligned": False}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"dtype": "|O", "shape": [10**12], "order": "C", "objects": []}, "0 elements do not have the shape"),
        ({"dtype": "|O", "shape": [-1, -2], "order": "C", "objects": [1, 2]}, "do not have the shape"),
        ({"dtype": "|O", "shape": [1], "order": "K", "objects": [1]}, "got the order 'K'"),
        ({"dtype": "<f8", "shape": [1], "order": "C", "bytes": np.zeros((1, 8), "u1")}, "do not make float64"),
        ({"dtype": "|V8", "shape": [2**40], "order": "C", "bytes": np.zeros((1, 8), "u1")}, r"do not make \|V8"),
        ({"dtype": FIELD, "shape": [2**40], "order": "C", "fields": {"a": np.zeros(1, "u1")}}, "the field 'a' is"),
        ({"dtype": FIELD, "shape": [1], "order": "C", "fields": {"a": np.zeros(1, "f8")}}, "the field 'a' is"),
        (
            {"dtype": FIELD | {"itemsize": 2**40}, "shape": [1], "order": "C", "fields": {"a": np.zeros(1, "u1")}},
            "Invalid|itemsize|hold almost nothing|too large|integer",
        ),
        (
            {"dtype": FIELD | {"itemsize": 2**30}, "shape": [1], "order": "C", "fields": {"a": np.zeros(1, "u1")}},
            "hold almost nothing",
        ),
    ],
)
def test_crafted_arrays(state, message):
    """A state whose parts do not fit each other makes no array, and takes no memory."""
    with pytest.raises((ValueError, OverflowError), match=message):
        put_together(state)


def test_crafted_scalars():
    """A scalar is made of one number of its own type, and of nothing else."""
    for state in (np.zeros(2), np.array(1.5, "f4"), 1.5, None):
        with pytest.raises((ValueError, TypeError)):
            for_name("numpy.float64").from_state(state)
    with pytest.raises(ValueError, match="got float64 for a datetime64"):
        for_name("numpy.datetime64").from_state(np.array(1.5))


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("numpy.bytes_", 10**12),
        ("numpy.str_", range(10**12)),
        ("numpy.recarray", range(10**12)),
        ("numpy.ndarray", {"dtype": "|O", "shape": range(10**12), "order": "C", "objects": []}),
        ("numpy.ndarray", {"dtype": "|O", "shape": [10**12], "order": "C", "objects": range(10**12)}),
        ("numpy.dtypes.VoidDType", {"base": "|u1", "shape": range(10**12)}),
        ("numpy.dtypes.VoidDType", {**FIELD, "names": range(10**12)}),
    ],
)
def test_crafted_to_be_large(name, state):
    """What takes no room in a file takes none in memory: a range where a list was is refused as such."""
    with pytest.raises(InvalidDataError, match=r"Got a (int|range) as the state; expected a"):
        for_name(name).from_state(state)


def test_crafted_masks():
    """A mask that does not fit its data is refused."""
    state = {"data": np.zeros(3), "mask": np.zeros(2, bool), "fill_value": np.array(0.0), "hard_mask": False}

    with pytest.raises(ValueError, match=r"a mask \(2,\) does not fit data \(3,\)"):
        for_name("numpy.ma.MaskedArray").from_state(state)

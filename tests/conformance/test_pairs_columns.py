"""Whole columns: what is written as one, read whole, in slices, by plain h5py, and with every compression."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import h5py
import hdf5plugin
import numpy as np
import pandas as pd
import pytest

from analysis_store import bitshuffle
from analysis_store.digests import digest_values
from analysis_store.errors import InvalidDataError
from analysis_store.handlers.arrays import ArrayHandler
from analysis_store.handlers.ragged import RaggedHandler
from analysis_store.handlers.tables import TableHandler
from analysis_store.hdf5.columns import Stored, chunk_of
from analysis_store.testing.pairs import assert_same
from analysis_store.writers.arrays import write_array
from analysis_store.writers.ragged import write_ragged
from analysis_store.writers.tables import write_tables

DTYPES = [
    *(
        "?",
        "i1",
        "u1",
        "<i2",
        ">u2",
        "<i4",
        ">i4",
        "<i8",
        "<u8",
        "<f2",
        ">f2",
        "<f4",
        "<f8",
        ">f8",
        "<f16",
        "<c8",
        ">c16",
    ),
    *("S1", "S5", "S0", "<U3", ">U2", "<M8[ns]", ">M8[s]", "<M8[D]", "<M8", "<m8[us]", "<m8[25s]"),
]
SHAPES = [(0,), (3,), (2, 3), (3, 0, 2), (0, 2), (2, 1, 2, 1)]
KEYS = [
    *(0, -1, slice(None), slice(1, None), slice(None, None, -1), slice(2, 0, -2), slice(5, 9), ..., (..., 0), None),
    *((slice(None), None), [0, 0, 1], [1, -1, 0], np.array([[0, 1], [1, 0]]), (0, ...), (slice(None, None, 2), ..., 0)),
    *((0, slice(None), [1, 0]), ([0, 1], [1, 0]), np.array([], int), np.int64(1)),
]


@pytest.fixture
def stored(tmp_path):
    """Write a column into a file and return what was said of it, and the file."""

    def write(values, function=write_array, **options) -> tuple[Stored, str]:
        path = str(tmp_path / f"{len(list(tmp_path.iterdir()))}.h5")
        with h5py.File(path, "w") as file:
            return function(file.id, "column", values, **options), path

    return write


def read(path, handler=ArrayHandler):
    """Return the column that `stored` wrote."""
    return handler(path, "/column").column()


def compressible(shape=(7, 300, 600), dtype="<u2"):
    """Return detector frames: few counts, so most bits are zero."""
    return np.random.default_rng(0).poisson(2, shape).astype(dtype)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_shape_and_dtype(stored, dtype, shape):
    """A column of every dtype and shape comes back bit for bit, with what the documents say of it."""
    values = np.arange(int(np.prod(shape)), dtype="i8").reshape(shape).astype(dtype)
    said, path = stored(values)
    column = read(path)

    assert (column.dtype, column.shape, len(column)) == (values.dtype, values.shape, len(values))
    assert_same(values, column.read())
    assert said.shape == shape
    assert said.dtype_numpy == values.dtype.str
    assert said.digest == digest_values(column.read())
    assert len(said.chunk_shape) == len(shape)
    assert min(said.chunk_shape) >= 1


@pytest.mark.parametrize("text", ["", "a", "é", "é" * 9, "\0a"])
@pytest.mark.parametrize("dtype", ["<U9", ">U20"])
def test_text_of_fixed_width(stored, dtype, text):
    """Fixed text keeps its width, however little of it is used, in however many bytes."""
    values = np.array([text, ""], dtype)
    _, path = stored(values)

    assert_same(values, read(path).read())
    assert_same(values[:1], read(path)[:1])


@pytest.mark.parametrize("dtype", [object, np.dtypes.StringDType(), np.dtypes.StringDType(coerce=False)], ids=str)
@pytest.mark.parametrize("texts", [["a", "", "ü☃"], ["nul\0", "\0", ""], [], ["x" * 70_000]], ids=lambda t: repr(t)[:9])
def test_text_of_any_length(stored, dtype, texts):
    """Variable text comes back as it was: empty, with NUL anywhere, long."""
    values = np.array(texts, dtype=dtype)
    said, path = stored(values)

    assert_same(values, read(path).read())
    assert said.dtype_numpy == "|O8"
    assert said.digest == digest_values(read(path).read())


def test_text_is_plain_hdf5(stored):
    """Without NUL, variable text is what h5py calls a string."""
    _, path = stored(np.array([["a", "ü"]], dtype=object))
    with h5py.File(path) as file:
        assert file["column"].asstr()[()].tolist() == [["a", "ü"]]


def test_structured(stored):
    """A structured array of numbers, with padding and nested fields, is an HDF5 compound."""
    dtype = np.dtype([("a", ">i2"), ("b", [("c", "<c8"), ("d", "?")]), ("e", "<f4", (2,)), ("f", "S3")], align=True)
    values = np.zeros((3, 2), dtype)
    values["a"], values["e"], values["f"] = 7, 1.5, b"xyz"
    said, path = stored(values)
    found = read(path).read()

    assert found.dtype == dtype
    np.testing.assert_array_equal(found, values)
    assert said.digest == digest_values(found)


@pytest.mark.parametrize("key", KEYS, ids=repr)
@pytest.mark.parametrize("form", ["contiguous", "text", "compressed"])
def test_indexing_is_numpys(stored, form, key):
    """Integers, slices, arrays and their mixtures select what NumPy selects."""
    values = {
        "contiguous": np.arange(2 * 3 * 2, dtype=">i4").reshape(2, 3, 2),
        "text": np.array(list("abcdefghijkl"), dtype=object).reshape(2, 3, 2),
        "compressed": compressible((2, 3, 2)),
    }[form]
    _, path = stored(values, compression=hdf5plugin.Bitshuffle(cname="lz4") if form == "compressed" else None)

    wanted = np.empty((), values.dtype)
    wanted = np.asarray(values[key], dtype=values.dtype)
    assert_same(wanted, read(path)[key])


@pytest.mark.parametrize("key", [2, -3, (0, 3), (0, 0, 0, 0), 1.5, "a", [5], [0.5]], ids=repr)
def test_wrong_index(stored, key):
    """What NumPy refuses as an index is refused."""
    _, path = stored(np.zeros((2, 3, 2)))

    with pytest.raises(IndexError, match=r"index|indices"):
        read(path)[key]


@pytest.mark.parametrize(
    "values", [compressible(), np.random.default_rng(0).random((5, 300, 200))], ids=["frames", "noise"]
)
@pytest.mark.parametrize("as_rows", [False, True])
def test_large(stored, values, as_rows):
    """Large columns, given whole or by row, come back by whatever way they are written; the digest is the same."""
    said, path = stored(list(values) if as_rows else values)
    column = read(path)

    assert said.digest == digest_values(values)
    assert_same(values, column.read())
    assert_same(values[1:4:2, 10:290:7, ::-3], column[1:4:2, 10:290:7, ::-3])
    with h5py.File(path) as file:
        assert_same(values, file["column"][()])


@pytest.mark.parametrize("dtype", ["<f8", ">f8", ">M8[s]", ">U3"])
@pytest.mark.parametrize("length", [3, 70_000])
def test_rows_keep_their_byte_order(stored, dtype, length):
    """Values given one by one are stored in the order of bytes that they have."""
    rows = [np.arange(length).astype("i8").astype(dtype) for _ in range(3)]
    said, path = stored(rows)

    assert_same(np.stack(rows, dtype=dtype), read(path).read())
    assert said.digest == digest_values(np.stack(rows))


@pytest.mark.parametrize("layout", ["F", "strided", "rows"])
def test_not_contiguous(stored, layout):
    """Values that do not lie in one piece in memory are stored in C order all the same."""
    values = np.random.default_rng(1).random((40, 100, 60))
    values = {"F": np.asfortranarray(values), "strided": values[::2, ::-1], "rows": [row.T for row in values]}[layout]
    said, path = stored(values)

    assert_same(np.array(values), read(path).read())
    assert said.digest == digest_values(np.array(values))


def test_auto_compresses_what_is_worth_it(stored):
    """Detector frames are compressed by default, noise and small columns are not."""
    for values, number in (
        (compressible(), 1),
        (np.random.default_rng(0).random((200, 1000)), 0),
        (compressible((9, 9)), 0),
    ):
        _, path = stored(values)
        with h5py.File(path) as file:
            assert file["column"].id.get_create_plist().get_nfilters() == number


@pytest.mark.parametrize("name", ["Bitshuffle", "Blosc2", "Zstd", "LZ4"])
def test_every_filter(stored, name):
    """A filter of hdf5plugin that is asked for is used, and plain h5py reads the values."""
    values = compressible((3, 200, 301), ">u2")
    _, path = stored(values, compression=getattr(hdf5plugin, name)())

    assert_same(values, read(path).read())
    assert_same(values[:, 5:9, ::2], read(path)[:, 5:9, ::2])
    with h5py.File(path) as file:
        assert_same(values, file["column"][()])
        assert file["column"].id.get_storage_size() < values.nbytes


@pytest.mark.parametrize(
    ("shape", "dtype"), [((3, 64, 64), "<u2"), ((2, 5, 7), ">f8"), ((1001,), "<i4"), ((2, 33), "<c16"), ((4, 3), "S5")]
)
def test_chunks_are_those_of_the_filter(stored, tmp_path, shape, dtype):
    """Chunks that are compressed outside HDF5 are byte for byte those of hdf5plugin's filter, and the reverse."""
    values = np.random.default_rng(0).integers(0, 4, shape).astype(dtype)
    _, path = stored(values, compression=hdf5plugin.Bitshuffle(cname="lz4"))
    theirs = tmp_path / "theirs.h5"
    with h5py.File(path) as ours, h5py.File(theirs, "w") as file:
        dataset = ours["column"]
        made = file.create_dataset("column", data=values, chunks=dataset.chunks, **hdf5plugin.Bitshuffle(cname="lz4"))
        first = (0,) * len(shape)
        assert made.id.get_num_chunks() == dataset.id.get_num_chunks()
        assert made.id.read_direct_chunk(first) == dataset.id.read_direct_chunk(first)
    assert_same(values, read(str(theirs)).read())


def test_without_the_library(stored, monkeypatch):
    """Where hdf5plugin does not export its functions, its filter does the work inside HDF5."""
    monkeypatch.setattr(bitshuffle, "library", lambda: None)
    values = compressible()
    _, path = stored(values, compression=hdf5plugin.Bitshuffle(cname="lz4"))

    assert_same(values, read(path).read())
    monkeypatch.undo()
    assert_same(values, read(path).read())


@pytest.mark.parametrize(
    ("compression", "message"),
    [
        ("zip", "Got compression='zip'"),
        ({"level": 1}, "names no filter"),
        ({"compression": 31999}, "31999, which is not installed"),
    ],
)
def test_unknown_compression(stored, compression, message):
    """A compression that is none is refused, and the known ones are named."""
    with pytest.raises(InvalidDataError, match=message):
        stored(np.zeros(3), compression=compression)


@pytest.mark.parametrize(
    ("values", "message", "index"),
    [
        ([np.zeros(2), np.zeros(3)], "ragged", 1),
        ([np.zeros(2), np.zeros(2, "f4")], "float32", 1),
        ([1.0, object()], "builtins.object", 1),
        ([np.zeros(2), np.ma.masked_less(np.arange(2), 1)], "lose its mask", 1),
        ([[1, [2]]], "rows differ", 0),
        ([["a", 1]], "mixes text", 0),
        ([2**70], "64 bits", 0),
        (np.array(1.0), "0-d", None),
        (np.array([1, "a"], object), "among text", None),
        (np.array(["\ud800"]), "surrogate", None),
        (np.array(["\ud800"], object), "surrogate", None),
        (np.zeros(2, "V3"), "Raw bytes", None),
        (np.zeros(2, [("a", "O")]), "'a' of a structured", None),
        (np.array(["a"], np.dtypes.StringDType(na_object=None)), "missing text", None),
    ],
)
def test_refused(stored, values, message, index):
    """What cannot be stored is refused with what to do instead; the error knows the event."""
    with pytest.raises(InvalidDataError, match=message) as caught:
        stored(values)
    assert caught.value.index == index


def test_fields_that_h5py_takes_for_complex(stored):
    """A structured dtype that HDF5 gives back as something else is refused rather than changed."""
    with pytest.raises(InvalidDataError, match="come back"):
        stored(np.zeros(2, [("r", "f8"), ("i", "f8")]))


def test_attributes(stored):
    """Units are kept; those of times tell what the integers count."""
    _, path = stored(np.zeros(2), attrs={"units": "eV", "n": 3})
    _, times = stored(np.zeros(2, "M8[ms]"))
    with h5py.File(path) as file, h5py.File(times) as other:
        assert dict(file["column"].attrs) == {"units": "eV", "n": 3}
        assert other["column"].attrs["units"] == "milliseconds since 1970-01-01"
        assert other["column"].attrs["dtype_numpy"] == "<M8[ms]"


def test_input_is_not_modified(stored):
    """Writing leaves the values as they are, also where they are read-only."""
    values = compressible()
    values.flags.writeable = False
    before = values.copy()
    stored(values)

    np.testing.assert_array_equal(values, before)


def test_many_readers(stored):
    """Threads read one column at once."""
    values = compressible()
    _, path = stored(values)
    column = read(path)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda number: column[number % 7], range(40)))

    for number, value in enumerate(found):
        assert_same(values[number % 7], value)


@pytest.mark.parametrize(
    "shape", [(200, 512, 512), (1, 16, 1024, 1024), (100_000, 5), (3,), (0, 4), (7, 0, 3), (5, 999_983)]
)
def test_chunks_lie_in_one_piece(shape):
    """A chunk is about 1 MiB and cuts one axis only; those before it are one long, those after it whole."""
    chunk = chunk_of(shape, 8, 1 << 20)
    cut = [part < length for part, length in zip(chunk, shape, strict=True)]
    last = max((axis for axis, is_cut in enumerate(cut) if is_cut), default=0)

    assert int(np.prod(chunk)) * 8 <= 1 << 20
    assert all(part == 1 for part in chunk[:last])
    assert all(part == max(1, length) for part, length in zip(chunk[last + 1 :], shape[last + 1 :], strict=True))


# ------------------------------------------------------------------------------------------------------ ragged

RAGGED = {
    "shapes": [np.arange(6.0).reshape(2, 3), np.zeros((0, 3)), np.ones((1, 1))],
    "dimensions": [np.arange(3), np.array(5), np.zeros((2, 2), int)],
    "widths": [np.array(["a", "b"]), np.array(["long"]), np.zeros(0, "U2")],
    "precisions": [np.zeros(2, "f4"), np.full(1, np.pi), np.zeros(3, ">f8")],
    "text": [["a"], ["b\0", "c"], []],
    "times": [np.zeros(2, "M8[s]"), np.zeros(1, "M8[s]")],
    "none": [],
}


@pytest.mark.parametrize("values", RAGGED.values(), ids=RAGGED)
def test_ragged(stored, values):
    """Arrays of differing shape, dimensions and width come back one by one, sliced and whole."""
    values = [np.array(value, dtype=object) if isinstance(value, list) else value for value in values]
    said, path = stored(values, write_ragged, attrs={"units": "mm"})
    column = read(path, RaggedHandler)

    assert said.shape == column.shape == (len(values),)
    assert column.dtype == object
    for wanted, one, read_whole in zip(values, column, column.read(), strict=True):
        assert_same(wanted, one)
        assert_same(wanted, read_whole)
    assert [value.shape for value in column[::-1]] == [value.shape for value in values[::-1]]
    if values:
        assert said.digest == digest_values(column.read())


def test_ragged_is_plain_hdf5(stored):
    """Flat values, offsets and shapes are all it takes to read one with h5py."""
    values = RAGGED["shapes"]
    _, path = stored(values, write_ragged)
    with h5py.File(path) as file:
        group = file["column"]
        begin, end = group["offsets"][0:2]
        assert_same(values[0], group["values"][begin:end].reshape(group["shapes"][0]))


@pytest.mark.parametrize("values", [[np.zeros(2), np.zeros(3, int)], [np.zeros(1, "M8[s]"), np.zeros(2, "M8[D]")]])
def test_ragged_of_two_kinds(stored, values):
    """Kinds of numbers are not mixed: one would be changed."""
    with pytest.raises(InvalidDataError, match="value 1 of dtype") as caught:
        stored(values, write_ragged)
    assert caught.value.index == 1


# ------------------------------------------------------------------------------------------------------ tables


def everything(length):
    """Return a table with a column of each kind."""
    texts = pd.array(["x", None, "z\0"][:length], dtype="str")
    return pd.DataFrame(
        {
            "a": np.arange(length, dtype=">i4").astype("<i4"),
            "b": np.array([1.5, np.nan, -0.0][:length]),
            "text": texts,
            "old text": pd.Series(["x", None, np.nan][:length], dtype=object),
            "NA": pd.array(["x", None, "y"][:length], dtype="string[python]"),
            "category": pd.Categorical(["u", None, "v"][:length], categories=["v", "u"], ordered=True),
            "numbers": pd.Categorical([3, 1, 3][:length], categories=[1, 3, 7 + length]),
            "Int64": pd.array([1, None, 2**62][:length], dtype="Int64"),
            "boolean": pd.array([True, None, False][:length], dtype="boolean"),
            "Float32": pd.array([1.5, None, 2][:length], dtype="Float32"),
            "time": pd.DatetimeIndex(["2020-01-01", None, "2021-02-03T04:05:06.789"][:length], dtype="M8[us]"),
            "zone": pd.DatetimeIndex(["2020-01-01", None, "2021-07-01"][:length], dtype="M8[ns, Europe/Berlin]"),
            "span": pd.TimedeltaIndex([1, None, 3][:length], dtype="m8[s]"),
            "complex": np.array([1j, 2, 3][:length], "c8"),
            "bool": np.array([True, False, True][:length], dtype=bool),
        }
    )


def one(index):
    """Return a table with this index."""
    return pd.DataFrame({"value": np.arange(float(len(index)))}, index=index)


TABLES = {
    "everything": [everything(3), everything(0), everything(1)],
    "range": [one(pd.RangeIndex(2, 8, 3, name="r")), one(pd.RangeIndex(0, name="r"))],
    "named": [one(pd.Index([1.5, np.nan], name=("x", 2)))],
    "zone": [
        one(pd.date_range("2020-03-28", periods=3, freq="D", tz="Europe/Berlin")),
        one(pd.DatetimeIndex([], tz="UTC")),
    ][:1],
    "multi": [one(pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["l", None]))],
    "categories": [one(pd.CategoricalIndex(["p", "q"], name="c")), one(pd.CategoricalIndex(["z"], name="c"))],
    "old labels": [pd.DataFrame(np.ones((2, 3)), columns=pd.Index(["a", "a", "b/c"], dtype=object, name="q"))],
    "numbers as labels": [pd.DataFrame(np.ones((2, 3))), pd.DataFrame(np.ones((1, 3)))],
    "labels of two levels": [pd.DataFrame(np.ones((1, 2)), columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)]))],
    "odd labels": [pd.DataFrame(np.ones((1, 4)), columns=["", ".", "x\0y", "%2F"])],
    "no columns": [pd.DataFrame(index=[3, 4])],
    "nothing": [pd.DataFrame()],
    "no tables": [],
}


@pytest.mark.parametrize("frames", TABLES.values(), ids=TABLES)
def test_tables(stored, frames):
    """Tables come back strictly equal, one by one and whole; the digest is that of the values read."""
    said, path = stored(frames, write_tables)
    column = read(path, TableHandler)

    assert said.shape == column.shape == (len(frames),)
    for wanted, single, read_whole in zip(frames, column, column.read(), strict=True):
        assert_same(wanted, single)
        assert_same(wanted, read_whole)
    if frames:
        assert said.digest == digest_values(column.read())


def test_table_is_plain_hdf5(stored):
    """Plain h5py reads a column of a table under its own name, or under one that NeXus allows."""
    frames = TABLES["everything"]
    _, path = stored(frames, write_tables)
    with h5py.File(path) as file:
        group = file["column"]
        members = [group["columns"][name.decode()] for name in group["order"]]
        assert [each.attrs.get("name", each.name.split("/")[-1]) for each in members] == list(frames[0].columns)
        assert group["columns/a"][()].tolist() == [0, 1, 2, 0]
        assert group["columns/Int64/mask"][()].tolist() == [False, True, False, False]
        assert group["offsets"][()].tolist() == [0, 3, 3, 4]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"b": [1.0]}), r"missing: \['a'\], surplus: \['b'\]"),
        (pd.DataFrame({"a": [1]}), "column 'a' is numpy .int64., in the first table numpy .float64."),
        (one(pd.Index(["x"])).rename(columns={"value": "a"}), "level 0 of its index"),
        ("no table", "got a str among tables"),
        (pd.DataFrame({"a": pd.Series([1, "x"], dtype=object)}), "Column 'a' mixes objects"),
        (pd.DataFrame({"a": pd.period_range("2020", periods=1)}), "Column 'a' has the dtype period"),
    ],
)
def test_table_that_is_refused(stored, frame, message):
    """A table unlike the first, or with what no plain array holds, is refused by the name of its column."""
    with pytest.raises(InvalidDataError, match=rf"Table 1: .*{message}") as caught:
        stored([pd.DataFrame({"a": [1.0]}), frame], write_tables)
    assert caught.value.index == 1

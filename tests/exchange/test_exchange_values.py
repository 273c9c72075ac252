"""Every kind of value through every format that comes back: equal in value, dtype and shape, with units and dims."""

from __future__ import annotations

import json
import math
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import PurePosixPath

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from numpy.dtypes import StringDType

from analysis_store import AnalysisStore, Provenance
from analysis_store.documents import loads
from analysis_store.exchange import FORMATS, Export, export, read_export
from analysis_store.runs.read.run import Run
from analysis_store.testing.equality import assert_identical
from analysis_store.testing.pairs import assert_same

READABLE = ("json", "yaml", "xml", "npz", "hdf5", "nexus")
ORIGIN = Provenance(origin="synthetic", note="made by a test")
TEXTS = ("json", "yaml", "xml")

DTYPES = [
    *("?", "i1", "<i2", ">i4", "<i8", "u1", ">u2", "<u4", "<u8"),
    *("<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "g", "<c8", ">c16", "G"),
    *("S5", "<U3", ">U3", "<M8[ns]", ">M8[s]", "<M8[7D]", "<m8[us]"),
]
SHAPES = [(1,), (3,), (2, 0), (2, 3), (2, 3, 2)]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Iterator[AnalysisStore]:
    """One store for all runs that are only exported."""
    with AnalysisStore(tmp_path_factory.mktemp("home") / "store") as opened:
        yield opened


@pytest.fixture(scope="module")
def exported(home, tmp_path_factory):
    """A function that saves streams of columns once, exports them once per format, and gives run and export."""

    @cache
    def run_of(name: str) -> Run:
        return home.insert(DATA[name](), {}, provenance=ORIGIN)

    @cache
    def export_of(name: str, form: str) -> tuple[Run, Export]:
        run = run_of(name)
        return run, read_export(export(run, tmp_path_factory.mktemp("out") / f"run{FORMATS[form].suffix}"))

    return export_of


def filled(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return an array that is not all the same, with what is special in the dtype at its ends."""
    kind = np.dtype(dtype).kind
    numbers = np.arange(math.prod(shape)).reshape(shape)
    array = (numbers % 3).astype("U").astype(dtype) if kind in "SU" else numbers.astype(dtype)
    if array.size:
        special = {"f": -np.inf, "c": complex(-0.0, np.nan), "M": "NaT", "m": "NaT", "S": b"\xff\0a", "U": "é\0ß"}
        extreme = np.iinfo(dtype).max if kind in "iu" else True
        array[(0,) * array.ndim] = special.get(kind, extreme)
    return array


def arrays() -> dict[str, dict[str, np.ndarray]]:
    """Return a stream for each shape, in it a column for each dtype."""
    return {str(shape): {dtype: filled(dtype, shape) for dtype in DTYPES} for shape in SHAPES}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", READABLE)
def test_arrays(exported, form, dtype):
    """An array of any dtype and shape comes back as it is."""
    run, found = exported("arrays", form)

    for shape in map(str, SHAPES):
        assert_same(run[shape][dtype].read(), found.streams[shape][dtype])
        assert found.streams[shape].dims(dtype) == run[shape][dtype].dims


FLOATS = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e-6, 0.1, 5e-324, 1.7976931348623157e308, 1e22, 1e16, 123456789.125]


FLOAT_TYPES = ("<f2", "<f4", "<f8", ">f8")


def floats() -> dict[str, dict[str, np.ndarray]]:
    """Return a column of special numbers for each dtype, and a sample of all numbers of single precision."""
    bits = np.random.default_rng(5).integers(0, 2**32, 20_000, dtype="u4").view("f4")
    with np.errstate(over="ignore", under="ignore"):
        columns = {dtype: np.array([FLOATS, FLOATS[::-1]]).astype(dtype) for dtype in FLOAT_TYPES}
    return {"special": columns, "all": {"f4": bits[np.isfinite(bits)]}}


@pytest.mark.parametrize("dtype", FLOAT_TYPES)
@pytest.mark.parametrize("form", READABLE)
def test_numbers_are_exact(exported, form, dtype):
    """Zeros keep their sign, NaN and infinities are what they were, and no digit is lost."""
    run, found = exported("floats", form)
    wanted, values = run["special"][dtype].read(), found.streams["special"][dtype]

    assert values.dtype == wanted.dtype
    np.testing.assert_array_equal(values, wanted)
    np.testing.assert_array_equal(np.signbit(values), np.signbit(wanted))


@pytest.mark.parametrize("form", TEXTS)
def test_every_float32(exported, form):
    """Numbers of single precision are written shortly and come back to the last bit: a sample over all exponents."""
    run, found = exported("floats", form)

    np.testing.assert_array_equal(found.streams["all"]["f4"].view("u4"), run["all"]["f4"].read().view("u4"))


COLUMNS = {
    "floats": [1.2, -0.0],
    "integers": [1, 2**63 - 1],
    "unsigned": [2**64 - 1],
    "booleans": [True, False],
    "text": ["", "é", "yes", "null", "1e3", "2026-01-01", "~", "<a>&amp;", " x ", "a\r\nb", "=1", "- a", "\x1b\x7f"],
    "NUL": ["a\0b", "\0"],
    "beyond": ["\U0001f9ea\u2028\ufeff\x85"],
    "lists": [[1.0, 2.0], [3.0, 4.0]],
    "ragged": [[0, 1], [0, 1, 2]],
    "ragged2": [np.zeros((2, 3)), np.zeros((0, 3)), np.full((1, 1), np.nan)],
    "empty": [[], []],
    "zeros": [np.zeros(3), np.zeros(3)],
    "pi": np.ones((2, 3)) * np.pi,
    "many": np.arange(3 * 40 * 5, dtype="i4").reshape(3, 40, 5),
    "fortran": np.asfortranarray(np.arange(40.0).reshape(2, 20)),
    "StringDType": np.array(["a", "b\0c"], StringDType()),
    "texts": np.array([["a", "b"], ["", "é" * 30]]),
    "tables": [
        pd.DataFrame({"i": [1, 2], "t": ["a", None]}, index=pd.Index([5, 6], name="n")),
        pd.DataFrame({"i": [7], "t": ["b"]}, index=pd.Index([0], name="n")),
    ],
}


@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.parametrize("form", READABLE)
def test_columns(exported, form, kind):
    """Columns of all kinds come back as they are: one array, or one value per event."""
    run, found = exported("columns", form)

    assert_identical(run[kind]["x"].read(), found.streams[kind]["x"])


OBJECTS = {
    "None": [None],
    "label keys": [{1: "A", 2: "B"}],
    "keys of all kinds": [{1: 1, "1": 2, (1, "a"): 3, None: 4, 1.5: 5, b"k": 6}],
    "keys with a dollar": [{"$array": 1, "$type": "tuple"}],
    "empty ones": [[], {}, (), "", b"", set()],
    "parameters": [{"window": None, "sizes": (1, 2.5, "a"), "nested": {"a": [None, {"b": ()}]}}],
    "ragged": [[[0, 1], [0, 1, 2], []]],
    "numbers": [{"big": 2**200, "small": -(2**70), "z": -0.0j, "inf": float("-inf"), "zero": -0.0}],
    "text": [{"surrogate": "\ud800", "\udfff": 1, "control": "\x00\x01\x0b\x7f\ufffe\uffff"}],
    "bytes": [bytes(range(256)), bytearray(b"ab")],
    "times": [datetime(2026, 1, 2, 3, 4, 5, 6, UTC), date(1, 1, 1), timedelta(microseconds=1)],
    "exact": [Decimal("1.10"), Fraction(1, 3), PurePosixPath("a/b")],
    "containers": [deque([1], maxlen=3), OrderedDict(b=1, a=2), Counter("aab"), frozenset({1})],
    "scalars": [np.float32(0.1), np.int8(-1), np.datetime64("2026-01-01T00:00:00.000000001"), np.bool_(True)],
    "structured": [np.array([(1, 2.5, b"ab", [1, 2])], [("i", "<i2"), ("f", ">f8"), ("s", "S3"), ("v", "u1", 2)])],
    "object arrays": [np.array([[1, "a"], [None, 2.5]], object)],
    "0-d": [np.array(1.5), np.array("é"), np.array(np.nan, "f4"), np.array(1 + 2j), np.array(b"", "S3")],
    "F order": [np.asfortranarray(np.arange(6).reshape(2, 3))],
    "series": [pd.Series([1, None], name="s", dtype="Int64"), pd.date_range("2026", periods=2, tz="Europe/Berlin")],
}


@pytest.mark.parametrize("kind", OBJECTS)
@pytest.mark.parametrize("form", READABLE)
def test_objects(exported, form, kind):
    """Objects that have a codec come back equal in value and type, one per event, also where they are inside others."""
    _, found = exported("objects", form)

    assert_identical([{"it": value} for value in OBJECTS[kind]], list(found.streams[kind]["x"]))


DATA = {
    "arrays": arrays,
    "floats": floats,
    "columns": lambda: {kind: {"x": column} for kind, column in COLUMNS.items()},
    "objects": lambda: {kind: {"x": [{"it": value} for value in values]} for kind, values in OBJECTS.items()},
}


@pytest.mark.parametrize("form", READABLE)
def test_documents(store, tmp_path, origin, form):
    """Start, stop and descriptors come back equal, as does what is unusual in them."""
    md = {
        "id": "foo_bar", "uri": "Foo.wav", "start": 0, "duration": 20, "channels": 2, "none": None, "big": 2**70,
        "inf": float("-inf"), "zero": -0.0, "tags": ["yes", "1e3", "", "\x07", "é"], "nested": {"empty": {}, "no": []},
    }  # fmt: skip
    keys = {"x": {"units": "1/Å", "dims": ["q"], "precision": 3, "limits": {"control": {"low": 0.0, "high": 1.0}}}}
    run = store.insert(
        {"primary": {"x": np.ones((2, 5))}, "baseline": {"y": [1]}}, md, provenance=origin,
        descriptor_md={"primary": {"data_keys": keys}},
    )  # fmt: skip
    found = read_export(export(run, tmp_path / f"run{FORMATS[form].suffix}"))

    assert_identical({"start": run.start, "stop": run.stop, "descriptors": run.descriptors}, found.metadata)
    assert found.uid == run.uid
    assert list(found.streams) == ["primary", "baseline"]
    assert found.streams["primary"].attrs("x") == run["primary"]["x"].attrs
    assert found.streams["primary"].dims("x") == ("time", "q")
    assert found.streams["primary"].units("x") == "1/Å"
    assert found.streams["baseline"].units("y") is None


@pytest.mark.parametrize("form", READABLE)
def test_read_gives_the_same_dataset(store, tmp_path, origin, form):
    """A stream of the export is the Dataset that the run gives, coordinates, dims and attributes included."""
    keys = {"energy": {"units": "eV", "dims": ["energy"], "role": "coordinate"}, "mu": {"dims": ["energy"]}}
    data = {
        "energy": np.tile(np.linspace(1, 2, 20), (3, 1)),
        "mu": np.random.default_rng(1).random((3, 20)),
        "n": [1, 2, 3],
    }
    run = store.insert({"primary": data}, {}, provenance=origin, descriptor_md={"primary": {"data_keys": keys}})
    found = read_export(export(run, tmp_path / f"run{FORMATS[form].suffix}"))

    assert found.read().identical(run.read())
    assert_same(run["primary"].times, found.streams["primary"].time)
    assert_same(run["primary"].seq_nums, found.streams["primary"].seq_num)


@pytest.mark.parametrize("form", READABLE)
def test_names_that_formats_cannot_have(store, tmp_path, origin, form):
    """Streams and keys keep their names, also those that a format has a use for itself, or cannot write."""
    data = {"time": [1], "seq_num": [2], "%2F": [3], "é": [4], "yes": [5], "$array": [6], "n\n\x01": [8]}
    run = store.insert({"metadata": data, "$map": {"a": [1]}}, {}, provenance=origin)
    found = read_export(export(run, tmp_path / f"run{FORMATS[form].suffix}"))

    assert {name: {key: list(stream[key]) for key in stream} for name, stream in found.streams.items()} == {
        "metadata": {key: list(column) for key, column in data.items()},
        "$map": {"a": [1]},
    }


# ------------------------------------------------------------------------------- what others see in the files


@pytest.fixture
def spectrum(store, origin):
    """A run of a spectrum with units, and of an image."""
    keys = {"mu": {"units": "eV", "dims": ["energy"]}}
    data = {"mu": np.linspace(0, 1, 40).reshape(2, 20), "n": [1, 2], "fit": [{"e0": 1.5}, {"e0": 2.5}]}
    return store.insert({"primary": data}, {}, provenance=origin, descriptor_md={"primary": {"data_keys": keys}})


def test_json_for_others(spectrum):
    """A reader of JSON finds numbers as nested lists, beside them dtype, shape, units and dims."""
    column = json.loads(export(spectrum))["streams"]["primary"]["data"]["mu"]

    assert (column["units"], column["dims"]) == ("eV", ["time", "energy"])
    assert column["values"]["$array"]["dtype"] == "<f8"
    np.testing.assert_array_equal(column["values"]["$array"]["data"], spectrum["primary"]["mu"].read())


def test_yaml_for_others(spectrum):
    """A safe reader of YAML finds the same tree as a reader of JSON."""
    as_yaml, as_json = export(spectrum, format="yaml"), export(spectrum, format="json")

    assert "!" not in as_yaml
    assert yaml.safe_load(as_yaml) == json.loads(as_json)


def test_npz_for_others(spectrum, tmp_path):
    """NumPy alone reads columns and documents, without unpickling."""
    with np.load(export(spectrum, tmp_path / "run.npz"), allow_pickle=False) as arrays:
        assert_same(spectrum["primary"]["mu"].read(), arrays["primary/mu"])
        about = json.loads(arrays["metadata"].item())
        assert json.loads(arrays["primary/fit"].item())["$array"]["data"] == [{"e0": 1.5}, {"e0": 2.5}]

    assert about["metadata"]["start"]["uid"] == spectrum.uid
    assert about["streams"]["primary"]["mu"] == {
        "units": "eV", "dims": ["time", "energy"], "member": "primary/mu", "form": "array",
    }  # fmt: skip


def test_hdf5_for_others(spectrum, tmp_path):
    """Plain h5py finds a dataset per key, with units and dims, and the documents as JSON."""
    with h5py.File(export(spectrum, tmp_path / "run.h5")) as file:
        dataset = file["primary/mu"]
        assert (dataset.attrs["units"], list(dataset.attrs["dims"])) == ("eV", ["time", "energy"])
        assert_same(spectrum["primary"]["mu"].read(), dataset[()])
        assert file["primary/time"].attrs["units"] == "s"
        assert loads(file["metadata"][()])["start"] == spectrum.start


def test_nexus_is_the_run_file(spectrum, tmp_path):
    """NeXus is the run file, byte for byte, and unlike it may be written to."""
    target = export(spectrum, tmp_path / "run.nxs")

    assert target.read_bytes() == spectrum.file.read_bytes()
    assert target.stat().st_mode & 0o200


@pytest.mark.parametrize("suffix", [".h5", ".nxs"])
def test_run_files_are_read(spectrum, tmp_path, suffix):
    """A run file is read as an export, whatever its name; it may lie anywhere."""
    copy = tmp_path / f"copy{suffix}"
    copy.write_bytes(spectrum.file.read_bytes())

    assert read_export(copy).read().identical(spectrum.read())

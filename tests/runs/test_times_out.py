"""Every dtype of times on every way out: the same times, or integers that say which times they are; never others."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import xarray

from analysis_store import AnalysisStore, Provenance
from analysis_store.errors import ExportError
from analysis_store.exchange import export, read_export
from analysis_store.runs.read.run import Run
from tests.sweeps import some

UNITS = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as")
BIGGEST = 2**63 - 1
NAT = -BIGGEST - 1
NUMBERS = {"near": [NAT, 0, 1, 50, -3], "far": [BIGGEST, -BIGGEST, 2**62, NAT, 20_000_000_000]}


def dtypes() -> Iterator[str]:
    """Yield every kind and unit, multiples, the other byte order, and the dtypes without unit."""
    for kind in "mM":
        yield from (f"<{kind}8", f">{kind}8[ns]", f">{kind}8[fs]", f">{kind}8[D]")
        for unit in UNITS:
            yield from (f"<{kind}8[{unit}]", f"<{kind}8[25{unit}]")


def columns() -> dict[str, np.ndarray]:
    """Return a column of each dtype and each sort of numbers; datetime64 without unit has NaT alone."""
    found = {}
    for dtype in dtypes():
        for name, numbers in NUMBERS.items():
            of_dtype = [NAT] * 5 if dtype == "<M8" else numbers
            order = np.dtype(dtype).byteorder
            found[f"{name} {dtype}"] = np.array(of_dtype, np.dtype(np.int64).newbyteorder(order)).view(dtype)
    return found


COLUMNS = columns()
SENT = {key: values for key, values in COLUMNS.items() if "25" not in key and key.split()[1] != "far"}
SENT |= {key: COLUMNS[key] for key in ("far <M8[D]", "far <m8[25us]", "near <m8[25us]", "far <m8[as]")}
"""Those that are read through a server, which takes its time for each."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnalysisStore]:
    """Give a store with a run of all columns beside a number, and one with ragged columns."""
    origin = Provenance(origin="synthetic", note="made by a test")
    with AnalysisStore(tmp_path_factory.mktemp("times") / "store") as made:
        made.insert({"primary": {**COLUMNS, "x": np.arange(5.0)}}, {"scan_id": 1}, provenance=origin)
        rows = [{key: values[: 2 + number] for key, values in COLUMNS.items()} for number in range(2)]
        made.insert([{"primary": row} for row in rows], {"scan_id": 2}, provenance=origin)
        made.insert({"primary": {**SENT, "x": np.arange(5.0)}}, {"scan_id": 3}, provenance=origin)
        yield made


def as_they_were(found: xarray.Dataset) -> dict[str, np.ndarray]:
    """Return the times of a Dataset, by what its attributes say."""
    assert found["x"].values.tolist() == [0, 1, 2, 3, 4]
    return {
        str(key): each.values.view(each.attrs["dtype_numpy"]) if "dtype_numpy" in each.attrs else each.values
        for key, each in found.data_vars.items()
        if key != "x"
    }


def through_tiled(store: AnalysisStore, run: Run) -> Mapping[str, np.ndarray]:
    """Return what a Tiled client reads."""
    pytest.importorskip("tiled", reason="the extra 'server' is not installed")
    return as_they_were(store.client()[run.uid]["primary"].read())


def through_documents(store: AnalysisStore, run: Run) -> Mapping[str, np.ndarray]:
    """Return what is in filled events."""
    events = [doc["data"] for name, doc in run.documents(fill=True) if name == "event"]
    # a scalar of NumPy is native
    return {key: np.array([event[key] for event in events]) for key in COLUMNS}


WAYS: dict[str, Callable[[AnalysisStore, Run], Mapping[str, np.ndarray]]] = {
    "read": lambda _, run: as_they_were(run.read()),
    "read_checked": lambda store, run: as_they_were(store.read_checked(run.uid)),
    "tiled": through_tiled,
    "documents": through_documents,
    "lazy": lambda _, run: {key: run["primary"][key].read() for key in COLUMNS},
    "index": lambda _, run: {key: np.array([run["primary"][key][i] for i in range(5)]) for key in COLUMNS},
    "slice": lambda _, run: {key: run["primary"][key][1:][::-1][::-1] for key in COLUMNS},
    "iteration": lambda _, run: {key: np.array(list(run["primary"][key])) for key in COLUMNS},
    "dask": lambda _, run: {key: run["primary"][key].to_dask().compute() for key in COLUMNS},
}


@pytest.mark.parametrize("way", [pytest.param(way, marks=[pytest.mark.slow] * (way == "tiled")) for way in WAYS])
@pytest.mark.filterwarnings("ignore:.*is given as integers")
def test_every_time_comes_out_as_it_went_in(store: AnalysisStore, way: str) -> None:
    """Whatever unit a way out has, the time in the unit that it went in with is the same, and NaT is NaT."""
    found = WAYS[way](store, store[3 if way == "tiled" else 1])
    for key, expected in (SENT if way == "tiled" else COLUMNS).items():
        values = found[key]
        assert values.dtype.kind == expected.dtype.kind, key
        here = expected[1:] if way == "slice" else expected
        back = values.astype(here.dtype)
        assert back.tobytes() == here.tobytes(), (way, key, values)
        known = ~np.isnat(here)
        assert (values[known] == here[known]).all(), (way, key, values)


EXACT = ("json", "yaml", "xml", "npz", "hdf5")


@pytest.mark.parametrize("form", some(EXACT, 2))
@pytest.mark.parametrize("scan_id", [1, 2], ids=["alike", "ragged"])
@pytest.mark.filterwarnings("ignore:.*is given as integers")
def test_every_time_comes_back_from_an_export(store: AnalysisStore, tmp_path: Path, form: str, scan_id: int) -> None:
    """Bit for bit, with unit and multiple; and the export reads as the run does."""
    run = store[scan_id]
    export(run, tmp_path / f"run.{form}", format=form)
    found = read_export(tmp_path / f"run.{form}")
    for key in COLUMNS:
        expected, values = run["primary"][key].read(), found.streams["primary"][key]
        for one, other in zip(expected, values, strict=True):
            assert (np.asarray(one).dtype, np.asarray(one).tobytes()) == (
                np.asarray(other).dtype,
                np.asarray(other).tobytes(),
            ), key
    if scan_id == 1:
        assert found.read().identical(run.read())


@pytest.mark.parametrize("key", COLUMNS)
def test_parquet_has_the_same_times_or_refuses(store: AnalysisStore, tmp_path: Path, key: str) -> None:
    """Its days have 32 bits, and its seconds are milliseconds: what has no room there is refused with the reason."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra 'parquet' is not installed")
    expected, name = COLUMNS[key], tmp_path / "t.parquet"
    try:
        export(store[1], name, format="parquet", key=key)
    except ExportError as error:
        assert "parquet" in str(error)
        assert "near" not in key or np.datetime_data(expected.dtype) not in [(u, 1) for u in ("s", "ms", "us", "ns")]
        return
    column = parquet.read_table(name).column(key).combine_chunks()
    numbers = column.cast("int32").cast("int64") if str(column.type) == "date32[day]" else column.cast("int64")
    found = np.array([NAT if each is None else each for each in numbers.to_pylist()], np.int64)
    unit = {"date32[day]": "D"}.get(str(column.type)) or str(column.type).split("[")[1][:-1]
    assert found.view(f"{expected.dtype.kind}8[{unit}]").astype(expected.dtype).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("key", "dtype", "units"),
    [
        ("near <m8[fs]", "<i8", "femtoseconds"),
        ("near <m8[as]", "<i8", "attoseconds"),
        ("near <M8[ps]", "<i8", "picoseconds since 1970-01-01"),
        ("near <m8[M]", "<i8", "months"),
        ("near <m8[25ps]", "<i8", "25 picoseconds"),
        ("near <m8", "<i8", None),
        ("far <M8[D]", "<i8", "days since 1970-01-01"),
        ("near <M8[D]", "<M8[s]", None),
        ("near <m8[25D]", "<m8[s]", None),
        ("near <M8[M]", "<M8[s]", None),
        ("near <m8[25us]", "<m8[us]", None),
        ("far <m8[ms]", "<m8[ms]", None),
        ("far <M8", "<M8[s]", None),
    ],
)
@pytest.mark.filterwarnings("ignore:.*is given as integers")
def test_what_a_dataset_has_of_a_time(store: AnalysisStore, key: str, dtype: str, units: str | None) -> None:
    """A unit of xarray's where no time is changed by it, else integers whose attributes say what they count."""
    found = store[1].read(keys=[key, "x"])[key]
    assert found.dtype == np.dtype(dtype)
    assert found.attrs.get("units") == units
    told = {"dtype_numpy": COLUMNS[key].dtype.str, "not_a_time": NAT} if found.dtype.kind == "i" else {}
    assert {name: value for name, value in found.attrs.items() if name != "units"} == told


def test_integers_in_the_place_of_times_are_told(store: AnalysisStore) -> None:
    """The warning names key, stream and dtype, and how to get the times; what fits is read without one."""
    with pytest.warns(UserWarning, match=r"'near <m8\[fs\]' of 'primary' is given as integers.*timedelta64\[fs\]"):
        store[1].read(keys="near <m8[fs]")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store[1].read(keys=["near <m8[25D]", "far <m8[ns]", "near <M8"])


def test_units_of_the_caller_do_not_hide_what_integers_count(store: AnalysisStore, origin: Provenance) -> None:
    """A delay that was called "s" by mistake is femtoseconds still."""
    delays = np.array([50, 60], "m8[fs]")
    known = {"primary": {"data_keys": {"delay": {"units": "s"}}}}
    run = store.insert({"primary": {"delay": delays}}, {"provenance": origin}, descriptor_md=known)
    with pytest.warns(UserWarning, match="is given as integers"):
        assert run.read()["delay"].attrs["units"] == "femtoseconds"
    assert run["primary"]["delay"].attrs["units"] == "s"


def test_a_coordinate_of_times(store: AnalysisStore, origin: Provenance) -> None:
    """A coordinate that xarray cannot hold is a coordinate of integers."""
    delays = np.array([0, 50, 100], "m8[fs]")
    scan = xarray.Dataset(
        {"signal": (("time", "delay"), np.arange(6.0).reshape(2, 3))},
        {"delay": xarray.Variable("delay", delays.view("i8"))},
    )
    run = store.insert({"primary": scan}, {"provenance": origin})
    assert run.read()["delay"].values.tolist() == [0, 50, 100]
    data = {"delay": np.stack([delays, delays]), "signal": np.ones((2, 3))}
    md = {"primary": {"data_keys": {"delay": {"role": "coordinate", "dims": ["delay"]}, "signal": {"dims": ["delay"]}}}}
    run = store.insert({"primary": data}, {"provenance": origin}, descriptor_md=md)
    with pytest.warns(UserWarning, match="is given as integers"):
        found = run.read()
    assert found.coords["delay"].values.view("m8[fs]").tolist() == delays.tolist()
    assert found["signal"].dims == ("time", "delay")

"""Every kind of run file is NeXus to nexusformat's `nxcheck`: no error, and one warning, which is known."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis_store import AnalysisStore, Policy, Provenance
from analysis_store.exchange import export
from analysis_store.recorder import Recorder, RunDataStore
from analysis_store.testing.equality import assert_identical

validate = pytest.importorskip("nexusformat.nexus.validate")

ENERGY = np.linspace(7000.0, 7300.0, 31)
OURS = '"@analysis_store_layout" is not defined as an attribute in NXroot'
"""The one warning: the layout has its place at the root, where whoever opens a file looks first."""

PARAMETERS = {"k-weight": 2, "e0": 7112.0, "ok": True, "ranges": [1, 2], "2nd": None}
ORIGIN = Provenance(origin="synthetic", note="made by a test", parameters=PARAMETERS)
TABLE = pd.DataFrame([[1.5, "u", 0.5]], columns=["a-b", "a_b", "a-b"]).astype({"a_b": "category"})
SHARED = [1.5]
TREE: dict[str, Any] = {
    "a-b": [1, {"k": (1, "x")}], "a_b": 2, "µ": {1: 2}, "map": {"": 1}, "a/b": 3, "items": [1, "x", None, {"z": 2}],
    "0": SHARED, "item_0": SHARED, "time": {1, 2}, "packed": [[n, {"x-y": n}, "t"][n % 3] for n in range(2000)],
}  # fmt: skip

KINDS: dict[str, Any] = {
    "scalars": [{"primary": {"a": 1.5, "n": 2, "ok": True}}],
    "numbers over events": [{"primary": {"a": float(n), "b": n * n}} for n in range(3)],
    "a curve": [{"primary": {"energy": ENERGY, "mu": ENERGY**2, "e0": 7112.3}}],
    "a curve over another energy each time": [{"primary": {"energy": ENERGY + n, "mu": ENERGY * n}} for n in range(3)],
    "images": {"primary": {"image": np.zeros((3, 30, 40)), "n": [1, 2, 3]}},
    "large images": {"primary": {"image": np.zeros((3, 700, 800), "u2")}},
    "images over an axis": {"primary": {"im-age": np.zeros((3, 30, 40)), "x-axis": np.arange(120.0).reshape(3, 40)}},
    "text": [{"primary": {"s": "a", "w": np.array(["ä", "b"])}}],
    "times": [{"primary": {"when": np.array(["2026-01-01", "NaT"], "M8[ns]"), "took": np.timedelta64(3, "s")}}],
    "complex and structured": [{"primary": {"c": np.full(20, 1j), "s": np.zeros(20, [("a", "f8"), ("b c", "i4")])}}],
    "ragged": [{"primary": {"peaks": np.arange(20.0 + n), "few-er": np.arange(n + 2)}} for n in range(3)],
    "tables": [{"primary": {"t": TABLE}}, {"primary": {"t": TABLE}}],
    "objects": [{"primary": {"fit": TREE}}, {"primary": {"fit": None}}],
    "many objects": [{"primary": {"fit": {"x-y": [n, "t"]}}} for n in range(50)],
    "no events": {"primary": {"a": np.zeros(0), "b": np.zeros((0, 3))}},
    "names": [
        {
            "my stream": {"a-b": 1, "a_b": 2.5, "300 K": 3, "µ": 4, "time": 1.0, "A": 1, "a": 2, "x" * 300: 3},
            "2nd": {"energy-x": ENERGY, "mu-x": ENERGY**2, "energy_x__axis": 1},
            "notes": {"n": 1},
            "documents": {"seq_num": 1, "seq_num_": 2},
        }
    ],
}


def nxcheck(path: Path) -> tuple[list[str], list[str]]:
    """Return warnings and errors of nexusformat's own checker of files."""
    found: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = found.append  # type: ignore[method-assign]
    logger = validate.logger
    handlers, level, logger.handlers = logger.handlers, logger.level, [handler]
    logger.setLevel(logging.WARNING)
    try:
        validate.validate_file(str(path))
    finally:
        logger.handlers = handlers
        logger.setLevel(level)
    told = {level: [each.getMessage().strip() for each in found if each.levelno == level] for level in (30, 40)}
    assert any(each.levelno == logging.CRITICAL for each in found), "the checker says what it looks at"
    return told[30], told[40] + unseen(path)


def unseen(path: Path) -> list[str]:
    """Return what breaks the rules for names and classes anywhere in a file.

    The checker loses what it finds in a group that lies in another of its own class, as the parts of objects do.
    """
    found: list[str] = []

    def look(name: str, item: h5py.Group | h5py.Dataset) -> None:
        last = name.rpartition("/")[2]
        if not validate.is_valid_name(last) or len(last) > 63:
            found.append(f"{name} is an invalid name")
        kind = item.attrs.get("NX_class") if isinstance(item, h5py.Group) else "NXroot"
        if kind is None or not validate.get_validator(kind).valid_class:
            found.append(f"{name} has the class {kind}")

    with h5py.File(path) as file:
        file.visititems(look)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_inserted(store: AnalysisStore, kind: str) -> None:
    """A run of every kind of data, with names that NeXus does not allow."""
    run = store.insert(KINDS[kind], {}, provenance=ORIGIN)

    assert nxcheck(run.file) == ([OURS], [])
    assert run.verify(), str(run.verify())


def test_the_checker_finds_faults(store: AnalysisStore) -> None:
    """The check above can fail: a name, a class or a signal that is wrong is an error, however deep it lies."""
    run = store.insert(
        [{"primary": {"energy": ENERGY, "mu": ENERGY**2, "e0": 1.0, "fit": TREE}}], {}, provenance=ORIGIN
    )
    run.file.chmod(0o644)
    with h5py.File(run.file, "r+") as file:
        file["entry/primary"].move("e0", "e-0")
        del file["entry/primary"].attrs["signal"]
        del file["entry/process/parameters"].attrs["NX_class"]
        del file["entry/primary/fit/item_0/value"].attrs["NX_class"]
        file["entry/primary/fit/item_0/value"].move("a_b", "a-b")

    told = " ".join(nxcheck(run.file)[1])
    for fault in (
        "@signal",
        "e-0 is an",
        "parameters has the class None",
        "value has the class None",
        "value/a-b is an",
    ):
        assert fault in told


def test_an_open_run(store: AnalysisStore) -> None:
    """Event by event."""
    with store.new_run({}, provenance=ORIGIN) as opened:
        for n in range(3):
            opened.event("pri-mary", {"a b": float(n), "im-age": np.ones((4, 5))})

    assert nxcheck(store[opened.uid].file) == ([OURS], [])


@pytest.mark.parametrize("lifted", [3, 400])
def test_documents_of_others(open_store: AnalysisStore, lifted: int) -> None:
    """Their streams and keys have the names they have; arrays lie in columns where they are large."""
    number = {"dtype": "number", "shape": [], "source": "PV:I0"}
    keys = {"i-0": number, "trace-1": {**number, "dtype": "array", "shape": [lifted]}}
    run = {"run_start": "r"}
    open_store("start", {"uid": "r", "time": 1.0, "plan_name": "count", "provenance": "none"})
    open_store("descriptor", {"uid": "d", "time": 2.0, "name": "pri-mary", "data_keys": keys, **run})
    data = {"i-0": 0.5, "trace-1": [0.0] * lifted}
    event = {"data": data, "timestamps": dict.fromkeys(data, 3.0), "filled": {}}
    open_store("event", {"uid": "e", "seq_num": 1, "time": 3.0, "descriptor": "d", **event})
    open_store("stop", {"uid": "s", "time": 5.0, "exit_status": "success", "num_events": {"pri-mary": 1}, **run})

    assert nxcheck(open_store["r"].file) == ([OURS], [])
    assert open_store["r"]["pri-mary"]["trace-1"][0].tolist() == [0.0] * lifted
    assert open_store["r"].verify()


def test_a_recording(store: AnalysisStore) -> None:
    """Each key that was recorded is a stream, under a name that NeXus allows."""
    datastore = RunDataStore(store, {}, ORIGIN)
    with Recorder(datastore) as recorder:
        recorder.declare("peaks", ragged=True)
        for n in range(3):
            recorder.record("train/loss-x", 0.5 * n)
            recorder.record("image", np.ones((3, 4)))
            recorder.record("text", "größer")
            recorder.record("peaks", np.arange(n + 1.0))
            recorder.record("fit", {"a-b": [1, "x"]})
            recorder.record("tables", TABLE)
        recorder.set("n-n", 5)
        recorder.set("window", {"from": [1, "a"]})

    assert nxcheck(datastore.run.file) == ([OURS], [])
    assert datastore.run.verify()


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """A file that another program wrote."""
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["energy-x"] = np.arange(10.0)
        file["entry/cou nts"] = np.arange(30).reshape(10, 3)
    return tmp_path / "scan.h5"


@pytest.mark.parametrize("options", [{}, {"chunk": 4}, {"copy": False}, {"copy": False, "chunk": 4}], ids=str)
def test_an_inserted_file(store: AnalysisStore, measured: Path, options: dict[str, Any]) -> None:
    """Copied, or left where it is; and exported with the values that lie elsewhere."""
    run = store.insert_file(measured, **options)

    assert nxcheck(run.file) == ([OURS], [])
    assert nxcheck(export(run, measured.with_name("out.nxs"))) == ([OURS], [])


@pytest.mark.parametrize("name", ["table.csv", "arrays.npz"])
def test_inserted_columns(store: AnalysisStore, tmp_path: Path, name: str) -> None:
    """A table, and arrays with a name that is a number."""
    if name == "table.csv":
        (tmp_path / name).write_text("energy (eV),mu-1\n1,2\n3,4\n")
    else:
        np.savez(tmp_path / name, **{"a-b": np.arange(4.0), "0": np.arange(3)})

    assert nxcheck(store.insert_file(tmp_path / name).file) == ([OURS], [])


def test_code_at_home_nowhere(tmp_path: Path) -> None:
    """The text of the code, the patch, parents and files stand where NeXus allows them."""
    with AnalysisStore(tmp_path / "store", policy=Policy(dirty="diff")) as store:
        parent = store.insert([{"s": {"a": 1}}], {}, provenance=ORIGIN)
        script = tmp_path / "script.py"
        script.write_text(
            "from analysis_store import Provenance\n"
            "def save(store, parent, file):\n"
            "    return store.insert([{'s': {'a': 1}}], {}, provenance=Provenance(parents=[parent], files=[file]))\n"
        )
        made: dict[str, Any] = {"__name__": "script", "__file__": str(script)}
        exec(compile(script.read_text(), str(script), "exec"), made)
        run = made["save"](store, parent, script)

        assert nxcheck(run.file) == ([OURS], [])
        with h5py.File(run.file) as file:
            process = file["entry/process"]
            assert [text.decode() for text in process["origin/parents"]] == [parent.uid]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.text("aA1_-µ %\u0301é", min_size=1, max_size=3), min_size=1, max_size=8, unique=True))
def test_whatever_the_keys_are_called(store: AnalysisStore, keys: list[str]) -> None:
    """Values come back under the true name, by the store and by plain h5py, and are nobody else's."""
    values = {key: float(number) for number, key in enumerate(keys)}
    tree = {"tree": values, "list": [1, values]}
    run = store.insert([{"primary": values, "x-y": {"object": tree}}], {}, provenance=ORIGIN)

    assert {key: run["primary"][key][0] for key in keys} == values
    assert_identical(tree, run["x-y"]["object"][0])
    with h5py.File(run.file) as file:
        group = file["entry/primary"]
        found = {item.attrs.get("name", name): item[0] for name, item in group.items()}
    assert {key: found[key] for key in keys} == values
    assert nxcheck(run.file)[1] == []


def test_the_plot_is_found(store: AnalysisStore) -> None:
    """Signal and axis are named as they are stored; one that differs from event to event is told as NeXus has it."""
    nexus = pytest.importorskip("nexusformat.nexus")
    run = store.insert(KINDS["names"], {}, provenance=ORIGIN)
    other = store.insert(KINDS["a curve over another energy each time"], {}, provenance=ORIGIN)

    plot = nexus.nxload(str(run.file)).plottable_data
    assert (plot.nxsignal.nxname, plot.nxaxes[-1].nxname) == ("mu_x_", "energy_x__axis_")
    assert plot.nxsignal.attrs["name"] == "mu-x"
    with h5py.File(other.file) as file:
        attrs = file["entry/primary"].attrs
        assert (attrs["signal"], list(attrs["axes"]), attrs["energy_indices"].tolist()) == ("mu", [".", "."], [0, 1])

"""Any object that a codec knows is a legal value: saved, found, verified, served, and read back as it was."""

from __future__ import annotations

import enum
from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any

import h5py
import nexusformat.nexus as nx
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis_store import AnalysisStore, Provenance, analysis_documents, check_pair, insert_analysis
from analysis_store.errors import DamagedFileError, InvalidDataError, UnknownTypeError
from analysis_store.handlers.objects import ObjectHandler
from analysis_store.testing.equality import assert_identical
from analysis_store.writers.objects import ObjectWriter


class State(enum.Enum):
    """How a fit ended."""

    CONVERGED = "converged"


@dataclass
class Fit:
    """A result as people have it."""

    model: str
    window: tuple[float, float]
    history: list[dict[str, float]]


FIT = Fit("pseudo-Voigt", (7092.0, 7142.5), [{"chi": 3.5, "step": 0.1}, {"chi": 1.25, "step": 0.01}])
OBJECTS = {
    "nothing": None,
    "bytes": b"\0raw\xff",
    "mapping": {"center": 7112.0, 1: "one", (1, 2): [None]},
    "ragged list": [[1, 2], [3], []],
    "mixed list": [1, "a", 2.5, None],
    "large integer": 2**100,
    "time": datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
    "decimal": Decimal("1.10"),
    "set": {1, 2, 3},
    "path": PurePosixPath("/data/scan.h5"),
    "deque": deque([1, 2], maxlen=5),
    "ordered": OrderedDict(b=1, a=2),
    "enum": State.CONVERGED,
    "dataclass": FIT,
    "structured": np.array([(1, 2.5)], dtype="i4,f8"),
    "object array": np.array([1, "a", None], object),
    "masked": np.ma.array([1.0, 2.0], mask=[False, True]),
    "series": pd.Series([1.5, 2.5], index=["Fe", "Ni"], name="mu"),
    "table with objects": pd.DataFrame({"a": [1, "x", None]}, dtype=object),
    "spectrum": xr.DataArray([1.0, 2.0], {"energy": [7112.0, 7113.0]}, ["energy"], attrs={"units": "eV"}),
    "nested": {"fits": [FIT, FIT], "image": np.zeros((300, 300)), "when": timedelta(seconds=1e-6)},
}


@pytest.mark.parametrize("value", OBJECTS.values(), ids=OBJECTS)
def test_an_object_comes_back_as_it_was(store: AnalysisStore, origin: Provenance, value: Any) -> None:
    """From the store, in a Dataset, in filled documents; its digest covers it."""
    run = insert_analysis([{"primary": {"x": value, "n": n}} for n in range(2)], {}, provenance=origin, store=store)

    assert run["primary"]["x"].shape == (2,)
    assert run["primary"]["x"].form == "object"
    for found in (run["primary"]["x"][1], store[run.uid]["primary"]["x"].read()[0]):
        assert_identical(value, found)
    if not isinstance(value, datetime):  # xarray makes times of its own of these
        assert_identical(value, run.read()["x"].values[0])
    events = [doc for name, doc in run.documents(fill=True) if name == "event"]
    assert_identical(value, events[0]["data"]["x"])
    assert run.verify()
    assert {entry["data_key"] for entry in run.stop["digests"]} == {"x", "n"}


def test_the_file_is_still_nexus(store: AnalysisStore, origin: Provenance) -> None:
    """A reader of NeXus walks through all of it, and finds the plot."""
    run = store.insert([{"primary": {**OBJECTS, "curve": np.arange(40.0)}}], {}, provenance=origin)
    tree = nx.nxload(str(run.file))

    assert "pseudo-Voigt" in tree.tree
    assert tree.plottable_data.nxsignal.nxname == "curve"


def test_the_pair_keeps_the_contract() -> None:
    """As it is proved for pairs of others."""
    check_pair(ObjectWriter, ObjectHandler)


def test_the_writer_adds_one_object_at_a_time(tmp_path: Path) -> None:
    """Of whatever type each is."""
    with ObjectWriter(tmp_path / "run.h5", "/entry/x") as writer:
        written = [writer({"x": value})["x"] for value in OBJECTS.values()]
    handler = ObjectHandler(str(tmp_path / "run.h5"), "/entry/x")

    for kwargs, value in zip(written, OBJECTS.values(), strict=True):
        assert_identical(value, handler(**kwargs))


def test_objects_in_columns(store: AnalysisStore, origin: Provenance) -> None:
    """A list of objects is a column; so is an array of them."""
    fits = [{"center": 7112.0 + n} for n in range(3)]
    column = np.array([None, {1}, 2**70], object)
    run = store.insert({"primary": {"fit": fits, "odd": column, "n": np.arange(3)}}, {}, provenance=origin)

    assert run["primary"]["fit"].read().tolist() == fits
    assert run["primary"]["odd"].read().tolist() == column.tolist()


def test_an_open_run_takes_objects(store: AnalysisStore, origin: Provenance) -> None:
    """Later changes of one change nothing."""
    fit = {"history": [1.0]}
    with store.new_run({}, provenance=origin) as opened:
        opened.event("fits", {"fit": fit})
        fit["history"].append(2.0)
        opened.event("fits", {"fit": fit})
        opened.events("fits", {"fit": [None, [1, "x"]]})
    run = store[opened.uid]

    assert run["fits"]["fit"].read().tolist() == [{"history": [1.0]}, {"history": [1.0, 2.0]}, None, [1, "x"]]
    assert run.verify()


@pytest.mark.parametrize("count", [2, 50])
def test_an_open_run_copies_blocks(store: AnalysisStore, origin: Provenance, count: int) -> None:
    """Later changes of the objects, arrays and tables of a block change nothing, however many there are."""
    fits = [{"history": [1.0], "image": np.zeros(2)} for _ in range(count)]
    ragged = [np.zeros(number % 2 + 1) for number in range(count)]
    tables = [pd.DataFrame({"x": [1.0, 2.0]}) for _ in range(count)]
    with store.new_run({}, provenance=origin) as opened:
        opened.events("fits", {"fit": fits, "ragged": ragged, "table": tables})
        fits[0]["new"] = np.ones(3)
        fits[0]["history"].append(2.0)
        fits[1]["image"][:] = ragged[1][:] = 7.0
        tables[1]["x"] = 7.0
    found = store[opened.uid]["fits"]

    assert found["fit"][0]["history"] == [1.0]
    assert found["fit"][0].keys() == {"history", "image"}
    assert found["fit"][1]["image"].tolist() == [0.0, 0.0]
    assert found["ragged"][1].tolist() == [0.0, 0.0]
    assert found["table"][1]["x"].tolist() == [1.0, 2.0]


def test_blocks_of_objects_are_joined(store: AnalysisStore, origin: Provenance) -> None:
    """What was objects in each part is so in the whole, also where a value of one part could be a number."""
    with store.new_run({}, provenance=origin) as opened:
        opened.event("fits", {"fit": {"a": 1}})
        opened.events("fits", {"fit": [5, 2**70]})
        opened.event("fits", {"fit": None})
    found = store[opened.uid]["fits"]["fit"]

    assert found.read().tolist() == [{"a": 1}, 5, 2**70, None]


def test_the_generator_writes_objects(tmp_path: Path, origin: Provenance) -> None:
    """With documents that name the pair."""
    docs = list(analysis_documents([{"primary": {"fit": FIT}}], {}, root=tmp_path, provenance=origin))
    resource = next(doc for name, doc in docs if name == "resource")

    assert resource["spec"] == "ANALYSIS_OBJECT"
    with pytest.raises(InvalidDataError, match="root="):
        analysis_documents([{"primary": {"fit": FIT}}], {}, provenance=origin)


def test_a_changed_object_is_found_by_its_digest(store: AnalysisStore, origin: Provenance) -> None:
    """Whatever in it was changed: a number, a type, a name."""
    for change in (
        lambda group: group["center"].write_direct(np.array(1.0)),
        lambda group: group.attrs.__setitem__("codec", "test.Other@1 of record"),
        lambda group: group.move("center", "middle"),
        lambda group: group.__delitem__("center"),
    ):
        run = store.insert([{"primary": {"fit": {"center": 7112.0, "n": 1}}}], {}, provenance=origin)
        run.file.chmod(0o600)
        with h5py.File(run.file, "r+") as file:
            change(file["entry/primary/fit/item_0"])
        report = run.verify()
        assert not report
        assert "'fit'" in str(report)


def test_a_class_that_is_not_here_does_not_hinder(store: AnalysisStore, origin: Provenance) -> None:
    """The run verifies, its other keys are read, and the error says what to do."""
    from analysis_store.codecs import Plain

    foreign = Plain("beamline.Peak", 1, {"center": 7112.0})
    run = store.insert([{"primary": {"peak": foreign, "n": 1}}], {}, provenance=origin)

    assert run.verify()
    assert run["primary"]["n"][0] == 1
    with pytest.raises(UnknownTypeError, match=r"'beamline\.Peak'.*register_codec"):
        run["primary"]["peak"][0]


def test_quantities_are_numbers_with_units(store: AnalysisStore, origin: Provenance) -> None:
    """In the document, in the file, in a Dataset; of one unit in all events."""
    pint = pytest.importorskip("pint")
    unit = pint.get_application_registry()
    run = store.insert({"primary": {"mass": np.arange(3.0) * unit.mg}}, {}, provenance=origin)
    again = store.insert([{"primary": {"mass": 3.5 * unit.mg}}] * 2, {}, provenance=origin)

    assert run.read()["mass"].attrs["units"] == again["primary"]["mass"].attrs["units"] == "milligram"
    assert again["primary"]["mass"][0] == 3.5
    with pytest.raises(
        InvalidDataError, match=r'data\[1\]\["primary"\]\["m"\]: got the units .gram., event 0 has .milligram.'
    ):
        store.insert([{"primary": {"m": 1 * unit.mg}}, {"primary": {"m": 1 * unit.g}}], {}, provenance=origin)


def test_objects_are_served(store: AnalysisStore, origin: Provenance) -> None:
    """As metadata of nodes beside the arrays; a large one is said to be too large."""
    pytest.importorskip("tiled.server")
    run = store.insert([{"primary": {"fit": FIT, "all": {"image": np.zeros(500_000)}, "n": 1}}], {}, provenance=origin)
    stream = store.client()[run.uid]["primary"]

    assert list(stream.read()) == ["n"]
    assert stream.metadata["left_out"]["fit"]["found_at"] == "objects/fit"
    assert stream["objects/fit/0"].metadata["object"]["$state"]["model"] == "pseudo-Voigt"
    assert "read it from the store" in stream["objects/all/0"].metadata["left_out"]


def test_many_small_objects_lie_together(store: AnalysisStore, origin: Provenance) -> None:
    """Some hundred in a list, so that a thousand take hardly longer than one; each is found by its event."""
    fits = [{"center": 7112.0 + n, "window": (n, n + 1), "failed": None if n % 3 else b"x"} for n in range(1500)]
    run = store.insert([{"primary": {"fit": fit}} for fit in fits], {}, provenance=origin)
    column = run["primary"]["fit"]

    assert column.read().tolist() == list(column) == fits
    assert [column[index] for index in (0, 700, 1499, -1)] == [fits[index] for index in (0, 700, 1499, -1)]
    assert column[690:1400:7].tolist() == fits[690:1400:7]
    assert column[[5, 3, 1100, 3]].tolist() == [fits[index] for index in (5, 3, 1100, 3)]
    assert run.verify()
    with h5py.File(run.file) as file:
        assert len(file["entry/primary/fit"]) < 20
    with pytest.raises(IndexError):
        column[1500]


def test_a_count_that_cannot_be_is_damage(store: AnalysisStore, origin: Provenance) -> None:
    """Neither more objects than there are, nor less, nor none in each member."""
    run = store.insert([{"primary": {"fit": {"n": n}}} for n in range(100)], {}, provenance=origin)
    run.file.chmod(0o600)
    for name, value in (("count", 10**15), ("count", -1), ("rows", 0), ("rows", -5), ("rows", 7), ("rows", "x")):
        with h5py.File(run.file, "r+") as file:
            before = file["entry/primary/fit"].attrs[name]
            file["entry/primary/fit"].attrs[name] = value
        with pytest.raises(DamagedFileError, match=r"declares \S+ objects|is not an integer"):
            store[run.uid]["primary"]["fit"].read()
        with h5py.File(run.file, "r+") as file:
            file["entry/primary/fit"].attrs[name] = before
    assert run.verify()

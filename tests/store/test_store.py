"""The two journeys: a result goes in with its provenance, is found, and comes back equal."""

from __future__ import annotations

import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis_store import (
    AnalysisStore,
    Parent,
    Policy,
    Provenance,
    analysis_documents,
    get_working_dir,
    insert_analysis,
    set_working_dir,
)
from analysis_store.documents import validate
from analysis_store.errors import (
    AmbiguousUidError,
    AnalysisStoreError,
    DuplicateRunError,
    InvalidDataError,
    KeyNotFoundError,
    NoDefaultStoreError,
    PolicyError,
    ProvenanceError,
    RunNotFoundError,
    SettingsError,
    StoreClosedError,
    StreamNotFoundError,
)
from analysis_store.runs.write.packages import read_packages

ENERGY = np.linspace(7000.0, 7300.0, 301)
MU = np.arctan(ENERGY - 7112.0)
UNITS = {"primary": {"data_keys": {"energy": {"units": "eV"}}}}


def insert(store: AnalysisStore, origin: Provenance, **md: Any) -> Any:
    """Insert a small spectrum."""
    data = [{"primary": {"energy": ENERGY, "mu": MU, "e0": 7112.3, "n": 2**62, "edge": "Fe K"}}]
    return insert_analysis(data, md, store=store, provenance=origin, descriptor_md=UNITS)


def test_a_result_comes_back_equal(store: AnalysisStore, origin: Provenance) -> None:
    """Value, dtype, shape and units survive the way through documents and file."""
    run = store[insert(store, origin, sample_name="Fe foil").uid]

    dataset = run["primary"].read()

    np.testing.assert_array_equal(ENERGY, dataset["energy"].values[0])
    np.testing.assert_array_equal(MU, dataset["mu"].values[0])
    assert (
        dataset["energy"].attrs["units"],
        dataset["e0"].item(),
        dataset["n"].item(),
        dataset["edge"].item(),
    ) == ("eV", 7112.3, 2**62, "Fe K")
    assert run.verify()


def test_every_document_is_valid_and_in_order(store: AnalysisStore, origin: Provenance) -> None:
    """start, descriptor, resources, datums before their event, stop; event-model takes each."""
    documents = list(insert(store, origin).documents())

    for name, doc in documents:
        validate(name, doc)
    assert [n for n, _ in documents] == [
        "start",
        "descriptor",
        "resource",
        "resource",
        "datum",
        "datum",
        "event",
        "stop",
    ]
    event = dict(documents)["event"]
    assert (event["seq_num"], event["filled"]) == (1, {"energy": False, "mu": False})
    assert event["data"]["mu"].endswith("/0")
    assert dict(documents)["stop"]["num_events"] == {"primary": 1}
    assert [d["data_key"] for d in dict(documents)["stop"]["digests"]] == ["energy", "mu", "e0", "n", "edge"]


def test_documents_may_be_filled(store: AnalysisStore, origin: Provenance) -> None:
    """Then the values stand in the events, and nothing refers to a file."""
    documents = list(insert(store, origin).documents(fill=True))

    event = dict(documents)["event"]
    np.testing.assert_array_equal(MU, event["data"]["mu"])
    assert event["filled"] == {"energy": True, "mu": True}
    assert {"start", "descriptor", "event", "stop"} == {name for name, _ in documents}


def test_nothing_is_saved_without_provenance(store: AnalysisStore, tmp_path: Path) -> None:
    """One error names what is missing, before a byte is written."""
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(ProvenanceError, match="no parent run, no input file and no origin"):
        insert_analysis([{"primary": {"x": 1.0}}], {}, store=store)

    assert before == sorted(tmp_path.rglob("*"))
    assert len(store) == 0


def test_parents_are_verified_and_lead_both_ways(store: AnalysisStore, origin: Provenance) -> None:
    """A parent is found, given as a run, or declared external; the store knows its children."""
    raw = insert(store, origin)
    by_uid = insert_analysis([{"primary": {"x": 1.0}}], {"parent_uids": [raw.uid]}, store=store)
    by_run = insert_analysis([{"primary": {"x": 1.0}}], {}, provenance=Provenance(parents=[raw]), store=store)
    alias = insert_analysis([{"primary": {"x": 1.0}}], {"raw_uid": raw.uid}, store=store)
    external = Provenance(parents=[Parent("elsewhere", catalog="csx")])
    foreign = insert_analysis([{"primary": {"x": 1.0}}], {}, provenance=external, store=store)

    assert [raw.uid] == by_uid.parents == by_run.parents == alias.parents
    assert [by_uid.uid, by_run.uid, alias.uid] == raw.children
    assert (foreign.provenance.parents[0].catalog, foreign.provenance.parents[0].resolved) == ("csx", False)
    with pytest.raises(ProvenanceError, match="nowhere"):
        insert_analysis([{"primary": {"x": 1.0}}], {"parent_uids": ["nowhere"]}, store=store)


def test_parents_are_looked_up_in_sources(store: AnalysisStore, origin: Provenance, tmp_path: Path) -> None:
    """Another store is a source like a databroker or Tiled."""
    raw = insert(store, origin)
    with AnalysisStore(tmp_path / "other", sources=[store]) as other:
        run = insert_analysis([{"primary": {"x": 1.0}}], {"parent_uids": [raw.uid]}, store=other)

        assert run.provenance.parents[0].resolved
        assert str(tmp_path / "store") == run.provenance.parents[0].catalog


def test_input_files_are_hashed(store: AnalysisStore, tmp_path: Path) -> None:
    """Path, size and digest stand in the start document."""
    file = tmp_path / "input.dat"
    file.write_bytes(b"abc")

    run = insert_analysis([{"primary": {"x": 1.0}}], {}, provenance={"files": [str(file)]}, store=store)

    entry = run.start["provenance"]["files"][0]
    assert (str(file), 3) == (entry["path"], entry["size"])
    assert entry["digest"].startswith("blake3:")


def test_the_list_of_packages_is_kept_once(store: AnalysisStore, origin: Provenance) -> None:
    """The start document has the digest, the root has the list."""
    first, second = insert(store, origin), insert(store, origin)

    digest = first.start["provenance"]["environment"]["digest"]
    assert digest == second.start["provenance"]["environment"]["digest"]
    assert "numpy" in {package["name"] for package in read_packages(store.root, digest)}
    assert len(list((store.root / "environments").iterdir())) == 1


def test_a_refused_save_leaves_no_list_of_packages(store: AnalysisStore, origin: Provenance) -> None:
    """Whatever the catalog refuses, nothing stays; a list that another run has stays, of course."""
    with sqlite3.connect(Path(store.location) / "catalog.sqlite") as catalog:
        catalog.execute("CREATE TRIGGER full BEFORE INSERT ON run BEGIN SELECT RAISE(ABORT, 'no more'); END")
    for save in (insert, record):
        with pytest.raises(AnalysisStoreError):
            save(store, origin)
        assert not [path for path in store.root.rglob("*") if path.suffix == ".json" or path.name == "environments"]
    with sqlite3.connect(Path(store.location) / "catalog.sqlite") as catalog:
        catalog.execute("DROP TRIGGER full")
    run = insert(store, origin)
    with pytest.raises(DuplicateRunError):
        store.insert([{"primary": {"x": 1.0}}], {"uid": run.uid}, provenance=origin)
    assert read_packages(store.root, run.start["provenance"]["environment"]["digest"])


def record(store: AnalysisStore, origin: Provenance) -> None:
    """Save event by event."""
    with store.new_run({}, provenance=origin) as open_run:
        open_run.event("primary", {"x": 1.0})


def test_a_list_of_packages_that_another_save_withdrew_is_written_again(
    store: AnalysisStore, origin: Provenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other found no run of it in the catalog: ours was not entered yet."""
    enter = store.catalog.insert

    def withdrawn(*entry: object) -> None:
        shutil.rmtree(store.root / "environments")
        enter(*entry)

    monkeypatch.setattr(store.catalog, "insert", withdrawn)
    run = insert(store, origin)
    assert read_packages(store.root, run.start["provenance"]["environment"]["digest"])


def test_columns_are_a_form_of_their_own(store: AnalysisStore, origin: Provenance) -> None:
    """A mapping of columns, a DataFrame and a Dataset give one event per row."""
    x = np.arange(5.0)
    columns = store.insert({"primary": {"x": x, "y": x**2}}, {}, provenance=origin)
    frame = store.insert({"primary": pd.DataFrame({"x": x}, index=pd.Index(x, name="t"))}, {}, provenance=origin)

    np.testing.assert_array_equal(x**2, columns["primary"]["y"].read())
    assert 5 == columns["primary"].num_events == len(columns["primary"]["x"])
    assert list(frame["primary"]) == ["t", "x"]


def test_a_dataset_comes_back_with_dims_coordinates_and_units(store: AnalysisStore, origin: Provenance) -> None:
    """What xarray knew before, it knows after."""
    dataset = xr.Dataset(
        {"mu": (("scan", "energy"), np.random.default_rng(0).random((3, 50)), {"units": "1"})},
        coords={"energy": ("energy", np.linspace(7000, 7100, 50), {"units": "eV"}), "scan": ("scan", [1, 2, 3])},
    )

    back = store.insert({"primary": dataset}, {}, provenance=origin).read()

    assert back["mu"].dims == ("time", "energy")
    np.testing.assert_array_equal(dataset["mu"].values, back["mu"].values)
    np.testing.assert_array_equal(dataset["energy"].values, back.coords["energy"].values)
    np.testing.assert_array_equal([1, 2, 3], back.coords["scan"].values)
    assert (back["mu"].attrs["units"], back.coords["energy"].attrs["units"]) == ("1", "eV")


def test_many_streams_and_events(store: AnalysisStore, origin: Provenance) -> None:
    """Each stream numbers its own events, from 1."""
    data: list[dict[str, Any]] = [{"a": {"x": i}, "b": {"y": float(i)}} for i in range(3)]
    data.insert(1, {"a": {"x": 10}})

    run = store.insert(data, {}, provenance=origin)

    assert run["a"]["x"].read().tolist() == [0, 10, 1, 2]
    assert run["a"].seq_nums.tolist() == [1, 2, 3, 4]
    assert run["b"].seq_nums.tolist() == [1, 2, 3]
    assert run.stop["num_events"] == {"a": 4, "b": 3}


def test_tables_and_ragged_values_are_objects_per_event(store: AnalysisStore, origin: Provenance) -> None:
    """One entry per event, equal in value and type."""
    frames = [pd.DataFrame({"a": [1, 2], "s": ["x", None]}), pd.DataFrame({"a": [3], "s": ["y"]})]
    peaks = [np.zeros(20), np.ones(30)]

    run = store.insert(
        [{"primary": {"t": t, "p": p}} for t, p in zip(frames, peaks, strict=True)], {}, provenance=origin
    )

    back = run.read()
    assert ("time",) == back["t"].dims == back["p"].dims
    for expected, found in zip(frames, back["t"].values, strict=True):
        pd.testing.assert_frame_equal(expected, found)
    np.testing.assert_array_equal(np.ones(30), run["primary"]["p"][1])
    assert run.descriptors[0]["data_keys"]["p"]["shape"] == [None]
    assert run.verify()


def test_lazy_arrays_read_what_is_asked_for(store: AnalysisStore, origin: Provenance) -> None:
    """Slices, dask and NumPy agree with the whole."""
    image = np.arange(4 * 30 * 20).reshape(4, 30, 20)
    run = store.insert({"primary": {"image": image}}, {}, provenance=origin)

    lazy = run["primary"]["image"]

    assert ((4, 30, 20), image.dtype, ("time", "image-dim-0", "image-dim-1")) == (lazy.shape, lazy.dtype, lazy.dims)
    np.testing.assert_array_equal(image[1:3, ::2, 5], lazy[1:3, ::2, 5])
    np.testing.assert_array_equal(image[-1], lazy[-1])
    np.testing.assert_array_equal(image, np.asarray(lazy))
    np.testing.assert_array_equal(image.sum(axis=0), lazy.to_dask().sum(axis=0).compute())


def test_names_the_file_uses_itself_are_kept_true_in_documents(store: AnalysisStore, origin: Provenance) -> None:
    """A key ``time`` and a stream ``process`` are stored beside, and read under their own names."""
    run = store.insert([{"process": {"time": 1.5, "seq_num": 7, "time_": 2.5}}], {}, provenance=origin)

    assert list(run) == ["process"]
    assert tuple(run["process"][key][0] for key in ("time", "seq_num", "time_")) == (1.5, 7, 2.5)
    assert {"time", "seq_num", "time_"} == set(run.descriptors[0]["data_keys"])
    assert run.verify()


def test_runs_are_found_by_uid_prefix_number_and_position(store: AnalysisStore, origin: Provenance) -> None:
    """A non-negative integer is a scan_id, a negative one counts from the newest."""
    first = insert(store, origin, scan_id=7, uid="abc-1")
    second = insert(store, origin, scan_id=7, uid="abd-2")

    assert second == store[-1] == store[7] == store["abd"]
    assert first == store[-2] == store["abc-1"]
    with pytest.raises(AmbiguousUidError, match="abd-2, abc-1"):
        store["ab"]
    with pytest.raises(RunNotFoundError, match="no run's uid is or begins with 'zz'"):
        store["zz"]
    with pytest.raises(RunNotFoundError, match="scan_id 8"):
        store[8]
    with pytest.raises(RunNotFoundError, match="only 2 runs"):
        store[-3]
    with pytest.raises(RunNotFoundError, match="expected a uid"):
        store[1.5]  # type: ignore[index]


def test_searches_are_lazy_sequences(store: AnalysisStore, origin: Provenance) -> None:
    """Length, iteration, index, slice, table and further search."""
    runs = [insert(store, origin, sample_name="Fe" if i % 2 else "Cu", temperature=i * 100) for i in range(6)]

    found = store.search(sample_name="Fe")

    assert [runs[5], runs[3], runs[1]] == list(found)
    assert (3, runs[3], runs[1]) == (len(found), found[1], found[-1])
    assert [runs[1], runs[3], runs[5]] == list(found[::-1])
    assert [runs[5]] == list(found.search({"temperature": {"$gte": 400}}))
    assert [runs[5], runs[4]] == list(store.search()[:2])
    assert found.table()["sample_name"].tolist() == ["Fe", "Fe", "Fe"]
    assert not store.search(sample_name="Ni")
    with pytest.raises(IndexError, match="Got run number 3; expected one of 0 to 2"):
        found[3]


def test_unknown_streams_and_keys_are_answered_with_the_known(store: AnalysisStore, origin: Provenance) -> None:
    """The message lists what there is."""
    run = insert(store, origin)

    with pytest.raises(StreamNotFoundError, match=r"\['primary'\]"):
        run["baseline"]
    with pytest.raises(KeyNotFoundError, match="'energy'"):
        run["primary"]["chi"]


def test_reprs_are_useful_and_escaped(store: AnalysisStore, origin: Provenance) -> None:
    """A terminal shows the essentials, a notebook nothing that could run."""
    run = insert(store, origin, sample_name="<script>alert(1)</script>")

    assert "primary: 1 event of energy, mu, e0, n, edge" in repr(run)
    assert "<energy: float64 (1, 301) eV>" in repr(run["primary"])
    assert "1 run, newest first" in repr(store.search())
    assert "1 run" in repr(store)
    for html in (run._repr_html_(), store._repr_html_(), store.search()._repr_html_()):
        assert "<script>" not in html
        assert "&lt;script&gt;" in html


def test_a_closed_store_says_so(tmp_path: Path, origin: Provenance) -> None:
    """close() may be called twice; everything else is refused."""
    store = AnalysisStore(tmp_path / "store")
    run = insert(store, origin)
    store.close()
    store.close()

    for use in (lambda: len(store), lambda: insert(store, origin), lambda: store[-1], run.read):
        with pytest.raises(StoreClosedError, match="is closed"):
            use()
    assert "closed" in repr(store)


def test_a_store_opens_again_with_what_it_had(tmp_path: Path, origin: Provenance) -> None:
    """Settings, runs and files persist; the folder may have moved."""
    with AnalysisStore(tmp_path / "one", policy=Policy(dirty="refuse")) as store:
        uid = store.insert([{"s": {"big": MU}}], {}, provenance=Provenance(origin="manual", note="n", code=CODE)).uid
    (tmp_path / "one").rename(tmp_path / "two")

    with AnalysisStore(tmp_path / "two") as store:
        assert store.policy.dirty == "refuse"
        np.testing.assert_array_equal(MU, store[uid]["s"]["big"][0])
        assert store[uid].verify()
    with pytest.raises(PolicyError, match="loosen"):
        AnalysisStore(tmp_path / "two", policy=Policy(dirty="allow"))


CODE = {"name": "larch", "version": "0.9.80", "url": "https://github.com/xraypy/xraylarch"}


def test_locations_may_be_uris(tmp_path: Path, origin: Provenance) -> None:
    """A database needs to be told where the files go."""
    with AnalysisStore(f"sqlite:///{tmp_path / 'c.sqlite'}", root=tmp_path / "files") as store:
        insert(store, origin)
        assert len(store) == 1
    with pytest.raises(SettingsError, match="root="):
        AnalysisStore("sqlite:///c.sqlite")
    with pytest.raises(SettingsError, match="unknown scheme 'mysql'"):
        AnalysisStore("mysql://host/db", root=tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [("colour = 1", "unknown settings"), ("[policy", "cannot be read"), ("[code]\nname = 1", "text values")],
)
def test_settings_that_cannot_be_understood_are_told(tmp_path: Path, text: str, message: str) -> None:
    """The message names the file and what is known."""
    AnalysisStore(tmp_path).close()
    (tmp_path / "analysis_store.toml").write_text(text)

    with pytest.raises(SettingsError, match=message):
        AnalysisStore(tmp_path)


def test_the_default_store(tmp_path: Path, origin: Provenance, monkeypatch: pytest.MonkeyPatch) -> None:
    """What set_working_dir named wins over the environment; with neither the error says how to set one."""
    monkeypatch.delenv("ANALYSIS_STORE", raising=False)
    with pytest.raises(NoDefaultStoreError, match="set_working_dir"):
        insert_analysis([{"s": {"x": 1}}], {}, provenance=origin)
    monkeypatch.setenv("ANALYSIS_STORE", str(tmp_path / "env"))
    assert str(tmp_path / "env") == get_working_dir()
    set_working_dir(tmp_path / "set")
    try:
        run = insert_analysis([{"s": {"x": 1}}], {}, provenance=origin)
        assert run.file.is_relative_to(tmp_path / "set")
    finally:
        set_working_dir(None)


def test_the_generator_yields_documents_for_any_consumer(tmp_path: Path, origin: Provenance) -> None:
    """It writes below root, and its parents are not resolved."""
    documents = list(
        analysis_documents(
            [{"primary": {"big": MU, "x": 1.0}}], {"parent_uids": ["raw"]}, root=tmp_path, provenance=origin
        )
    )

    assert [name for name, _ in documents] == ["start", "descriptor", "resource", "datum", "event", "stop"]
    assert documents[0][1]["provenance"]["parents"] == [{"uid": "raw", "resolved": False}]
    assert len(list(tmp_path.rglob("*.h5"))) == 1


def test_the_generator_needs_a_root_only_for_large_values(tmp_path: Path, origin: Provenance) -> None:
    """Small values stay in their events, and no file is written; what is wrong is told before the first document."""
    documents = dict(analysis_documents([{"s": {"x": 1.0}}], {}, provenance=origin))
    list(analysis_documents([{"s": {"x": 1.0}}], {}, provenance=origin, root=tmp_path))

    assert documents["event"]["data"] == {"x": 1.0}
    assert len(documents["stop"]["digests"]) == 1
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InvalidDataError, match=r'data\["s"\]\["big"\] is too large'):
        analysis_documents([{"s": {"big": MU}}], {}, provenance=origin)
    with pytest.raises(ProvenanceError):
        analysis_documents([{"s": {"x": 1.0}}], {})


def test_what_the_generator_yields_the_store_takes(
    open_store: AnalysisStore, tmp_path: Path, origin: Provenance
) -> None:
    """The store is a consumer of documents like any other; they come back as they went in."""
    documents = list(analysis_documents([{"s": {"big": MU, "x": 1.0}}], {}, root=tmp_path / "f", provenance=origin))
    for name, doc in documents:
        open_store(name, doc)

    run = open_store[-1]
    assert documents == list(run.documents())
    np.testing.assert_array_equal(MU, run["s"]["big"][0])


def test_times_of_a_run_are_in_order(store: AnalysisStore, origin: Provenance) -> None:
    """A start time in the future moves events and stop with it."""
    future = time.time() + 1000.0

    run = insert(store, origin, time=future)

    assert run.start["time"] == future <= run["primary"].times[0] <= run.stop["time"]

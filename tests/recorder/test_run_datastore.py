"""A recording that is a run: live from its first second, in the end like one that was inserted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from analysis_store import AnalysisStore, Provenance
from analysis_store.documents import validate
from analysis_store.errors import (
    DuplicateRunError,
    InvalidDataError,
    KeyNotFoundError,
    ProvenanceError,
    RunClosedError,
    StoreBusyError,
    StoreClosedError,
)
from analysis_store.recorder import InMemoryDataStore, Recorder, RunDataStore, live_runs, recorded, recover
from analysis_store.recorder.run.publish import publish
from analysis_store.runs.read.run import Run
from analysis_store.testing.equality import assert_identical
from tests.faults.children import call
from tests.faults.on_disk import scratch_files

IMAGES = np.random.default_rng(3).random((5, 30, 40))
SINGLE = {"n": 5, "words": "größer", "image": IMAGES[0], "big": np.zeros((500, 500)), "window": {"from": -20.0}}
MANY: dict[str, list[Any]] = {
    "train/loss": [0.5, 0.25, 3],
    "train/v1.5": [1, 2, -(2**62)],
    "image": list(IMAGES),
    "when": list(np.array(["2026-01-01", "NaT"], "M8[ns]")),
    "ok": [True, False],
    "half": list(np.array([1, 2, np.nan], "f2")),
    "big endian": list(np.arange(40, dtype=">i4").reshape(2, 20)),
    "z": [1j, 2 - 1j],
    "fixed": list(np.array([["ä", "bc"], ["", "d"]])),
    "text": ["one", "", "größer"],
    "nul": ["a\0b", "c"],
    "fit": [{"center": 7112.0}, None, (1, "two")],
    "tables": [pd.DataFrame({"x": [1.0, 2.0]}), pd.DataFrame({"x": [3.0]})],
    "ünï cödé/a": [1.5],
}


@pytest.fixture
def datastore(store: AnalysisStore, origin: Provenance) -> RunDataStore:
    """A recording that has just begun."""
    return RunDataStore(store, {"sample_name": "Fe foil"}, origin)


def stop_of(run: Run) -> dict[str, Any]:
    """Return the stop document, which is there."""
    assert run.stop is not None
    return run.stop


def test_every_kind_of_value_becomes_a_run(store: AnalysisStore, datastore: RunDataStore) -> None:
    """What is read from the run is what was recorded; digests and documents are right."""
    with Recorder(datastore) as recorder:
        recorder.declare("peaks", ragged=True, units="eV")
        for count in (3, 0, 20):
            recorder.record("peaks", np.arange(count) + 0.5)
        for key, values in MANY.items():
            for value in values:
                recorder.record(key, value)
        for key, value in SINGLE.items():
            recorder.set(f"settings/{key}", value)

    run = store[datastore.uid]
    assert run == datastore.run
    assert str(run.verify()).endswith(f"{len(MANY) + 1 + len(SINGLE)} keys agree with their digests")
    found = recorded(run)
    assert list(found) == ["peaks", *MANY, *(f"settings/{key}" for key in SINGLE)]
    for key, values in MANY.items():
        assert len(found[key]) == len(values), key
        for index, value in enumerate(values):
            assert_identical(_as_kept(key, value), found[key][index])
    assert [value.shape for value in found["peaks"]] == [(3,), (0,), (20,)]
    assert found["peaks"].attrs == {"units": "eV"}
    for key, value in SINGLE.items():
        assert np.array_equal(found[f"settings/{key}"], value), key
    with pytest.raises(KeyNotFoundError, match=r"'train/acc' was not recorded.*train/loss"):
        found["train/acc"]


def _as_kept(key: str, value: Any) -> Any:
    """Return a number as NumPy has it, in the dtype of the first of its key."""
    if key in ("text", "nul") or not isinstance(value, (int, float, complex)):
        return value
    return np.array(MANY[key][:1]).dtype.type(value)


def test_its_documents_are_those_of_any_run(store: AnalysisStore, datastore: RunDataStore) -> None:
    """They validate, count right, and tell when each value came."""
    with Recorder(datastore) as recorder:
        recorder.record("train/loss", 1.0)
        recorder.record("train/loss", 2.0)
        recorder.record("image", IMAGES[0])
        recorder.set("epoch", 7)
        times = recorder.times("train/loss")[:]

    run = store[-1]
    names = []
    for name, doc in run.documents():
        validate(name, doc)
        names.append(name)
    assert names.count("event") == 4
    assert run.start["sample_name"] == "Fe foil"
    assert stop_of(run)["exit_status"] == "success"
    assert stop_of(run)["num_events"] == {"train_loss": 2, "image": 1, "set": 1}
    np.testing.assert_array_equal(run["train_loss"].times, times)
    assert stop_of(run)["time"] >= run["train_loss"].times[-1] >= run.start["time"]
    assert run["train_loss"].read()["loss"].values.tolist() == [1.0, 2.0]


def test_names_that_meet_are_kept_apart(store: AnalysisStore, datastore: RunDataStore) -> None:
    """Keys that differ in what a stream's name cannot hold have streams of their own."""
    keys = ["a/b", "a_b", "a.b", "set", "process", "x/time", "documents", "seq_num", "title/%2F"]
    with Recorder(datastore) as recorder:
        for number, key in enumerate(keys):
            recorder.record(key, number)
        recorder.set("p/q", "yes")
        recorder.set("p_q", "no")

    found = recorded(store[-1])
    assert [found[key][0] for key in keys] == list(range(len(keys)))
    assert (found["p/q"], found["p_q"]) == ("yes", "no")
    assert store[-1].verify()


def test_arrays_stay_where_they_were_recorded(store: AnalysisStore, datastore: RunDataStore) -> None:
    """The dataset of the live file is that of the run file: it is chunked, and the file no larger than it need be."""
    with Recorder(datastore) as recorder:
        for _ in range(20):
            recorder.record("image", np.random.default_rng().random((100, 100)))

    run = store[-1]
    with h5py.File(run.file) as file:
        assert file["entry/image/image"].chunks is not None
        assert file["entry/image/image"].shape == (20, 100, 100)
        assert list(file) == ["entry"]
        assert set(file["entry"]) >= {"image", "process", "documents", "title", "start_time", "end_time"}
    assert run.file.stat().st_size < 2.5 * 20 * 100 * 100 * 8
    assert not run.file.stat().st_mode & 0o222


def test_the_origin_is_asked_for_first(store: AnalysisStore) -> None:
    """Without it nothing is made."""
    with pytest.raises(ProvenanceError, match="origin"):
        RunDataStore(store, {})

    assert not scratch_files(Path(store.location))


def test_others_see_it_from_the_first_second(store: AnalysisStore, datastore: RunDataStore) -> None:
    """Another process lists it, and reads what was flushed; it is no run of the store yet."""
    recorder = Recorder(datastore)
    assert call(_seen, store.location) == [(datastore.uid, "Fe foil", True, {})]
    recorder.record("train/loss", 0.5)
    recorder.record("text", "word")
    recorder.set("n", 3)
    recorder.flush()

    assert call(_seen, store.location) == [(datastore.uid, "Fe foil", True, {"train/loss": 1, "text": 1, "n": 1})]
    assert call(_followed, store.location) == ([0.5], ["word"])
    assert datastore.uid not in store
    recorder.close()
    assert live_runs(store) == []
    assert not scratch_files(Path(store.location))


def _seen(location: str) -> list[Any]:
    with AnalysisStore(location) as store:
        return [(run.uid, run.start["sample_name"], run.is_alive, run.keys) for run in live_runs(store)]


def _followed(location: str) -> tuple[list[float], list[str]]:
    with AnalysisStore(location) as store:
        (run,) = live_runs(store)
        return run.recorded("train/loss")[:].tolist(), run.recorded("text")[:].tolist()


def test_an_exception_ends_it_as_failed(store: AnalysisStore, datastore: RunDataStore) -> None:
    """The reason is told, whichever of several datastores the run is."""

    def fit() -> None:
        with Recorder(InMemoryDataStore(), datastore) as recorder:
            recorder.record("x", 1.0)
            recorder.record("y", 1 / 0)

    with pytest.raises(ZeroDivisionError):
        fit()

    assert stop_of(store[-1])["exit_status"] == "fail"
    assert stop_of(store[-1])["reason"] == "ZeroDivisionError: division by zero"
    assert recorded(store[-1])["x"].read().tolist() == [1.0]


def test_an_exception_before_the_first_value_leaves_nothing(store: AnalysisStore, datastore: RunDataStore) -> None:
    """There is nothing that a run could tell."""
    with pytest.raises(ZeroDivisionError), datastore:
        datastore.append("y", 1 / 0, 0.0)

    assert len(store) == 0
    assert not scratch_files(Path(store.location))
    with pytest.raises(RunClosedError, match="closed"):
        datastore.append("y", 1.0, 0.0)


def test_what_was_recorded_is_read_after_the_end(store: AnalysisStore, datastore: RunDataStore) -> None:
    """The datastore reads from the run then; recording is over."""
    recorder = Recorder(datastore)
    recorder.record("x", 1.0)
    recorder.record("text", "a")
    recorder.set("n", 3)
    before = recorder.get_all("x")
    recorder.close()
    recorder.close()

    assert before[:].tolist() == [1.0]
    assert recorder.get("x") == 1.0
    assert recorder.get_all("x")[:].tolist() == [1.0]
    assert recorder.get("text") == "a"
    assert recorder.get("n") == 3
    assert len(recorder.times("x")) == 1
    with pytest.raises(RunClosedError, match="closed"):
        datastore.append("x", 2.0, 0.0)


def test_nothing_recorded_is_an_empty_run(store: AnalysisStore, datastore: RunDataStore) -> None:
    """As one that was opened and closed without an event."""
    datastore.close()

    assert list(store[-1]) == []
    assert store[-1].verify()


def test_a_uid_is_used_once(store: AnalysisStore, origin: Provenance) -> None:
    """Neither beside a recording, nor after it."""
    first = RunDataStore(store, {"uid": "mine"}, origin)
    with pytest.raises(StoreBusyError, match="process"):
        RunDataStore(store, {"uid": "mine"}, origin)
    first.append("x", 1.0, 1.0)
    first.close()
    with pytest.raises(DuplicateRunError, match="mine"):
        RunDataStore(store, {"uid": "mine"}, origin)


def test_a_uid_that_is_taken_meanwhile_overwrites_nothing(
    store: AnalysisStore, datastore: RunDataStore, origin: Provenance
) -> None:
    """The other run stays, and so does the live file."""
    datastore.append("x", 1.0, 1.0)
    other = store.insert([{"primary": {"y": 2.0}}], dict(datastore.start, provenance=None), provenance=origin)
    for _ in range(2):
        with pytest.raises(DuplicateRunError, match="exists, and is not the run"):
            datastore.close()
    with pytest.raises(RunClosedError, match="close it again"):
        datastore.get("x")

    assert store[-1]["primary"]["y"][0] == 2.0
    assert other.verify()
    assert [run.uid for run in live_runs(store)] == [datastore.uid]


def test_two_at_once_are_two_runs(store: AnalysisStore, origin: Provenance) -> None:
    """Each has its file."""
    both = [RunDataStore(store, {}, origin) for _ in range(2)]
    for number, datastore in enumerate(both):
        datastore.append("x", number, 1.0)
    assert len(live_runs(store)) == 2
    for datastore in both:
        datastore.close()

    assert [recorded(store[one.uid])["x"].read().tolist() for one in both] == [[0], [1]]


def test_the_store_closed_meanwhile_ends_it_as_aborted(tmp_path: Path, origin: Provenance) -> None:
    """As it does open runs; a recording with nothing in it is dropped."""
    with AnalysisStore(tmp_path) as store:
        datastore, empty = RunDataStore(store, {}, origin), RunDataStore(store, {}, origin)
        datastore.append("x", 1.0, 1.0)
    datastore.close()
    empty.close()

    with AnalysisStore(tmp_path) as store:
        assert [run.uid for run in store] == [datastore.uid]
        assert stop_of(store[-1])["exit_status"] == "abort"
        assert "store was closed" in stop_of(store[-1])["reason"]
    with pytest.raises(StoreClosedError, match="closed"):
        RunDataStore(store, {}, origin)


def test_recover_leaves_alone_what_lives(store: AnalysisStore, datastore: RunDataStore) -> None:
    """It is refused by name, and passed over otherwise."""
    datastore.append("x", 1.0, 1.0)
    assert recover(store) == []
    with pytest.raises(StoreBusyError, match="process"):
        recover(store, datastore.uid)
    datastore.close()


def test_what_a_document_cannot_hold_is_refused_when_it_is_declared(datastore: RunDataStore) -> None:
    """Not at the end, when it is too late."""
    recorder = Recorder(datastore)
    for wrong in ({"weight": object()}, {"units": 5}, {"units": "e\0V"}, {"external": "X"}, {"precision": "much"}):
        with pytest.raises(InvalidDataError, match="declared"):
            recorder.declare("x", **wrong)
    recorder.declare("x", units="eV", precision=3, seen={"by": [1, None]})
    recorder.record("x", 1.5)
    recorder.close()
    assert datastore.run["x"]["x"].attrs == {"units": "eV", "precision": 3, "seen": {"by": [1, None]}}


@pytest.mark.filterwarnings("ignore:Setting the shape on a NumPy array:DeprecationWarning")  # by nexusformat
def test_nexus_and_tiled_read_it(store: AnalysisStore, datastore: RunDataStore) -> None:
    """The plot is found by a NeXus library, the values by Tiled's client and databroker."""
    pytest.importorskip("tiled", reason="the extra 'server' is not installed")
    nexus = pytest.importorskip("nexusformat.nexus")
    with Recorder(datastore) as recorder:
        recorder.declare("peaks", ragged=True)
        for number, image in enumerate(IMAGES):
            recorder.record("image", image)
            recorder.record("peaks", np.arange(20.0 + number))
            recorder.record("note", f"number {number}")

    run = store[-1]
    np.testing.assert_array_equal(nexus.nxload(str(run.file)).plottable_data.nxsignal.nxdata, IMAGES)
    served = store.client()[run.uid]
    np.testing.assert_array_equal(served["image"].read()["image"].values, IMAGES)
    brokered = store.broker()[run.uid]
    np.testing.assert_array_equal(np.array(list(brokered.data("image", stream_name="image"))), IMAGES)
    assert list(brokered.data("note", stream_name="note")) == [f"number {n}" for n in range(5)]


def test_a_run_that_ends_while_it_is_listed(store: AnalysisStore, datastore: RunDataStore, monkeypatch: Any) -> None:
    """Between its last change and its name it has no keys; and none when it has its name."""
    datastore.append("n", 1, 0.0)
    datastore.flush()
    (live,) = live_runs(store)
    seen: list[dict[str, int]] = [live.keys]
    published = "analysis_store.recorder.run.datastore.publish"
    monkeypatch.setattr(published, lambda *_: seen.append(live.keys) or publish(*_))
    datastore.close()

    assert [*seen, live.keys] == [{"n": 1}, {}, {}]

"""A retraction reaches what comes of a run later, by whatever way it comes, until it is lifted."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis_store import AnalysisStore, Policy, Provenance
from analysis_store.catalogs.query.query import Query
from analysis_store.errors import InputError, RetractedWarning
from analysis_store.processing import processor
from analysis_store.recorder import Recorder, RunDataStore
from analysis_store.runs.notes.notes import retraction_of, retractions
from analysis_store.runs.read.run import Run
from analysis_store.trust import reindex

DATA = [{"primary": {"x": 1.0}}]
OPEN = Policy(require_inputs=False, require_code=False)

# What is saved of a retracted run warns; here it is reading that must warn.
pytestmark = pytest.mark.filterwarnings("ignore:the new result comes from run")


@processor(id="t_same", version="1")
def same(inputs):
    """The values."""
    return {"x": inputs["primary"]["x"][0]}


@processor(id="t_overtaken", version="1")
def overtaken(inputs):
    """The values of a run that is retracted before they are saved."""
    value = inputs["primary"]["x"][0]
    with AnalysisStore(os.environ["T_STORE"]) as other:
        other.retract(os.environ["T_PARENT"], "wrong energy")
    return {"x": value}


def inserted(store: AnalysisStore, parent: Run) -> str:
    """Save a run at once."""
    return store.insert(DATA, {}, provenance=Provenance(parents=[parent])).uid


def opened(store: AnalysisStore, parent: Run) -> str:
    """Save a run event by event."""
    with store.new_run({"parent_uids": [parent.uid]}) as run:
        run.event("primary", {"x": 1.0})
    return run.uid


def called_back(store: AnalysisStore, parent: Run) -> str:
    """Send the documents of somebody else's run, which names the parent in the old way."""
    keys = {"x": {"dtype": "number", "shape": [], "source": "PV"}}
    store("start", {"uid": "theirs", "time": 8.0, "raw_uid": parent.uid})
    store("descriptor", {"uid": "d", "run_start": "theirs", "time": 8.0, "name": "primary", "data_keys": keys})
    event = {"uid": "e", "descriptor": "d", "seq_num": 1, "time": 8.0, "data": {"x": 1.0}, "timestamps": {"x": 8.0}}
    store("event", event)
    store("stop", {"uid": "s", "run_start": "theirs", "time": 9.0, "exit_status": "success"})
    return "theirs"


def recorded(store: AnalysisStore, parent: Run) -> str:
    """Record a run."""
    with RunDataStore(store, {}, provenance=Provenance(parents=[parent])) as datastore:
        Recorder(datastore).record("x", 1.0)
    return datastore.uid


def from_a_file(store: AnalysisStore, parent: Run) -> str:
    """Save what a file of columns holds."""
    path = store.root.parent / "columns.csv"
    path.write_text("x\n1.0\n")
    return store.insert_file(path, {}, provenance=Provenance(parents=[parent])).uid


def loaded(store: AnalysisStore, parent: Run) -> str:
    """Load a bundle in which only its documents tell of the parent."""
    return _brought(store, parent, lambda other, uid: store.load(_dumped(other, uid)))


def synced(store: AnalysisStore, parent: Run) -> str:
    """Take over what another store has."""
    return _brought(store, parent, lambda other, uid: store.sync(other, query={"uid": uid}))


def _brought(store: AnalysisStore, parent: Run, bring: Callable[[AnalysisStore, str], object]) -> str:
    with AnalysisStore(store.root.parent / "other", sources=[store], policy=OPEN) as other:
        uid = other.insert(DATA, {"parent_uids": [parent.uid]}).uid
        bring(other, uid)
    return uid


def _dumped(other: AnalysisStore, uid: str) -> Path:
    bundle = other.root.parent / "one.zip"
    other.dump({"uid": uid}, bundle, parents="stubs")
    return bundle


def adopted(store: AnalysisStore, parent: Run) -> str:
    """Take a file into the catalog that its saver could not enter any more."""
    uid = inserted(store, parent)
    store.catalog.remove(uid)
    assert [finding.kind for finding in store.check(repair=True).findings] == ["repaired"]
    return uid


def entered_again(store: AnalysisStore, parent: Run) -> str:
    """Enter a file into the catalog that it lost."""
    uid = inserted(store, parent)
    store.catalog.remove(uid)
    assert store.reindex().runs == 1
    return uid


def restored(store: AnalysisStore, parent: Run) -> str:
    """Bring a deleted run back."""
    uid = inserted(store, parent)
    store.delete(uid, "not needed", dry_run=False)
    return store.restore(uid).uid


WAYS = (
    inserted, opened, called_back, recorded, from_a_file, loaded, synced, adopted, entered_again, restored,
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> AnalysisStore:
    """A store for everybody's documents."""
    with AnalysisStore(tmp_path / "store", policy=OPEN) as store:
        yield store


@pytest.fixture
def parent(store: AnalysisStore, origin: Provenance) -> Run:
    """Give a stored run."""
    return store.insert(DATA, {"good": True}, provenance=origin)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_in(store: AnalysisStore, parent: Run, way: Callable[[AnalysisStore, Run], str]) -> None:
    """It is retracted as its parent is, and so is what comes of it: reading warns, searches hide both."""
    store.retract(parent.uid, "wrong energy")
    late = way(store, parent)
    later = inserted(store, store[late])
    for uid in (late, later):
        assert store[uid].retraction.uid == uid
        assert store[uid].retraction.body == {"reason": "wrong energy", "because": parent.uid}
        with pytest.warns(RetractedWarning, match=f"run {uid} is read, .* wrong energy .*because of run"):
            store[uid].read(next(iter(store[uid])))
        assert "RETRACTED" in repr(store[uid])
        assert store.catalog.notes(uid, "retracted") == [] or way in (loaded, synced)
    assert len(store.search(retracted=False)) == 0
    assert store.search().table()["retracted"].all()
    store.reinstate(parent.uid, "it was right")
    assert len(store.search(retracted=False)) == 3
    assert store[late].retraction is store[later].retraction is None
    assert not store.search().table()["retracted"].any()


def test_a_result_that_was_being_computed(store: AnalysisStore, parent: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its input was retracted before it was saved: it is retracted, and never reused."""
    monkeypatch.setenv("T_STORE", store.location)
    monkeypatch.setenv("T_PARENT", parent.uid)
    late = store.compute(overtaken, parent)
    assert late.retraction.body["because"] == parent.uid
    assert len(store.search(retracted=False)) == 0
    with pytest.raises(InputError, match="was retracted: wrong energy"):
        store.compute(same, late)
    store.reinstate(parent.uid, "it was right")
    assert store.compute(same, late).parents == [late.uid]


def test_a_late_one_stands_for_nothing(store: AnalysisStore, parent: Run) -> None:
    """Only its cause can be retracted or reinstated, which the message names; lineage and staleness show it."""
    store.retract(parent.uid, "wrong energy")
    late = inserted(store, parent)
    with pytest.raises(InputError, match=f"retracted already: wrong energy .*because of run {parent.uid[:8]}"):
        store.retract(late, "once more")
    with pytest.raises(InputError, match=f"because of run {parent.uid}. Reinstate that run"):
        store.reinstate(late, "why not")
    assert {member.uid for member in store.lineage(late).members.values() if member.is_retracted} == {parent.uid, late}
    assert [stale.run.uid for stale in store.stale()] == [late]


def test_it_travels_alone(store: AnalysisStore, parent: Run, tmp_path: Path) -> None:
    """A run that goes to another store without what it came from is retracted there, and reinstated there later."""
    store.retract(parent.uid, "wrong energy")
    late = store[inserted(store, parent)]
    store.dump({"uid": late.uid}, tmp_path / "late.zip", parents="stubs")
    with AnalysisStore(tmp_path / "elsewhere", policy=OPEN) as elsewhere:
        elsewhere.load(tmp_path / "late.zip")
        assert elsewhere[late.uid].retraction.body == {"reason": "wrong energy", "because": parent.uid}
        after = elsewhere.insert(DATA, {"parent_uids": [late.uid]})
        assert after.retraction.body["because"] == parent.uid
        store.reinstate(parent.uid, "it was right")
        store.dump({"uid": late.uid}, tmp_path / "again.zip", parents="stubs")
        elsewhere.load(tmp_path / "again.zip")
        assert elsewhere[late.uid].retraction is after.retraction is None
        assert len(elsewhere.search(retracted=False)) == 2


def test_two_causes(store: AnalysisStore, parent: Run, origin: Provenance) -> None:
    """A late run of two retracted ones is retracted until both are reinstated; the first reason is told."""
    other = store.insert(DATA, {}, provenance=origin)
    store.retract(parent.uid, "one")
    store.retract(other.uid, "two")
    both = store.insert(DATA, {}, provenance=Provenance(parents=[other, parent]))
    assert both.retraction.body == {"because": parent.uid, "reason": "one"}
    store.reinstate(parent.uid, "was right")
    assert both.retraction.body == {"because": other.uid, "reason": "two"}
    store.reinstate(other.uid, "was right, too")
    assert both.retraction is None


def test_one_and_all_agree(store: AnalysisStore, origin: Provenance) -> None:
    """Whether a run is asked for alone or with all others, the answer is the same, whatever came before what."""
    runs = [store.insert(DATA, {"uid": "r0"}, provenance=origin)]
    for number in range(1, 24):
        if number % 5 == 0 and store["r" + str(number - 3)].retraction is None:
            store.retract(f"r{number - 3}", f"reason {number}")
        if number % 6 == 0 and (note := store[f"r{number - 1}"].retraction) is not None:
            store.reinstate(note.body.get("because", note.uid), "right after all")
        above = [runs[number // 2], runs[number - 1]][: 1 + number % 3 // 2]
        runs.append(store.insert(DATA, {"uid": f"r{number}"}, provenance=Provenance(parents=above)))
        alone = {run.uid: note for run in runs if (note := retraction_of(store.catalog, run.uid)) is not None}
        assert alone == retractions(store.catalog)
    assert 0 < len(alone) < len(runs)
    assert {run.uid for run in store.search(retracted=False)} == {run.uid for run in runs} - alone.keys()


def test_after_the_catalog_was_lost(store: AnalysisStore, parent: Run) -> None:
    """Logs and files tell all of it."""
    store.retract(parent.uid, "wrong energy")
    late = inserted(store, parent)
    folder = Path(store.location)
    store.close()
    for file in folder.glob("catalog.sqlite*"):
        file.unlink()
    assert reindex(folder).runs == 2
    with AnalysisStore(folder) as again:
        assert again[late].retraction.body["because"] == parent.uid
        assert again.catalog.count(Query()) == 2
        assert len(again.search(retracted=False)) == 0

"""Runs deleted, restored and purged: what is refused, what is kept, what a person is told."""

from __future__ import annotations

import datetime
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis_store import AnalysisStore, Parent, Provenance
from analysis_store.errors import (
    DamagedFileError,
    DuplicateRunError,
    InputError,
    InvalidMetadataError,
    RunNotFoundError,
    SettingsError,
    StoreBusyError,
)
from analysis_store.layout import scratch_path
from analysis_store.locks import FileLock
from analysis_store.processing.engine.compute_lock import claim_path
from analysis_store.recorder import Recorder, RunDataStore
from analysis_store.runs.notes.removal_records import (
    LOCK,
    RECORD,
    buried,
    quarantine_folder,
    quarantined,
    tombstone_path,
)
from analysis_store.runs.read.run import Run
from analysis_store.trust import references
from analysis_store.trust.removal.quarantine import unfinished

NOW = datetime.timedelta(0)
DATA = {"primary": {"x": np.arange(100.0).reshape(1, 100)}}


@pytest.fixture
def run(store: AnalysisStore, origin: Provenance) -> Run:
    """Give a stored run that nothing came from."""
    return store.insert(DATA, {"sample_name": "Fe"}, provenance=origin)


class PlainWriter:
    """Writes each value into one file, as people's own writers do."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self, data: dict) -> dict:
        """Write a value."""
        with h5py.File(self.path, "w") as file:
            file["x"] = data["x"]
        return {"dataset": "x"}


def files(folder: Path) -> set[str]:
    """Return every file below a folder, but for the catalog's."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_dry_run_changes_nothing(store: AnalysisStore, run: Run) -> None:
    """It is the default, and tells what would go."""
    before = files(store.root)
    report = store.delete(run.uid, "wrong energy")
    assert report
    assert not report.done
    assert report.files == (run.file.relative_to(store.root).as_posix(),)
    assert report.size == run.file.stat().st_size
    assert "would be deleted" in str(report)
    assert json.loads(json.dumps(report.to_dict()))["uid"] == run.uid
    assert files(store.root) == before
    assert store[run.uid].notes == []


def test_a_deleted_run(store: AnalysisStore, run: Run) -> None:
    """It is found no more; its file is in quarantine, and its tombstone tells what it was."""
    start, stop, provenance = run.start, run.stop, run.start["provenance"]
    report = store.delete(run.uid, "wrong energy", dry_run=False)
    assert report.done
    assert run.uid not in store
    assert len(store) == 0
    assert not run.file.exists()
    tomb = buried(store.root, run.uid)
    assert tomb is not None
    assert (tomb.start, tomb.stop, tomb.reason, tomb.who) == (start, stop, "wrong energy", store.notes(run.uid)[0].who)
    assert tomb.start["provenance"] == provenance
    assert tomb.stop["digests"]
    (note,) = store.notes(run.uid, "deleted")
    assert note.body["reason"] == "wrong energy"
    assert note.body["files"][0]["digest"].startswith("blake3:")
    assert list(unfinished(store)) == []


def test_whoever_asks_for_it_is_told(store: AnalysisStore, run: Run) -> None:
    """By whom it was deleted, when, why, and how it comes back."""
    store.delete(run.uid, "wrong energy", dry_run=False)
    with pytest.raises(RunNotFoundError, match=r"deleted by .*@.* on \d{4}-.*: wrong energy.*restore\("):
        store[run.uid]
    with pytest.raises(RunNotFoundError, match="wrong energy"):
        store.delete(run.uid, "again", dry_run=False)


def test_a_restored_run(store: AnalysisStore, run: Run) -> None:
    """All of it is back, and its notes tell what happened."""
    before = files(store.root)
    store.delete(run.uid, "wrong energy", dry_run=False)
    back = store.restore(run.uid)
    assert back == run
    assert back.verify()
    assert [note.kind for note in back.notes] == ["deleted", "restored"]
    months = {f"{datetime.datetime.fromtimestamp(note.time, datetime.UTC):%Y-%m}" for note in back.notes}
    assert files(store.root) - before == {f"notes/{month}.jsonl" for month in months}
    assert buried(store.root, run.uid) is None
    store.delete(run.uid, "after all", dry_run=False)
    assert [note.kind for note in store.notes(run.uid)] == ["deleted", "restored", "deleted"]


def test_a_reason_is_needed(store: AnalysisStore, run: Run) -> None:
    """An empty one is none."""
    with pytest.raises(InvalidMetadataError, match="expected the reason"):
        store.delete(run.uid, " ")


def test_what_was_never_there(store: AnalysisStore, run: Run) -> None:
    """It can be neither deleted nor restored; a part of a uid is not enough."""
    with pytest.raises(RunNotFoundError, match="whole uid"):
        store.delete(run.uid[:8], "r", dry_run=False)
    with pytest.raises(RunNotFoundError, match="was deleted"):
        store.restore(run.uid)


def named_as_parent(store: AnalysisStore, run: Run) -> Run:
    """Save a run that names it under the usual key."""
    return store.insert(DATA, {"parent_uids": [run.uid]})


def named_as_older_systems_do(store: AnalysisStore, run: Run) -> Run:
    """Save a run that names it under a key of an older system."""
    return store.insert(DATA, {"raw_uid": run.uid})


def named_anyhow(store: AnalysisStore, run: Run) -> Run:
    """Save a run that names it under a key of somebody's own."""
    return store.insert(DATA, {"compare": {"with": [run.uid]}}, provenance=Provenance(origin="synthetic", note="n"))


def used_where_it_is(store: AnalysisStore, run: Run) -> Run:
    """Save a run the data of which stay in its file."""
    return store.insert_file(run.file, copy=False, dataset="/entry/primary/x", chunk=1)


def used_by_its_copy(store: AnalysisStore, run: Run) -> Run:
    """Save a run made from a copy of its file."""
    copy = store.root.parent / "copy.h5"
    copy.write_bytes(run.file.read_bytes())
    return store.insert(DATA, {}, provenance=Provenance(files=[copy]))


@pytest.mark.parametrize(
    "name", [named_as_parent, named_as_older_systems_do, named_anyhow, used_where_it_is, used_by_its_copy]
)
def test_what_a_run_names_stays(store: AnalysisStore, run: Run, name) -> None:
    """In whichever way; the message says which run, and once that is deleted it may go."""
    other = name(store, run)
    assert not store.delete(run.uid, "r")
    with pytest.raises(InputError, match=other.uid):
        store.delete(run.uid, "r", dry_run=False)
    assert store[run.uid].verify()
    assert other.verify()
    assert quarantined(store.root, run.uid) is None
    store.delete(other.uid, "r", dry_run=False)
    assert store.delete(run.uid, "r", dry_run=False)
    with pytest.raises(InputError, match=f"the parent {run.uid}, which is deleted too"):
        store.restore(other.uid)
    store.restore(run.uid)
    assert store.restore(other.uid).verify()


def test_what_a_file_names_that_is_not_in_the_catalog_stays(store: AnalysisStore, run: Run) -> None:
    """The catalog may have been rolled back; the files are asked."""
    child = named_as_parent(store, run)
    store.catalog.remove(child.uid)
    with pytest.raises(InputError, match=child.uid):
        store.delete(run.uid, "r", dry_run=False)
    child.file.chmod(0o644)
    with child.file.open("r+b") as file:
        file.write(b"\0" * 8)  # not HDF5 any more
    with pytest.raises(InputError, match=child.file.name):
        store.delete(run.uid, "r", dry_run=False)


@pytest.fixture
def looked_into(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the names of the files that are read to find out who names a run."""
    seen: list[str] = []
    read = references._read

    def counted(path: Path, wanted):
        seen.append(path.stem)
        return read(path, wanted)

    monkeypatch.setattr(references, "_read", counted)
    return seen


def test_few_files_are_read(store: AnalysisStore, run: Run, origin: Provenance, looked_into: list[str]) -> None:
    """Its own, those of which the catalog knows that they name it, and those of which it cannot know; once each."""
    for _ in range(20):
        store.insert(DATA, {}, provenance=origin)
    assert store.delete(run.uid, "r")
    assert looked_into == [run.uid]
    names = [named_as_parent, named_anyhow, used_where_it_is, used_by_its_copy]
    others = {name(store, run).uid for name in names}
    foreign, lost = save_foreign(store), store.insert(DATA, {}, provenance=origin)
    store.catalog.remove(lost.uid)
    looked_into.clear()
    assert set(store.delete(run.uid, "r").named_by) == others
    assert sorted(looked_into) == sorted([run.uid, foreign, lost.uid, *others])
    store.reindex()
    looked_into.clear()
    store.delete(run.uid, "r")
    assert sorted(looked_into) == sorted([run.uid, foreign, *others])


def save_foreign(store: AnalysisStore) -> str:
    """Save a run with a resource of somebody else; return its uid."""
    provenance = {"origin": "synthetic", "note": "n", "code": {"name": "a", "version": "1", "url": "https://e.org"}}
    store("start", {"uid": "theirs", "time": 8.0, "provenance": provenance})
    store("stop", {"uid": "s", "run_start": "theirs", "time": 9.0, "exit_status": "success"})
    return "theirs"


def test_a_resource_alone_names_it(open_store: AnalysisStore, origin: Provenance) -> None:
    """Documents of somebody else, of which the catalog knows the start alone, have data in the file."""
    run = open_store.insert(DATA, {}, provenance=origin)
    keys = {"x": {"dtype": "array", "shape": [100], "source": "PV", "external": "FILESTORE:"}}
    resource = {"uid": "r", "run_start": "theirs", "spec": "HDF5", "root": str(open_store.root)}
    resource |= {"resource_path": str(run.file.relative_to(open_store.root)), "path_semantics": "posix"}
    event = {"uid": "e", "descriptor": "d", "seq_num": 1, "time": 8.0, "timestamps": {"x": 8.0}, "filled": {"x": False}}
    open_store("start", {"uid": "theirs", "time": 8.0})
    open_store("descriptor", {"uid": "d", "run_start": "theirs", "time": 8.0, "name": "primary", "data_keys": keys})
    open_store("resource", {**resource, "resource_kwargs": {"dataset": "/entry/primary/x"}})
    open_store("datum", {"resource": "r", "datum_id": "r/0", "datum_kwargs": {"point_number": 0}})
    open_store("event", {**event, "data": {"x": "r/0"}})
    open_store("stop", {"uid": "s", "run_start": "theirs", "time": 9.0, "exit_status": "success"})
    assert run.uid not in str(open_store["theirs"].start)
    with pytest.raises(InputError, match="theirs"):
        open_store.delete(run.uid, "r", dry_run=False)


@pytest.mark.skipif(os.getuid() == 0, reason="the superuser may read every file; run the tests as an ordinary user")
def test_a_file_that_may_not_be_read(store: AnalysisStore, run: Run, origin: Provenance) -> None:
    """Nobody knows whom it names: it is told, and nothing is deleted."""
    other = store.insert(DATA, {}, provenance=origin)
    other.file.chmod(0)
    with pytest.raises(DamagedFileError, match="its references are unknown"):
        store.delete(run.uid, "not needed")
    other.file.chmod(0o444)
    assert store.delete(run.uid, "not needed")


def test_what_a_recording_names_stays(store: AnalysisStore, run: Run) -> None:
    """From when it begins."""
    with Recorder(RunDataStore(store, {"parent_uids": [run.uid]})) as recording:
        recording.record("x", 1.0)
        with pytest.raises(InputError, match="named by"):
            store.delete(run.uid, "r", dry_run=False)
    assert store[-1].parents == [run.uid]
    assert store[run.uid].verify()


def test_files_of_other_writers_go_with_it(store: AnalysisStore, origin: Provenance) -> None:
    """What they wrote beside the run file; files elsewhere are not touched."""
    writers = {"x": {"writer": PlainWriter, "spec": "HDF5"}}
    run = store.insert(DATA, {}, writers_dict=writers, provenance=origin)
    (beside,) = [path for path in run.file.parent.iterdir() if path != run.file]
    report = store.delete(run.uid, "r", dry_run=False)
    assert len(report.files) == 2
    assert not beside.exists()
    store.restore(run.uid)
    with h5py.File(beside) as file:
        assert file["x"].shape == (100,)


def test_a_run_whose_name_begins_alike_stays(store: AnalysisStore, origin: Provenance) -> None:
    """A uid may have a dot in it."""
    store.insert(DATA, {"uid": "one-long-uid"}, provenance=origin)
    other = store.insert(DATA, {"uid": "one-long-uid.h"}, provenance=origin)
    report = store.delete("one-long-uid", "r", dry_run=False)
    assert len(report.files) == 1
    assert other.verify()


def test_external_data_stay(store: AnalysisStore, tmp_path: Path) -> None:
    """They are not the store's."""
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file["x"] = np.arange(5.0)
    run = store.insert_file(tmp_path / "raw.h5", copy=False)
    store.delete(run.uid, "r", dry_run=False)
    store.gc(dry_run=False, grace=NOW)
    assert (tmp_path / "raw.h5").exists()


def test_a_run_that_came_from_a_deleted_one_is_refused(store: AnalysisStore, run: Run) -> None:
    """It was begun before; afterwards nothing is left of it."""
    before = files(store.root)
    opened = store.new_run({"parent_uids": [run.uid]})
    opened.event("primary", {"x": 1.0})
    store.delete(run.uid, "r", dry_run=False)
    with pytest.raises(InputError, match=f"{run.uid} was deleted by"):
        opened.close()
    store.restore(run.uid)
    assert {path for path in files(store.root) if path.endswith(".h5")} == {p for p in before if p.endswith(".h5")}


def test_a_parent_declared_external_is_not_looked_for(store: AnalysisStore, run: Run) -> None:
    """That the store had a run of this uid once is of no matter."""
    store.delete(run.uid, "r", dry_run=False)
    child = store.insert(DATA, {}, provenance=Provenance(parents=[Parent(run.uid, catalog="elsewhere")]))
    assert child.parents == [run.uid]
    report = store.gc(dry_run=False, grace=NOW)
    assert report.kept == {run.uid: (child.uid,)}
    assert not report
    assert store.restore(run.uid).verify()


def test_its_uid_stays_taken(store: AnalysisStore, run: Run, origin: Provenance) -> None:
    """A tombstone must not come to stand for another run."""
    store.delete(run.uid, "r", dry_run=False)
    store.gc(dry_run=False, grace=NOW)
    with pytest.raises(DuplicateRunError, match="Got a uid that is in use"):
        store.insert(DATA, {"uid": run.uid}, provenance=origin)


def test_gc_waits_for_the_time_of_grace(store: AnalysisStore, run: Run) -> None:
    """And then purges; the tombstone stays for ever."""
    store.delete(run.uid, "wrong energy", dry_run=False)
    report = store.gc(dry_run=False)
    assert (report.waiting, report.purged) == ((run.uid,), ())
    assert store.gc(grace=NOW).purged == (run.uid,)
    assert quarantine_folder(store.root, run.uid).exists()
    report = store.gc(dry_run=False, grace=NOW)
    assert report.purged == (run.uid,)
    assert report.size > 0
    assert json.loads(json.dumps(report.to_dict()))["purged"] == [run.uid]
    assert list((store.root / "quarantine").iterdir()) == []
    with pytest.raises(RunNotFoundError, match=r"wrong energy.*data are gone; its record is"):
        store.restore(run.uid)
    tomb = buried(store.root, run.uid)
    assert tomb is not None
    assert tomb.start["sample_name"] == "Fe"
    assert [note.kind for note in store.notes(run.uid)] == ["deleted", "purged"]
    assert store.gc(dry_run=False, grace=NOW).purged == ()
    with pytest.raises(SettingsError, match="0 or more"):
        store.gc(grace=-datetime.timedelta(1))


def test_gc_keeps_what_is_named_by_what_may_come_back(store: AnalysisStore, run: Run) -> None:
    """A run in quarantine counts until it goes, too; then both go."""
    child = named_as_parent(store, run)
    store.delete(child.uid, "r", dry_run=False)
    time.sleep(0.05)
    store.delete(run.uid, "r", dry_run=False)
    record = quarantined(store.root, run.uid)
    assert record is not None
    path = quarantine_folder(store.root, child.uid) / RECORD
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "time": time.time() + 3600}))
    assert store.gc(dry_run=False, grace=NOW).kept == {run.uid: (child.uid,)}
    path.write_text(json.dumps(told))
    assert set(store.gc(dry_run=False, grace=NOW).purged) == {run.uid, child.uid}


@pytest.mark.file_times
def test_gc_sweeps_what_dead_processes_left(store: AnalysisStore, run: Run) -> None:
    """Scratch files that nobody wrote to for a day, and claims that nobody holds; nothing else."""
    ours, fresh = scratch_path(run.file), run.file.with_name(".a.999999999-00000000.part")
    old, claim = run.file.with_name(".b.999999999-00000000.part"), claim_path(store.root, "blake3:" + "ab" * 32)
    held, foreign = claim_path(store.root, "blake3:" + "cd" * 32), run.file.with_name("notes.txt")
    claim.parent.mkdir(parents=True)
    held.parent.mkdir(parents=True)
    lock = FileLock.acquire(held)
    for path in (ours, fresh, old, claim, foreign):
        path.write_bytes(b"12345")
    for path in (ours, old, claim, held, foreign):
        os.utime(path, (1e9, 1e9))
    report = store.gc()
    assert sorted(report.swept) == sorted(path.relative_to(store.root).as_posix() for path in (old, claim))
    store.gc(dry_run=False)
    assert [path for path in (ours, fresh, old, claim, held, foreign) if not path.exists()] == [old, claim]
    assert run.verify()
    assert lock is not None
    lock.release()


@pytest.mark.parametrize("pid", [0, 2**31, 10**20, 10**200])
def test_gc_sweeps_what_no_process_left(store: AnalysisStore, run: Run, pid: int) -> None:
    """A number that no process has in the name of a scratch file is that of none; the check says the same."""
    scratch = run.file.parent / f".x.{pid}-01234567.part"
    try:
        scratch.write_bytes(b"x")
    except OSError as error:
        pytest.skip(f"no file can have such a name here: {error}")
    old = time.time() - 2 * 86400
    os.utime(scratch, (old, old))

    assert [finding.kind for finding in store.check().findings] == ["scratch"]
    assert store.gc(dry_run=False).swept == (scratch.relative_to(store.root).as_posix(),)
    assert not scratch.exists()


def test_one_at_a_time(store: AnalysisStore, run: Run) -> None:
    """Who removes has the store for itself; the message says who does."""
    lock = FileLock.acquire(store.root / LOCK)
    with pytest.raises(StoreBusyError, match=f"process {os.getpid()} of"):
        store.delete(run.uid, "r", dry_run=False)
    assert lock is not None
    lock.release()


def test_a_run_whose_file_is_lost(store: AnalysisStore, run: Run) -> None:
    """It can be deleted, as a check advises; what it was is kept, and there is nothing to restore."""
    run.file.unlink()
    assert "delete the run" in str(store.check())
    report = store.delete(run.uid, "the disk died", dry_run=False)
    assert (report.done, report.files) == (True, ())
    assert run.uid not in store
    assert store.check()
    told = buried(store.root, run.uid)
    assert told is not None
    assert told.start == run.start
    with pytest.raises(DamagedFileError, match="does not exist"):
        store.restore(run.uid)
    store.gc(dry_run=False, grace=NOW)
    assert store.check()


@pytest.mark.parametrize("damage", [b"", b"no HDF5", None])
def test_a_run_whose_file_is_damaged(store: AnalysisStore, run: Run, damage: bytes | None) -> None:
    """It goes into quarantine as it is, and does not come back from there."""
    run.file.chmod(0o644)
    with run.file.open("r+b") as file:
        if damage is None:
            file.truncate(run.file.stat().st_size // 2)
        else:
            file.truncate(0)
            file.write(damage)
    size = run.file.stat().st_size
    assert not store.check()
    report = store.delete(run.uid, "spoilt", dry_run=False)
    assert (len(report.files), report.size) == (1, size)
    assert store.check()
    with pytest.raises(DamagedFileError, match="cannot be opened as HDF5"):
        store.restore(run.uid)
    assert run.uid not in store
    assert store.check()


def test_a_damaged_tombstone(store: AnalysisStore, run: Run) -> None:
    """It is said to be, and the store goes on."""
    store.delete(run.uid, "r", dry_run=False)
    store.gc(dry_run=False, grace=NOW)
    tombstone_path(store.root, run.uid).chmod(0o644)
    tombstone_path(store.root, run.uid).write_text("{")
    with pytest.raises(DamagedFileError, match="cannot be read"):
        store[run.uid]


@pytest.fixture(autouse=True)
def _no_lock_stays(tmp_path: Path) -> Iterator[None]:
    yield
    assert not list(tmp_path.rglob(LOCK))

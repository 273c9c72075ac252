"""A store checked: what is wrong is found and named, what is not is not, and repair mends what it safely can."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from analysis_store import AnalysisStore, Provenance
from analysis_store.errors import InputError
from analysis_store.locks import FileLock
from analysis_store.processing.engine.compute_lock import claim_path
from analysis_store.runs.read.run import Run
from analysis_store.trust import CheckReport, Finding
from analysis_store.trust.checks.leftovers import log_findings
from analysis_store.trust.checks.repair import repaired
from analysis_store.trust.findings import FAULTS, REMARKS
from analysis_store.trust.inventory import Entry, Kind, kind_of, walk

DATA = [{"primary": {"x": float(i), "image": np.arange(24.0).reshape(4, 6) + i}} for i in range(3)]


@pytest.fixture
def run(store: AnalysisStore, origin: Provenance) -> Run:
    """Give a stored run."""
    return store.insert(DATA, {"sample_name": "Fe"}, provenance=origin)


def kinds(report: CheckReport) -> list[str]:
    """Return the kinds of what was found."""
    return sorted(finding.kind for finding in report.findings)


def writable(run: Run) -> Path:
    """Return the file of a run, which can be changed now."""
    run.file.chmod(0o644)
    return run.file


def listing(folder: Path) -> list[str]:
    """Return all that is in a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_sound_store(store: AnalysisStore, run: Run, origin: Provenance) -> None:
    """All is well; how much was looked at is told, and nothing is changed by it."""
    store.insert(DATA, {"parent_uids": [run.uid]}, provenance=origin)
    store.note(run.uid, "seen", {})
    before = listing(store.root)
    report = store.check()
    assert report
    assert report.findings == ()
    assert report.checked == {"runs": 2, "values": 4, "files": len([p for p in before if "." in p]), "orphans": 0,
                              "notes": 1}  # fmt: skip
    assert str(report) == "2 runs checked, 4 keys read: all is well"
    assert listing(store.root) == before
    assert json.loads(json.dumps(report.to_dict()))["well"] is True


def test_an_empty_store(store: AnalysisStore) -> None:
    """There is nothing wrong with nothing."""
    assert store.check()


def test_a_file_that_is_gone(store: AnalysisStore, run: Run) -> None:
    """It is missing."""
    writable(run).unlink()
    report = store.check()
    assert not report
    assert kinds(report) == ["missing"]
    assert report.faults[0].subject == run.uid
    assert "backup" in report.faults[0].advice


def test_a_value_that_changed(store: AnalysisStore, run: Run) -> None:
    """It is found, with stream and key; a quick look does not read it."""
    with h5py.File(writable(run), "r+") as file:
        file["entry/primary/image"][1, 2, 3] += 1
    report = store.check()
    assert kinds(report) == ["damaged"]
    assert "stream 'primary', key 'image'" in report.faults[0].what
    assert "1 fault" in str(report)
    assert store.check(quick=True)
    assert not store.check(sample=1)
    assert not store.check(sample=0.01)
    assert store.check(sample=0)


@pytest.mark.parametrize("sample", [-1, 1.5, float("nan")])
def test_a_sample_that_is_none(store: AnalysisStore, sample: float) -> None:
    """It is refused."""
    with pytest.raises(InputError, match="sample"):
        store.check(sample=sample)


@pytest.mark.parametrize("name", ["start", "stop", "descriptors", "resources"])
def test_a_document_that_changed(store: AnalysisStore, run: Run, name: str) -> None:
    """The documents of the file are looked at also quickly, and by `verify`."""
    with h5py.File(writable(run), "r+") as file:
        group = file["entry/documents"]
        text = group[name][()].decode().replace("e", "E", 1)
        del group[name]
        group[name] = np.array(text.encode(), f"S{len(text)}")
    report = store.check(quick=True)
    assert kinds(report) == ["damaged"]
    assert "documents" in report.faults[0].what
    verified = store[run.uid].verify()
    assert not verified
    assert "documents" in str(verified)


@pytest.mark.parametrize("text", [b'[{"image": {}}]', b'[{"image": 7}]', b"[]", b"[[]]", b"7", b"["])
def test_documents_that_are_none(store: AnalysisStore, run: Run, origin: Provenance, text: bytes) -> None:
    """A file of the first release has no seal; one that is damaged does not keep the others from being checked."""
    store.insert(DATA, {}, provenance=origin)
    with h5py.File(writable(run), "r+") as file:
        group = file["entry/documents"]
        for name in ("seal", "resources"):
            del group[name]
        group["resources"] = np.array(text)
    report = store.check()
    assert {finding.kind for finding in report.findings} == {"damaged"}
    assert {finding.subject for finding in report.findings} == {run.uid}
    assert report.checked["runs"] == 2


NO_DOCUMENTS = {
    "start": [
        b'{"uid": "u"}', b'{"uid": "u", "time": null}', b'{"time": 1.0}', b"[]", b"7",
        b'{"uid": "u", "time": 1' + b"0" * 400 + b"}",
        b'{"uid": "u", "time": 1.0, "deep": ' + b"[" * 9000 + b"]" * 9000 + b"}",
        b'{"uid": "u\\ud800", "time": 1.0}',
        b'{"uid": "u", "time": 1.0, "parent_uids": 5}',
        b'{"uid": "u", "time": 1.0, "parent_uids": [{"uid": "v"}]}',
        b'{"uid": "u", "time": 1.0, "provenance": 5}',
        b'{"uid": "u", "time": 1.0, "provenance": {"files": [null]}}',
    ],
    "stop": [b'{"x": 1}', b"5"],
    "descriptors": [b'[{"name": 5}]'],
    "resources": [b'[{"image": {"resource_path": 5}}]'],
    "beside": [b'{"digests": 5}', b'{"digests": [{"stream": "primary"}]}', b'{"provenance": {"parents": [5]}}'],
}  # fmt: skip


def test_orphans_that_are_no_runs(store: AnalysisStore, run: Run) -> None:
    """Neither a check nor a catalog made anew takes them for some, or stumbles over one."""
    crafted = [(name, text) for name, texts in NO_DOCUMENTS.items() for text in texts]
    for number, (name, text) in enumerate(crafted):
        copy = shutil.copy(run.file, run.file.with_name(f"{number}.h5"))
        copy.chmod(0o644)
        with h5py.File(copy, "r+") as file:
            group = file["entry/documents"]
            for each in {"seal", name} & set(group):
                del group[each]
            group[name] = np.array(text)
    expected = {f"{run.file.parent.relative_to(store.root).as_posix()}/{number}.h5" for number in range(len(crafted))}
    for report in (store.check(repair=True), store.reindex()):
        assert {finding.kind for finding in report.findings} == {"damaged-orphan"}
        assert {finding.subject for finding in report.findings} == expected
    assert len(store) == 1


@pytest.mark.parametrize("field", ["start", "stop", "descriptors", "beside", "parents"])
def test_a_catalog_that_changed(store: AnalysisStore, run: Run, field: str) -> None:
    """Each document of the catalog is compared with the file's, also by `verify`."""
    record = run.record
    other: dict[str, Any] = {
        "start": {**record.start, "sample_name": "Co"},
        "stop": {**(record.stop or {}), "reason": "another"},
        "descriptors": ({**record.descriptors[0], "hints": {"fields": []}},),
        "beside": {"digests": []},
        "parents": ("somebody",),
    }
    store.catalog.remove(run.uid)
    store.catalog.insert(replace(record, **{field: other[field]}))
    report = store.check(quick=True)
    assert kinds(report) == ["documents"]
    assert {"beside": "metadata of the store"}.get(field, field.removesuffix("s")) in report.faults[0].what
    verified = store[run.uid].verify()
    assert not verified
    assert "not those recorded" in str(verified)


def test_a_file_that_was_cut_short(store: AnalysisStore, run: Run) -> None:
    """It is damaged."""
    os.truncate(writable(run), 1000)
    assert kinds(store.check(quick=True)) == ["damaged"]


def test_a_file_that_was_exchanged(store: AnalysisStore, run: Run, origin: Provenance) -> None:
    """A file that holds another run is not taken for this one's."""
    other = store.insert(DATA, {}, provenance=origin)
    shutil.copy(other.file, writable(run))
    assert kinds(store.check()) == ["exchanged"]


def test_links(store: AnalysisStore, run: Run, tmp_path: Path) -> None:
    """A link in the place of a file, or of a folder on the way to it, is not trusted, and none is followed."""
    outside = tmp_path / "outside"
    outside.mkdir()
    run.file.rename(outside / run.file.name)
    run.file.symlink_to(outside / run.file.name)
    assert kinds(store.check()) == ["unsafe"]
    run.file.unlink()
    run.file.parent.rmdir()
    run.file.parent.symlink_to(outside)
    assert kinds(store.check()) == ["link", "unsafe"]
    (store.root / "elsewhere").symlink_to(tmp_path)
    assert not any("outside" in entry.relative for entry in walk(store.root))


def test_an_orphan_is_adopted(store: AnalysisStore, run: Run) -> None:
    """A whole file that the catalog does not know is told, and taken into it; the record is as it was."""
    record = run.record
    store.catalog.remove(run.uid)
    assert kinds(store.check()) == ["orphan"]
    report = store.check(repair=True)
    assert report
    assert kinds(report) == ["repaired"]
    assert store[run.uid].record == record
    assert store.check(repair=True).findings == ()


@pytest.mark.file_times
def test_a_run_that_is_being_saved(store: AnalysisStore, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that has just got its name is no orphan: its saver is waited for, to tell the catalog."""
    store.catalog.remove(run.uid)
    monkeypatch.setattr("analysis_store.trust.checks.orphans._MOMENT", 3600.0)
    monkeypatch.setattr("analysis_store.trust.checks.orphans.time.sleep", lambda _: store.adopt(run.file))
    assert store.check().findings == ()


def test_an_orphan_of_others(open_store: AnalysisStore) -> None:
    """Foreign documents are adopted with their parents and descriptors, too."""
    open_store("start", {"uid": "theirs", "time": 1.0, "raw_uid": "raw"})
    keys = {"x": {"dtype": "number", "shape": [], "source": "PV"}}
    open_store("descriptor", {"uid": "d", "run_start": "theirs", "time": 1.0, "name": "primary", "data_keys": keys})
    event = {"uid": "e", "descriptor": "d", "seq_num": 1, "time": 2.0, "data": {"x": 1.0}, "timestamps": {"x": 2.0}}
    open_store("event", event)
    open_store("stop", {"uid": "s", "run_start": "theirs", "time": 3.0, "exit_status": "success"})
    assert open_store.check()
    record = open_store["theirs"].record
    assert record.parents == ("raw",)
    open_store.catalog.remove("theirs")
    assert open_store.check(repair=True)
    assert open_store["theirs"].record == record


def test_an_orphan_that_is_damaged(store: AnalysisStore, run: Run) -> None:
    """It is not adopted."""
    with h5py.File(writable(run), "r+") as file:
        file["entry/primary/x"][0] += 1
    store.catalog.remove(run.uid)
    for _ in range(2):
        report = store.check(repair=True)
        assert kinds(report) == ["damaged-orphan"]
    assert run.uid not in store


def test_two_files_of_one_run(store: AnalysisStore, run: Run) -> None:
    """The second is told, whatever its name, and never taken for the first."""
    shutil.copy(run.file, run.file.with_name("other.h5"))
    report = store.check(repair=True)
    assert kinds(report) == ["duplicate"]
    assert "other.h5" in report.faults[0].subject


def test_a_parent_that_vanished(store: AnalysisStore, run: Run, origin: Provenance) -> None:
    """What was found when the run was saved must be found still; what was declared external need not."""
    child = store.insert(DATA, {"parent_uids": [run.uid]}, provenance=origin)
    declared = {"parents": [{"uid": "far", "catalog": "elsewhere"}]}
    store.insert(DATA, {}, provenance=declared)
    assert store.check()
    store.catalog.remove(run.uid)
    run.file.unlink()
    report = store.check()
    assert kinds(report) == ["edge"]
    assert report.faults[0].subject == child.uid
    assert run.uid in report.faults[0].what


def test_an_input_that_changed(store: AnalysisStore, tmp_path: Path) -> None:
    """It is worth a remark, and no fault: the file is not ours."""
    path = tmp_path / "scan.csv"
    path.write_text("x,y\n1,2\n3,4\n")
    store.insert_file(path)
    assert store.check().findings == ()
    path.write_text("x,y\n1,2\n3,5\n")
    report = store.check()
    assert report
    assert kinds(report) == ["input"]
    path.unlink()
    assert "gone" in store.check().remarks[0].what


def test_data_that_lie_elsewhere(store: AnalysisStore, tmp_path: Path) -> None:
    """Data that were left where they are belong to the run: changed or gone, they are a fault."""
    path = tmp_path / "stack.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(10.0)
    run = store.insert_file(path, copy=False)
    assert store.check().findings == ()
    with h5py.File(path, "r+") as file:
        file["x"][3] = 0
    assert kinds(store.check()) == ["damaged", "input"]
    assert kinds(store.check(quick=True)) == []
    path.unlink()
    report = store.check(quick=True)
    assert kinds(report) == ["external", "input"]
    assert report.faults[0].subject == run.uid


def test_notes_and_their_index(store: AnalysisStore, run: Run) -> None:
    """A note that only the log or only the catalog has is told, and mended once."""
    note = store.note(run.uid, "seen", {"by": 1})
    log = next((store.root / "notes").iterdir())
    entry = {**json.loads(log.read_text()), "body": {"by": 2}}
    log.write_text(json.dumps(entry) + "\n{torn\n")
    report = store.check()
    assert kinds(report) == ["torn", "unindexed", "unlogged"]
    report = store.check(repair=True)
    assert kinds(report) == ["repaired", "repaired", "torn"]
    assert report
    assert [each.body for each in run.notes] == [{"by": 1}, {"by": 2}] or len(run.notes) == 2
    assert note in run.notes
    assert len(log.read_text().splitlines()) == 3


def test_a_note_on_nobody(store: AnalysisStore) -> None:
    """It is worth a remark."""
    store.note("raw", "seen", {})
    assert kinds(store.check()) == ["note"]


def test_a_note_on_a_deleted_run(store: AnalysisStore, run: Run) -> None:
    """It is on nobody who is here, and yet needs no remark: its tombstone tells."""
    store.delete(run.uid, "not needed", dry_run=False)
    assert store.notes(run.uid)
    assert store.check().findings == ()


def dead_process() -> int:
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def aged(path: Path) -> Path:
    """Make a file two days old."""
    then = time.time() - 2 * 86400
    os.utime(path, (then, then))
    return path


@pytest.mark.file_times
def test_scratch_of_the_dead(store: AnalysisStore, run: Run) -> None:
    """It is swept when it is old enough; what may hold values is kept; what a living process writes is left alone."""
    folder = run.file.parent
    names = [f".{i}.{dead_process()}-0123456{i}.part" for i in range(3)]
    fresh, empty, values = (folder / name for name in names)
    ours = folder / f".x.{os.getpid()}-01234567.part"
    for path in (fresh, ours):
        path.write_bytes(b"x")
    aged_empty = aged(_made(empty, b""))
    aged_values = aged(Path(shutil.copy(run.file, values)))
    report = store.check()
    assert report
    assert kinds(report) == ["scratch"] * 3
    assert sum(finding.repairable for finding in report.findings) == 2
    report = store.check(repair=True)
    assert kinds(report) == ["repaired", "repaired", "scratch"]
    assert not aged_empty.exists()
    assert not aged_values.exists()
    assert fresh.exists()
    assert ours.exists()
    kept = list((store.root / "quarantine" / "leftovers").iterdir())
    assert [path.read_bytes() for path in kept] == [run.file.read_bytes()]
    assert kinds(store.check(repair=True)) == ["scratch"]


def _made(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_locks_and_claims(store: AnalysisStore) -> None:
    """Those that nobody holds are removed; those that are held are not even told."""
    held, left = claim_path(store.root, "blake3:aa"), claim_path(store.root, "blake3:ab")
    held.parent.mkdir(parents=True)
    lock = FileLock.acquire(held)
    assert lock is not None
    left.parent.mkdir()
    left.write_text("{}")
    day = store.root / "2026" / "01" / "01"
    day.mkdir(parents=True)
    (day / "gone.h5.live.lock").write_text("{}")
    assert kinds(store.check()) == ["claim", "lock"]
    assert kinds(store.check(repair=True)) == ["repaired", "repaired"]
    assert held.exists()
    assert not left.exists()
    lock.release()
    assert store.check().findings == ()


def test_a_recording_whose_writer_died(store: AnalysisStore, origin: Provenance) -> None:
    """It is told, and closed as aborted with the values that were flushed."""
    from analysis_store.recorder import RunDataStore

    child = os.fork()
    if child == 0:  # a process that dies in the middle of a recording
        with AnalysisStore(store.location) as own:
            recording = RunDataStore(own, {}, origin)
            for value in range(5):
                recording.append("level", float(value), 1.0)
            recording.flush()
            os._exit(0)
    os.waitpid(child, 0)
    assert kinds(store.check()) == ["live"]
    report = store.check(repair=True)
    assert report
    assert kinds(report) == ["repaired"]
    assert store[-1].stop is not None
    assert store[-1].stop["exit_status"] == "abort"
    assert store.check().findings == ()


def test_foreign_files(store: AnalysisStore, run: Run) -> None:
    """They are told, and left alone."""
    (store.root / "readme.txt").write_text("hello")
    with h5py.File(run.file.with_name("mine.h5"), "w") as file:
        file["x"] = 1
    report = store.check(repair=True)
    assert report
    assert kinds(report) == ["foreign", "foreign"]
    assert (store.root / "readme.txt").exists()


def test_a_pipe(store: AnalysisStore, run: Run) -> None:
    """Nobody opens it, and waits for ever for what comes through it."""
    os.mkfifo(run.file.with_name("pipe.h5"))
    assert kinds(store.check(repair=True)) == ["foreign"]
    assert store.reindex().known == 1
    assert store.delete(run.uid, "not needed")
    assert store.gc(dry_run=False)


@pytest.mark.file_times
def test_repair_looks_once_more(store: AnalysisStore, run: Run, tmp_path: Path) -> None:
    """What was found may be another by now: it is left alone, and nothing is said of it."""
    place = run.file.relative_to(store.root).as_posix()
    store.catalog.remove(run.uid)
    (orphan,) = store.check().findings
    run.file.rename(tmp_path / "elsewhere.h5")
    run.file.symlink_to(tmp_path / "elsewhere.h5")
    fresh = _made(run.file.with_name(f".{run.uid}.{dead_process()}-01234567.part"), b"")
    claim = claim_path(store.root, "some key")
    claim.parent.mkdir(parents=True)
    lock = FileLock.acquire(claim)
    assert lock is not None
    paths = {"orphan": place, "scratch": fresh.relative_to(store.root).as_posix()}
    paths["claim"] = claim.relative_to(store.root).as_posix()
    found = [replace(orphan, kind=kind, subject=path) for kind, path in paths.items()]
    assert repaired(store, found) == []
    assert len(store) == 0
    assert fresh.exists()
    assert claim.exists()
    lock.release()


def test_scratch_with_values_is_kept(store: AnalysisStore, run: Run) -> None:
    """As often as it is left under one name; but not the second name of a file that is there."""
    scratch = run.file.with_name(f".{run.uid}.{dead_process()}-01234567.part")
    for values in (b"\x89HDF\r\n\x1a\n first", b"\x89HDF\r\n\x1a\n second"):
        aged(_made(scratch, values))
        assert kinds(store.check(repair=True)) == ["repaired"]
    kept = sorted((store.root / "quarantine" / "leftovers").iterdir())
    assert [path.read_bytes()[9:] for path in kept] == [b"first", b"second"]
    scratch.hardlink_to(run.file)
    aged(scratch)
    assert kinds(store.check(repair=True)) == ["repaired"]
    assert sorted((store.root / "quarantine" / "leftovers").iterdir()) == kept


def test_a_note_that_is_made_meanwhile(store: AnalysisStore, run: Run) -> None:
    """It is not taken for one that the log has lost."""

    def entries() -> Iterator[Entry]:
        store.note(run.uid, "seen", {})  # after the log was read, and before the catalog is
        yield from walk(store.root)

    assert list(log_findings(store, entries(), Counter())) == []


def test_progress_and_workers(store: AnalysisStore, run: Run, origin: Provenance) -> None:
    """However it is spread, the same is found; how far it is can be followed."""
    for _ in range(40):
        store.insert(DATA, {}, provenance=origin)
    with h5py.File(writable(run), "r+") as file:
        file["entry/primary/x"][0] += 1
    told: list[tuple[int, int]] = []
    one = store.check(workers=1, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (41, 41)
    assert one == store.check(workers=3)


def test_processes(store: AnalysisStore, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store of many runs is checked by processes, which find the same."""
    from analysis_store.trust.checks import check

    os.truncate(writable(run), 1000)
    with_threads = store.check()
    monkeypatch.setattr(check, "MANY", 1)
    assert store.check(workers=2) == with_threads


@pytest.mark.slow
def test_two_repairs_at_once(store: AnalysisStore, origin: Provenance) -> None:
    """They do not disturb each other, and all is well after them."""
    runs = [store.insert(DATA, {}, provenance=origin) for _ in range(20)]
    for run in runs:
        store.catalog.remove(run.uid)
    code = "import sys; from analysis_store import AnalysisStore; AnalysisStore(sys.argv[1]).check(repair=True)"
    both = [subprocess.Popen([sys.executable, "-c", code, store.location]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert len(store) == 20
    assert store.check().findings == ()


def test_findings_say_what_they_are() -> None:
    """Every kind has its words, and is one of the two sorts."""
    assert not FAULTS.keys() & REMARKS.keys()
    for kind in FAULTS | REMARKS:
        assert f"``{kind}``" in (Finding.__doc__ or "")
    finding = Finding("missing", "uid", "what", "advice")
    assert finding.to_dict() == {"kind": "missing", "subject": "uid", "what": "what", "advice": "advice",
                                 "repairable": False, "fault": True}  # fmt: skip


PLACES: dict[str, Kind] = {
    "2026/01/02/a.h5": Kind.RUN,
    "2026/01/02/.a.12-01234567.part": Kind.SCRATCH,
    "2026/01/02/a.h5.live": Kind.LIVE,
    "2026/01/02/a.h5.live.lock": Kind.LIVE_LOCK,
    "2026/01/02/a.h5.live.redo": Kind.REDO,
    "2026/01/02/a.h5.live.safe": Kind.SAFE,
    "2026/01/02/a.h5.live.safe.new": Kind.SAFE,
    "2026/01/02/a.txt": Kind.FOREIGN,
    "2026/01/a.h5": Kind.FOREIGN,
    "notes/2026-01.jsonl": Kind.NOTES,
    "tasks/t.jsonl": Kind.TASK,
    "tasks/t.jsonl.lock": Kind.LOCK,
    "claims/aa/aabb.lock": Kind.CLAIM,
    "environments/ab.json": Kind.PACKAGES,
    "quarantine/u/run.h5": Kind.QUARANTINE,
    "tombstones/u.json": Kind.TOMBSTONE,
    "analysis_store.toml": Kind.SETTINGS,
    "notes.txt": Kind.FOREIGN,
}


@pytest.mark.parametrize("path", PLACES)
def test_what_a_file_is(path: str) -> None:
    """Its place and name tell."""
    assert kind_of(path) is PLACES[path]


def test_walking_is_patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What vanishes meanwhile is passed over."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_text("")
    found = walk(tmp_path)
    first = next(found)
    shutil.rmtree(tmp_path / "b")
    assert first.relative == "a/x"
    assert list(found) == []
    assert list(walk(tmp_path / "nowhere")) == []

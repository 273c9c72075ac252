"""Backups: made while others save, incremental, whole after a kill, and stores of their own."""

from __future__ import annotations

import datetime
import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from analysis_store import AnalysisStore, Provenance
from analysis_store.errors import SettingsError, StoreBusyError, StoreWriteError
from analysis_store.locks import FileLock
from analysis_store.recorder import Recorder, RunDataStore
from analysis_store.runs.notes.removal_records import LOCK, buried
from analysis_store.runs.read.run import Run
from tests.faults.children import heard, save_for_ever, start
from tests.faults.on_disk import ORIGIN, assert_works, result

DATA = {"primary": {"x": np.arange(100.0).reshape(1, 100)}}


@pytest.fixture
def run(store: AnalysisStore) -> Run:
    """Give a stored run."""
    return store.insert(DATA, {"sample_name": "Fe"}, provenance=ORIGIN)


@pytest.fixture
def another_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a folder on another disk than that of the tests."""
    for place in map(Path, ("/dev/shm", "/var/tmp", Path.cwd())):
        if place.is_dir() and os.access(place, os.W_OK) and place.stat().st_dev != tmp_path.stat().st_dev:
            with tempfile.TemporaryDirectory(dir=place) as folder:
                yield Path(folder)
            return
    pytest.skip("there is no second disk")


@pytest.fixture(params=["the same disk", "another disk"])
def target(request: pytest.FixtureRequest, tmp_path: Path):
    """Give a place for a backup, where files can be linked or must be copied."""
    if request.param == "the same disk":
        yield tmp_path / "backup"
        return
    yield request.getfixturevalue("another_disk") / "backup"


def test_a_backup_is_a_store(store: AnalysisStore, run: Run, target: Path) -> None:
    """Opened, it has every run and every note, and more can be saved into it."""
    child = store.insert(DATA, {"parent_uids": [run.uid]}, provenance=Provenance(code=ORIGIN.code))
    store.retract(child.uid, "wrong")
    seen: list[tuple[int, int]] = []
    report = store.backup(target, progress=lambda done, total: seen.append((done, total)))
    assert report
    assert (report.runs, report.catalog, report.known) == (2, "sqlite", 0)
    assert seen[-1][0] == seen[-1][1] >= 2
    assert json.loads(json.dumps(report.to_dict()))["runs"] == 2
    with AnalysisStore(target) as copy:
        assert [one.uid for one in copy] == [one.uid for one in store]
        assert all(one.verify() for one in copy)
        assert all(one.file.is_relative_to(target) for one in copy)
        assert copy[child.uid].retraction == store[child.uid].retraction
        assert copy.check()
        assert_works(copy)


def test_only_what_is_new_is_copied(store: AnalysisStore, run: Run, target: Path) -> None:
    """A second backup copies nothing, a third only the run that came in between."""
    first = store.backup(target)
    second = store.backup(target, verify=True)
    assert (second.copied, second.linked) == (0, 0)
    assert second.known == first.copied + first.linked
    new = store.insert(DATA, {}, provenance=ORIGIN)
    third = store.backup(target)
    assert third.copied + third.linked == 1
    with AnalysisStore(target) as copy:
        assert copy[new.uid].verify()


def test_runs_that_are_recorded_are_left_out(store: AnalysisStore, run: Run, tmp_path: Path) -> None:
    """Until they have ended."""
    with Recorder(RunDataStore(store, {}, provenance=ORIGIN)) as recording:
        recording.record("x", 1.0)
        report = store.backup(tmp_path / "backup")
        assert (report.runs, report.recording) == (1, 1)
        assert not list((tmp_path / "backup").rglob("*.live*"))
    assert store.backup(tmp_path / "backup").runs == 2


def test_deleted_runs(store: AnalysisStore, run: Run, tmp_path: Path) -> None:
    """A backup follows: into quarantine, back out of it, and when they are purged."""
    target = tmp_path / "backup"
    other = store.insert(DATA, {}, provenance=ORIGIN)
    store.backup(target)
    place = target / "files" / run.file.relative_to(store.root)
    store.delete(run.uid, "r", dry_run=False)
    assert store.backup(target).runs == 1
    assert not place.exists()
    shutil.copytree(target, tmp_path / "elsewhere")
    with AnalysisStore(tmp_path / "elsewhere") as copy:
        assert copy.check()
        assert copy.restore(run.uid).verify()
    store.restore(run.uid)
    assert store.backup(target).runs == 2
    with AnalysisStore(target) as copy:
        assert copy.check()
        assert buried(copy.root, run.uid) is None
    store.delete(run.uid, "r", dry_run=False)
    store.gc(dry_run=False, grace=datetime.timedelta(0))
    store.backup(target)
    assert not place.exists()
    assert not list((target / "files" / "quarantine").iterdir())
    with AnalysisStore(target) as copy:
        assert copy.check()
        assert copy[other.uid].verify()


def test_a_damaged_file_is_not_spread(store: AnalysisStore, run: Run, target: Path) -> None:
    """Neither into the backup nor out of it: the report names it."""
    store.backup(target)
    place = target / "files" / run.file.relative_to(store.root)
    if place.stat().st_ino == run.file.stat().st_ino:
        place.unlink()
        shutil.copy2(run.file, place)
    good = place.read_bytes()
    run.file.chmod(0o644)
    run.file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    run.file.chmod(0o444)
    assert store.backup(target)
    report = store.backup(target, verify=True)
    assert not report
    assert [finding.kind for finding in report.findings] == ["damaged"]
    assert place.read_bytes() == good


def test_a_run_without_its_file(store: AnalysisStore, run: Run, tmp_path: Path) -> None:
    """It cannot be in the backup, and the report says so."""
    run.file.unlink()
    report = store.backup(tmp_path / "backup")
    assert not report
    assert [(finding.kind, finding.subject) for finding in report.findings] == [("missing", run.uid)]
    assert run.uid in str(report)


def test_a_place_that_is_none(store: AnalysisStore, run: Run, tmp_path: Path) -> None:
    """Inside the store, around it, in use for something else, or of another store."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    for place in (store.location, store.root / "backup", tmp_path, Path(store.location) / "backup"):
        with pytest.raises(SettingsError, match="is inside the store"):
            store.backup(place)
    with pytest.raises(SettingsError, match="is not empty, and no backup"):
        store.backup(tmp_path / "full")
    store.backup(tmp_path / "backup")
    with AnalysisStore(tmp_path / "other") as other, pytest.raises(SettingsError, match="is the backup of"):
        other.backup(tmp_path / "backup")


def test_a_backup_that_has_more_than_the_store(store: AnalysisStore, run: Run, tmp_path: Path) -> None:
    """Because it was used as a store, or because the store lost its catalog: it is not overwritten."""
    store.backup(tmp_path / "backup")
    with AnalysisStore(tmp_path / "backup") as copy:
        new = copy.insert(DATA, {}, provenance=ORIGIN)
    with pytest.raises(SettingsError, match=f"has 1 runs that the store has not, e.g. {new.uid}"):
        store.backup(tmp_path / "backup")
    with AnalysisStore(tmp_path / "backup") as copy:
        assert copy[new.uid].verify()


def test_notes_made_in_a_backup(store: AnalysisStore, run: Run, tmp_path: Path) -> None:
    """They are not overwritten either."""
    store.note(run.uid, "seen", {})
    store.backup(tmp_path / "backup")
    with AnalysisStore(tmp_path / "backup") as copy:
        copy.note(run.uid, "seen", {"there": True})
    with pytest.raises(SettingsError, match="has lines that"):
        store.backup(tmp_path / "backup")


def test_a_backup_that_is_open(store: AnalysisStore, run: Run, tmp_path: Path) -> None:
    """It is left as it is while somebody reads it as a store."""
    store.backup(tmp_path / "backup")
    store.insert(DATA, {}, provenance=ORIGIN)
    with AnalysisStore(tmp_path / "backup") as copy:
        assert len(copy) == 1
        with pytest.raises(StoreBusyError, match="close it there"):
            store.backup(tmp_path / "backup")
        assert len(copy) == 1
    assert store.backup(tmp_path / "backup").runs == 2


def test_not_while_runs_are_removed(store: AnalysisStore, run: Run, tmp_path: Path) -> None:
    """Files must not go while they are copied."""
    lock = FileLock.acquire(store.root / LOCK)
    with pytest.raises(StoreBusyError, match=f"process {os.getpid()} of"):
        store.backup(tmp_path / "backup")
    assert lock is not None
    lock.release()


def test_a_torn_line_of_a_log_is_not_copied(store: AnalysisStore, run: Run, tmp_path: Path) -> None:
    """What follows the last whole line is not there yet."""
    store.note(run.uid, "seen", {})
    (log,) = (store.root / "notes").iterdir()
    whole = log.read_bytes()
    with log.open("ab") as file:
        file.write(b'{"uid": ')
    store.backup(tmp_path / "backup")
    assert (tmp_path / "backup" / "files" / "notes" / log.name).read_bytes() == whole


@pytest.mark.slow
def test_two_processes_save_meanwhile(tmp_path: Path) -> None:
    """Every run that was saved before the backup began is in it, whole, and the check finds nothing wrong."""
    location = tmp_path / "store"
    with AnalysisStore(location) as store:
        for number in range(20):
            store.insert(result(number), {}, provenance=ORIGIN)
    savers = [start(save_for_ever, location, seed) for seed in range(2)]
    try:
        for _, connection in savers:
            assert connection.recv() == "open"
            connection.recv()
        with AnalysisStore(location) as store:
            for target in (tmp_path / "backup", tmp_path / "backup", tmp_path / "second"):
                before = {run.uid for run in store}
                report = store.backup(target)
                assert report, str(report)
                with AnalysisStore(target) as copy:
                    assert before <= {run.uid for run in copy}
                    checked = copy.check()
                    assert not [one for one in checked.findings if one.kind != "orphan"], str(checked)
                    for run in copy:
                        assert run.verify()
                        assert run.start == store[run.uid].start
    finally:
        for process, _ in savers:
            process.kill()
            process.join()


def back_up(connection: Connection, location: Path, target: Path) -> None:
    """Make a backup, and tell when it begins."""
    with AnalysisStore(location) as store:
        connection.send("open")
        store.backup(target)


def start_and_end() -> int:
    """Return the number of a process that has ended."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def test_a_kill_leaves_the_last_one_whole(tmp_path: Path) -> None:
    """At whatever moment; and the next one is whole again."""
    location, target = tmp_path / "store", tmp_path / "backup"
    with AnalysisStore(location) as store:
        first = {store.insert(result(number, 20_000), {}, provenance=ORIGIN).uid for number in range(5)}
        store.backup(target)
        for number in range(20):
            store.insert(result(number), {}, provenance=ORIGIN)
    for pause in (0.0, 0.01, 0.02, 0.04, 0.08):
        process, connection = start(back_up, location, target)
        assert connection.recv() == "open"
        time.sleep(pause)
        process.kill()  # or it has ended
        process.join()
        heard(connection)
        with AnalysisStore(target) as copy:
            uids = {run.uid for run in copy}
            assert first <= uids
            assert all(run.verify() for run in copy)
    dead = start_and_end()
    for suffix in ("", "-wal", "-shm", "-journal"):
        (target / f".catalog.{dead}-0123abcd.part{suffix}").write_bytes(b"left")
    with AnalysisStore(location) as store:
        assert store.backup(target).runs == 25
    assert not [path for path in target.iterdir() if ".part" in path.name]
    with AnalysisStore(target) as copy:
        assert len(copy) == 25


def test_a_full_disk_is_named(store: AnalysisStore, run: Run, another_disk: Path) -> None:
    """The message says which, and the last backup is whole."""
    target = another_disk / "backup"
    store.backup(target)
    noise = np.random.default_rng(0).random((1, 300_000))
    store.insert({"primary": {"x": noise}}, {}, provenance=ORIGIN)
    code = (
        "import resource, signal, sys; from analysis_store import AnalysisStore\n"
        "store = AnalysisStore(sys.argv[1]); signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))\n"
        "try: store.backup(sys.argv[2])\n"
        "except OSError as error: print(type(error).__name__, error.errno, error)"
    )
    command = [sys.executable, "-c", code, store.location, str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{StoreWriteError.__name__} {errno.EFBIG} "), done.stdout + done.stderr
    assert f"could not write the backup {target}" in done.stdout
    with AnalysisStore(target) as copy:
        assert [one.uid for one in copy] == [run.uid]
        assert copy[run.uid].verify()
    assert store.backup(target).runs == 2

"""A catalog made anew from the files: equal to the one that was lost."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from analysis_store import AnalysisStore, Policy, Provenance
from analysis_store.catalogs.base import Catalog
from analysis_store.catalogs.query.query import Query
from analysis_store.errors import AnalysisStoreError, SettingsError, StoreBusyError, StoreWriteError
from analysis_store.locks import FileLock
from analysis_store.trust import reindex

DATA = [{"primary": {"x": 1.0}}]


@pytest.fixture
def folder(tmp_path: Path, origin: Provenance) -> Path:
    """Give the folder of a closed store that has runs of all sorts, of equal times too, and notes."""
    where = tmp_path / "full"
    with AnalysisStore(where, policy=Policy(require_inputs=False, require_code=False)) as store:
        fill(store, origin)
    return where


def fill(store: AnalysisStore, origin: Provenance) -> None:
    """Save nine runs and say something of two."""
    parent = store.insert(DATA, {"time": 5.0, "scan_id": 7}, provenance=origin)
    for number in range(6):
        store.insert(DATA, {"time": 9.0, "number": number, "parent_uids": [parent.uid]}, provenance=origin)
    store.insert([], {"sample_name": "empty"}, provenance=origin)
    _foreign(store)
    store.retract(parent.uid, "wrong energy")
    store.note("far", "seen", {"x": [1, 2.5, None]})


def _foreign(store: AnalysisStore) -> None:
    keys = {"x": {"dtype": "number", "shape": [], "source": "PV"}}
    store("start", {"uid": "theirs", "time": 8.0, "raw_uid": "raw", "parent_uid": "older"})
    store("descriptor", {"uid": "d", "run_start": "theirs", "time": 8.0, "name": "primary", "data_keys": keys})
    store("descriptor", {"uid": "d2", "run_start": "theirs", "time": 8.0, "name": "primary", "data_keys": keys})
    event = {"uid": "e", "descriptor": "d", "seq_num": 1, "time": 8.0, "data": {"x": 1.0}, "timestamps": {"x": 8.0}}
    store("event", event)
    store("stop", {"uid": "s", "run_start": "theirs", "time": 9.0, "exit_status": "success"})


def all_of(catalog: Catalog) -> dict[str, Any]:
    """Return everything that a catalog tells."""
    everything = catalog.search(Query.parse())
    uids = [record.uid for record in everything]
    return {
        "records": everything,
        "edges": sorted(catalog.edges()),
        "notes": sorted(map(repr, catalog.all_notes())),
        "paths": sorted(catalog.paths()),
        "children": [catalog.children(uid) for uid in uids],
        "ancestors": [catalog.ancestors(uid) for uid in uids],
        "found": [catalog.search(Query.parse({"number": {"$gt": 2}})), catalog.search(Query.parse(text="empty"))],
        "distinct": sorted(map(repr, catalog.distinct(Query.parse(), "number"))),
        "prefixes": catalog.with_prefix(uids[0][:4]),
    }


def contents(folder: Path) -> dict[str, Any]:
    """Return everything that the catalog of a store tells."""
    with AnalysisStore(folder) as store:
        return all_of(store.catalog)


def asides(folder: Path) -> list[Path]:
    """Return the catalogs that were put aside."""
    return sorted(path for path in folder.glob("catalog.sqlite.damaged-*Z"))


def test_a_lost_catalog(folder: Path) -> None:
    """It comes back equal: records, order, edges, notes, searches."""
    before = contents(folder)
    for path in folder.glob("catalog.sqlite*"):
        path.unlink()
    report = reindex(folder)
    assert report
    assert (report.runs, report.known, report.aside) == (9, 0, None)
    assert contents(folder) == before
    with AnalysisStore(folder) as store:
        assert store.check(), str(store.check())


def test_a_damaged_catalog(folder: Path) -> None:
    """It is put aside, byte for byte, and made anew."""
    before = contents(folder)
    file = folder / "catalog.sqlite"
    content = bytearray(file.read_bytes())
    content[4096 : len(content) // 2] = bytes(len(content) // 2 - 4096)
    file.write_bytes(content)
    report = reindex(folder)
    assert report
    assert contents(folder) == before
    (aside,) = asides(folder)
    assert report.aside == str(aside)
    assert aside.read_bytes() == content
    others = {path.name for path in folder.iterdir() if not path.name.startswith(aside.name)}
    assert others == {"analysis_store.toml", "catalog.sqlite", "files"}


def test_a_catalog_that_is_no_database(folder: Path) -> None:
    """It cannot be opened, and is replaced."""
    before = contents(folder)
    (folder / "catalog.sqlite").write_bytes(b"not a database" * 1000)
    with pytest.raises(AnalysisStoreError, match=r"catalog\.sqlite"):
        AnalysisStore(folder)
    assert reindex(folder)
    assert contents(folder) == before


def test_what_lies_beside_a_damaged_catalog(folder: Path) -> None:
    """Its log goes aside with it, which a new one must not find; the half of one that was being made is none."""
    before = contents(folder)
    file = folder / "catalog.sqlite"
    file.write_bytes(b"not a database" * 1000)
    file.with_name("catalog.sqlite-wal").write_bytes(b"a log" * 1000)
    file.with_name("catalog.sqlite.rebuilt").write_bytes(b"half of one" * 1000)
    assert reindex(folder)
    assert contents(folder) == before
    (aside,) = asides(folder)
    assert aside.with_name(f"{aside.name}-wal").read_bytes() == b"a log" * 1000


@pytest.mark.parametrize("part", [b"run_time", b"NOT NULL"])
def test_a_catalog_of_damaged_names(folder: Path, part: bytes) -> None:
    """It is replaced, though what SQLite says of it is no text."""
    before = contents(folder)
    file = folder / "catalog.sqlite"
    content = file.read_bytes()
    assert part in content
    file.write_bytes(content.replace(part, part[:-1] + b"\xc5"))
    assert reindex(folder)
    assert contents(folder) == before


def test_a_catalog_that_is_locked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not damaged: nothing is put aside, and who asks is told to wait."""
    monkeypatch.setattr("analysis_store.catalogs.sql.engine.PATIENCE", 0.1)
    with closing(sqlite3.connect(folder / "catalog.sqlite", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreBusyError, match="locked by another process"):
            reindex(folder)
    assert asides(folder) == []
    assert reindex(folder).known == 9


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read every file; run the tests as an ordinary user")
def test_a_catalog_that_may_not_be_read(folder: Path) -> None:
    """It is not damaged either, and stays where it is."""
    file = folder / "catalog.sqlite"
    file.chmod(0)
    with pytest.raises(StoreWriteError, match="permissions"):
        reindex(folder)
    file.chmod(0o644)
    assert asides(folder) == []
    assert reindex(folder).known == 9


def test_a_catalog_of_yesterday(folder: Path, origin: Provenance, tmp_path: Path) -> None:
    """Only what is missing is read."""
    shutil.copy(folder / "catalog.sqlite", tmp_path / "yesterday")
    with AnalysisStore(folder) as store:
        run = store.insert(DATA, {}, provenance=origin)
        store.note(run.uid, "seen", {})
    before = contents(folder)
    shutil.copy(tmp_path / "yesterday", folder / "catalog.sqlite")
    report = reindex(folder)
    assert report
    assert (report.runs, report.known) == (1, 9)
    assert contents(folder) == before


def test_from_the_store(folder: Path) -> None:
    """A store that is open does it, too; a second time there is nothing to do."""
    with AnalysisStore(folder) as store:
        before = all_of(store.catalog)
        for record in before["records"][:3]:
            store.catalog.remove(record.uid)
        assert store.reindex().runs == 3
        assert all_of(store.catalog) == before
        report = store.reindex()
        assert (report.runs, report.known) == (0, 9)
        with pytest.raises(SettingsError, match="close the store"):
            reindex(store, scratch=True)


def test_a_run_without_a_file(folder: Path) -> None:
    """It is told, and stays; begun with an empty catalog, it is not there any more."""
    with AnalysisStore(folder) as store:
        run = store[-1]
        run.file.unlink()
        report = store.reindex()
        assert not report
        assert [(finding.kind, finding.subject) for finding in report.faults] == [("missing", run.uid)]
        assert run.uid in store
    report = reindex(folder, scratch=True)
    assert report
    assert report.runs == 8
    with AnalysisStore(folder) as store:
        assert run.uid not in store
        assert "aside" in report.to_dict()


def test_files_that_cannot_be_read(folder: Path) -> None:
    """They are told, and the others entered; one run is not entered twice."""
    with AnalysisStore(folder) as store:
        run, other = store[-1], store[-2]
    run.file.chmod(0o644)
    run.file.write_bytes(b"nothing")
    shutil.copy(other.file, other.file.with_name("twin.h5"))
    (folder / "catalog.sqlite").unlink()
    report = reindex(folder)
    assert not report
    assert sorted(finding.kind for finding in report.findings) == ["damaged-orphan", "duplicate"]
    assert report.runs == 8
    assert "8 runs entered" in str(report)


def test_places_that_are_none(tmp_path: Path) -> None:
    """A folder without a store is refused, and nothing is made."""
    with pytest.raises(SettingsError, match="no store"):
        reindex(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SettingsError, match="empty it yourself"):
        reindex("postgresql://nobody@localhost/none", root=tmp_path, scratch=True)


def test_one_at_a_time(folder: Path) -> None:
    """Two do not rebuild one catalog."""
    lock = FileLock.acquire(folder / ".catalog.sqlite.lock")
    assert lock is not None
    with pytest.raises(StoreBusyError, match="process"):
        reindex(folder)
    lock.release()
    assert reindex(folder)


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 0.05, 0.1, 0.2, 0.4])
def test_a_kill_in_the_middle(folder: Path, delay: float) -> None:
    """Begun again, it ends as if nothing had been."""
    before = contents(folder)
    (folder / "catalog.sqlite").write_bytes(b"damaged" * 1000)
    code = "import sys; from analysis_store.trust import reindex; print(flush=True); reindex(sys.argv[1])"
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert reindex(folder)
    assert contents(folder) == before


SAVE = """
import sys
from analysis_store import AnalysisStore, Provenance
origin = Provenance(origin="synthetic", note="made by a test")
with AnalysisStore(sys.argv[1]) as store:
    for number in range(30):
        print(store.insert([{"primary": {"x": 1.0}}], {"number": number}, provenance=origin).uid, flush=True)
"""


def test_others_save_meanwhile(folder: Path) -> None:
    """Nothing of it is lost."""
    saver = subprocess.Popen([sys.executable, "-c", SAVE, str(folder)], stdout=subprocess.PIPE, text=True)
    assert saver.stdout is not None
    saver.stdout.readline()
    while saver.poll() is None:
        assert reindex(folder)
    saver.communicate()
    assert saver.returncode == 0
    with AnalysisStore(folder) as store:
        assert len(store) == 39
        assert store.check().faults == []


def test_processes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store of many runs is read by processes, which come to the same."""
    from analysis_store.trust.reindexing import rebuild

    before = contents(folder)
    (folder / "catalog.sqlite").unlink()
    monkeypatch.setattr(rebuild, "MANY", 1)
    assert reindex(folder, workers=2)
    assert contents(folder) == before

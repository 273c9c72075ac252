"""A check is made while others work: what they are in the middle of is no fault."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import pytest

from analysis_store import AnalysisStore, Provenance
from analysis_store.catalogs.base import Note
from analysis_store.logs import AppendLog
from analysis_store.runs.notes.notes import month_log
from analysis_store.runs.read.run import Run
from analysis_store.trust.checks.run_check import RunCheck
from analysis_store.trust.removal.quarantine import bury, mark, move_in, removal_of, removing

DATA = [{"primary": {"x": 1.0}}]


@pytest.fixture
def run(store: AnalysisStore, origin: Provenance) -> Run:
    """Give a stored run."""
    return store.insert(DATA, {}, provenance=origin)


def test_runs_that_are_deleted_meanwhile(store: AnalysisStore, run: Run, origin: Provenance) -> None:
    """They were in the catalog when the check began; nothing is said of their files, which have gone since."""
    records = [run.record, store.insert(DATA, {}, provenance=origin).record]
    store.delete(run.uid, "not needed", dry_run=False)
    checked = RunCheck(store, None)(records)
    assert checked.findings == []
    assert checked.counts["runs"] == 1


def test_a_file_that_is_gone_though_its_run_is_not(store: AnalysisStore, run: Run) -> None:
    """Nobody deleted the run: its file is missing."""
    run.file.unlink()
    assert [finding.kind for finding in store.check().findings] == ["missing"]


def test_a_deletion_that_goes_on(store: AnalysisStore, run: Run) -> None:
    """Somebody is in the middle of it: the check waits until it has ended, and finds nothing cut short."""
    removal = removal_of(run, "not needed", "ann@bl7")
    with ThreadPoolExecutor(1) as pool:
        with removing(store.root):
            mark(store.root, removal)
            store.catalog.remove(run.uid)
            busy = pool.submit(store.check)
            threading.Event().wait(0.5)  # time for a check that does not wait to say something wrong
            move_in(store.root, removal)
            bury(store.root, removal)
        assert busy.result().findings == ()


def test_a_deletion_that_was_cut_short(store: AnalysisStore, run: Run) -> None:
    """Nobody goes on with it: it is told, once, and the file is no orphan that a repair could adopt."""
    mark(store.root, removal_of(run, "not needed", "ann@bl7"))
    store.catalog.remove(run.uid)
    assert [finding.kind for finding in store.check(repair=True).findings] == ["removal"]
    assert run.uid not in store


def test_a_note_on_its_way(store: AnalysisStore, run: Run) -> None:
    """It is in the log, and its writer enters it into the catalog a moment later."""
    note = Note(run.uid, "seen", time.time(), "ann@bl7", {})
    log = AppendLog(month_log(store.root, note.time))
    with ThreadPoolExecutor(1) as pool:
        log.append([asdict(note)])
        busy = pool.submit(store.check, quick=True)
        threading.Event().wait(0.2)
        store.catalog.add_notes([note])
        assert busy.result().findings == ()
    log.append([asdict(Note(run.uid, "seen", note.time, "bob@bl7", {}))])
    assert [finding.kind for finding in store.check(quick=True).findings] == ["unindexed"]

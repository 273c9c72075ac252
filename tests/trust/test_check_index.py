"""A catalog whose index lies is noticed by a check, and put right by a repair or from the files."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from analysis_store import AnalysisStore, Policy, Provenance
from analysis_store.runs.read.run import Run
from analysis_store.runs.write.seal import seal_of
from analysis_store.trust import CheckReport, reindex
from tests.conformance.old_catalogs import forget_digests
from tests.trust.test_reindex import all_of, fill

DATA = [{"primary": {"x": float(number)}} for number in range(3)]


@pytest.fixture
def runs(store: AnalysisStore, origin: Provenance) -> list[Run]:
    """Give three stored runs, each with the one before as its parent."""
    first = store.insert(DATA, {"number": 0}, provenance=origin)
    second = store.insert(DATA, {"number": 1, "parent_uids": [first.uid]}, provenance=origin)
    return [first, second, store.insert(DATA, {"number": 2, "parent_uids": [second.uid]}, provenance=origin)]


def change(store: AnalysisStore, statement: str, *values: Any) -> None:
    """Change the catalog past the package."""
    with closing(sqlite3.connect(Path(store.location) / "catalog.sqlite")) as connection, connection:
        connection.execute(statement, values)


def told(report: CheckReport) -> list[tuple[str, str]]:
    """Return kind and subject of what was found."""
    return sorted((finding.kind, finding.subject) for finding in report.findings)


@pytest.mark.parametrize("quick", [False, True])
def test_an_index_that_is_empty(store: AnalysisStore, runs: list[Run], quick: bool) -> None:
    """Every run is named, quickly too; a repair puts all of it right, and says so once."""
    change(store, "DELETE FROM term")
    assert len(store.search({"number": {"$gte": 0}})) == 0
    report = store.check(quick=quick)
    assert told(report) == sorted(("index", run.uid) for run in runs)
    assert not report
    assert all(finding.repairable for finding in report.faults)
    report = store.check(quick=quick, repair=True)
    assert told(report) == sorted(("repaired", run.uid) for run in runs)
    assert [run.start["number"] for run in store.search({"number": {"$gte": 0}})] == [2, 1, 0]
    assert store.check().findings == ()


def test_a_time_that_was_shifted(store: AnalysisStore, runs: list[Run]) -> None:
    """The run is shown at a wrong place until it is indexed again."""
    change(store, "UPDATE run SET time = time + 3600 WHERE uid = ?", runs[0].uid)
    assert store[-1] == runs[0]
    assert told(store.check()) == [("index", runs[0].uid)]
    assert told(store.check(repair=True)) == [("repaired", runs[0].uid)]
    assert store[-1] == runs[2]
    assert store.check().findings == ()


def test_entries_of_no_run(store: AnalysisStore, runs: list[Run], origin: Provenance) -> None:
    """They are removed before a run that comes later is found by them."""
    change(store, "INSERT INTO term SELECT place, value, time, 4 FROM term WHERE run = 1")
    assert told(store.check()) == [("index", "catalog")]
    assert told(store.check(repair=True)) == [("repaired", "catalog")]
    store.insert(DATA, {}, provenance=origin)
    assert len(store.search(number=0)) == 1
    assert store.check().findings == ()


def test_a_catalog_of_an_older_version(store: AnalysisStore, runs: list[Run]) -> None:
    """It does not know what its index should hold: the documents tell."""
    forget_digests(store.catalog.info()["location"])
    assert store.check().findings == ()
    change(store, "DELETE FROM term WHERE run = 2")
    assert told(store.check()) == [("index", runs[1].uid)]
    assert told(store.check(repair=True)) == [("repaired", runs[1].uid)]
    assert store.check().findings == ()


def test_a_document_that_cannot_be_read(store: AnalysisStore, runs: list[Run]) -> None:
    """A run whose documents the catalog has lost cannot be indexed from them; the others can."""
    forget_digests(store.catalog.info()["location"])
    change(store, "DELETE FROM term WHERE run IN (1, 2)")
    change(store, "UPDATE run SET start = '{' WHERE id = 1")
    assert set(store.catalog.check_index().uids) == {runs[0].uid, runs[1].uid}
    store.catalog.mend_index([run.uid for run in runs])
    assert store.catalog.check_index().uids == (runs[0].uid,)
    assert store.reindex(everything=True)
    assert store.check().findings == ()


def test_everything_again(tmp_path: Path, origin: Provenance) -> None:
    """Whatever the catalog says, it says afterwards what the files say; the order of equal times stays."""
    folder = tmp_path / "full"
    with AnalysisStore(folder, policy=Policy(require_inputs=False, require_code=False)) as store:
        fill(store, origin)
        before = all_of(store.catalog)
        for statement in (
            "DELETE FROM term WHERE run % 2",
            "DELETE FROM lineage WHERE run % 3",
            "UPDATE run SET time = time - 1 WHERE id = 3",
            "UPDATE run SET start = replace(start, 'number', 'NUMBER'), seal = NULL, more = NOT more",
            "UPDATE run SET beside = '{}', stop = NULL WHERE id = 4",
        ):
            change(store, statement)
        assert all_of(store.catalog) != before
        assert not store.check()
        report = store.reindex(everything=True)
        assert report
        assert (report.runs, report.known, report.renewed) == (0, 9, 9)
        assert "0 runs entered, 9 known (9 of them entered again)" in str(report)
        assert all_of(store.catalog) == before
        assert store.check().faults == []
        change(store, "DELETE FROM run WHERE id = 5")
    report = reindex(folder, everything=True)
    assert (report.runs, report.known, report.renewed) == (1, 8, 8)
    with AnalysisStore(folder) as store:
        assert {record.uid for record in all_of(store.catalog)["records"]} == {run.uid for run in before["records"]}
        assert store.check().faults == []


def test_a_seal_that_was_removed(store: AnalysisStore, runs: list[Run]) -> None:
    """The catalog knows that the file had one, and keeps what it has when everything is entered again."""
    runs[0].file.chmod(0o644)
    with h5py.File(runs[0].file, "r+") as file:
        del file["entry/documents/seal"]
    for quick in (False, True):
        report = store.check(quick=quick)
        assert told(report) == [("damaged", runs[0].uid)]
        assert "seal that" in report.faults[0].what
    assert "is gone" in store[runs[0].uid].verify().faults[0]
    report = store.reindex(everything=True)
    assert [(fault.kind, fault.subject) for fault in report.faults] == [("damaged", runs[0].uid)]
    assert report.renewed == 2
    assert told(store.check()) == [("damaged", runs[0].uid)]


def test_times_that_were_sealed_again(store: AnalysisStore, runs: list[Run]) -> None:
    """Whoever changes when an event happened, and the seal with it, is found out by the catalog."""
    runs[0].file.chmod(0o644)
    with h5py.File(runs[0].file, "r+") as file:
        file["entry/primary/time"][...] = 0.0
        group = file["entry/documents"]
        texts = {name: [group[name][()].decode()] for name in group if name != "seal"}
        seal = seal_of(texts, [np.zeros(3)])
        del group["seal"]
        group["seal"] = np.array(seal.encode(), f"S{len(seal)}")
    assert told(store.check(quick=True)) == [("damaged", runs[0].uid)]
    assert "times of its events were changed" in store.check(quick=True).faults[0].what


def test_files_that_the_catalog_denies(store: AnalysisStore, runs: list[Run]) -> None:
    """A catalog that says wrongly that a run refers to no other files would let these be deleted."""
    with h5py.File(runs[0].file.parent / "other.h5", "w") as file:
        file["x"] = np.arange(3.0)
    run = store.insert_file(runs[0].file.parent / "other.h5", copy=False)
    assert run.record.more is True
    change(store, "UPDATE run SET more = 0 WHERE uid = ?", run.uid)
    (fault,) = store.check(quick=True).faults
    assert (fault.kind, fault.subject) == ("documents", run.uid)
    assert "refers to other files" in fault.what


def test_what_is_said_of_a_changed_document(store: AnalysisStore, runs: list[Run]) -> None:
    """A document that was changed in the catalog alone is a fault that entering everything again removes."""
    start = {**runs[1].start, "number": 7}
    change(store, "UPDATE run SET start = ? WHERE uid = ?", json.dumps(start), runs[1].uid)
    report = store.check(repair=True)
    assert told(report) == [("documents", runs[1].uid)]
    assert "reindex --all" in report.faults[0].advice
    store.reindex(everything=True)
    assert store.check().findings == ()
    assert len(store.search(number=1)) == 1

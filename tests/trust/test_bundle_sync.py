"""Two stores made alike, and a store whose folder was copied or moved as a whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis_store import AnalysisStore, Code, Policy, Provenance
from analysis_store.errors import InputError
from analysis_store.runs.read.run import Run
from tests.trust.test_bundle import TextFile, assert_same, saved

ORIGIN = Provenance(origin="synthetic", note="made by a test", code=Code("a", version="1", url="https://example.org"))


@pytest.fixture
def other(tmp_path: Path) -> Iterator[AnalysisStore]:
    """Another store, in another folder."""
    with AnalysisStore(tmp_path / "other") as opened:
        yield opened


def uids(store: AnalysisStore) -> set[str]:
    """Return the uids of all runs."""
    return {run.uid for run in store}


def test_what_the_other_has_comes(store: AnalysisStore, other: AnalysisStore) -> None:
    """Runs, their parents, notes and retractions come; nothing goes the other way."""
    a = saved(other)
    b = saved(other, a.uid)
    mine = saved(store)
    other.note(b.uid, "annotation", {"quality": "good"})
    other.retract(a.uid, "wrong energy")
    report = store.sync(other)
    assert report
    assert report.came.loaded == [a.uid, b.uid]
    assert report.came.notes == 3
    assert report.went is None
    assert uids(store) == {a.uid, b.uid, mine.uid}
    for run in (a, b):
        assert_same(run, store[run.uid])
    assert store[b.uid].retraction is not None
    again = store.sync(other)
    assert (again.came.loaded, len(again.came.skipped), again.came.notes) == ([], 2, 0)
    assert uids(other) == {a.uid, b.uid}


def test_both_ways(store: AnalysisStore, other: AnalysisStore) -> None:
    """Afterwards both have the same; notes of both sides are on the run that both had."""
    a = saved(store)
    store.sync(other, both=True)
    store.note(a.uid, "remark", {"of": "store"})
    other.note(a.uid, "remark", {"of": "other"})
    b, c = saved(store, a.uid), saved(other, a.uid)
    report = store.sync(other, both=True)
    assert report.came.loaded == [c.uid]
    assert report.went is not None
    assert report.went.loaded == [b.uid]
    assert uids(store) == uids(other) == {a.uid, b.uid, c.uid}
    assert store.notes(a.uid) == other.notes(a.uid)
    assert len(store.notes(a.uid)) == 2
    assert report.to_dict()["went"]["loaded"] == [b.uid]
    assert str(report).count("1 run loaded") == 2


def test_only_what_satisfies_a_query(store: AnalysisStore, other: AnalysisStore) -> None:
    """And what that came from; by the folder of the other store."""
    a = saved(other)
    b = saved(other, a.uid, sample_name="Fe")
    saved(other, sample_name="Cu")
    store.sync(other.location, query={"sample_name": "Fe"})
    assert uids(store) == {a.uid, b.uid}


def test_conflicts_are_named_and_the_rest_comes(store: AnalysisStore, other: AnalysisStore) -> None:
    """Another run of a uid is named, and so is what came from it; both stay as they were, the others come."""
    a = saved(other)
    before = saved(store, uid=a.uid).file.read_bytes()
    b, c = saved(other, a.uid), saved(other)
    other.note(a.uid, "remark", {})
    report = store.sync(other)
    assert not report
    assert report.came.loaded == [c.uid]
    assert {(finding.kind, finding.subject) for finding in report.came.findings} == {
        ("duplicate", a.uid),
        ("duplicate", b.uid),
    }
    assert store[a.uid].file.read_bytes() == before
    assert store.notes(a.uid) == []


def test_a_damaged_run_is_named_and_the_rest_comes(store: AnalysisStore, other: AnalysisStore) -> None:
    """A run whose values or whose file are not what they were does not come, nor what came from it."""
    bad, gone = saved(other), saved(other)
    child, good = saved(other, bad.uid), saved(other)
    grandchild = saved(other, child.uid)
    gone.file.unlink()
    bad.file.chmod(0o644)
    with h5py.File(bad.file, "r+") as file:
        file["entry/primary/x"][0, 0] = 99.0
    report = store.sync(other)
    assert report.came.loaded == [good.uid]
    told = {finding.subject: finding.kind for finding in report.came.findings}
    assert told == {
        bad.uid: "damaged",
        gone.uid: "damaged",
        child.uid: "duplicate",
        grandchild.uid: "duplicate",
    }
    assert uids(store) == {good.uid}
    assert list(store.root.rglob("*.part")) == []


def test_the_policy_holds(tmp_path: Path, store: AnalysisStore) -> None:
    """A run that does not tell what the policy asks for is named, and does not come."""
    with AnalysisStore(tmp_path / "lax", policy=Policy(require_inputs=False, require_code=False)) as lax:
        run = lax.insert([{"primary": {"x": 1.0}}], {}, provenance=Provenance(code=Code("a", version="1", url="u")))
        report = store.sync(lax)
    assert [(finding.kind, finding.subject) for finding in report.came.findings] == [("bundle", run.uid)]
    assert "inputs: Got no parent run" in report.came.findings[0].what
    assert len(store) == 0


def test_a_run_that_was_deleted_here_does_not_come_back(store: AnalysisStore, other: AnalysisStore) -> None:
    """It was deleted for a reason; the report tells that."""
    run = saved(other)
    store.sync(other)
    store.delete(run.uid, "not ours", dry_run=False)
    report = store.sync(other)
    assert not report
    assert "not ours" in report.came.findings[0].what
    assert len(store) == 0


def test_no_store(store: AnalysisStore, tmp_path: Path) -> None:
    """A store is not synced with itself, and no store is made where there is none."""
    with pytest.raises(InputError, match="this very store"):
        store.sync(store.location)
    with pytest.raises(InputError, match="the folder does not exist"):
        store.sync(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


# ------------------------------------------------------------------------------------------ the folder moved


def rich(location: Path) -> list[Run]:
    """Save one run of each kind: small, large, of another writer, and a file's."""
    with AnalysisStore(location, handler_registry={"TEXT": TextFile}) as store:
        small = store.insert([{"primary": {"x": 1.0}}], {"sample_name": "Fe foil"}, provenance=ORIGIN)
        tables = store.insert([{"primary": {"x": np.arange(5000.0)}}], {}, provenance=ORIGIN)
        data = [{"primary": {"y": np.arange(40.0)}}]
        written = store.insert(data, {}, writers_dict={"y": {"writer": TextFile, "spec": "TEXT"}}, provenance=ORIGIN)
        store.note(small.uid, "remark", {})
        return [small, tables, written]


def assert_is_there(location: Path, runs: list[Run]) -> None:
    """Assert that a store opens, finds, reads, verifies and goes on, wherever its folder lies."""
    with AnalysisStore(location, handler_registry={"TEXT": TextFile}) as store:
        assert len(store) == len(runs)
        assert [run.uid for run in store.search(sample_name="Fe foil")] == [runs[0].uid]
        for run in store:
            assert run.verify(), str(run.verify())
            assert run.file.is_relative_to(location)
        np.testing.assert_array_equal(np.arange(40.0), store[runs[2].uid]["primary"]["y"][0])
        assert len(store.notes(runs[0].uid)) == 1
        assert saved(store, runs[0].uid).verify()


@pytest.mark.parametrize("stays", [True, False])
def test_a_copied_folder(tmp_path: Path, stays: bool) -> None:
    """``cp -r`` of a store is a store, whether or not the old one is still there, and whatever becomes of that."""
    runs = rich(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "deep" / "b")
    for path in (tmp_path / "a").rglob("*"):
        if not stays:
            break
        if path.is_file() and path.suffix == ".h5":  # what is read now is not the old store's
            path.chmod(0o644)
            path.write_bytes(b"")
    if not stays:
        shutil.rmtree(tmp_path / "a")
    assert_is_there(tmp_path / "deep" / "b", runs)


def test_a_moved_folder(tmp_path: Path) -> None:
    """``mv`` of a store is a store."""
    runs = rich(tmp_path / "a")
    os.rename(tmp_path / "a", tmp_path / "b")  # noqa: PTH104 - as mv does
    assert_is_there(tmp_path / "b", runs)


def test_a_moved_store_goes_on_into_a_bundle(tmp_path: Path, other: AnalysisStore) -> None:
    """What was written for a run beside it goes along, although the documents name the old place."""
    runs = rich(tmp_path / "a")
    os.rename(tmp_path / "a", tmp_path / "b")  # noqa: PTH104
    other.register_handler("TEXT", TextFile)
    with AnalysisStore(tmp_path / "b", handler_registry={"TEXT": TextFile}) as store:
        assert store.dump(runs[2].uid, tmp_path / "bundle.zip").elsewhere == {}
    assert other.load(tmp_path / "bundle.zip")
    shutil.rmtree(tmp_path / "b")
    np.testing.assert_array_equal(np.arange(40.0), other[runs[2].uid]["primary"]["y"][0])

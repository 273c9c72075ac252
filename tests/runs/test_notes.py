"""Notes on runs: kept in a log and found in the catalog; retraction of a run and of all that came from it."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

from analysis_store import AnalysisStore, Provenance
from analysis_store.catalogs.base import Note, RunRecord
from analysis_store.errors import (
    InputError,
    InvalidDocumentError,
    InvalidMetadataError,
    RunNotFoundError,
    StoreClosedError,
    StoreWriteError,
)
from analysis_store.runs.notes.notes import Notes, logged
from analysis_store.runs.read.run import Run

DATA = [{"primary": {"x": 1.0}}]


@pytest.fixture
def run(store: AnalysisStore, origin: Provenance) -> Run:
    """Give a stored run."""
    return store.insert(DATA, {}, provenance=origin)


def logs(store: AnalysisStore) -> list[dict]:
    """Return what the logs of notes hold."""
    files = sorted((store.root / "notes").glob("*.jsonl"))
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


def test_a_note_is_kept_and_found(store: AnalysisStore, run: Run) -> None:
    """It is in the log of the month and in the catalog, and says who said it when."""
    note = store.note(run.uid, "reuse", {"key": "k", "big": 2**70})
    assert run.notes == store.notes(run.uid) == store.notes(run.uid, "reuse") == [note]
    assert "@" in note.who
    month = f"{datetime.datetime.fromtimestamp(note.time, datetime.UTC):%Y-%m}"
    assert [path.name for path in (store.root / "notes").iterdir()] == [f"{month}.jsonl"]
    assert [Note(**entry) for entry in logs(store)] == [note]
    assert store.notes(run.uid, "retracted") == store.notes("other") == []
    assert run.retraction is None


def test_a_note_on_a_foreign_run(store: AnalysisStore) -> None:
    """The run need not be in the store."""
    note = store.note("raw-1", "seen", {}, durable=False)
    assert store.notes("raw-1") == [note]


def test_a_note_that_is_none(store: AnalysisStore, run: Run) -> None:
    """It is refused before the log has it."""
    with pytest.raises(InvalidDocumentError, match="JSON"):
        store.note(run.uid, "odd", {"x": object()})
    with pytest.raises(InvalidDocumentError, match="kind ''"):
        store.note(run.uid, "", {})
    assert logs(store) == []


def test_a_retraction_reaches_all_that_came_from_it(store: AnalysisStore, run: Run) -> None:
    """Descendants name the run because of which they are retracted; relatives besides are not touched."""
    child = store.insert(DATA, {"parent_uids": [run.uid]})
    other = store.insert(DATA, {"parent_uids": [run.uid]})
    grandchild = store.insert(DATA, {"parent_uids": [child.uid, other.uid]})
    notes = store.retract(child.uid, "wrong energy")
    assert [note.uid for note in notes] == [child.uid, grandchild.uid]
    assert child.retraction.body == {"reason": "wrong energy"}
    assert grandchild.retraction.body == {"because": child.uid, "reason": "wrong energy"}
    assert run.retraction is None
    assert other.retraction is None
    assert [Note(**entry) for entry in logs(store)] == notes


def test_a_run_is_retracted_once(store: AnalysisStore, run: Run) -> None:
    """The second time says who did it why."""
    child = store.insert(DATA, {"parent_uids": [run.uid]})
    store.retract(run.uid, "wrong energy")
    for uid in (run.uid, child.uid):
        with pytest.raises(InputError, match=rf"{uid} is retracted already: wrong energy \(.*@"):
            store.retract(uid, "again")
    assert len(logs(store)) == 2


def test_lineage_that_goes_in_a_circle(store: AnalysisStore) -> None:
    """Each run is retracted once."""
    for uid, parent in (("a", "c"), ("b", "a"), ("c", "b")):
        store.catalog.insert(RunRecord({"uid": uid, "time": 0.0}, None, (), f"{uid}.h5", (parent,)))
    assert [note.uid for note in store.retract("a", "circle")] == ["a", "b", "c"]


@pytest.mark.parametrize("reason", ["", "  \n", None])
def test_a_retraction_says_why(store: AnalysisStore, run: Run, reason: object) -> None:
    """Without a reason nothing happens."""
    with pytest.raises(InvalidMetadataError, match="reason"):
        store.retract(run.uid, reason)
    assert run.notes == []


def test_only_whole_uids_are_retracted(store: AnalysisStore, run: Run) -> None:
    """A run that is not there, or the beginning of a uid, is refused."""
    for uid in ("nobody", run.uid[:8]):
        with pytest.raises(RunNotFoundError, match=uid):
            store.retract(uid, "why")
    assert logs(store) == []


def test_a_retracted_run_says_so(store: AnalysisStore, run: Run) -> None:
    """In a terminal and in a notebook, escaped; the run of a closed store is shown without it."""
    assert "RETRACTED" not in repr(run)
    store.retract(run.uid, "wrong <energy>")
    assert "RETRACTED: wrong <energy> (" in repr(run)
    assert "wrong &lt;energy&gt;" in run._repr_html_()
    store.close()
    assert "RETRACTED" not in repr(run)
    with pytest.raises(StoreClosedError):
        _ = run.retraction
    with pytest.raises(StoreClosedError):
        store.note(run.uid, "reuse", {})


def test_a_note_that_only_the_log_took(store: AnalysisStore, run: Run) -> None:
    """When the catalog fails, the error says where the note is, and a rebuild finds it."""
    with store.catalog._engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE note RENAME TO away")
    with pytest.raises(StoreWriteError, match=r"kept in .*/notes/.*\.jsonl, but it is not in the catalog: .*rebuilt"):
        store.note(run.uid, "reuse", {"n": 1})
    with store.catalog._engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO note")
    assert store.notes(run.uid) == []
    for _ in range(2):
        store.catalog.add_notes(logged(store.root))
    assert [note.body for note in store.notes(run.uid)] == [{"n": 1}]


def test_a_log_that_cannot_be_written(store: AnalysisStore, run: Run) -> None:
    """Then the catalog has no note either."""
    (store.root / "notes").write_text("a file is in the way")
    with pytest.raises(StoreWriteError, match="Nothing was added"):
        store.note(run.uid, "reuse", {})
    Path(store.root / "notes").unlink()
    assert store.notes(run.uid) == []


def test_notes_that_come_twice(store: AnalysisStore, run: Run) -> None:
    """One that the log has already is only indexed."""
    told = store.note(run.uid, "seen", {"n": 1})
    for _ in range(2):
        Notes(store.root, store.catalog).merge([told])
    assert list(logged(store.root)) == store.notes(run.uid) == [told]

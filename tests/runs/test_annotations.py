"""Annotations: what became known of a run later lies over its documents, dated, and never changes them."""

from __future__ import annotations

import copy

import pytest

from analysis_store import AnalysisStore, Provenance
from analysis_store.errors import InvalidDocumentError, InvalidMetadataError, RunNotFoundError, StoreClosedError
from analysis_store.runs.notes.notes import logged
from analysis_store.runs.read.run import Run

DATA = [{"primary": {"x": 1.0}}]


@pytest.fixture
def run(store: AnalysisStore, origin: Provenance) -> Run:
    """Give a stored run."""
    return store.insert(DATA, {"sample_name": "Fe"}, provenance=origin)


def test_the_newest_counts(store: AnalysisStore, run: Run) -> None:
    """Of each name the newest is shown, all are kept, and who said what when is told."""
    start, data = copy.deepcopy(run.start), run.file.read_bytes()
    assert run.annotations == {}
    first = store.annotate(run.uid, {"sample_name": "Fe foil", "thickness": {"value": 5, "units": "um"}})
    second = store.annotate(run.uid, {"sample_name": "Fe foil, oxidised", "checked": None})
    assert run.annotations == {
        "sample_name": "Fe foil, oxidised",
        "thickness": {"value": 5, "units": "um"},
        "checked": None,
    }
    assert run.notes == [first, second]
    assert second.time >= first.time
    assert "@" in first.who
    assert list(logged(store.root)) == [first, second]
    assert store[run.uid].start == start
    assert run.file.read_bytes() == data
    assert run.verify()


def test_other_notes_are_none(store: AnalysisStore, run: Run) -> None:
    """A note of another kind is no annotation."""
    store.note(run.uid, "reuse", {"key": "k"})
    store.retract(run.uid, "wrong")
    assert run.annotations == {}


def test_they_are_not_searched(store: AnalysisStore, run: Run) -> None:
    """A search finds what the documents say; they still say it."""
    store.annotate(run.uid, {"sample_name": "Ni"})
    assert [found.uid for found in store.search(sample_name="Fe")] == [run.uid]
    assert len(store.search(sample_name="Ni")) == 0


@pytest.mark.parametrize("known", [{}, None, "text", ["a"], {1: "a"}])
def test_what_is_none(store: AnalysisStore, run: Run, known: object) -> None:
    """What is no mapping of names is refused, and nothing is kept."""
    with pytest.raises(InvalidMetadataError, match="expected a mapping"):
        store.annotate(run.uid, known)
    with pytest.raises(InvalidDocumentError, match="JSON"):
        store.annotate(run.uid, {"x": object()})
    assert run.notes == list(logged(store.root)) == []


def test_only_of_runs_that_are_there(store: AnalysisStore, run: Run) -> None:
    """A uid that is not here, or only the beginning of one, is refused."""
    for uid in ("nobody", run.uid[:8]):
        with pytest.raises(RunNotFoundError, match=uid):
            store.annotate(uid, {"a": 1})
    store.close()
    with pytest.raises(StoreClosedError, match="closed"):
        store.annotate(run.uid, {"a": 1})
    with pytest.raises(StoreClosedError, match="closed"):
        _ = run.annotations

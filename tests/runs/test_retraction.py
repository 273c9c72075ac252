"""Retraction as it is seen: who reads is warned, searches can hide it, it can be lifted, and nothing is erased."""

from __future__ import annotations

import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from analysis_store import AnalysisStore, Provenance
from analysis_store.catalogs.base import Note
from analysis_store.errors import InputError, InvalidDocumentError, InvalidMetadataError, RetractedWarning
from analysis_store.processing import processor
from analysis_store.runs.notes.notes import in_force, logged
from analysis_store.runs.read.run import Run

DATA = [{"primary": {"x": 1.0}}]


@pytest.fixture
def run(store: AnalysisStore, origin: Provenance) -> Run:
    """Give a stored run."""
    return store.insert(DATA, {}, provenance=origin)


@pytest.fixture
def child(store: AnalysisStore, run: Run) -> Run:
    """Give a run that came from it."""
    return store.insert(DATA, {}, provenance=Provenance(parents=[run]))


@processor(id="t_identity", version="1")
def identity(inputs):
    """The values."""
    return {"x": inputs["primary"]["x"][0]}


def test_reading_warns_once(store: AnalysisStore, run: Run) -> None:
    """The first time in a process, whichever object is read; the line that reads is named."""
    store.retract(run.uid, "wrong energy")
    with pytest.warns(RetractedWarning, match=rf"run {run.uid} is read, .* wrong energy \(.*@") as caught:
        assert run["primary"]["x"][0] == 1.0
    (warning,) = caught
    assert warning.filename == __file__
    assert (warning.message.uid, warning.message.reason) == (run.uid, "wrong energy")
    assert "@" in warning.message.who
    assert store[run.uid]["primary"]["x"][0] == 1.0
    assert len(list(store[run.uid].documents())) == 4


def test_every_way_to_read_warns(store: AnalysisStore, origin: Provenance) -> None:
    """By key, as a table, document by document."""
    ways = (lambda run: run["primary"], lambda run: run.read(), lambda run: next(run.documents()))
    for way in ways:
        run = store.insert(DATA, {}, provenance=origin)
        store.retract(run.uid, "wrong")
        with pytest.warns(RetractedWarning, match=run.uid):
            way(run)


def test_what_does_not_read_is_silent(store: AnalysisStore, run: Run) -> None:
    """To be shown, verified, found and asked for its documents is not to be read."""
    store.retract(run.uid, "wrong")
    assert run.verify()
    assert "RETRACTED" in repr(run)
    assert list(run) == ["primary"]
    assert run.start["uid"] == store.search()[0].uid


def test_a_run_that_is_not_retracted_is_silent(store: AnalysisStore, run: Run, child: Run) -> None:
    """A parent of what was retracted may be read."""
    store.retract(child.uid, "wrong")
    assert run.read()["x"].values.tolist() == [1.0]


def test_it_is_a_warning_not_an_error(store: AnalysisStore, run: Run) -> None:
    """By default a program goes on, and its user reads why on stderr, once."""
    store.retract(run.uid, "wrong energy")
    code = (
        "import sys; from analysis_store import AnalysisStore\n"
        "with AnalysisStore(sys.argv[1]) as store:\n"
        "    for run in [store[sys.argv[2]], store[sys.argv[2]]]:\n"
        "        print(run['primary']['x'][0])\n"
    )
    store.close()
    folder = str(Path(store.location))
    done = subprocess.run([sys.executable, "-c", code, folder, run.uid], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1.0", "1.0"]
    assert done.stderr.count("RetractedWarning") == 1
    assert "wrong energy" in done.stderr


def test_a_new_result_of_it_warns(store: AnalysisStore, run: Run) -> None:
    """It is saved all the same; the line that saves is named."""
    store.retract(run.uid, "wrong energy")
    with pytest.warns(RetractedWarning, match=rf"comes from run {run.uid}, .* wrong energy") as caught:
        late = store.insert(DATA, {}, provenance=Provenance(parents=[run]))
    assert caught[0].filename == __file__
    assert late.retraction.body["because"] == run.uid
    assert [stale.run.uid for stale in store.stale()] == [late.uid]
    with pytest.warns(RetractedWarning, match=run.uid):
        opened = store.new_run({"parent_uids": [run.uid]})
    opened.close()


def test_a_warning_as_an_error_saves_nothing(store: AnalysisStore, run: Run) -> None:
    """Whoever makes it an error has no run, and no file."""
    store.retract(run.uid, "wrong")
    before = sorted(store.root.rglob("*"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RetractedWarning):
            store.insert(DATA, {}, provenance=Provenance(parents=[run]))
    assert len(store) == 1
    assert sorted(store.root.rglob("*")) == before


def test_searches_can_hide_them(store: AnalysisStore, run: Run, child: Run, origin: Provenance) -> None:
    """They are found unless one says otherwise; hidden ones are not counted, and pages have no holes."""
    kept = [store.insert(DATA, {"uid": f"kept-{number}", "same": 1}, provenance=origin) for number in range(3)]
    assert len(store.search(retracted=False)) == 5
    store.retract(run.uid, "wrong")
    assert [found.uid for found in store.search()][-2:] == [child.uid, run.uid]
    hidden = store.search(retracted=False)
    assert list(hidden) == kept[::-1]
    assert (len(hidden), hidden[-1], hidden[1:2][0]) == (3, kept[0], kept[1])
    assert len(store.search(same=1, retracted=False)) == 3
    assert len(store.search({"same": {"$exists": False}}).without_retracted()) == 0


def test_they_are_marked(store: AnalysisStore, run: Run, origin: Provenance) -> None:
    """In a list of runs, in a notebook, and in a table."""
    good = store.insert(DATA, {}, provenance=origin)
    assert "RETRACTED" not in repr(store.search())
    store.retract(run.uid, "wrong")
    lines = repr(store.search()).splitlines()
    assert [line.endswith("success, RETRACTED") for line in lines] == [False, False, True]
    assert store.search()._repr_html_().count("RETRACTED") == 1
    assert store.search().table()["retracted"].to_dict() == {good.uid: False, run.uid: True}


def test_it_can_be_lifted(store: AnalysisStore, run: Run, child: Run) -> None:
    """From all that it reached; every note stays, and it can be retracted again."""
    retracted = store.retract(run.uid, "wrong energy")
    lifted = store.reinstate(run.uid, "the energy was right")
    assert [note.uid for note in lifted] == [run.uid, child.uid]
    assert run.retraction is None
    assert child.retraction is None
    assert run.read()["x"].values.tolist() == [1.0]
    assert len(store.search(retracted=False)) == 2
    assert list(logged(store.root)) == [*retracted, *lifted]
    assert store.compute(identity, run).parents == [run.uid]
    assert len(store.retract(run.uid, "wrong after all")) == 3
    assert child.retraction.body["reason"] == "wrong after all"


def test_it_is_lifted_from_what_was_away(store: AnalysisStore, run: Run, child: Run) -> None:
    """A run that was deleted when its cause was reinstated comes back reinstated."""
    store.retract(run.uid, "wrong energy")
    store.delete(child.uid, "not needed", dry_run=False)
    store.reinstate(run.uid, "the energy was right")
    assert store.restore(child.uid).retraction is None


def test_what_has_two_causes_stays(store: AnalysisStore, run: Run, origin: Provenance) -> None:
    """A run that came from two retracted ones is retracted until both are lifted."""
    other = store.insert(DATA, {}, provenance=origin)
    both = store.insert(DATA, {}, provenance=Provenance(parents=[run, other]))
    store.retract(run.uid, "one")
    store.retract(other.uid, "two")
    store.reinstate(run.uid, "was right")
    assert both.retraction.body == {"because": other.uid, "reason": "two"}
    with pytest.raises(InputError, match=f"because of run {other.uid}. Reinstate that run"):
        store.reinstate(both.uid, "was right")
    store.reinstate(other.uid, "was right, too")
    assert both.retraction is None


def test_what_is_not_retracted_cannot_be_lifted(store: AnalysisStore, run: Run) -> None:
    """It is refused, and so is doing it without a reason; nothing is kept."""
    with pytest.raises(InputError, match="not retracted"):
        store.reinstate(run.uid, "why not")
    store.retract(run.uid, "wrong")
    for reason in ("", " ", None):
        with pytest.raises(InvalidMetadataError, match="reason"):
            store.reinstate(run.uid, reason)
    assert run.retraction is not None
    assert len(run.notes) == 1


def test_notes_out_of_order() -> None:
    """What counts is when a note was made, not the order in which logs were read; the first retraction is told."""

    def note(kind: str, time: float, **body: str) -> Note:
        return Note("x", kind, time, "ann", body)

    notes = [note("reinstated", 2.0), note("retracted", 1.0), note("retracted", 3.0, because="y"), note("reuse", 9.0)]
    assert in_force(notes) == [notes[2]]
    assert in_force([note("retracted", 2.0), note("retracted", 1.0)])[0].time == 1.0
    assert in_force([note("reinstated", 1.0), note("retracted", 2.0)])[0].time == 2.0
    assert in_force([]) == []


def test_a_clock_that_was_fast(store: AnalysisStore, run: Run, child: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retraction that was made in the future can be lifted, and what was lifted there can be retracted."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    store.retract(run.uid, "wrong energy")
    store.annotate(run.uid, {"checked": "no"})
    monkeypatch.undo()
    store.reinstate(run.uid, "the energy was right")
    assert store[run.uid].retraction is store[child.uid].retraction is None
    store.retract(run.uid, "wrong after all")
    assert store[run.uid].retraction is not None
    assert store[child.uid].retraction is not None
    store.annotate(run.uid, {"checked": "yes"})
    assert store[run.uid].annotations["checked"] == "yes"


def test_text_that_is_no_unicode(store: AnalysisStore, run: Run) -> None:
    """The name of a file that is no UTF-8 is refused, as it is in metadata: no file could hold it."""
    with pytest.raises(InvalidDocumentError, match="lone surrogate"):
        store.annotate(run.uid, {"file": "caf\udce9"})
    with pytest.raises(InvalidDocumentError, match="lone surrogate"):
        store.retract(run.uid, "\udcff")
    assert store[run.uid].notes == []

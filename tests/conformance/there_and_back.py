"""A bundle from a store with its own catalog into one with another's, and back."""

from __future__ import annotations

from pathlib import Path

from analysis_store import AnalysisStore, Policy
from tests.trust.test_bundle import assert_same, saved

LAX = Policy(require_inputs=False, require_code=False)


def go_there_and_back(folder: Path, uri: str) -> None:
    """Assert that runs, links and notes are the same after the way into a database and out of it."""
    with (
        AnalysisStore(folder / "a", policy=LAX) as ours,
        AnalysisStore(uri, root=folder / "files", policy=LAX) as theirs,
        AnalysisStore(folder / "b", policy=LAX) as again,
    ):
        first = saved(
            ours, sample_name="Fe foil", odd={"nan": float("nan"), "big": 2**60, "none": None, "z": [], "a": {}}
        )
        second = saved(ours, first.uid)
        ours("start", {"uid": "foreign", "time": 5, "parent_uid": second.uid})
        ours("stop", {"uid": "end", "run_start": "foreign", "time": 6.0, "exit_status": "success"})
        ours.note(second.uid, "annotation", {"quality": 1.0})
        ours.retract(second.uid, "wrong energy")

        ours.dump({}, folder / "1.zip")
        assert len(theirs.load(folder / "1.zip").loaded) == 3
        assert theirs.load(folder / "1.zip").loaded == []
        assert len(theirs.load(folder / "1.zip").skipped) == 3
        theirs.dump({}, folder / "2.zip")
        again.load(folder / "2.zip")
        for store in (theirs, again):
            for uid in (first.uid, second.uid):
                assert_same(ours[uid], store[uid])
            assert store["foreign"].parents == [second.uid]
            assert list(store["foreign"].documents()) == list(ours["foreign"].documents())
            assert store.notes("foreign") == ours.notes("foreign")
            assert [run.uid for run in store.search(sample_name="Fe foil")] == [first.uid]
        assert not again.sync(theirs, both=True).came.loaded

"""Whatever is saved, deleted, restored and purged in whatever order: what a run came from is there, on real files."""

from __future__ import annotations

import datetime
import shutil
import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from analysis_store import AnalysisStore, Policy, Provenance
from analysis_store.errors import InputError, RunNotFoundError
from analysis_store.runs.notes.removal_records import buried, quarantined

pytestmark = pytest.mark.properties

pytestmark = pytest.mark.filterwarnings("ignore::analysis_store.errors.RetractedWarning")

PICK = st.integers(0, 2**16)
ORIGIN = Provenance(origin="synthetic", note="made by a model")


class RemovalMachine(RuleBasedStateMachine):
    """A store, and what is known of each of its runs."""

    @initialize()
    def make(self) -> None:
        """Begin with a run, and one the data of which are in its file."""
        self.folder = Path(tempfile.mkdtemp())
        self.store = AnalysisStore(self.folder / "store", policy=Policy(require_code=False))
        self.sources: dict[str, set[str]] = {}
        """Of every run that was ever saved: what it came from."""
        self.alive: list[str] = []
        self.away: list[str] = []
        self.purged: list[str] = []
        self.sizes: dict[str, int] = {}
        self.save([], 3)
        self.save_what_stays_in_its_file(0, False)

    def teardown(self) -> None:
        """Leave nothing."""
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)

    def one(self, uids: list[str], number: int) -> str:
        """Return one of several."""
        return uids[number % len(uids)]

    def known(self, uid: str, sources: set[str], size: int) -> None:
        """Remember a run that was saved."""
        self.alive.append(uid)
        self.sources[uid], self.sizes[uid] = sources, size

    @rule(numbers=st.lists(PICK, max_size=3), size=st.integers(1, 40))
    def save(self, numbers: list[int], size: int) -> None:
        """Save a run that came from some others."""
        parents = {self.one(self.alive, number) for number in numbers} if self.alive else set()
        md: dict[str, Any] = {"parent_uids": sorted(parents)}
        data = {"primary": {"x": np.arange(float(size)).reshape(1, size)}}
        run = self.store.insert(data, md, provenance=None if parents else ORIGIN)
        self.known(run.uid, parents, size)

    @precondition(lambda self: self.alive)
    @rule(number=PICK, outside=st.booleans())
    def save_what_stays_in_its_file(self, number: int, outside: bool) -> None:
        """Save a run the data of which are in the file of another run, or in a file of somebody else."""
        uid = self.one(self.alive, number)
        file, dataset = self.store[uid].file, "/entry/primary/x"
        if outside:
            file, dataset = self.folder / f"{len(self.sources)}.h5", "/x"
            self.write(file)
        elif not self.sizes[uid]:  # its data are elsewhere themselves
            return
        run = self.store.insert_file(file, copy=False, dataset=dataset, chunk=1)
        self.known(run.uid, set() if outside else {uid}, 0)

    def write(self, path: Path) -> None:
        """Write a file of somebody else."""
        with h5py.File(path, "w") as file:
            file["x"] = np.arange(20.0).reshape(1, 20)

    @precondition(lambda self: self.alive)
    @rule(number=PICK)
    def delete(self, number: int) -> None:
        """Delete a run; that is refused just when another came from it."""
        uid = self.one(self.alive, number)
        children = {child for child in self.alive if uid in self.sources[child]}
        assert set(self.store.delete(uid, "a look").named_by) == children
        try:
            self.store.delete(uid, "to be rid of it", dry_run=False)
        except InputError as error:
            assert children, str(error)
            return
        assert not children
        self.alive.remove(uid)
        self.away.append(uid)

    @precondition(lambda self: self.away)
    @rule(number=PICK)
    def restore(self, number: int) -> None:
        """Restore a run; that is refused just when what it came from is away, too."""
        uid = self.one(self.away, number)
        missing = self.sources[uid] & set(self.away)
        try:
            self.store.restore(uid)
        except InputError as error:
            assert missing, str(error)
            return
        assert not missing
        self.away.remove(uid)
        self.alive.append(uid)

    @rule(later=st.sampled_from([0, 29, 31]))
    def collect(self, later: int) -> None:
        """Purge, as if so many days had gone by."""
        grace = datetime.timedelta(days=30 - later) if later < 31 else datetime.timedelta(0)
        report = self.store.gc(dry_run=False, grace=grace)
        assert set(report.purged) == (set(self.away) if later == 31 else set())
        self.purged += report.purged
        self.away = [uid for uid in self.away if uid not in report.purged]

    @precondition(lambda self: self.alive)
    @rule(number=PICK)
    def retract(self, number: int) -> None:
        """Retract a run, which stays."""
        uid = self.one(self.alive, number)
        if self.store[uid].retraction is None:
            self.store.retract(uid, "wrong")

    @rule()
    def reopen(self) -> None:
        """Nothing of it is in memory only."""
        self.store.close()
        self.store = AnalysisStore(self.folder / "store")

    @rule()
    def lose_the_catalog(self) -> None:
        """Make the catalog anew from the files; what was deleted does not come back by that."""
        self.store.close()
        for path in (self.folder / "store").glob("catalog.sqlite*"):
            path.unlink()
        self.store = AnalysisStore(self.folder / "store")
        self.store.reindex(workers=1)

    @invariant()
    def what_a_run_came_from_is_there(self) -> None:
        """Every run that was not deleted reads, and so does all that it came from."""
        if not hasattr(self, "store"):
            return
        assert {run.uid for run in self.store} == set(self.alive)
        for uid in self.alive:
            run = self.store[uid]
            assert run.verify(), str(run.verify())
            assert self.sources[uid] <= set(self.alive)
            assert all(run.locate(resource).exists() for resource in run.content.resources)

    @invariant()
    def what_was_deleted_is_told(self) -> None:
        """Every tombstone tells the documents; what may come back is in quarantine."""
        if not hasattr(self, "store"):
            return
        for uid in (*self.away, *self.purged):
            tomb = buried(self.store.root, uid)
            assert tomb is not None
            assert (tomb.start["uid"], tomb.stop["run_start"]) == (uid, uid)
            assert (quarantined(self.store.root, uid) is None) == (uid in self.purged)
            try:
                self.store[uid]
            except RunNotFoundError as error:
                assert "to be rid of it" in str(error)
            else:
                raise AssertionError(f"{uid} was deleted, and is there")


class TestRemoval(RemovalMachine.TestCase):
    """Some sequences of steps."""

    settings = settings(max_examples=4, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.slow
class TestRemovalLonger(RemovalMachine.TestCase):
    """More of them."""

    settings = settings(TestRemoval.settings, max_examples=25)

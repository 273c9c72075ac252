"""Deleting and purging while other processes save, and killed at every step: nothing that a run came from goes."""

from __future__ import annotations

import datetime
import os
import random
import shutil
import signal
import sys
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from analysis_store import AnalysisStore
from analysis_store.errors import AnalysisStoreError, InputError, RunNotFoundError
from analysis_store.runs.notes.removal_records import LOCK, buried, quarantined
from analysis_store.trust.removal.quarantine import removals, unfinished
from tests.faults.children import heard, start
from tests.faults.on_disk import ORIGIN, assert_works, result
from tests.sweeps import some

NOW = datetime.timedelta(0)
PATIENCE = 100.0
"""Seconds for which is raced at most."""


def save_children(connection: Connection, location: Path, seed: int) -> None:
    """Save runs that came from the newest ones, in one way or another; tell what became of each."""
    chance, until = random.Random(seed), time.monotonic() + PATIENCE
    with AnalysisStore(location) as store:
        while time.monotonic() < until and not (location / "stop").exists():
            try:
                time.sleep(0.02)
                if chance.random() < 0.3 or not len(store):
                    store.insert(result(size=10), {}, provenance=ORIGIN)
                elif chance.random() < 0.5:
                    store.insert(result(size=10), {"parent_uids": [store[-1].uid]}, provenance={"code": ORIGIN.code})
                else:
                    file = store[-1].file
                    store.insert_file(file, copy=False, dataset="/entry/primary/n", provenance={"code": ORIGIN.code})
                connection.send("saved")
            except InputError:
                connection.send("refused")
            except (AnalysisStoreError, OSError) as error:  # it was gone when the save began
                connection.send(type(error).__name__)


def remove_for_ever(connection: Connection, location: Path, seed: int) -> None:
    """Delete the newest runs, and purge what can be purged, until there was enough of both."""
    chance, until = random.Random(seed), time.monotonic() + PATIENCE
    deleted = purged = 0
    with AnalysisStore(location) as store:
        while time.monotonic() < until and (deleted < 8 or purged < 4):
            with suppress(InputError, RunNotFoundError, StopIteration):
                leaf = next(run for run in store if not run.children)
                store.delete(leaf.uid, "to be rid of it", dry_run=False)
                deleted += 1
            if chance.random() < 0.3:
                purged += len(store.gc(dry_run=False, grace=NOW).purged)
    (location / "stop").touch()
    connection.send((deleted, purged))


@pytest.mark.slow
def test_nothing_goes_that_a_run_came_from(tmp_path: Path) -> None:
    """Three processes save what came from the newest runs, while one deletes and purges these."""
    location = tmp_path / "store"
    with AnalysisStore(location) as store:
        store.insert(result(), {}, provenance=ORIGIN)
    savers = [start(save_children, location, seed) for seed in range(3)]
    remover = start(remove_for_ever, location, 7)
    told = [heard(connection) for _, connection in savers]
    ((deleted, purged),) = heard(remover[1])
    assert [process.exitcode for process, _ in (*savers, remover) if process.join() is None] == [0, 0, 0, 0]
    assert sum(one.count("saved") for one in told) > 10
    assert deleted > 2
    assert purged > 0
    with AnalysisStore(location) as store:
        there = {run.uid for run in store}
        assert {removal.uid for removal in removals(store.root)}.isdisjoint(there)
        for run in store:
            assert set(run.parents) <= there
            assert run.verify(), str(run.verify())
        assert list(unfinished(store)) == []
        assert not list(store.root.rglob("*.part"))
        assert not (store.root / LOCK).exists()


# ------------------------------------------------------------------------------------------------- killed


CHANGES = ("open", "os.link", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "sqlite3.connect")


def die_at(step: int, root: str) -> None:
    """Kill this process when it is about to touch something under a root for the n-th time."""
    left = [step]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in CHANGES or (event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        if any(_text(one).startswith(root) for one in arguments):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _text(argument: Any) -> str:
    return os.fsdecode(argument) if isinstance(argument, (str, bytes, os.PathLike)) else ""


def work(connection: Connection, location: Path, what: str, uid: str, step: int) -> None:
    """Delete, restore or purge a run, to be killed at a step."""
    with AnalysisStore(location) as store:
        len(store)
        die_at(step, str(location))
        DOINGS[what](store, uid)
        connection.send("done")


DOINGS = {
    "delete": lambda store, uid: store.delete(uid, "why not", dry_run=False),
    "restore": lambda store, uid: store.restore(uid),
    "gc": lambda store, uid: store.gc(dry_run=False, grace=NOW),
}


def reads_whole_or_says_why(store: AnalysisStore, uid: str) -> None:
    """Assert that a reader sees all of a run, or is told that it was deleted."""
    try:
        run = store[uid]
    except RunNotFoundError as error:
        assert "was deleted by" in str(error)
    else:
        assert run.verify(), str(run.verify())


@pytest.mark.parametrize("what", some(["delete", "restore", "gc"], 1))
def test_killed_at_any_step(tmp_path: Path, what: str) -> None:
    """A reader sees a whole run or none, the check names what was cut short, and doing it again ends it."""
    with AnalysisStore(tmp_path / "model") as store:
        uid = store.insert(result(), {}, provenance=ORIGIN).uid
        other = store.insert(result(1), {}, provenance=ORIGIN).uid
        if what != "delete":
            store.delete(uid, "why not", dry_run=False)
    step, cut = 0, 0
    while True:
        step += 1
        location = tmp_path / str(step)
        shutil.copytree(tmp_path / "model", location)
        process, connection = start(work, location, what, uid, step)
        done = heard(connection) == ["done"]
        process.join()
        with AnalysisStore(location) as store:
            reads_whole_or_says_why(store, uid)
            assert store[other].verify()
            found = list(unfinished(store))
            cut += bool(found)
            assert {(finding.kind, finding.subject) for finding in found} <= {("removal", uid)}
            if not done:
                with suppress(RunNotFoundError):  # it had come to its end, but for the lock
                    DOINGS[what](store, uid)
            assert list(unfinished(store)) == []
            assert (uid in store) == (what == "restore")
            assert (buried(store.root, uid) is None) == (what == "restore")
            assert (quarantined(store.root, uid) is None) == (what != "delete")
            assert_works(store)
            if what == "delete":
                assert store.restore(uid).verify()
        if done:
            break
        shutil.rmtree(location)
    assert step > 5
    assert cut > 0 or what == "gc"


def test_taken_back_after_any_kill(tmp_path: Path) -> None:
    """What was cut short while it was deleted can be restored as well."""
    with AnalysisStore(tmp_path / "model") as store:
        uid = store.insert(result(), {}, provenance=ORIGIN).uid
    for step in range(1, 200, 3):
        location = tmp_path / str(step)
        shutil.copytree(tmp_path / "model", location)
        process, connection = start(work, location, "delete", uid, step)
        done = heard(connection) == ["done"]
        process.join()
        with AnalysisStore(location) as store:
            if quarantined(store.root, uid):
                assert store.restore(uid).verify()
            assert store[uid].verify()
            assert list(unfinished(store)) == []
        if done:
            return
    pytest.fail("it never ended")

"""Loading, dumping and syncing killed at any instant: what is there is whole, and doing it again completes it."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from analysis_store import AnalysisStore
from analysis_store.documents import dumps
from analysis_store.runs.notes.notes import logged
from analysis_store.runs.read.reader import RunFile
from tests.faults.children import heard, start
from tests.faults.on_disk import ORIGIN, assert_whole, result, run_files
from tests.sweeps import sizes, some

RUNS = 20


def load(connection: Connection, location: Path, bundle: Path, *, halt: bool = False) -> None:
    """Load a bundle, and tell when it begins and when it is done."""
    with AnalysisStore(location) as store:
        connection.send("open")
        store.load(bundle, progress=partial(tell, connection, halt))
        connection.send("done")


def sync(connection: Connection, location: Path, other: Path, *, halt: bool = False) -> None:
    """Take what another store has."""
    with AnalysisStore(location) as store:
        connection.send("open")
        store.sync(other, progress=partial(tell, connection, halt))
        connection.send("done")


def tell(connection: Connection, halt: bool, done: int, _: int) -> None:
    """Tell how many runs have come; where it shall halt, wait there to be killed."""
    if halt:
        connection.send(done)
        time.sleep(1000)


def dump(connection: Connection, location: Path, folder: Path) -> None:
    """Make one bundle after the other, and tell of each."""
    with AnalysisStore(location) as store:
        connection.send("open")
        for number in range(1000):
            store.dump({}, folder / f"{number}.zip")
            connection.send(number)


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of some runs, each made from the one before, with a note on each."""
    location = tmp_path_factory.mktemp("origin")
    with AnalysisStore(location) as store:
        last: list[str] = []
        for number in range(RUNS):
            run = store.insert(result(number, 30_000), {"parent_uids": last, "number": number}, provenance=ORIGIN)
            store.note(run.uid, "remark", {"number": number}, durable=False)
            last = [run.uid]
    return location


@pytest.fixture(scope="module")
def bundle(origin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of all of them."""
    path = tmp_path_factory.mktemp("bundle") / "bundle.zip"
    with AnalysisStore(origin) as store:
        store.dump({}, path)
    return path


def killed(work: Callable[..., None], delay: float, *arguments: Any, halt: bool = False) -> list[Any]:
    """Return what a process told before it was killed, a while after it began, or after the first runs came."""
    process, connection = start(partial(work, halt=True) if halt else work, *arguments)
    assert "open" == connection.recv()
    if halt:
        assert 0 < connection.recv() < RUNS
    time.sleep(delay)
    process.kill()
    told = heard(connection)
    process.join()
    return told


def assert_no_halves(location: Path, checked: set[str]) -> set[str]:
    """Assert that every run of a store is whole, no parent is missing; return the uids. Those checked are not read."""
    with AnalysisStore(location) as store:
        uids = assert_whole(store, location, checked=checked)
        for uid in uids:
            assert set(store[uid].parents) <= uids, "a child came before its parent"
    for uid in run_files(location) - uids:  # the last step was still to come: whole, and nobody sees it
        (path,) = (location / "files").rglob(f"{uid}.h5")
        assert RunFile(path).start["uid"] == uid
    return uids


def assert_equal(location: Path, origin: Path) -> None:
    """Assert that a store has all that another has, once."""
    with AnalysisStore(location) as store, AnalysisStore(origin) as other:
        assert [run.uid for run in store] == [run.uid for run in other]
        for mine, theirs in zip(store, other, strict=True):
            assert dumps(mine.start) == dumps(theirs.start)
            assert mine.notes == theirs.notes
            assert mine.file.read_bytes() == theirs.file.read_bytes()
        assert set(Counter(note.uid for note in logged(store.root)).values()) == {1}


@pytest.mark.parametrize("most", sizes(3, 9))
@pytest.mark.parametrize("work", some([load, sync], 1))
def test_killed_and_repeated(tmp_path: Path, origin: Path, bundle: Path, work: Callable[..., None], most: int) -> None:
    """Whatever was reached, every run that is there is whole; repeated often enough, all is there, once."""
    chance = random.Random(20260104)
    source = bundle if work is load else origin
    assert "done" not in killed(work, chance.uniform(0.0, 0.1), tmp_path, source, halt=True)
    seen = [assert_no_halves(tmp_path, set())]
    assert 0 < len(seen[0]) < RUNS
    while len(seen) < most and "done" not in killed(work, chance.uniform(0.0, 0.1) * len(seen), tmp_path, source):
        seen.append(assert_no_halves(tmp_path, seen[-1]))
        assert seen[-2] <= seen[-1]
    process, connection = start(work, tmp_path, source)
    assert heard(connection) == ["open", "done"]
    process.join()
    assert len(assert_no_halves(tmp_path, set())) == RUNS
    assert_equal(tmp_path, origin)


@pytest.mark.slow
def test_a_dump_that_is_killed(tmp_path: Path, origin: Path) -> None:
    """Under a final name there is a whole bundle or nothing; scratch files tell whose they were."""
    chance = random.Random(20260105)
    for number in range(5):
        folder = tmp_path / str(number)
        folder.mkdir()
        told = killed(dump, chance.uniform(0.05, 0.5), origin, folder)
        made = sorted(int(path.stem) for path in folder.glob("*.zip"))
        assert set(told) <= set(made) <= {*told, len(told)}
        left = set(folder.iterdir()) - set(folder.glob("*.zip"))
        assert all(path.name.startswith(".") and path.suffix == ".part" for path in left)
        with AnalysisStore(tmp_path / "target") as store:
            for path in folder.glob("*.zip"):
                assert store.load(path)


def test_two_that_load_the_same(tmp_path: Path, origin: Path, bundle: Path) -> None:
    """Two processes that load the same bundle into one store at once do not disturb each other."""
    AnalysisStore(tmp_path).close()
    children = [start(load, tmp_path, bundle) for _ in range(2)]
    assert [heard(connection) for _, connection in children] == [["open", "done"]] * 2
    for process, _ in children:
        process.join()
    with AnalysisStore(tmp_path) as store, AnalysisStore(origin) as other:
        assert [run.uid for run in store] == [run.uid for run in other]
        assert all(mine.notes == theirs.notes for mine, theirs in zip(store, other, strict=True))
    assert_no_halves(tmp_path, set())

"""Other users and other masks: what one saves, another reads or is refused in words, and nothing is spoilt."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis_store import AnalysisStore
from analysis_store.errors import AnalysisStoreError
from analysis_store.recorder import Recorder, RunDataStore
from analysis_store.runs.read.run import Run
from tests.faults.children import call
from tests.faults.on_disk import ORIGIN, assert_works, result

OWNER, OTHER = 65534, 65533
MASKS = (0o000, 0o027, 0o277, 0o777)

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root becomes another user")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that every user reaches and may write to, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as found:
        Path(found).chmod(0o777)
        yield Path(found)


def become(user: int, mask: int) -> None:
    """Be another user with a mask from now on; import everything before, for Python may lie where only root gets to."""
    with tempfile.TemporaryDirectory() as warm:
        evening(Path(warm), 0)
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    os.umask(mask)


def use(folder: Path, user: int, mask: int) -> str:
    """Do what a person does on one evening; return the first error of ours, in words."""
    become(user, mask)
    try:
        evening(folder, user)
    except AnalysisStoreError as error:
        return f"{type(error).__name__}: {error}"
    return ""


def evening(folder: Path, user: int) -> None:
    """Save in every way, note, copy and look at all of it."""
    with AnalysisStore(folder / "store") as store:
        run = store.insert(result(), {"sample_name": "Fe"}, provenance=ORIGIN)
        with store.new_run({"parent_uids": [run.uid]}) as open_run:
            open_run.event("primary", {"x": 1.0})
        with Recorder(RunDataStore(store, {}, ORIGIN)) as recorder:
            recorder.record("loss", 0.5)
        store.annotate(run.uid, {"quality": "good"})
        store.retract(run.uid, "taken twice")
        store.dump(run, folder / f"{user}.zip")
        store.backup(folder / f"backup-{user}")
        assert store.check()
        for found in store:
            look(found)
        assert_works(store)


def look(run: Run) -> None:
    """Read all of a run."""
    assert [run.read(stream) for stream in run]
    assert run.verify()


def read(folder: Path, user: int, mask: int) -> str:
    """Read all that another user saved; return the first error of ours, in words."""
    become(user, mask)
    try:
        with AnalysisStore(folder / "store") as store:
            assert len(store) > 0
            for run in store:
                look(run)
    except AnalysisStoreError as error:
        return f"{type(error).__name__}: {error}"
    return ""


@pytest.mark.parametrize("mask", [*(pytest.param(mask, marks=pytest.mark.slow) for mask in MASKS), 0o077], ids=str)
def test_any_mask(folder: Path, mask: int) -> None:
    """All of it works, or the first refusal says why; the same user with an ordinary mask goes on afterwards."""
    refused = call(alone, use, folder, OWNER, mask)
    if refused:
        assert mask & 0o700, refused
        assert "ermission denied" in refused or "not" in refused
    assert not call(alone, use, folder / "later", OWNER, 0o022)


@pytest.mark.slow
@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077], ids=oct)
def test_another_user(folder: Path, mask: int) -> None:
    """Reads all where the mask let others read; else an error of ours says so. Writes nothing either way."""
    assert not call(alone, use, folder, OWNER, mask)
    before = sorted((folder / "store").rglob("*"))
    refused = call(alone, read, folder, OTHER, 0o022)
    assert bool(refused) == bool(mask & 0o004), refused
    assert call(alone, use, folder, OTHER, 0o022), "another user wrote"
    assert sorted((folder / "store").rglob("*")) == before


def alone(work, *arguments):
    """Do the work in this process, which ends afterwards: a user who is given up does not come back."""
    Path(arguments[0]).mkdir(exist_ok=True)
    Path(arguments[0]).chmod(0o777)
    return work(*arguments)

"""A process killed at any instant: every run it was given is whole, no other is half visible, the store goes on."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from analysis_store import AnalysisStore, layout
from analysis_store.runs.read.reader import RunFile
from tests.faults.children import heard, save_for_ever, start
from tests.faults.on_disk import assert_whole, assert_works, run_files, scratch_files


def killed_after(location: Path, delay: float, seed: int, *, opened: bool = True) -> list[str]:
    """Kill a process that saves; return the uids that were returned to it."""
    process, connection = start(save_for_ever, location, seed)
    if opened:
        assert "open" == connection.recv()
    time.sleep(delay)
    process.kill()
    told = heard(connection)
    process.join()
    assert -9 == process.exitcode, "it was not the kill that ended it"
    return [uid for uid in told if uid != "open"]


def look(location: Path, returned: set[str], checked: set[str]) -> set[str]:
    """Assert that the store holds what it must, and nothing by halves; return the uids of its runs."""
    with AnalysisStore(location) as store:
        there = assert_whole(store, location, checked=checked)
        assert returned <= there
        assert len(there) == len(store)
    for path in scratch_files(location):
        assert path.name.startswith(".")
        assert path.suffix == layout.SCRATCH_SUFFIX
    for path in (location / "files").rglob("*.h5"):
        if path.stem not in there | checked:  # the last step was still to come: it is whole, and nobody sees it
            file = RunFile(path)
            assert path.stem == file.start["uid"]
            assert "success" == file.stop["exit_status"]
    return there


@pytest.mark.parametrize(("least_kills", "saves"), [(5, 30), pytest.param(25, 200, marks=pytest.mark.slow)])
def test_kill_at_random_instants(tmp_path: Path, least_kills: int, saves: int) -> None:
    """Many saves, some of them killed: what was returned is there, and whole."""
    chance = random.Random(20260101)
    returned: set[str] = set()
    checked: set[str] = set()
    kills = 0

    while kills < least_kills or len(returned) < saves:
        returned |= set(killed_after(tmp_path, chance.uniform(0, 0.25), kills))
        kills += 1
        checked = look(tmp_path, returned, checked)

    assert len(checked) <= len(returned) + kills  # a kill between the commit and the return makes one more
    assert len(run_files(tmp_path)) <= len(checked) + kills
    assert len(look(tmp_path, returned, set())) == len(checked)
    with AnalysisStore(tmp_path) as store:
        assert_works(store)


def test_kill_while_the_store_is_made(tmp_path: Path) -> None:
    """Whatever is there of a store, the next process makes the rest."""
    chance = random.Random(20260102)
    for number in range(5):
        location = tmp_path / str(number)
        returned = killed_after(location, chance.uniform(0, 0.12), number, opened=False)

        look(location, set(returned), set())
        with AnalysisStore(location) as store:
            assert_works(store)

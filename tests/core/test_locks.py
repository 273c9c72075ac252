"""Waiting for a lock: one function, which all rooms use, waits as long as it is told and no longer."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from analysis_store.locks import FileLock, is_running, wait_for


def test_a_lock_is_had_as_soon_as_it_is_free(tmp_path: Path) -> None:
    """The second who wants it waits for the first."""
    first = FileLock.acquire(tmp_path / "lock")
    assert first is not None
    assert FileLock.acquire(tmp_path / "lock") is None
    release = threading.Timer(0.05, first.release)
    release.start()
    second = FileLock.acquire(tmp_path / "lock", 60.0)
    release.join()
    assert second is not None
    second.release()
    assert not (tmp_path / "lock").exists()


def test_a_lock_that_stays_held_is_given_up(tmp_path: Path) -> None:
    """None says that the time was over."""
    first = FileLock.acquire(tmp_path / "lock")
    assert first is not None
    assert FileLock.acquire(tmp_path / "lock", 0.02) is None
    first.release()


@pytest.mark.parametrize(("answers", "found"), [([0, 0, 7], 7), ([3], 3)])
def test_waiting_ends_with_what_was_found(answers: list[int], found: int) -> None:
    """What is looked for is returned at the first look that finds it."""
    assert wait_for(lambda: answers.pop(0), 60.0) == found
    assert answers == []


def test_without_time_one_look_is_taken() -> None:
    """A patience of nothing looks once."""
    looks = []
    assert wait_for(lambda: looks.append(1), 0.0) is None
    assert looks == [1]


@pytest.mark.parametrize("process", [-1, 0, 2**31, 10**20, 10**200])
def test_a_number_that_no_process_has(process: int) -> None:
    """Whatever number stands in the name of a scratch file, looking for its process raises nothing."""
    assert not is_running(process)

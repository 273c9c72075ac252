"""A recording that is a run, its writer killed, its disk full: the run is whole, or it is closed as aborted."""

from __future__ import annotations

import errno
import itertools
import os
import random
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from analysis_store import AnalysisStore
from analysis_store.errors import DamagedFileError, RunNotFoundError, StoreBusyError, StoreWriteError
from analysis_store.recorder import RunDataStore, live_runs, recorded, recover, resume
from tests.faults.children import call, heard, start
from tests.faults.on_disk import ORIGIN, assert_whole, assert_works, scratch_files
from tests.store.test_disk_full import largest_file
from tests.sweeps import sizes


@pytest.mark.slow
@pytest.mark.parametrize("kills", sizes(6, 20))
def test_killed_at_any_moment_it_is_whole_or_aborted(tmp_path: Path, kills: int) -> None:
    """Also during the close: never both, never damaged, and its rows are the first of those that were recorded."""
    moments = random.Random(7)
    known: set[str] = set()
    seen = {"success": 0, "abort": 0}
    with AnalysisStore(tmp_path) as store:
        for seed in itertools.count():
            if seed >= kills and seen["abort"] > kills // 4 and seen["success"] > 0:
                break
            process, connection = start(record_for_ever, tmp_path, seed)
            told = [connection.recv()]
            time.sleep(moments.uniform(0.0, 0.5))
            process.kill()
            process.join()
            told += heard(connection)
            finished = {run.uid for run in store} - known
            assert {uid for state, uid in told if state == "closed"} <= finished
            recovered = recover(store)
            assert len(recovered) <= 1
            for run in recovered:  # one that is in the store already had only its live name left
                assert run.uid not in finished or (run.stop and run.stop["exit_status"] == "success")
            for uid in {run.uid for run in store} - known:
                assert_prefix(store, uid, seen)
            known = assert_whole(store, tmp_path, checked=known)
            assert live_runs(store) == []
            assert [path for path in scratch_files(tmp_path) if path.suffix != ".part"] == []
        assert_works(store)


def record_for_ever(connection: Connection, location: Path, seed: int) -> None:
    """Record one run after the other, of many kinds, and tell of each when it begins, and when it is closed."""
    lengths = random.Random(seed)
    with AnalysisStore(location) as store:
        while True:
            datastore = RunDataStore(store, {}, ORIGIN, flush_every=0.02)
            connection.send(("begun", datastore.uid))
            for number in range(lengths.randrange(1, 400 if seed % 2 else 4)):  # of short ones the end is the most
                now = time.time()
                datastore.append("n", number, now)
                datastore.append("image", np.full((10, 20), number), now)
                datastore.append("text", f"number {number}", now)
                datastore.append("fit", {"number": number}, now)
                if number % 100 == 0:
                    datastore.set("last", number, now)
            datastore.close()
            connection.send(("closed", datastore.uid))


def assert_prefix(store: AnalysisStore, uid: str, seen: dict[str, int]) -> None:
    """Assert that each key of a run has the first of the values that were recorded, and that it ended as it did."""
    run = store[uid]
    assert run.stop is not None
    found = recorded(run)
    seen[run.stop["exit_status"]] += 1
    if run.stop["exit_status"] == "abort":
        assert "died" in run.stop["reason"]
    lengths = {key: len(found[key]) for key in found if key != "last"}
    np.testing.assert_array_equal(found["n"][:] if "n" in found else [], np.arange(lengths.get("n", 0)))
    if "image" in found:
        np.testing.assert_array_equal(found["image"][:, 3, 4], np.arange(lengths["image"]))
    if "text" in found:
        assert list(found["text"][:]) == [f"number {number}" for number in range(lengths["text"])]
    if "fit" in found:
        assert [value["number"] for value in found["fit"][:]] == list(range(lengths["fit"]))
    if run.stop["exit_status"] == "success":
        assert len(set(lengths.values())) == 1


def killed(location: Path, count: int) -> str:
    """Record some values, flush, and die."""
    with AnalysisStore(location) as store:
        datastore = RunDataStore(store, {"sample_name": "Fe foil"}, ORIGIN)
        for number in range(count):
            datastore.append("n", number, time.time())
        datastore.flush()
        (location / "uid").write_text(datastore.uid)
        os.kill(os.getpid(), 9)
    return datastore.uid


def died(location: Path, count: int) -> str:
    """Return the uid of a run whose writer died after so many values."""
    process, _ = start(_killed, location, count)
    process.join()
    return (location / "uid").read_text()


def _killed(_: Connection, location: Path, count: int) -> None:
    killed(location, count)


def test_a_dead_recording_is_listed_and_recovered(tmp_path: Path) -> None:
    """With what was flushed, under its own uid, and the death named."""
    uid = died(tmp_path, 1000)

    with AnalysisStore(tmp_path) as store:
        (run,) = live_runs(store)
        assert (run.uid, run.is_alive, run.keys) == (uid, False, {"n": 1000})
        assert run.recorded("n")[-3:].tolist() == [997, 998, 999]
        (made,) = recover(store, uid)
        assert made.uid == uid
        assert made.start["sample_name"] == "Fe foil"
        assert made.stop is not None
        assert made.stop["exit_status"] == "abort"
        assert recorded(made)["n"].read().tolist() == list(range(1000))
        assert made.verify()
        assert recover(store) == []
        assert live_runs(store) == []


def test_one_that_recorded_nothing_is_removed(tmp_path: Path) -> None:
    """There is no value in it that could be kept."""
    died(tmp_path, 0)

    with AnalysisStore(tmp_path) as store:
        assert recover(store) == []
        assert live_runs(store) == []
        assert len(store) == 0
    assert [path.name for path in scratch_files(tmp_path)] == ["uid"]


def test_one_damaged_file_does_not_keep_the_others(tmp_path: Path) -> None:
    """It is named when the others are recovered, and stays as it is."""
    uid = died(tmp_path, 10)
    (live,) = (tmp_path / "files").rglob("*.h5.live")
    broken = live.with_name("0.h5.live")
    broken.write_bytes(b"no HDF5 at all")

    with AnalysisStore(tmp_path) as store:
        with pytest.warns(UserWarning, match=r"0\.h5\.live is left out"):
            assert [run.uid for run in live_runs(store)] == [uid]
        with pytest.raises(DamagedFileError, match=r"0\.h5\.live"):
            recover(store)
        assert [run.uid for run in store] == [uid]
    assert broken.read_bytes() == b"no HDF5 at all"


def test_another_process_does_not_recover_what_lives(tmp_path: Path) -> None:
    """The refusal names the process that records."""
    with AnalysisStore(tmp_path) as store:
        datastore = RunDataStore(store, {}, ORIGIN)
        datastore.append("n", 1, 1.0)
        datastore.flush()

        assert str(os.getpid()) in call(_refusal, tmp_path, datastore.uid)

        datastore.close()
        assert store[datastore.uid].verify()


def _refusal(location: Path, uid: str) -> str:
    with AnalysisStore(location) as store:
        assert recover(store) == []
        with pytest.raises(StoreBusyError) as caught:
            recover(store, uid)
        return str(caught.value)


def test_a_disk_that_is_full_at_the_close(tmp_path: Path) -> None:
    """The error comes from close, nothing is lost, and with room again it can be closed."""
    call(_closed_twice, tmp_path)


def _closed_twice(location: Path) -> None:
    with AnalysisStore(location) as store:
        datastore = RunDataStore(store, {}, ORIGIN)
        for number in range(3000):
            datastore.append("n", number, time.time())
            datastore.append("text", f"number {number}", time.time())
        datastore.flush()
        (live,) = (location / "files").rglob("*.h5.live")
        for room in (0, 4096, 20_000):
            with largest_file(live.stat().st_size + room), pytest.raises(StoreWriteError) as caught:
                datastore.close()
            assert caught.value.errno in {errno.EFBIG, errno.ENOSPC}
            assert "again" in str(caught.value)
            assert len(store) == 0
            assert datastore.get_all("n")[-1] == 2999
        datastore.close()
        run = store[datastore.uid]
        assert recorded(run)["n"].read().tolist() == list(range(3000))
        assert run.stop is not None
        assert run.stop["exit_status"] == "success"
        assert_works(store)
        assert_whole(store, location)
    assert scratch_files(location) == []


def test_a_recording_whose_writer_died_can_be_gone_on_with(tmp_path: Path) -> None:
    """By another process, after which it is one run; not while its writer lives, and not once it has ended."""
    with AnalysisStore(tmp_path) as store:
        process, connection = start(record_and_wait, tmp_path)
        uid = connection.recv()
        with pytest.raises(StoreBusyError):
            resume(store, uid)
        process.kill()
        process.join()

        with resume(store, uid) as datastore:
            assert datastore.get_all("n")[:].tolist() == [0, 1, 2]
            datastore.append("n", 3, time.time())
            datastore.append("new", "text", time.time())

        assert recorded(store[uid])["n"][:].tolist() == [0, 1, 2, 3]
        assert store[uid].stop["exit_status"] == "success"
        assert store[uid].verify()
        assert scratch_files(tmp_path) == []
        with pytest.raises(RunNotFoundError, match="has the uid"):
            resume(store, uid)


def record_and_wait(connection: Connection, location: Path) -> None:
    """Record a little, flush, and wait to be killed."""
    with AnalysisStore(location) as store:
        datastore = RunDataStore(store, {}, ORIGIN)
        for number in range(3):
            datastore.append("n", number, time.time())
        datastore.flush()
        connection.send(datastore.uid)
        time.sleep(600)

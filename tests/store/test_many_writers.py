"""Many writers and readers at once: no run is lost, none is seen by halves, and nobody is told of a lock."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import pytest

from analysis_store import AnalysisStore, layout
from analysis_store.core.atomic_files import remove_folders
from analysis_store.errors import StoreClosedError
from analysis_store.runs.read import results
from tests.faults.children import call, heard, processes, start
from tests.faults.on_disk import ORIGIN, assert_whole, assert_works, result, run_files, scratch_files

PROCESSES = 8
SAVES = 50


def save_many(connection: Connection, barrier: Any, location: Path, number: int) -> None:
    """Save at the same time as the others; tell the uids, or the error."""
    try:
        barrier.wait(60)
        with AnalysisStore(location) as store:
            for index in range(SAVES):
                data = result(number, 3 if index % 2 else 1000)
                connection.send(store.insert(data, {"writer": number, "index": index}, provenance=ORIGIN).uid)
    except BaseException as error:
        connection.send(error)
        raise


def test_many_processes_and_a_reader(tmp_path: Path) -> None:
    """8 processes make one store and save 50 runs each into it, while another reads whatever is there."""
    barrier = processes.Barrier(PROCESSES)
    started = [start(save_many, barrier, tmp_path, number) for number in range(PROCESSES)]
    sentinels = [process.sentinel for process, _ in started]
    seen: set[str] = set()
    looks = 0

    assert isinstance(started[0][1].recv(), str), "the first run, so that there is a store to read"
    with AnalysisStore(tmp_path) as reader:
        while len(wait(sentinels, timeout=0.01)) < PROCESSES:
            there = assert_whole(reader, tmp_path, checked=seen)
            assert seen <= there, "a run that was seen is gone"
            seen, looks = there, looks + 1
    told = [uid for _, connection in started for uid in heard(connection)]
    for process, _ in started:
        process.join()

    assert [] == [error for error in told if not isinstance(error, str)]
    assert [0] * PROCESSES == [process.exitcode for process, _ in started]
    assert looks, "nobody looked while they wrote"
    with AnalysisStore(tmp_path) as store:
        uids = assert_whole(store, tmp_path, checked=seen)
        assert PROCESSES * SAVES == len(store) == len(uids)
        assert set(told) <= uids
        for number in range(PROCESSES):
            ours = store.search(writer=number)
            assert sorted(range(SAVES)) == sorted(run.start["index"] for run in ours)
    assert uids == run_files(tmp_path)
    assert [] == scratch_files(tmp_path)


def test_runs_saved_meanwhile_do_not_disturb_who_looks_through_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run that was there is told once, in order, however many are added in front."""
    monkeypatch.setattr(results, "_PAGE", 3)
    with AnalysisStore(tmp_path) as store:
        for number in range(12):
            store.insert(result(), {"number": number, "time": float(number // 5)}, provenance=ORIGIN)
        told = []
        for run in store:
            told.append(run.start["number"])
            store.insert(result(), {"number": "new"}, provenance=ORIGIN)

        assert list(range(11, -1, -1)) == told
        assert 24 == len(assert_whole(store, tmp_path))


@pytest.mark.slow
def test_many_threads_share_a_store(tmp_path: Path) -> None:
    """One store object serves all threads, saving and reading."""
    uids: list[str] = []
    errors: list[BaseException] = []
    with AnalysisStore(tmp_path) as store:

        def work(number: int) -> None:
            try:
                for index in range(10):
                    run = store.insert(result(number), {"thread": number, "index": index}, provenance=ORIGIN)
                    uids.append(run.uid)
                    assert run.verify()
                    assert store.search(thread=number)[0].read()["n"].values.tolist() == [number, number]
            except BaseException as error:
                errors.append(error)

        run_together([lambda number=number: work(number) for number in range(8)])

        assert [] == errors
        assert 80 == len(set(uids)) == len(store)
        assert set(uids) == assert_whole(store, tmp_path)
    assert set(uids) == run_files(tmp_path)
    assert [] == scratch_files(tmp_path)


def test_threads_make_one_store(tmp_path: Path) -> None:
    """Whoever comes first makes it, and the others find it made."""
    errors: list[BaseException] = []

    def make() -> None:
        try:
            with AnalysisStore(tmp_path / "store") as store:
                store.insert(result(), {}, provenance=ORIGIN)
        except BaseException as error:
            errors.append(error)

    run_together([make] * 8)

    assert [] == errors
    with AnalysisStore(tmp_path / "store") as store:
        assert 8 == len(assert_whole(store, tmp_path / "store"))
    assert [] == scratch_files(tmp_path / "store")


def run_together(work: list[Callable[[], None]]) -> None:
    """Run functions in threads that begin at the same time."""
    barrier = threading.Barrier(len(work))

    def begin(function: Callable[[], None]) -> None:
        barrier.wait(60)
        function()

    threads = [threading.Thread(target=begin, args=(function,)) for function in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_failed_save_takes_no_folder_from_another(tmp_path: Path) -> None:
    """The first runs of a day make its folder; those that fail remove only what is empty, and nobody minds."""
    errors: list[BaseException] = []
    saved: list[str] = []
    entry = {"writer": Broken, "spec": "BROKEN", "resource": {"func": lambda docs, key: {"path": str(tmp_path / "x")}}}
    with AnalysisStore(tmp_path / "store") as store:

        def save(number: int) -> None:
            for index in range(20):  # a day of its own each time: its folder has to be made
                writers = {"x": entry} if number % 2 else None
                try:
                    saved.append(store.insert(result(), day(index), writers_dict=writers, provenance=ORIGIN).uid)
                except BaseException as error:
                    errors.append(error)

        run_together([lambda number=number: save(number) for number in range(4)])

        assert 40 == len(errors)
        assert all("Broken failed: ValueError: broken" in str(error) for error in errors), errors
        assert set(saved) == assert_whole(store, tmp_path / "store")
    assert [] == scratch_files(tmp_path / "store")


def day(number: int) -> dict[str, Any]:
    """Return metadata of a run of a month of its own."""
    return {"time": 32 * 86400.0 * number}


def test_a_folder_that_is_taken_away_is_made_again(tmp_path: Path) -> None:
    """Somebody whose save has failed removes the folder of the day just before our file is in it."""
    done = threading.Event()
    with AnalysisStore(tmp_path) as store:
        store.insert(result(), {}, provenance=ORIGIN)
        folders = [
            (tmp_path / "files" / layout.run_path("x", day(number)["time"])).parent for number in range(1000, 1030)
        ]

        def take_away() -> None:
            while not done.is_set():
                for folder in folders:
                    remove_folders([folder, folder.parent])

        thread = threading.Thread(target=take_away)
        thread.start()
        try:
            uids = {store.insert(result(), day(number), provenance=ORIGIN).uid for number in range(1000, 1030)}
        finally:
            done.set()
            thread.join()

        assert 30 == len(uids)
        assert uids < assert_whole(store, tmp_path)
    assert [] == scratch_files(tmp_path)


class Broken:
    """A writer that fails."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self, data: Any) -> Any:
        """Fail."""
        raise ValueError("broken")


def test_a_store_does_not_cross_a_fork(tmp_path: Path) -> None:
    """The child is told so, whatever it tries; the parent goes on."""
    told = call(forked, tmp_path)

    assert {"insert", "new_run", "callback", "search", "getitem", "len", "contains", "close a run"} == set(told)
    for name, error in told.items():
        assert error.startswith("StoreClosedError: "), name
        assert "of which this process is a fork" in error
        assert "Open the store again" in error


def forked(location: Path) -> dict[str, str]:
    """Fork with an open store; return what the child was told."""
    with AnalysisStore(location) as store, store.new_run({}, provenance=ORIGIN) as run:
        run.event("primary", {"x": 1})
        uid = store.insert(result(), {}, provenance=ORIGIN).uid
        attempts: dict[str, Callable[[], object]] = {
            "insert": lambda: store.insert(result(), {}, provenance=ORIGIN),
            "new_run": lambda: store.new_run({}, provenance=ORIGIN),
            "callback": lambda: store("start", {"uid": "x", "time": 1.0}),
            "search": store.search,
            "getitem": lambda: store[uid],
            "len": lambda: len(store),
            "contains": lambda: uid in store,
            "close a run": run.close,
        }
        ours, theirs = processes.Pipe(duplex=False)
        child = os.fork()
        if child == 0:
            try:
                for name, attempt in attempts.items():
                    try:
                        attempt()
                    except StoreClosedError as error:
                        theirs.send((name, f"{type(error).__name__}: {error}"))
                assert "fork" in repr(store)
                store.close()
                store.close()
                with AnalysisStore(location) as own:
                    assert_works(own)
            except BaseException as error:
                theirs.send(("the child", repr(error)))
            os._exit(0)
        theirs.close()
        told = dict(heard(ours))
        os.waitpid(child, 0)
        assert_works(store)
    with AnalysisStore(location) as store:
        assert 4 == len(assert_whole(store, location))
        assert "success" == store[run.uid].stop["exit_status"]
    assert [] == scratch_files(location)
    return told

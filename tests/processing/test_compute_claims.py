"""One result is computed once, whoever asks for it at the same time, and whatever becomes of who computes it."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from analysis_store import AnalysisStore, Provenance
from analysis_store.locks import FileLock, holder_of, is_held
from analysis_store.processing.engine import compute_lock as claims
from analysis_store.processing.engine.compute_lock import claim_path, claimed
from tests.faults.children import call, heard, start, wait_for
from tests.flow_processors import fail_once, meet, scale

KEY = "blake3:" + "ab" * 32


def filled(folder: Path) -> str:
    """Make a store with a raw run; return its uid."""
    with AnalysisStore(folder) as store:
        made = Provenance(origin="synthetic", note="made by a test")
        return store.insert({"primary": {"counts": np.arange(30.0).reshape(1, 30)}}, {}, provenance=made).uid


def ask(connection: Connection, folder: Path, raw: str, calls: str, seconds: float) -> None:
    """Ask for a slow result in a process of its own; send its uid, or what was raised."""
    with AnalysisStore(folder) as store:
        connection.send("ready")
        try:
            connection.send(store.compute(scale.preset(calls=calls, seconds=seconds), raw).uid)
        except Exception as error:
            connection.send(repr(error))


def computed(folder: Path, raw: str, calls: str) -> str:
    """Ask for a result that is there, or quickly made."""
    with AnalysisStore(folder) as store:
        return store.compute(fail_once.preset(calls=calls), raw).uid


def lines(calls: Path) -> int:
    """Return how often a processor was called."""
    return len(calls.read_text().splitlines()) if calls.exists() else 0


@pytest.mark.slow
def test_eight_processes(tmp_path: Path) -> None:
    """One computes; the others get its run."""
    raw, calls = filled(tmp_path / "store"), tmp_path / "calls"
    asked = [start(ask, tmp_path / "store", raw, str(calls), 1.0) for _ in range(8)]
    answers = [heard(connection) for _, connection in asked]
    assert {answer[0] for answer in answers} == {"ready"}
    assert len({answer[1] for answer in answers}) == 1
    assert lines(calls) == 1
    assert not list(tmp_path.rglob("claims/*/*.lock"))


def test_eight_threads(tmp_path: Path) -> None:
    """As processes do."""
    raw, calls = filled(tmp_path / "store"), tmp_path / "calls"
    with AnalysisStore(tmp_path / "store") as store, ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(store.compute, scale.preset(calls=str(calls), seconds=0.5), raw) for _ in range(8)]
        assert len({one.result().uid for one in asked}) == 1
    assert lines(calls) == 1


def test_different_results_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """Four are computed, each of which waits until all have begun."""
    raw, calls = filled(tmp_path / "store"), str(tmp_path / "calls")
    with AnalysisStore(tmp_path / "store") as store, ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(store.compute, meet.preset(who=who, calls=calls, of=4), raw) for who in range(4)]
        assert len({one.result().uid for one in asked}) == 4


def test_who_computes_is_killed(tmp_path: Path) -> None:
    """The next one computes; nothing has to be cleared up."""
    raw, calls = filled(tmp_path / "store"), tmp_path / "calls"
    victim, _ = start(ask, tmp_path / "store", raw, str(calls), 60.0)
    wait_for(lambda: lines(calls) == 1, "the first process begins")
    (claim,) = tmp_path.rglob("claims/*/*.lock")
    assert f"process {victim.pid} of " in holder_of(claim)
    _, connection = start(ask, tmp_path / "store", raw, str(calls), 60.0)
    assert connection.recv() == "ready"
    time.sleep(0.3)
    assert lines(calls) == 1
    os.kill(victim.pid or 0, signal.SIGKILL)
    wait_for(lambda: lines(calls) == 2, "the second process goes on")


def test_who_computes_fails(tmp_path: Path) -> None:
    """Its caller gets the error; who waited tries, and the result is there."""
    raw, calls = filled(tmp_path / "store"), tmp_path / "calls"
    with AnalysisStore(tmp_path / "store") as store, ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(store.compute, fail_once.preset(calls=str(calls)), raw) for _ in range(3)]
        errors = [one.exception() for one in asked]
        assert sorted(map(repr, errors)) == ["None", "None", "ValueError('not yet')"]
        assert len({one.result().uid for one, error in zip(asked, errors, strict=True) if error is None}) == 1
    assert lines(calls) == 2
    assert call(computed, tmp_path / "store", raw, str(calls))
    assert lines(calls) == 2


def test_who_waits_says_for_whom(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while, and now and then from there on."""
    monkeypatch.setattr(claims, "_FIRST_WORD", 0.2)
    monkeypatch.setattr(claims, "_EVERY", 0.2)
    caplog.set_level(logging.INFO, claims.__name__)

    def wait() -> None:
        with claimed(tmp_path, KEY, "scale of run 1"):
            pass

    with claimed(tmp_path, KEY, "scale of run 1"):
        waiting = threading.Thread(target=wait)
        waiting.start()
        wait_for(lambda: len(caplog.records) >= 2, "it says for whom it waits")
    waiting.join()
    said = [record.message for record in caplog.records]
    assert said[0].startswith(f"waiting for scale of run 1, which process {os.getpid()} of ")


def test_a_claim_is_gone_with_its_block(tmp_path: Path) -> None:
    """However it ends; the file is removed."""
    path = claim_path(tmp_path, KEY)
    with pytest.raises(KeyboardInterrupt), claimed(tmp_path, KEY, "it"):  # noqa: PT012 - the state within is the point
        assert is_held(path)
        raise KeyboardInterrupt
    assert not path.exists()
    assert not is_held(path)


def test_nobody_takes_a_lock_that_is_being_removed(tmp_path: Path) -> None:
    """Threads that take, count and release one lock as fast as they can never hold it together."""
    path, inside, most, done = tmp_path / "one.lock", [0], [0], [0]

    def work() -> None:
        while done[0] < 2000:
            lock = FileLock.acquire(path)
            if lock is None:
                continue
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            done[0] += 1
            inside[0] -= 1
            lock.release()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert most == [1]
    assert not path.exists()

"""Other processes for the tests of faults: what they do, and how they are started.

A server process has everything imported and forks them, so that one costs milliseconds; it has no threads, and no
library that minds a fork.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from analysis_store import AnalysisStore
from tests.faults.on_disk import ORIGIN, result

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.faults.warm"])


def start(work: Callable[..., Any], *arguments: Any) -> tuple[multiprocessing.process.BaseProcess, Connection]:
    """Start a process that does ``work(connection, *arguments)``; return it, and the end to listen at."""
    ours, theirs = processes.Pipe(duplex=False)
    process = processes.Process(target=work, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def heard(connection: Connection) -> list[Any]:
    """Return everything that a process has sent until its end."""
    found = []
    while True:
        try:
            found.append(connection.recv())
        except EOFError:
            return found


def wait_for(found: Callable[[], Any], what: str) -> Any:
    """Return what a function returns, as soon as that is true; it may take as long as a busy machine needs."""
    until = time.monotonic() + 100
    while not (result := found()):
        assert time.monotonic() < until, f"this did not come: {what}"
        time.sleep(0.01)
    return result


def call(work: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns in another process; an error there is one here."""
    process, connection = start(_answer, work, *arguments)
    answers = heard(connection)
    process.join()
    assert answers, f"{work.__name__} died with exit code {process.exitcode}"
    good, answer = answers[0]
    assert good, answer
    return answer


def _answer(connection: Connection, work: Callable[..., Any], *arguments: Any) -> None:
    try:
        connection.send((True, work(*arguments)))
    except BaseException:
        connection.send((False, traceback.format_exc()))


def save_for_ever(connection: Connection, location: Path, seed: int) -> None:
    """Save results, small and large, and tell the uid of each once it is returned."""
    sizes = random.Random(seed)
    with AnalysisStore(location) as store:
        connection.send("open")
        while True:
            size = sizes.choice([10, 1000, 1000, 1000, 200_000])
            run = store.insert(result(os.getpid(), size), {"size": size}, provenance=ORIGIN)
            connection.send(run.uid)

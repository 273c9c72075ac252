"""Processes of this machine that work for this one: spawned, and left alone by Ctrl-C, which this one answers."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def process_pool(number: int) -> ProcessPoolExecutor:
    """Return a pool of fresh processes; a fork would take over threads and open files."""
    return ProcessPoolExecutor(number, multiprocessing.get_context("spawn"), _leave_interrupts)


def submit(pool: Executor, function: Callable[..., Any], *arguments: object) -> Future[Any]:
    """Give work to a pool, and take Ctrl-C only then: a process that starts meanwhile cannot ignore it yet."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(function, *arguments)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _leave_interrupts() -> None:
    """Ignore Ctrl-C, which every process of a terminal gets: the one that started this one decides."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def may_start_processes() -> bool:
    """Return True if a fresh process would do nothing but our work.

    It imports the script that is running, and one without ``if __name__ == "__main__":`` would do all that it does a
    second time; from its outside nobody can tell. A prompt has none, and programs of packages are made for it.
    """
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return file is None or Path(file).name in {"analysis-store", "__main__.py", "pytest"}

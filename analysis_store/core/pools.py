"""Pools of worker processes: spawned, and not interrupted by Ctrl-C, which this process handles."""

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
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def process_pool(number: int) -> ProcessPoolExecutor:
    """Return a pool of fresh processes; a fork would inherit threads and open files."""
    return ProcessPoolExecutor(number, multiprocessing.get_context("spawn"), _leave_interrupts)


def submit(pool: Executor, function: Callable[..., Any], *arguments: object) -> Future[Any]:
    """Submit work to a pool, and delay Ctrl-C meanwhile: a starting process cannot ignore it yet."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(function, *arguments)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _leave_interrupts() -> None:
    """Ignore Ctrl-C, which every process of a terminal gets: the parent process handles it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def may_start_processes() -> bool:
    """Return True if a fresh process would only do the submitted work.

    A fresh process imports the running script, and a script without ``if __name__ == "__main__":`` would run a
    second time, which cannot be detected. A prompt has no script, and programs of packages support the import.
    """
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return file is None or Path(file).name in {"analysis-store", "__main__.py", "pytest"}

"""Trials in a process of their own, with limits of time and memory: what it dies of is a fault that is named."""

from __future__ import annotations

import random
import resource
import shutil
import tempfile
import traceback
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.faults.children import processes

PATIENCE = 60.0
"""Seconds that one trial may take on a busy machine."""

MEMORY = 3 << 30
"""Bytes of address space beyond what the process has at its start."""

Attempt = Callable[[random.Random], None]
Target = Callable[[Path], Attempt]
"""Prepares its material in a folder, and returns what tries one mutation and raises where that finds a fault."""


def tried(target: Target, seed: int, count: int) -> list[str]:
    """Return the faults that so many mutations have found, each with the number that repeats it."""
    faults, first = list[str](), 0
    while first < count:
        ours, theirs = processes.Pipe(duplex=False)
        process = processes.Process(target=_work, args=(theirs, target, seed, first, count), daemon=True)
        process.start()
        theirs.close()
        number, fault = _followed(ours, first, count)
        if fault:
            faults.append(f"{target.__module__} --seed {seed}, number {number}: {fault}")
        process.kill()
        process.join()
        first = number + 1
    return faults


def _followed(connection: Connection, first: int, count: int) -> tuple[int, str]:
    """Return the number of the first fault, and what it is; the last number and nothing where there is none."""
    number = first
    while number < count:
        if not connection.poll(PATIENCE if number > first else 3 * PATIENCE):
            return number, f"took longer than {PATIENCE:.0f} s"
        try:
            fault = connection.recv()
        except EOFError:
            return number, "the process died"
        if fault:
            return number, fault
        number += 1
    return number, ""


def _work(connection: Connection, target: Target, seed: int, first: int, count: int) -> None:
    warnings.simplefilter("ignore")
    folder = Path(tempfile.mkdtemp())
    try:
        attempt = target(folder)
        size = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, resource.RLIM_INFINITY))
        for number in range(first, count):
            connection.send(_fault(attempt, random.Random(f"{seed} {number}")))
    except BaseException:
        connection.send(traceback.format_exc())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fault(attempt: Attempt, chance: Any) -> str:
    try:
        attempt(chance)
    except BaseException:
        return traceback.format_exc()
    return ""

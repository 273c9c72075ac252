"""Processors for the tests of tasks; in a module of their own, because worker processes import it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np

from analysis_store.processing import processor


@processor(id="t_double", version="1")
def double(inputs: Any) -> dict[str, Any]:
    """Twice the values."""
    return {"x": 2 * np.asarray(inputs["primary"]["x"][0])}


@processor(id="t_total", version="1")
def total(inputs: Any, unlucky: float = -1.0) -> dict[str, Any]:
    """The sum of the values, unless it is the unlucky one."""
    found = float(np.sum(inputs["primary"]["x"][0]))
    if found == unlucky:
        raise ValueError(f"{found} is unlucky")
    return {"total": found}


@processor(id="t_largest", version="1")
def largest(inputs: Any) -> dict[str, Any]:
    """The largest value."""
    return {"largest": float(np.max(inputs["primary"]["x"][0]))}


@processor(id="t_root", version="1")
def root(inputs: Any) -> dict[str, Any]:
    """The square root of a total."""
    return {"root": float(np.sqrt(inputs["primary"]["total"][0]))}


@processor(id="t_slow", version="1")
def slow(inputs: Any, seconds: float = 0.01) -> dict[str, Any]:
    """A value that takes its time."""
    time.sleep(seconds)
    return {"x": float(np.sum(inputs["primary"]["x"][0]))}


@processor(id="t_deadly", version="1")
def deadly(inputs: Any, victim: float, marks: str, times: int = 1_000_000) -> dict[str, Any]:
    """The sum of the values; the victim kills the process it is in, so many times. Every call leaves a mark."""
    found = float(np.sum(inputs["primary"]["x"][0]))
    with Path(marks).open("a") as file:
        file.write(f"{found}\n")
    if found == victim and Path(marks).read_text().split().count(str(victim)) <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"total": found}


@processor(id="t_quits", version="1")
def quits(inputs: Any) -> dict[str, Any]:
    """Nothing: it tries to end the process."""
    raise SystemExit(3)


@processor(id="t_size", version="1")
def size(inputs: Any) -> dict[str, Any]:
    """How large a file is."""
    return {"bytes": inputs.path.stat().st_size}


@processor(id="t_interrupts", version="1")
def interrupts(inputs: Any, at: float, marks: str) -> dict[str, Any]:
    """The sum of the values; the first time that it is ``at``, somebody presses Ctrl-C."""
    found = float(np.sum(inputs["primary"]["x"][0]))
    if found == at and not Path(marks).exists():
        Path(marks).touch()
        raise KeyboardInterrupt
    return {"total": found}


@processor(id="t_marked", version="1")
def marked(inputs: Any, marks: str) -> dict[str, Any]:
    """The values; every call leaves a mark."""
    with Path(marks).open("a") as file:
        file.write("called\n")
    return {"x": inputs["primary"]["x"][0]}

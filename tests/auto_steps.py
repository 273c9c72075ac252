"""Processors for the tests of the analysis at the beamline; in a module that another process can import."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from analysis_store.processing import processor


@processor(id="a_total", version="1")
def total(inputs: Any) -> dict[str, Any]:
    """The sum of what was counted, and where it was done."""
    return {"total": float(inputs["primary"]["x"].read().sum()), "pid": os.getpid(), "session": os.getsid(0)}


@processor(id="a_number", version="1")
def number(inputs: Any) -> dict[str, Any]:
    """The number that the start document has."""
    return {"n": int(inputs.start.get("n", 0))}


@processor(id="a_unlucky", version="1")
def unlucky(inputs: Any) -> dict[str, Any]:
    """Nothing, without luck."""
    if not inputs.start.get("lucky"):
        raise ValueError("no luck")
    return {"luck": True}


@processor(id="a_busy", version="1")
def busy(inputs: Any, gate: str) -> dict[str, Any]:
    """Nothing, but it keeps a core busy until a file is there."""
    while not Path(gate).exists():
        pass
    return {"free": True}


@processor(id="a_endless", version="1")
def endless(inputs: Any, sign: str) -> dict[str, Any]:
    """Nothing, ever; a file tells in which process."""
    file = Path(f"{sign}.part")
    file.write_text(str(os.getpid()))
    file.rename(sign)
    while True:
        pass


@processor(id="a_deadly", version="1")
def deadly(inputs: Any, marks: str) -> dict[str, Any]:
    """How often a process died of a run; the run says how often it wants that."""
    file = Path(f"{marks}-{inputs.uid}")
    deaths = len(file.read_text()) if file.exists() else 0
    if deaths < inputs.start["deaths"]:
        file.write_text("x" * (deaths + 1))
        os.kill(os.getpid(), signal.SIGKILL)
    return {"deaths": deaths}

"""The stored runs of a result, and which of them can be reused."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis_store.runs.notes.notes import retraction_text

if TYPE_CHECKING:
    from analysis_store.run_store import RunStore
    from analysis_store.runs.read.run import Run


@dataclass(frozen=True, slots=True)
class Found:
    """A stored run of a result, looked at."""

    run: Run
    fault: str = ""
    """Why it cannot be reused, a sentence without its stop; empty where it can."""

    is_damaged: bool = False
    """Whether its data are not what they were."""


def stored(store: RunStore, key: str, but: Container[str] = ()) -> Iterator[Found]:
    """Return the stored runs of a result, newest first but for some, each looked at when it is asked for."""
    return (looked_at(run) for run in store.results(key) if run.uid not in but)


def looked_at(run: Run) -> Found:
    """Return a run and whether it can be reused: it succeeded, was not retracted, and its data verify."""
    status = (run.stop or {}).get("exit_status")
    if status != "success":
        reason = (run.stop or {}).get("reason")
        return Found(run, f"run {run.uid} ended as {status!r}{f': {reason}' if reason else ''}")
    note = run.retraction
    if note is not None:
        return Found(run, f"run {run.uid} was retracted: {retraction_text(note)}")
    report = run.verify()
    if not report:
        return Found(run, f"run {run.uid} is damaged: {'; '.join(report.faults)}", is_damaged=True)
    return Found(run)

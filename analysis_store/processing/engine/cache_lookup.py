"""The stored runs of a result, and a check which of them can be reused."""

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
    """A stored run of a result, after the check."""

    run: Run
    fault: str = ""
    """Reason why it cannot be reused, without a full stop; empty if it can."""

    is_damaged: bool = False
    """True if its data were changed."""


def stored(store: RunStore, key: str, but: Container[str] = ()) -> Iterator[Found]:
    """Yield the stored runs of a result, newest first except some, each checked when it is requested."""
    return (looked_at(run) for run in store.results(key) if run.uid not in but)


def looked_at(run: Run) -> Found:
    """Return a run with the result of its check: it must have succeeded, not be retracted, and its data must verify."""
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

"""Outcomes of the inputs of a task: a line for each, a summary, and how to see more."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import typer

from analysis_store.cli.console import note, print_json, table
from analysis_store.core.text import counted

if TYPE_CHECKING:
    from analysis_store.processing import Task
    from analysis_store.processing.task.outcomes import Failure, Outcome, Report

_NONE = "no inputs: no run matches yet."
COLUMNS = ("input", "status", "result", "how", "seconds", "error")


def show_report(task: Task, report: Report, *, as_json: bool) -> None:
    """Print the report of a task, and exit with code 1 if an input failed."""
    if as_json:
        outcomes = [each.to_document() for each in report]
        print_json({"task": task.uid, "status": report.status, "counts": report.counts, "outcomes": outcomes})
    else:
        outcome_table(task, report)
        note(summary(task, report))
    failed = len(report.failed)
    if failed and not as_json:
        why = f"why: analysis-store task show {task.uid[:8]} --failures"
        sys.stdout.flush()  # the table comes first in a log of both streams
        typer.echo(f"error: {failed} of {counted(len(report), 'input')} failed; {why}", err=True)
    if failed:
        raise typer.Exit(1)


def outcome_table(task: Task, outcomes: Iterable[Outcome]) -> None:
    """Print a line for each input."""
    steps = task.log.head["pipeline"]["steps"]
    used = {parent for step in steps.values() for parent in step["parents"]}
    table(COLUMNS, [_row(each, [name for name in steps if name not in used]) for each in outcomes], _NONE)


def summary(task: Task, report: Report) -> str:
    """Return the summary of a report, on one line."""
    counts = report.counts
    told = [f"{number} {name}" for name, number in counts.items() if number and name != "inputs"]
    return f"task {task.uid}: {task.status}; {', '.join([counted(counts['inputs'], 'input'), *told])}."


def failure_lines(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """Yield the error of each failed input, with the traceback."""
    for outcome in outcomes:
        for failure in outcome.failures:
            yield f"{outcome.input}: {_told(failure)}"
            yield from (f"  {line}" for line in failure.traceback.splitlines())


def _row(outcome: Outcome, leaves: Sequence[str]) -> list[str]:
    return [
        outcome.input,
        outcome.status,
        ", ".join(outcome.results[name].run for name in leaves if name in outcome.results),
        _how(outcome),
        f"{outcome.seconds:.3f}",
        "; ".join(map(_told, outcome.failures)),
    ]


def _how(outcome: Outcome) -> str:
    """Return if results were reused or computed: one word for one result, counts for several."""
    counts = Counter("reused" if each.reused else "computed" for each in outcome.results.values())
    if len(outcome.results) == 1:
        return next(iter(counts))
    return ", ".join(f"{number} {name}" for name, number in counts.items())


def _told(failure: Failure) -> str:
    return f"{failure.step}: {failure.error}" if failure.step else failure.error

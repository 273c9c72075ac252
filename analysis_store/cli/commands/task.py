"""``analysis-store task``: presets that were run on many inputs, and the outcome of each input."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis_store.cli.commands.find import LimitOption
from analysis_store.cli.commands.process import ExecutorOption, executor_of
from analysis_store.cli.console import print_json, say, table, warned
from analysis_store.cli.options import JsonOption, StoreOption, open_store
from analysis_store.cli.presets import ImportOption, import_modules
from analysis_store.errors import RunNotFoundError

if TYPE_CHECKING:
    from analysis_store import AnalysisStore
    from analysis_store.processing import Task

app = typer.Typer(
    help="Show and continue tasks: presets run on many inputs.", no_args_is_help=True, rich_markup_mode=None
)
_TASK = {"ignore_unknown_options": True}  # -1 means the newest task; it is not an option
COLUMNS = ("time", "task", "status", "inputs", "done", "failed", "steps")

TaskArgument = Annotated[
    str, typer.Argument(metavar="UID", help="Uid of a task, the beginning of its uid, or -1 for the newest task.")
]


@app.command(context_settings=_TASK)
def show(
    uid: TaskArgument,
    failures: Annotated[
        bool, typer.Option("--failures", help="Show the error and the traceback of each failed input.")
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the outcome of each input of a task."""
    from analysis_store.cli.outcomes import failure_lines, outcome_table, summary

    with open_store(store) as opened:
        task = _found(opened, uid)
        outcomes = task.outcomes
        if as_json:
            told = [each.to_document() for each in (outcomes.failed if failures else outcomes)]
            print_json(_document(task) | {"outcomes": told})
            return
        say(summary(task, outcomes), *_steps(task), "")
        if failures:
            say(*failure_lines(outcomes))
        else:
            outcome_table(task, outcomes)


@app.command()
def ls(store: StoreOption = None, limit: LimitOption = 20, as_json: JsonOption = False) -> None:
    """List tasks, most recently active first."""
    from analysis_store.processing.task.task import tasks

    with open_store(store) as opened:
        found = list(islice(tasks(opened), limit or None))
        if as_json:
            print_json([_document(task) for task in found])
        else:
            table(COLUMNS, [_row(task) for task in found], "no tasks yet; analysis-store run creates one.")


@app.command(context_settings=_TASK)
def run(
    uid: TaskArgument,
    executor: ExecutorOption = None,
    modules: ImportOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a task again and compute only missing results."""
    from analysis_store.cli.outcomes import show_report

    import_modules(modules)
    with open_store(store) as opened, warned():
        task = _found(opened, uid)
        show_report(task, task.run(executor_of(executor)), as_json=as_json)


def _found(store: AnalysisStore, name: str) -> Task:
    """Return the task that a word on the command line means.

    Raises
    ------
    RunNotFoundError
        There is no such task, or there are fewer tasks.
    """
    from analysis_store.processing import Task
    from analysis_store.processing.task.task import tasks

    if not (name.startswith("-") and name[1:].isdecimal()):
        return Task.load(store, name)
    found = tasks(store)
    if not 1 <= int(name[1:]) <= len(found):
        raise RunNotFoundError(f"there are {len(found)} tasks in {store.location}; see: analysis-store task ls")
    return found[int(name[1:]) - 1]


def _document(task: Task) -> dict[str, Any]:
    head = task.log.head
    return {
        "task": task.uid,
        "time": head["time"],
        "status": task.status,
        "counts": task.outcomes.counts,
        "pipeline": head["pipeline"],  # as stored: its processors need not be registered here
        "selection": head["selection"],
    }


def _row(task: Task) -> list[str]:
    from analysis_store.runs.read.show import when

    told = _document(task)
    counts = [str(told["counts"][name]) for name in ("inputs", "done", "failed")]
    return [when(told["time"]), task.uid[:8], told["status"], *counts, ", ".join(told["pipeline"]["steps"])]


def _steps(task: Task) -> list[str]:
    """Return a line for each step: name, processor, parameters and the steps before it."""
    steps: dict[str, dict[str, Any]] = task.log.head["pipeline"]["steps"]
    return [
        f"  {name}: {step['processor']} {step['version']}"
        f"({', '.join(f'{key}={value!r}' for key, value in step['parameters'].items())})"
        f" of {', '.join(step['parents']) or 'inputs'}"
        for name, step in steps.items()
    ]

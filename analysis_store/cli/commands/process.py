"""``analysis-store run`` and ``explain``: apply presets to stored runs and files; stored results are reused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis_store.cli.console import print_json, say, table, warned
from analysis_store.cli.options import JsonOption, StoreOption, find_run, open_store, parse_terms
from analysis_store.cli.presets import (
    ImportOption,
    PresetArgument,
    PresetsArgument,
    ValueOption,
    import_modules,
    pipeline_of,
)

if TYPE_CHECKING:
    from analysis_store import AnalysisStore
    from analysis_store.processing import Pipeline, Selection

ExecutorOption = Annotated[
    str | None,
    typer.Option(
        help="serial, processes, a number of processes, or tcp://HOST:PORT of a Dask scheduler.", show_default="serial"
    ),
]


def run(
    presets: PresetsArgument,
    on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TERM", help="Runs that match this search term; may be repeated, and runs must match all terms."
        ),
    ] = None,
    uid: Annotated[
        list[str] | None,
        typer.Option(metavar="UID", help="A run: a uid, the beginning of a uid, or -1; may be repeated."),
    ] = None,
    file: Annotated[list[Path] | None, typer.Option(help="An input file; may be repeated.")] = None,
    parameter: ValueOption = None,
    executor: ExecutorOption = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Compute nothing; list which results exist and why the others would be recomputed."
        ),
    ] = False,
    modules: ImportOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run presets on each input separately.

    Stored results are reused. An input that fails does not affect the others.
    """
    from analysis_store.cli.outcomes import show_report
    from analysis_store.processing import Task

    if not (on or uid or file):
        raise typer.BadParameter("no inputs were named; give --on, --uid or --file", param_hint="--on")
    import_modules(modules)
    pipeline = pipeline_of(presets, parameter)
    with open_store(store) as opened, warned():
        selection = _selection(opened, on or [], uid or [], file or [])
        if dry_run:
            _show_plan(opened, pipeline, selection, as_json=as_json)
            return
        task = Task(pipeline, selection, store=opened)
        show_report(task, task.run(executor_of(executor)), as_json=as_json)


def explain(
    preset: PresetArgument,
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT", help="A file, or a run: a uid, the beginning of a uid, a scan_id, or -1."),
    ],
    parameter: ValueOption = None,
    modules: ImportOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show if a result is stored, and if not, why.

    Several inputs mean one result computed from all of them. Nothing is computed.
    """
    from analysis_store.cli.plan import planned

    import_modules(modules)
    pipeline = pipeline_of([preset], parameter)
    with open_store(store) as opened:
        steps = list(planned(opened, pipeline, [_input(opened, word) for word in inputs]))
        if as_json:
            print_json([step.to_document() for step in steps])
        else:
            say(*(f"{step.step}: {step.text}" for step in steps))


def executor_of(word: str | None) -> str | int | None:
    """Return the executor that a word means; a number is a number of processes."""
    return int(word) if word and word.isdecimal() else word


def _selection(store: AnalysisStore, terms: Sequence[str], uids: Sequence[str], files: Sequence[Path]) -> Selection:
    from analysis_store.processing import Selection

    selection = Selection.where(parse_terms(terms)) if terms else Selection()
    return selection.add(*(find_run(store, word).uid for word in uids), *files)


def _input(store: AnalysisStore, word: str) -> Any:
    """Return the run or the file that a word means; an existing file takes precedence."""
    return Path(word) if Path(word).is_file() else find_run(store, word)


def _show_plan(store: AnalysisStore, pipeline: Pipeline, selection: Selection, *, as_json: bool) -> None:
    """Print for each input and step if its result is stored, and if not, why."""
    from analysis_store.cli.plan import COLUMNS, planned

    steps = [(str(item), step) for item in selection.resolve(store) for step in planned(store, pipeline, item)]
    if as_json:
        print_json([{"input": name, **step.to_document()} for name, step in steps])
    else:
        table(COLUMNS, [step.row(name) for name, step in steps])

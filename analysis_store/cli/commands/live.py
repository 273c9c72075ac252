"""``analysis-store live`` and ``recover``: runs that are being recorded, and runs whose recording process died."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis_store.cli.console import print_json, say, table
from analysis_store.cli.options import JsonOption, StoreOption, open_store

if TYPE_CHECKING:
    from analysis_store.recorder import LiveRun

COLUMNS = ("time", "uid", "values", "keys", "recorded by")


def live(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List the runs that are being recorded.

    Includes runs whose recording process died; analysis-store recover closes those.
    """
    from analysis_store.recorder import live_runs

    with open_store(store) as opened:
        found = live_runs(opened)
        if as_json:
            print_json([_told(run) for run in found])
        else:
            table(COLUMNS, [_row(run) for run in found], "no run is being recorded.")


def recover(
    run: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="A uid or the beginning of a uid; default: all runs whose process died."),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Mark runs whose process died as aborted and close them.

    They keep every value that was flushed.
    """
    from analysis_store.cli.follow import choose
    from analysis_store.recorder import live_runs
    from analysis_store.recorder import recover as close

    with open_store(store) as opened:
        found = choose(live_runs(opened), run) if run else None
        closed = close(opened, found.uid if found else run)
        if as_json:
            print_json([{"uid": each.uid, "file": each.file} for each in closed])
        else:
            say(*(each.uid for each in closed))


def _told(run: LiveRun) -> dict[str, Any]:
    return {"uid": run.uid, "start": run.start, "keys": run.keys, "path": run.path, "holder": run.holder}


def _row(run: LiveRun) -> list[str]:
    from analysis_store.runs.read.show import when

    counts = run.keys
    return [when(run.start["time"]), run.uid[:8], str(sum(counts.values())), str(len(counts)), _by(run)]


def _by(run: LiveRun) -> str:
    if run.holder is None:
        return "the process died"
    return f"process {run.holder.get('pid', '?')} of {run.holder.get('user', '?')} on {run.holder.get('host', '?')}"

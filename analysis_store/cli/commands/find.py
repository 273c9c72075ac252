"""``analysis-store ls`` and ``search``: tables of runs."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis_store.cli.console import note, print_json, table
from analysis_store.cli.options import JsonOption, StoreOption, open_store, parse_terms

if TYPE_CHECKING:
    from analysis_store.runs.read.run import Run

LimitOption = Annotated[
    int, typer.Option("--limit", "-n", min=0, help="Show at most N runs, newest first; 0 shows all.")
]

COLUMNS = ("time", "uid", "scan_id", "made by", "sample", "events", "status")


def ls(store: StoreOption = None, limit: LimitOption = 20, as_json: JsonOption = False) -> None:
    """List the newest runs."""
    with open_store(store) as opened:
        _show(opened.search(), limit, "no runs yet; save one with: analysis-store insert FILE", as_json=as_json)


def search(
    terms: Annotated[
        list[str] | None,
        typer.Argument(metavar="TERM", help='key=value, or a query in JSON such as \'{"e0": {"$gt": 7000}}\'.'),
    ] = None,
    text: Annotated[str | None, typer.Option(help="Only runs with these words anywhere in the metadata.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Only runs at or after this time, e.g. 2026-05-01 or '2026-05-01 18:00'.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Only runs before this time.")] = None,
    usable: Annotated[bool, typer.Option("--usable", help="Leave out retracted runs.")] = False,
    store: StoreOption = None,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """Find runs by their metadata. A run must match all terms and options."""
    with open_store(store) as opened:
        hits = opened.search(parse_terms(terms or []), text=text, since=since, until=until, retracted=not usable)
        _show(hits, limit, "no run matches; analysis-store ls lists the newest runs.", as_json=as_json)


def _show(runs: Any, limit: int, none: str, *, as_json: bool) -> None:
    shown: Iterable[Run] = islice(runs, limit or None)
    if as_json:
        print_json([{"uid": run.uid, "start": run.start, "stop": run.stop} for run in shown])
        return
    rows = [_row(run) for run in shown]
    table(COLUMNS, rows, none)
    if limit and len(rows) == limit and (total := len(runs)) > limit:
        note(f"{limit} of {total} runs; --limit 0 shows all.")


def _row(run: Run) -> list[str]:
    from analysis_store.runs.read.show import made_by, when

    start, stop = run.start, run.stop or {}
    sample = start.get("sample_name") or start.get("sample") or ""
    if isinstance(sample, dict):
        sample = sample.get("name", "")
    events = ", ".join(f"{name} {count}" for name, count in (stop.get("num_events") or {}).items())
    return [
        when(start["time"]),
        run.uid[:8],
        str(start.get("scan_id", "")),
        made_by(start),
        str(sample),
        events,
        "retracted" if run.retraction else str(stop.get("exit_status", "not ended")),
    ]

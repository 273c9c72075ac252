"""Runs shown to a person: in a terminal and in a notebook."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from analysis_store.core.text import counted, local_time
from analysis_store.errors import AnalysisStoreError
from analysis_store.runs.notes.notes import retraction_text
from analysis_store.runs.read.results import summary

if TYPE_CHECKING:
    from analysis_store.runs.read.results import Runs
    from analysis_store.runs.read.run import Run

_SHOWN = 10
_COUNTED = 1000
"""More runs than this are not counted to be shown."""

_TOLD = ("sample_name", "scan_id", "analysis_stage")


def when(time: Any) -> str:
    """Return a POSIX time as local time, to the second."""
    moment = local_time(time)
    return str(time) if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


def made_by(start: Mapping[str, object]) -> str:
    """Return the origin of a run: the processor as ``id@version``, or else the plan."""
    told = start.get("processing")
    if isinstance(told, Mapping) and isinstance(told.get("processor"), str):
        return f"{told['processor']}@{told.get('version', '?')}"
    return str(start.get("plan_name") or "")


def run_text(run: Run) -> str:
    """Return a run as a few lines of text."""
    status = (run.stop or {}).get("exit_status", "no stop document")
    lines = [f"<Run {run.uid}>", f"  {when(run.start['time'])}  {made_by(run.start)}  {status}"]
    lines += [f"  {key}: {run.start[key]}" for key in _TOLD if key in run.start]
    lines += [f"  {line}" for line in _streams(run)]
    if run.parents:
        lines.append(f"  parents: {', '.join(uid[:8] for uid in run.parents)}")
    lines.append(f"  code: {code_text(run)}")
    with suppress(AnalysisStoreError):  # the rest is shown of a run of a closed store, too
        if (note := run.retraction) is not None:
            lines.insert(1, f"  RETRACTED: {retraction_text(note)}")
    return "\n".join(lines)


def _streams(run: Run) -> list[str]:
    counts = (run.stop or {}).get("num_events") or {}
    keys: dict[str, list[str]] = {}
    for descriptor in run.descriptors:
        keys.setdefault(descriptor.get("name", "primary"), []).extend(descriptor["data_keys"])
    return [
        f"{name}: {counted(counts.get(name, '?'), 'event')} of {', '.join(dict.fromkeys(found))}"
        for name, found in keys.items()
    ]


def code_text(run: Run) -> str:
    """Return the code of a run, as one line."""
    code = (run.start.get("provenance") or {}).get("code") or {}
    if not code:
        return "not recorded"
    version = code.get("version") or (code.get("commit") or "")[:10] or (code.get("digest") or "")[:17]
    stated = isinstance(code.get("stated"), list) and {"name", "version", "commit"} & {*map(str, code["stated"])}
    changes = " + uncommitted changes" if code.get("dirty") else ""
    return f"{code.get('name')} {version}{changes}{' (stated, not found)' if stated else ''}"


def runs_text(runs: Runs) -> str:
    """Return a result list as a table of its first rows."""
    total, more = _how_many(runs)
    head = f"<{total}, newest first>"
    rows = [_row(run) for run in runs[:_SHOWN]]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    lines = [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return "\n".join([head, *lines, *([f"  {more}"] if more else [])])


def _how_many(runs: Runs) -> tuple[str, str]:
    """Return the number of runs, and a note on those not shown; many are not counted."""
    total = runs.length(_COUNTED + 1)
    if total > _COUNTED:
        return f"more than {_COUNTED} runs", "… and more"
    return counted(total, "run"), f"… and {total - _SHOWN} more" if total > _SHOWN else ""


def _row(run: Run) -> list[str]:
    row = summary(run)
    named = row["sample_name"] if isinstance(row["sample_name"], str) else ""
    streams = ", ".join(row["streams"])
    status = str(row["exit_status"] or "") + (", RETRACTED" if run.retraction is not None else "")
    return [run.uid[:8], when(row["time"]), made_by(run.start), named, streams, status]


def run_html(run: Run) -> str:
    """Return a run as HTML; everything from the documents is escaped."""
    return f"<pre>{html.escape(run_text(run))}</pre>"


def runs_html(runs: Runs) -> str:
    """Return a result list as an HTML table; everything from the documents is escaped."""
    _, left = _how_many(runs)
    rows = "".join(_html_row(_row(run)) for run in runs[:_SHOWN])
    head = _html_row(["uid", "time", "made by", "sample", "streams", "status"], "th")
    more = f"<p>{left}</p>" if left else ""
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>{more}"


def _html_row(cells: Sequence[str], tag: str = "td") -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

"""``analysis-store show`` and ``documents``: details of one run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from analysis_store.cli.console import fields, print_json, say, table, warned
from analysis_store.cli.options import JsonOption, StoreOption, UidArgument, find_run, open_store

if TYPE_CHECKING:
    from analysis_store.runs.read.run import Run
    from analysis_store.runs.read.stream import Stream

STREAM_COLUMNS = ("stream", "key", "events", "shape", "dtype", "units")


def show(uid: UidArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Show details of one run.

    Metadata, provenance, notes, data keys and the file.
    """
    with open_store(store) as opened:
        run = find_run(opened, uid)
        if as_json:
            print_json(_told(run))
            return
        say(f"run {run.uid}", f"file {run.file}", "")
        say(*fields(_dated(run.start)), "")
        if run.stop:
            say("ended", *fields({key: value for key, value in _dated(run.stop).items() if key != "digests"}, "  "), "")
        if run.children:
            say("led to", *(f"  {child}" for child in run.children), "")
        say(*_later(run))
        table(STREAM_COLUMNS, _keys(run))


def documents(uid: UidArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Print the documents of one run as JSON lines.

    Each line is an object {"name", "doc"}; --json has no effect.
    """
    del as_json
    with open_store(store) as opened, warned():
        for name, doc in find_run(opened, uid).documents():
            say(json.dumps({"name": name, "doc": doc}, ensure_ascii=False))


def _dated(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document with its time as text."""
    from analysis_store.runs.read.show import when

    return {**document, "time": when(document["time"])}


def _told(run: Run) -> dict[str, Any]:
    return {
        "uid": run.uid,
        "file": run.file,
        "start": run.start,
        "stop": run.stop,
        "parents": run.parents,
        "children": run.children,
        "retracted": retraction.body.get("reason", "") if (retraction := run.retraction) else None,
        "annotations": run.annotations,
        "streams": {
            name: {"num_events": stream.num_events, "data_keys": stream.data_keys} for name, stream in _streams(run)
        },
    }


def _streams(run: Run) -> Iterator[tuple[str, Stream]]:
    """Yield the streams of a run without a warning: the command itself shows a retraction."""
    return ((name, run.stream(name)) for name in run)


def _later(run: Run) -> Iterator[str]:
    """Yield the notes on a run."""
    from analysis_store.runs.notes.notes import retraction_text

    if (retraction := run.retraction) is not None:
        yield from ("retracted", f"  {retraction_text(retraction)}", "")
    if known := run.annotations:
        yield from ("known since", *fields(known, "  "), "")


def _keys(run: Run) -> list[list[str]]:
    return [
        [
            name,
            key,
            str(stream.num_events),
            " × ".join("?" if size is None else str(size) for size in data_key.get("shape", ())) or "scalar",
            str(data_key.get("dtype_numpy") or data_key.get("dtype", "")),
            str(data_key.get("units") or ""),
        ]
        for name, stream in _streams(run)
        for key, data_key in stream.data_keys.items()
    ]

"""Staleness: results that would change if recomputed now, because their inputs or code have changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis_store.catalogs.kinship import downwards
from analysis_store.core.equality import equal
from analysis_store.digests import digest_file
from analysis_store.runs.notes.notes import retraction_text, retractions

if TYPE_CHECKING:
    from analysis_store.catalogs.query.query import QueryLike
    from analysis_store.documents import Document
    from analysis_store.provenance import InputFile
    from analysis_store.run_store import RunStore
    from analysis_store.runs.read.run import Run


@dataclass(frozen=True, slots=True)
class Stale:
    """A result that is not up to date."""

    run: Run
    """The result."""

    reasons: tuple[str, ...]
    """Reasons, each a sentence without a full stop."""

    def to_dict(self) -> Document:
        """Return it as JSON."""
        return {"uid": self.run.uid, "reasons": list(self.reasons)}


def find_stale(store: RunStore, query: QueryLike | None = None) -> Iterator[Stale]:
    """Yield the results that are not up to date, newest first; see `AnalysisStore.stale`."""
    judge = _Judge(store, sees_all=query is None)
    for run in store.search(query):
        if reasons := tuple(judge.reasons(run)):
            yield Stale(run, reasons)


class _Judge:
    """Values that are needed for many runs, and looked up once."""

    def __init__(self, store: RunStore, *, sees_all: bool) -> None:
        self._store, self._sees_all = store, sees_all
        self._retracted = retractions(store.catalog)
        self._tainted = self._reached()
        self._file = cache(_file_fault)
        self._again = self._reruns()
        self._rerun = cache(self._newer_rerun)
        self._results: dict[tuple[str, tuple[str, ...]], list[Run]] = {}

    def reasons(self, run: Run) -> Iterator[str]:
        """Yield why a run is not up to date."""
        if (source := self._tainted.get(run.uid)) is not None:
            yield f"run {source}, which it came from, was retracted: {retraction_text(self._retracted[source])}"
        for file in run.provenance.files:
            if fault := self._file(file):
                yield fault
        for parent in run.parents:
            if (newer := self._rerun(parent)) is not None:
                yield f"run {parent}, which it came from, was made again with another result: run {newer}"
        yield from self._newer_versions(run)

    def _reached(self) -> dict[str, str]:
        """Return for each descendant of retracted runs the nearest of those."""
        near = downwards(self._store.catalog.edges_below(self._retracted))
        found: dict[str, str] = {}
        # the cause is a run that was retracted itself, or because of a run that is not here
        causes = [uid for uid, note in self._retracted.items() if note.body.get("because") not in self._retracted]
        waiting = [(uid, uid) for uid in causes]
        for uid, source in waiting:  # which grows as we go
            for child in near.get(uid, ()):
                if child not in found and child != source:
                    found[child] = source
                    waiting.append((child, source))
        return found

    def _reruns(self) -> dict[str, list[Run]]:
        """Return the reruns that may be used, newest first, by the runs they repeat; there are few."""
        found: dict[str, list[Run]] = {}
        for run in filter(self._counts, self._store.search({"processing.rerun_of": {"$exists": True}})):
            found.setdefault(str(_processing(run).get("rerun_of")), []).append(run)
        return found

    def _newer_rerun(self, uid: str) -> str | None:
        """Return the newest rerun of a run that had the same parameters and gave other values."""
        runs = self._again.get(uid, [])
        if not runs or uid not in self._store:
            return None
        before = self._store[uid]
        same = (run for run in runs if _agree(_parameters(before), _parameters(run)))
        return next((run.uid for run in same if run.digests != before.digests), None)

    def _newer_versions(self, run: Run) -> Iterator[str]:
        told = _processing(run)
        inputs = told.get("inputs")
        if not isinstance(inputs, list) or not inputs or not all(isinstance(one, str) for one in inputs):
            return
        known = self._of_same(str(told.get("processor")), tuple(inputs))
        if self._sees_all and self._counts(run):
            known.append(run)  # all that is newer has been here before: runs come newest first
        for other in known:
            if other.start["time"] <= run.start["time"]:
                return
            now = _processing(other)
            if (change := _change(told, now)) and _agree(_parameters(run), _parameters(other)):
                yield f"{told['processor']} {change} has another result of the same inputs: run {other.uid}"
                return

    def _of_same(self, processor: str, inputs: tuple[str, ...]) -> list[Run]:
        """Return the results of a processor on the same inputs that may be used, newest first."""
        known = self._results.get((processor, inputs))
        if known is None and self._sees_all:
            known = self._results[processor, inputs] = []
        elif known is None:
            # by the inputs alone: few results have them, and many have the processor
            found = self._store.search({"processing.inputs": {"$eq": list(inputs)}})
            same = (run for run in found if str(_processing(run).get("processor")) == processor)
            known = self._results[processor, inputs] = list(filter(self._counts, same))
        return known

    def _counts(self, run: Run) -> bool:
        return (run.stop or {}).get("exit_status") == "success" and run.uid not in self._retracted


def _change(told: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return the change of the code of a result; empty if it is unchanged."""
    if told.get("version") != now.get("version"):
        return f"of version {now.get('version')} instead of {told.get('version')}"
    return "with changed code" if told.get("source") != now.get("source") else ""


def _processing(run: Run) -> Mapping[str, Any]:
    """Return the processor in the document of a run; foreign documents may have anything in its place."""
    told = run.start.get("processing")
    return told if isinstance(told, dict) else {}


def _parameters(run: Run) -> Mapping[str, Any]:
    return run.provenance.parameters or {}


def _agree(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return True if parameters that both have are the same: a newer version may have more of them, or fewer."""
    return all(equal(one[name], other[name], nan=True) for name in one.keys() & other.keys())


def _file_fault(file: InputFile) -> str | None:
    """Return the change of an input file. One of the same size and time counts as unchanged."""
    if file.digest is None:
        return None
    path = Path(file.path)
    try:
        found = path.stat()
        if found.st_size == file.size and found.st_mtime == file.mtime:
            return None
        if file.size in (None, found.st_size) and digest_file(path) == file.digest:
            return None
    except OSError as error:
        return f"{path}, which it was made from, cannot be read any more: {error.strerror or error}"
    return f"{path}, which it was made from, was changed"

"""The log of a task: what it is, what became of each of its inputs, and how each run of it ended."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis_store.core.write_errors import write_errors
from analysis_store.documents import dumps, loads
from analysis_store.errors import AmbiguousUidError, RunNotFoundError, StoreBusyError, StoreWriteError
from analysis_store.layout import file_stem
from analysis_store.locks import FileLock, holder_of, is_held
from analysis_store.logs import AppendLog
from analysis_store.processing.task.outcomes import Outcome, Report, Status, status_of
from analysis_store.runs.notes.notes import who

if TYPE_CHECKING:
    from analysis_store.documents import Document

_FOLDER = "tasks"
_LISTED = "tasks(store), or analysis-store task ls, lists them."
_PATIENCE = 0.1
"""Seconds; whoever looks whether a task is running has its lock for a moment."""


class TaskLog:
    """What is kept of one task, in ``<root>/tasks/<uid>.jsonl``.

    Parameters
    ----------
    root : Path
        The root of the store.
    uid : str
        The task.
    """

    def __init__(self, root: Path, uid: str) -> None:
        self.uid = uid
        self.path: Path = root / _FOLDER / f"{file_stem(uid)}.jsonl"
        self._log = AppendLog(self.path)
        self._lock_path = self.path.with_name(f"{self.path.name}.lock")

    # ----------------------------------------------------------------------------------------------- writing

    @contextmanager
    def running(self) -> Iterator[None]:
        """Hold the task: nobody else runs it meanwhile, and everybody sees that it is running.

        Raises
        ------
        StoreBusyError
            Another process, or this one, runs it; the message tells which and since when.
        """
        lock = self._taken()
        try:
            yield
        finally:
            lock.release()

    def _taken(self) -> FileLock:
        with write_errors(self.path, "The task was not run; free space or fix the permission"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock.acquire(self._lock_path, _PATIENCE)
        if lock is None:
            raise StoreBusyError(
                f"the task {self.uid} is being run by {holder_of(self._lock_path)}. Wait until it has ended, or end it."
            )
        return lock

    def begin(self, head: Mapping[str, object], inputs: int | None) -> None:
        """Tell that the task is run now; what it is, too, unless the log says so already.

        Parameters
        ----------
        head : mapping
            What the task is: its pipeline and its selection.
        inputs : int or None
            How many there are; None if that is not known yet.
        """
        known = _heads(self._log.read())[-1:]
        is_known = any(loads(dumps(head)).items() <= told.items() for told in known)
        first = [] if is_known else [{"task": self.uid, "time": time.time(), **head}]
        self._log.append([*first, {"began": time.time(), "who": who(), "pid": os.getpid(), "inputs": inputs}])

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Tell what became of inputs."""
        stamp = time.time()
        self._log.append(({"outcome": one.to_document(), "time": stamp} for one in outcomes), durable=False)

    def end(self, status: Status, reason: str = "") -> None:
        """Tell how this run of the task ended."""
        told: dict[str, Any] = {"ended": time.time(), "status": status}
        self._log.append([told | ({"reason": reason} if reason else {})])

    def end_badly(self, error: BaseException) -> None:
        """Tell that this run of the task was interrupted, if that can be told at all."""
        with suppress(StoreWriteError):  # a begin without an end says the same
            self.end("interrupted", f"{type(error).__name__}: {error}".removesuffix(": "))

    # ----------------------------------------------------------------------------------------------- reading

    def entries(self) -> list[Document]:
        """Return all of it, oldest first.

        Raises
        ------
        RunNotFoundError
            There is no such task.
        """
        found = self._log.read()
        if not _heads(found):
            raise RunNotFoundError(f"no task {self.uid!r} is kept in {self.path.parent}; {_LISTED}")
        return found

    @property
    def head(self) -> Document:
        """What the task is, as it was run last; raises as `entries` does."""
        return _heads(self.entries())[-1]

    @property
    def status(self) -> Status:
        """Where the task stands."""
        if is_held(self._lock_path):  # before the entries: they may tell of an end by then, never the other way round
            return "running"
        ends = (entry for entry in reversed(self._log.read()) if "began" in entry or "ended" in entry)
        last = next(ends, None)
        if last is None:
            return "new"
        if "began" in last or last["status"] == "interrupted":  # a begin without an end, and not running: it died
            return "interrupted"
        return status_of(self.report())

    def report(self) -> Report:
        """Return what became of each input last; what another pipeline of that name did is no part of it."""
        found: dict[str, Outcome] = {}
        pipeline = None
        for entry in self._log.read():
            if "task" in entry and entry["pipeline"] != pipeline:
                pipeline = entry["pipeline"]
                found.clear()
            elif "outcome" in entry:
                outcome = Outcome.from_document(entry["outcome"])
                found.pop(outcome.input, None)
                found[outcome.input] = outcome
        return Report(found.values())


def _heads(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries that tell what the task is: a name can be used again, for something else."""
    return [entry for entry in entries if "task" in entry]


def find_log(root: Path, uid: str) -> TaskLog:
    """Return the log of the task whose uid is, or begins with, ``uid``.

    Raises
    ------
    RunNotFoundError
        There is none; `AmbiguousUidError` when there are several.
    """
    found = [log for log in logs(root) if log.uid.startswith(uid)] if uid else []
    exact = [log for log in found if log.uid == uid] or found
    if not exact:
        raise RunNotFoundError(f"no task's uid is or begins with {uid!r} in {root / _FOLDER}; {_LISTED}")
    if len(exact) > 1:
        raise AmbiguousUidError(f"{uid!r} begins the uids of {len(exact)} tasks. Give more of it.")
    return exact[0]


def logs(root: Path) -> list[TaskLog]:
    """Return the logs of all tasks, the newest first."""
    from urllib.parse import unquote

    found = [(path.stat().st_mtime, path) for path in (root / _FOLDER).glob("*.jsonl")]
    return [TaskLog(root, unquote(path.stem)) for _, path in sorted(found, reverse=True)]

"""The log of a task: its definition, the outcome of each of its inputs, and the end of each execution."""

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
_LISTED = "List tasks with tasks(store), or analysis-store task ls."
_PATIENCE = 0.1
"""Seconds; a check whether a task is running holds its lock for a moment."""


class TaskLog:
    """The log of one task, in ``<root>/tasks/<uid>.jsonl``.

    Parameters
    ----------
    root : Path
        Root of the store.
    uid : str
        Uid of the task.
    """

    def __init__(self, root: Path, uid: str) -> None:
        self.uid = uid
        self.path: Path = root / _FOLDER / f"{file_stem(uid)}.jsonl"
        self._log = AppendLog(self.path)
        self._lock_path = self.path.with_name(f"{self.path.name}.lock")

    # ----------------------------------------------------------------------------------------------- writing

    @contextmanager
    def running(self) -> Iterator[None]:
        """Lock the task, so that no other process runs it meanwhile, and others see that it is running.

        Raises
        ------
        StoreBusyError
            Another process, or this one, runs it; the message names the process and its start.
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
        """Record the start of an execution; also the definition of the task, unless the log has it.

        Parameters
        ----------
        head : mapping
            Definition of the task: its pipeline and its selection.
        inputs : int or None
            Number of inputs; None if unknown.
        """
        known = _heads(self._log.read())[-1:]
        is_known = any(loads(dumps(head)).items() <= told.items() for told in known)
        first = [] if is_known else [{"task": self.uid, "time": time.time(), **head}]
        self._log.append([*first, {"began": time.time(), "who": who(), "pid": os.getpid(), "inputs": inputs}])

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Record the outcomes of inputs."""
        stamp = time.time()
        self._log.append(({"outcome": one.to_document(), "time": stamp} for one in outcomes), durable=False)

    def end(self, status: Status, reason: str = "") -> None:
        """Record the end of this execution."""
        told: dict[str, Any] = {"ended": time.time(), "status": status}
        self._log.append([told | ({"reason": reason} if reason else {})])

    def end_badly(self, error: BaseException) -> None:
        """Record the interruption of this execution, if possible."""
        with suppress(StoreWriteError):  # a begin without an end means the same
            self.end("interrupted", f"{type(error).__name__}: {error}".removesuffix(": "))

    # ----------------------------------------------------------------------------------------------- reading

    def entries(self) -> list[Document]:
        """Return all entries, oldest first.

        Raises
        ------
        RunNotFoundError
            There is no such task.
        """
        found = self._log.read()
        if not _heads(found):
            raise RunNotFoundError(f"No task {self.uid!r} in {self.path.parent}. {_LISTED}")
        return found

    @property
    def head(self) -> Document:
        """Return the definition of the task in its last execution; raise as `entries` does."""
        return _heads(self.entries())[-1]

    @property
    def status(self) -> Status:
        """Return the status of the task."""
        if is_held(self._lock_path):  # before the entries, which may have an end by then
            return "running"
        ends = (entry for entry in reversed(self._log.read()) if "began" in entry or "ended" in entry)
        last = next(ends, None)
        if last is None:
            return "new"
        if (
            "began" in last or last["status"] == "interrupted"
        ):  # a begin without an end, and not running: the process died
            return "interrupted"
        return status_of(self.report())

    def report(self) -> Report:
        """Return the last outcome of each input, without those of another pipeline with this uid."""
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
    """Return the entries that define the task: a uid may be used again for another definition."""
    return [entry for entry in entries if "task" in entry]


def find_log(root: Path, uid: str) -> TaskLog:
    """Return the log of the task whose uid is, or begins with, ``uid``.

    Raises
    ------
    RunNotFoundError
        There is no such task; `AmbiguousUidError` if there are several.
    """
    found = [log for log in logs(root) if log.uid.startswith(uid)] if uid else []
    exact = [log for log in found if log.uid == uid] or found
    if not exact:
        raise RunNotFoundError(f"No task's uid is or begins with {uid!r} in {root / _FOLDER}. {_LISTED}")
    if len(exact) > 1:
        raise AmbiguousUidError(f"Got {uid!r}, with which the uids of {len(exact)} tasks begin. Give more of it.")
    return exact[0]


def logs(root: Path) -> list[TaskLog]:
    """Return the logs of all tasks, the newest first."""
    from urllib.parse import unquote

    found = [(path.stat().st_mtime, path) for path in (root / _FOLDER).glob("*.jsonl")]
    return [TaskLog(root, unquote(path.stem)) for _, path in sorted(found, reverse=True)]

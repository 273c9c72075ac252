"""A task: a pipeline for each input of a selection, run here or elsewhere, which can be interrupted and run again."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from analysis_store.errors import ProcessorError
from analysis_store.processing.model.pipeline import Pipeline
from analysis_store.processing.task.batch import Batch
from analysis_store.processing.task.dispatch import Feed
from analysis_store.processing.task.executors import crew
from analysis_store.processing.task.outcomes import Outcome, Report, Status
from analysis_store.processing.task.selection import Selection
from analysis_store.processing.task.task_log import TaskLog, find_log, logs
from analysis_store.progress import Progress, watched

if TYPE_CHECKING:
    from analysis_store.processing.model.pipeline import PipelineLike
    from analysis_store.processing.task.selection import SelectionLike
    from analysis_store.run_store import RunStore

logger: logging.Logger = logging.getLogger(__name__)

_SHORT = 8


class Task:
    """A pipeline and its inputs. Existing results are not computed again.

    Parameters
    ----------
    pipeline : Pipeline, Preset, Processor or str
        Analysis of each input.
    selection : Selection
        The inputs; any argument of a `Selection` is allowed.
    store : AnalysisStore, optional
        Store that keeps the results. Default: the one of `set_working_dir` or ``$ANALYSIS_STORE``.
    uid : str, optional
        Default: a new one. An existing uid continues its log, even with another pipeline or selection;
        outcomes of another pipeline are then hidden.

    Raises
    ------
    ProcessorError
        The pipeline is invalid, a parameter in it is wrong, or the uid is not text.
    InputError
        The selection is invalid.

    Examples
    --------
    >>> from analysis_store.processing import Selection, Task
    >>> task = Task("fit_peak", Selection.where(plan_name="scan"), store=store)  # doctest: +SKIP
    >>> task.run("processes")  # doctest: +SKIP
    <Report: partial; 12 inputs, 11 done, 1 failed, 11 computed>
    """

    def __init__(
        self, pipeline: PipelineLike, selection: SelectionLike, *, store: RunStore | None = None, uid: str | None = None
    ) -> None:
        if not isinstance(uid, str | None):
            raise ProcessorError(f"uid: Got {uid!r:.200}, a {type(uid).__name__}; expected the text that names a task.")
        self.__dict__["pipeline"] = Pipeline.of(pipeline)
        self.selection: Selection = selection if isinstance(selection, Selection) else Selection(selection)
        self.uid: str = uid or str(uuid.uuid4())
        self.store: RunStore = _default() if store is None else store
        self.log: TaskLog = TaskLog(self.store.root, self.uid)

    @classmethod
    def load(cls, store: RunStore, uid: str) -> Self:
        """Return a task that was run before, by its uid or the beginning of it.

        Raises
        ------
        RunNotFoundError
            There is no such task; `AmbiguousUidError` if there are several.
        """
        return cls._of(store, find_log(store.root, uid))

    @classmethod
    def _of(cls, store: RunStore, log: TaskLog) -> Self:
        task = cls.__new__(cls)
        task.store, task.log, task.uid = store, log, log.uid
        head = task._head = log.head  # noqa: SLF001 - of this class
        task.selection = Selection.from_document(head["selection"])
        return task

    _head: dict[str, Any]

    @cached_property
    def pipeline(self) -> Pipeline:
        """Pipeline of the task. It needs its processors; other methods of a loaded task do not."""
        return Pipeline.from_document(self._head["pipeline"])

    @property
    def status(self) -> Status:
        """``new``, ``running``, ``interrupted``, ``done``, ``partial`` (some inputs failed) or ``failed`` (all did)."""
        return self.log.status

    @property
    def outcomes(self) -> Report:
        """Last outcome of each input."""
        return self.log.report()

    def run(self, executor: object = None, progress: Progress | bool | None = None) -> Report:
        """Compute missing results, and return the outcome of each input.

        One failing input does not affect others. After an interruption, finished work is kept: run the task
        again.

        Parameters
        ----------
        executor
            Place of the work: here (None or "serial"), in "processes" or N, on a `concurrent.futures.Executor`, on a
            Dask cluster (`distributed.Client`, cluster object or the address of the scheduler).
        progress : callable or bool, optional
            Called with (done, total, failed). Default: a bar if a person is watching; False: none.

        Raises
        ------
        StoreBusyError
            The task is running already; the message names the process.
        ProcessorError
            The executor is invalid, or its workers cannot do this work.
        UnknownProcessorError
            A processor of a task that was loaded is not registered.
        StoreWriteError
            The outcome of an input cannot be saved.
        """
        batch = Batch(self.pipeline, self.store, self.uid)
        with self.log.running():
            items = self.selection.resolve(self.store)
            if not items:
                logger.info("task %s: the selection is empty, there is nothing to do", self.uid)
            with crew(executor, len(items)) as workers:
                feed = None if workers is None or not items else Feed(workers, batch, items)
                if feed is not None:
                    feed.check()
                return self._run(len(items), feed or _here(batch, items), progress)

    def _run(self, total: int, chunks: Any, progress: Progress | bool | None) -> Report:
        found: list[Outcome] = []
        self.log.begin(self._told(), total)
        try:
            with watched(progress, f"task {self.uid[:_SHORT]}") as tell:
                failed = 0
                tell(0, total, 0)
                for chunk in chunks:
                    self.log.add(chunk)
                    found += chunk
                    failed += sum(bool(one.failures) for one in chunk)
                    tell(len(found), total, failed)
        except BaseException as error:
            self.log.end_badly(error)
            raise
        report = Report(found)
        self.log.end(report.status)
        return report

    def _told(self) -> dict[str, Any]:
        return {"pipeline": self.pipeline.to_document(), "selection": self.selection.to_document()}

    def __repr__(self) -> str:
        return f"<Task {self.uid}: {self.status}; {self.selection!r}>"


def tasks(store: RunStore) -> list[Task]:
    """Return the tasks that were ever run on a store, most recently active first."""
    return [Task._of(store, log) for log in logs(store.root) if log.status != "new"]  # noqa: SLF001 - of this module


def _here(batch: Batch, items: Sequence[str | Path]) -> Iterator[list[Outcome]]:
    """Does the work in this process."""
    for item in items:
        yield [batch.outcome(item)]


def _default() -> RunStore:
    from analysis_store.insertion import default_store

    return default_store()

"""Automatic analysis at the beamline: it analyses every finished run that matches a query, in the background."""

from __future__ import annotations

import atexit
import logging
import pickle
import threading
import time
import uuid
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from analysis_store.catalogs.query.nodes import And, Between, Key, Node, Not, Or
from analysis_store.catalogs.query.query import Query
from analysis_store.errors import AnalysisStoreError, InputError, SettingsError
from analysis_store.processing.model.pipeline import Pipeline
from analysis_store.processing.task.background_log import Diary
from analysis_store.processing.task.batch import Batch
from analysis_store.processing.task.outcomes import Failure, Outcome
from analysis_store.processing.task.selection import Selection
from analysis_store.processing.task.work_queue import Line
from analysis_store.processing.task.worker_process import Companion

if TYPE_CHECKING:
    from analysis_store.catalogs.query.query import QueryLike
    from analysis_store.documents import Document
    from analysis_store.processing.model.pipeline import PipelineLike
    from analysis_store.run_store import RunStore

logger: logging.Logger = logging.getLogger(__name__)

_PAUSES = (0.02, 2.0)
"""Seconds between attempts to read a run: the first interval, and the longest."""
_INPUT_ERROR = f"{InputError.__name__}: "
_SUCCESSES = Query.parse({"stop.exit_status": "success"})
_ORIGINALS = Query.parse({"processing": {"$exists": False}})


class AutoAnalysis:
    """A RunEngine callback that runs a pipeline on every finished run that matches; subscribe it.

    It never raises into the RunEngine, where it only records which runs are open. The work is done by
    another process, or by a thread of this one if pipeline and store cannot be sent to a process.

    Parameters
    ----------
    store : AnalysisStore
        Store that finds the runs, itself or in its sources, and keeps the results.
    pipeline : Pipeline, Preset, Processor or str
        Analysis of each run.
    when : Query, mapping or query object, optional
        Filter of the runs; default: all. Runs that failed are skipped, unless the query uses ``stop.exit_status``.
    executor : {None, "process", "thread"}
        Place of the work; None chooses automatically.
    patience : float
        Seconds to wait for a run to be readable after its stop document.

    Raises
    ------
    ProcessorError, QueryError
        The pipeline or the query is invalid.
    SettingsError
        ``executor`` is invalid, or "process" is not possible.

    Examples
    --------
    >>> from analysis_store.processing import AutoAnalysis
    >>> auto = AutoAnalysis(store, "fit_peak", {"plan_name": "scan"})  # doctest: +SKIP
    >>> RE.subscribe(auto)  # doctest: +SKIP
    """

    def __init__(
        self,
        store: RunStore,
        pipeline: PipelineLike,
        when: QueryLike | None = None,
        *,
        executor: str | None = None,
        patience: float = 60.0,
    ) -> None:
        self.pipeline: Pipeline = Pipeline.of(pipeline)
        wanted = Query.parse(when)
        self.query: Query = wanted if _asks(wanted.node, Key("stop", "exit_status")) else wanted & _SUCCESSES
        self.uid: str = str(uuid.uuid4())
        """Uid of the task that keeps its outcomes, for `Task.load`."""
        self._patience = patience
        self._worker = _worker(Batch(self.pipeline, store, self.uid), executor)
        missed = self.query if _asks(wanted.node, Key("start", "processing")) else self.query & _ORIGINALS
        self._diary = Diary(store.root, self.uid, self.pipeline, Selection(missed))
        self._open: dict[str, Mapping[str, Any]] = {}
        self._closing = threading.Event()
        self._line = Line(self._analyse)
        atexit.register(self._end)

    @property
    def failures(self) -> list[Outcome]:
        """Failures, run by run; also kept in the log of the task."""
        return list(self._diary.failures)

    @property
    def pending(self) -> list[str]:
        """Uids of the runs that still wait for analysis."""
        return self._line.pending

    def __call__(self, name: str, doc: Document) -> None:
        """Receive one Bluesky document; this never raises."""
        if name not in {"start", "stop"} or self._closing.is_set():
            return
        try:
            if name == "start":
                self._open[doc["uid"]] = dict(doc)
            else:
                self._stopped(doc)
        except Exception as error:  # noqa: BLE001 - an exception here would end the scan
            self._failed(str(doc)[:80], error)

    def _stopped(self, stop: Mapping[str, Any]) -> None:
        uid = stop["run_start"]
        start = self._open.pop(uid, None)
        if start is None:
            logger.warning("run %s is not analysed: it began before the analysis was subscribed", uid)
        elif self.query.matches(start, stop):
            self._line.put(uid, time.monotonic() + self._patience)

    def _failed(self, uid: str, error: BaseException) -> None:
        logger.error("run %s could not be analysed: %s: %s", uid, type(error).__name__, error)
        self._diary.failures.append(Outcome(uid, failures=(Failure.of(None, error),)))

    # ---------------------------------------------------------------------------------------- in the background

    def _analyse(self, uid: str, until: float) -> None:
        try:
            self._diary.add(self._outcome(uid, until))
        except Exception as error:  # noqa: BLE001 - any error, the next run continues
            self._failed(uid, error)

    def _outcome(self, uid: str, until: float) -> Outcome:
        """Return the outcome of a run, which may not be readable yet."""
        pause, most = _PAUSES
        while True:
            outcome = self._worker.outcome(uid)
            if not _is_unreadable(outcome) or time.monotonic() > until or self._closing.wait(pause):
                return outcome
            pause = min(2 * pause, most)

    # ----------------------------------------------------------------------------------------------------- life

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all runs are analysed; return True if that happened within ``timeout`` seconds."""
        return self._line.wait(timeout)

    def close(self, timeout: float | None = None) -> None:
        """Finish waiting runs, and end. Idempotent.

        Parameters
        ----------
        timeout : float, optional
            Runs that are not finished after this number of seconds are abandoned with a warning. Default: wait for all.
        """
        if self._closing.is_set():
            return
        atexit.unregister(self._end)
        try:
            self.wait(timeout)
        finally:
            self._closing.set()
            left = self.pending
            self._line.stop()
            self._worker.give_up()
            self._line.join()
            self._worker.close()
            self._diary.close(left)

    def _end(self) -> None:
        """Close when Python ends."""
        if self.pending:
            logger.warning("%d runs still wait for analysis; Ctrl-C abandons them", len(self.pending))
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(None if kind is None else 0)

    def __repr__(self) -> str:
        state = "closed" if self._closing.is_set() else f"{len(self.pending)} runs pending"
        return f"<AutoAnalysis {self.uid[:8]}: {state}, {len(self._diary.failures)} failed>"


class _Here:
    """Does the work in the calling thread."""

    def __init__(self, batch: Batch) -> None:
        self.outcome = batch.outcome

    def give_up(self) -> None:
        """Do nothing: a thread cannot be killed, so its work is waited for."""

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


def _worker(batch: Batch, executor: str | None) -> Companion | _Here:
    """Return the worker: another process if its work can be sent there."""
    if executor not in {None, "process", "thread"}:
        raise SettingsError(f'executor: Got {executor!r:.200}; expected None, "process" or "thread".')
    if executor == "thread":
        return _Here(batch)
    try:
        return Companion(batch)
    except (pickle.PicklingError, TypeError, AttributeError, AnalysisStoreError) as error:
        if executor == "process":
            raise SettingsError(
                f'executor="process": Got work that cannot be sent to another process: {error}'
            ) from error
        logger.info("runs are analysed by a thread of this process, because another cannot do it: %s", error)
        return _Here(batch)


def _is_unreadable(outcome: Outcome) -> bool:
    """Return True if an error concerns the input, not a step, so that the run may not be readable yet."""
    return not outcome.results and any(
        (failure.step is None and failure.traceback) or failure.error.startswith(_INPUT_ERROR)
        for failure in outcome.failures
    )


def _asks(node: Node, key: Key) -> bool:
    """Return True if a query uses a key, or a key below it."""
    if isinstance(node, (And, Between, Or)):
        return any(_asks(part, key) for part in node.parts)
    if isinstance(node, Not):
        return _asks(node.part, key)
    its = getattr(node, "key", None)
    return its is not None and its.document == key.document and f"{its.path}.".startswith(f"{key.path}.")

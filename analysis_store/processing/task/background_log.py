"""Outcomes of an analysis in the background, kept as the log of a task that begins with the first run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from analysis_store.errors import AnalysisStoreError, StoreWriteError
from analysis_store.processing.task.outcomes import Outcome, status_of
from analysis_store.processing.task.task_log import TaskLog

if TYPE_CHECKING:
    from analysis_store.processing.model.pipeline import Pipeline
    from analysis_store.processing.task.selection import Selection

logger: logging.Logger = logging.getLogger(__name__)


class Diary:
    """Keeps outcomes as they arrive, and never raises, since no caller could catch errors in the background.

    Parameters
    ----------
    root : Path
        Root of the store.
    uid : str
        Uid under which the task can be loaded.
    pipeline : Pipeline
        Pipeline of the analysis.
    selection : Selection
        Runs that should have been analysed; running the task analyses missing ones.
    """

    def __init__(self, root: Path, uid: str, pipeline: Pipeline, selection: Selection) -> None:
        self.failures: list[Outcome] = []
        self._log = TaskLog(root, uid)
        self._head = {"pipeline": pipeline.to_document(), "selection": selection.to_document(), "automatic": True}
        self._outcomes: list[Outcome] = []
        self._held: ExitStack | None = None

    def add(self, outcome: Outcome) -> None:
        """Save the outcome of a run."""
        for failure in outcome.failures:
            logger.error("run %s: %s%s", outcome.input, f"{failure.step}: " if failure.step else "", failure.error)
        if outcome.failures:
            self.failures.append(outcome)
        self._outcomes.append(outcome)
        try:
            self._begin()
            self._log.add([outcome])
        except AnalysisStoreError as error:
            logger.error("the outcome of run %s could not be saved: %s", outcome.input, error)  # noqa: TRY400 - already in the message

    def _begin(self) -> None:
        if self._held is None:
            with ExitStack() as stack:
                stack.enter_context(self._log.running())
                self._log.begin(self._head, None)
                self._held = stack.pop_all()

    def close(self, left: Sequence[str]) -> None:
        """Record the end; ``left`` are the runs that were abandoned."""
        if left:
            logger.warning(
                "%d runs were not analysed, the first of them %s; a Task with the same pipeline, on a Selection of "
                "them, analyses the missing ones",
                len(left),
                left[0],
            )
        if self._held is None:
            return
        try:
            self._log.end("interrupted" if left else status_of(self._outcomes), ", ".join(left))
        except StoreWriteError as error:
            logger.error("the end of the analysis could not be saved: %s", error)  # noqa: TRY400 - already in the message
        self._held.close()
        self._held = None

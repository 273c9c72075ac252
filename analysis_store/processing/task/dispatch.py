"""Distribution of work to workers: a bounded number of chunks at a time, none lost when a worker dies."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis_store.errors import ProcessorError
from analysis_store.processing.task.batch import Batch, received, sent, work
from analysis_store.processing.task.outcomes import Failure, Outcome

if TYPE_CHECKING:
    from analysis_store.processing.task.executors import Crew

logger: logging.Logger = logging.getLogger(__name__)

_CHUNK_SECONDS = 0.2
"""Target duration of a chunk: sending one costs about 1 ms, and chunks in flight are repeated after a death."""
_CHUNK_MOST = 256
_LOOK_SECONDS = 20.0
"""Seconds between checks of the workers while no result arrives."""
_AHEAD = 2
"""Chunks in flight per worker: one that runs, one that waits."""

Item = str | Path


class Feed:
    """The outcomes of items in order of completion; iterate once.

    When a worker dies, the items in flight are tried again one by one, so that only an item that kills its worker
    twice, the second time alone, is abandoned.
    """

    def __init__(self, crew: Crew, batch: Batch, items: Sequence[Item]) -> None:
        self._crew = crew
        self._data = sent(batch)
        self._waiting = deque(items)
        self._suspects: deque[Item] = deque()
        self._alone: Future[Any] | None = None
        self._flying: dict[Future[Any], list[Item]] = {}
        self._seconds = 0.0
        self._cause: BaseException | None = None

    def check(self) -> None:
        """Raise `ProcessorError` if workers cannot do this work at all: no process, no module, no store."""
        try:
            self._crew.submit(_ready, self._data).result()
        except BrokenExecutor as error:
            raise ProcessorError(
                f"No worker process can start ({error}); its output is on standard error. In a script, the call that "
                "runs a "
                'task belongs under `if __name__ == "__main__":`, because each process imports the script again.'
            ) from error
        except Exception as error:
            self._crew.check()
            raise ProcessorError(
                f"The workers cannot do this work: {type(error).__name__}: {error}. The modules of the processors "
                "must be importable where they are, and the store reachable."
            ) from error

    def __iter__(self) -> Iterator[list[Outcome]]:
        try:
            while self._waiting or self._suspects or self._flying:
                self._submit()
                done = wait(self._flying, _LOOK_SECONDS, FIRST_COMPLETED).done
                if not done:
                    self._crew.check()
                for future in done:
                    found = self._collected(future, self._flying.pop(future))
                    if found:
                        yield found
        finally:
            for future in self._flying:
                with suppress(Exception):  # a scheduler that is gone cannot cancel
                    future.cancel()

    def _submit(self) -> None:
        """Keep the workers busy; after a death submit nothing new until all submitted chunks have returned."""
        if self._cause is not None:
            if self._flying:
                return
            self._crew.renew(self._cause)
            self._cause = None
        if self._suspects:
            if not self._flying:
                self._alone = self._send([self._suspects.popleft()])
            return
        width = self._crew.width
        while self._waiting and len(self._flying) < _AHEAD * width:
            self._send([self._waiting.popleft() for _ in range(self._size(width))])

    def _size(self, width: int) -> int:
        """Return the number of items of the next chunk: few at first and at the end, so that no worker is idle."""
        wanted = int(_CHUNK_SECONDS / self._seconds) if self._seconds else 1
        return max(1, min(wanted, _CHUNK_MOST, len(self._waiting) // (_AHEAD * width)))

    def _send(self, items: list[Item]) -> Future[Any]:
        future = self._crew.submit(work, self._data, items)
        self._flying[future] = items
        return future

    def _collected(self, future: Future[Any], items: list[Item]) -> list[Outcome]:
        """Return the outcomes of a chunk, or none if its items must be tried again."""
        try:
            outcomes: list[Outcome] = future.result()
        except Exception as error:  # noqa: BLE001 - an executor may raise anything, other chunks continue
            return self._lost(future, items, error)
        self._seconds = sum(one.seconds for one in outcomes) / len(outcomes)
        return outcomes

    def _lost(self, future: Future[Any], items: list[Item], error: Exception) -> list[Outcome]:
        died = isinstance(error, (BrokenExecutor, CancelledError)) or type(error).__name__ == "KilledWorker"
        if not died:
            return [Outcome(str(item), failures=(Failure.of(None, error),)) for item in items]
        if isinstance(error, BrokenExecutor):
            self._cause = error
        if len(items) == 1 and (future is self._alone or not self._crew.shares_fate):
            told = f"the process died that worked on it ({type(error).__name__}: {error})"
            return [Outcome(str(items[0]), failures=(Failure(None, told),))]
        self._suspects.extend(items)
        return []


def _ready(data: bytes) -> None:
    """Prepare for a batch; called in a worker."""
    received(data)

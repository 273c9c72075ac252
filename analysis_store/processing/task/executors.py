"""Executors of the work of a batch: this process, processes of this machine, a Dask cluster, or a given executor."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from analysis_store.core.pools import cores, process_pool, submit
from analysis_store.errors import MissingDependencyError, ProcessorError

T = TypeVar("T")

logger: logging.Logger = logging.getLogger(__name__)


class Crew(ABC):
    """Workers that run functions with arguments, and are replaced after they died."""

    shares_fate = False
    """True if the death of one worker stops the others, so that the responsible input is unknown."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Return the number of pieces of work that run at the same time."""

    @abstractmethod
    def submit(self, function: Callable[..., T], *arguments: object) -> Future[T]:
        """Submit one piece of work."""

    @abstractmethod
    def renew(self, cause: BaseException) -> None:
        """Replace workers that died, or raise `ProcessorError` if this is not possible."""

    def check(self) -> None:  # noqa: B027 - workers of this machine do not get out of reach
        """Raise `ProcessorError` if the workers cannot be reached."""

    @abstractmethod
    def close(self, *, now: bool) -> None:
        """Release the workers; ``now`` does not wait for the running work of our own ones."""


@contextmanager
def crew(executor: object, most: int) -> Iterator[Crew | None]:
    """Open the requested workers; return None if the work runs in this process.

    Parameters
    ----------
    executor
        None or "serial"; "processes" or their number; a `concurrent.futures.Executor`; a `distributed.Client`, a
        cluster, or the address of a scheduler.
    most : int
        Largest useful number of workers.

    Raises
    ------
    ProcessorError
        The executor has another type.
    MissingDependencyError
        The executor is the address of a scheduler, and distributed is not installed.
    """
    if executor is None or executor == "serial":
        yield None
        return
    opened = _opened(executor, most)
    try:
        yield opened
    except BaseException:
        opened.close(now=True)
        raise
    opened.close(now=False)


def _opened(executor: object, most: int) -> Crew:
    if executor == "processes":
        executor = cores()
    if isinstance(executor, int) and not isinstance(executor, bool) and executor > 0:
        return ProcessCrew(max(1, min(executor, most)))
    if isinstance(executor, Executor):
        return GivenCrew(executor)
    if (isinstance(executor, str) and "://" in executor) or _is_dask(executor):
        return DaskCrew(executor)
    raise ProcessorError(
        f'executor: Got {executor!r:.200}; expected None, "serial", "processes", a number of processes, a '
        "concurrent.futures.Executor, a dask.distributed Client or cluster, or the address of a scheduler."
    )


def _is_dask(executor: object) -> bool:
    return any(base.__module__.partition(".")[0] == "distributed" for base in type(executor).__mro__)


class ProcessCrew(Crew):
    """New processes of this machine, spawned, since a fork would copy threads and open files."""

    shares_fate = True

    def __init__(self, number: int) -> None:
        self._number = number
        self._pool = process_pool(number)

    @property
    def width(self) -> int:
        """Return the number of processes."""
        return self._number

    def submit(self, function: Callable[..., T], *arguments: object) -> Future[T]:
        """Submit one piece of work."""
        try:
            return submit(self._pool, function, *arguments)
        except BrokenProcessPool as error:  # a worker died between two pieces of work; report it as any other death
            failed: Future[T] = Future()
            failed.set_exception(error)
            return failed

    def renew(self, cause: BaseException) -> None:
        """Start new processes."""
        logger.warning("a worker process died (%s); new ones are started", cause)
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = process_pool(self._number)

    def close(self, *, now: bool) -> None:
        """End the processes."""
        if now:
            for process in list((self._pool._processes or {}).values()):  # noqa: SLF001 - terminate_workers is of 3.14
                process.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)


class GivenCrew(Crew):
    """An executor of the caller, which is never shut down here."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.shares_fate: bool = isinstance(executor, ProcessPoolExecutor)

    @property
    def width(self) -> int:
        """Return the number of its workers."""
        return int(getattr(self._executor, "_max_workers", 0)) or cores()

    def submit(self, function: Callable[..., T], *arguments: object) -> Future[T]:
        """Submit one piece of work."""
        return self._executor.submit(function, *arguments)

    def renew(self, cause: BaseException) -> None:
        """Raise, since the executor belongs to the caller."""
        raise ProcessorError(
            f"Got a broken executor ({cause}). Create a new one and run the task again: it computes only "
            "missing results."
        ) from cause

    def close(self, *, now: bool) -> None:
        """Leave the executor to its owner."""


class DaskCrew(Crew):
    """The workers of a Dask cluster, which itself moves the work of a dead worker to another.

    After some deaths Dask abandons both the responsible work and work that waited there.
    """

    shares_fate = True

    def __init__(self, executor: Any) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise MissingDependencyError(
                "A Dask cluster needs distributed: pip install 'analysis_store[cluster]'."
            ) from error
        self._ours = not isinstance(executor, Client)
        try:
            self._client: Any = Client(executor) if self._ours else executor  # type: ignore[no-untyped-call,unused-ignore]
        except (OSError, ValueError) as error:
            raise ProcessorError(
                f"The Dask cluster {executor} cannot be reached ({error}). Start its scheduler, or give another "
                "address."
            ) from error
        self._executor = self._client.get_executor(pure=False)

    @property
    def width(self) -> int:
        """Return the number of threads of the cluster."""
        threads = sum(self._client.nthreads().values())
        if not threads:
            logger.warning("the cluster has no workers; the task waits for them")
        return threads or 1

    def submit(self, function: Callable[..., T], *arguments: object) -> Future[T]:
        """Submit one piece of work."""
        submitted: Future[T] = self._executor.submit(function, *arguments)
        return submitted

    def renew(self, cause: BaseException) -> None:
        """Leave it to the cluster."""

    def check(self) -> None:
        """Raise `ProcessorError` if the scheduler is gone; its client tries for a while to reach it again."""
        if self._client.status != "running":
            raise ProcessorError(
                f"Got no answer from the scheduler of {self._client}, whose status is {self._client.status!r}; "
                "expected a running one. Start a cluster and run the task there: it computes only missing results."
            )

    def close(self, *, now: bool) -> None:
        """Close the connection to the cluster."""
        self._executor.shutdown(wait=not now)
        if self._ours:
            self._client.close()

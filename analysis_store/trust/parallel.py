"""Work on many runs spread over threads or processes of this machine; only a little of it is under way at a time."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from analysis_store.core.pools import cores, may_start_processes, process_pool, submit
from analysis_store.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")

MANY = 2000
"""Number of runs from which processes are worth their start time of a second."""

_SHARES = 4
"""Chunks per worker, at least: the last one to be done is not long waited for."""

_AHEAD = 3
"""Waiting chunks per worker; finished ones wait only for their neighbours."""


def spread(
    work: Callable[[list[Item]], Result], chunks: Iterable[list[Item]], *, workers: int | None, processes: bool
) -> Iterator[Result]:
    """Yield the result of the work for each chunk, in the order of the chunks.

    Parameters
    ----------
    work : callable
        Function to call. It is sent to processes, as the chunks are.
    chunks : iterable of list
        Taken as they are needed.
    workers : int, optional
        Number of workers; by default the number of cores.
    processes : bool
        Use processes instead of threads, if possible.

    Raises
    ------
    InputError
        A worker died.
    """
    number = _number(workers)
    with _pool(number, processes) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for chunk in chunks:
                waiting.append(submit(pool, work, chunk))
                if len(waiting) > _AHEAD * number:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise InputError(
                "a process died while it read run files; a damaged file may have killed it. Do it again with workers=1 "
                "to see at which run."
            ) from error
        finally:
            for future in waiting:
                future.cancel()


def chunked(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield the items in lists of a size."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def share(total: int, most: int, workers: int | None) -> int:
    """Return how many items a chunk should have: no more than ``most``, and few enough that every worker has some."""
    return max(1, min(most, total // (_SHARES * _number(workers))))


def _number(workers: int | None) -> int:
    return workers or cores()


def _pool(number: int, processes: bool) -> Executor:
    return process_pool(number) if processes and number > 1 and may_start_processes() else ThreadPoolExecutor(number)

"""Work on many runs spread over threads or processes of this machine; only a little of it is under way at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections import deque
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from analysis_store.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")

MANY = 2000
"""So many runs are worth the second that it takes to start processes."""

_SHARES = 4
"""Chunks per worker, at least: the last one to be done is not long waited for."""

_AHEAD = 3
"""Chunks per worker that wait for it; what is done waits no longer than its neighbours."""


def spread(
    work: Callable[[list[Item]], Result], chunks: Iterable[list[Item]], *, workers: int | None, processes: bool
) -> Iterator[Result]:
    """Yield what the work returns for each chunk, in the order of the chunks.

    Parameters
    ----------
    work : callable
        What to do. For processes it is sent, as the chunks are.
    chunks : iterable of list
        Taken as they are needed.
    workers : int, optional
        How many; as many as there are cores without.
    processes : bool
        Rather than threads, where processes can be had.

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
                waiting.append(pool.submit(work, chunk))
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
    return workers or os.cpu_count() or 1


@contextmanager
def _pool(number: int, processes: bool) -> Iterator[Executor]:
    pool: Executor
    if processes and number > 1 and may_start_processes():
        # A fork would take over threads and open files.
        pool = ProcessPoolExecutor(number, multiprocessing.get_context("spawn"), _leave_interrupts)
    else:
        pool = ThreadPoolExecutor(number)
    with pool:
        yield pool


def may_start_processes() -> bool:
    """Tell whether a fresh process would do nothing but our work.

    It imports the script that is running, and one without ``if __name__ == "__main__":`` would do all that it does a
    second time; from its outside nobody can tell. A prompt has none, and programs of packages are made for it.
    """
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return file is None or Path(file).name in {"analysis-store", "__main__.py", "pytest"}


def _leave_interrupts() -> None:
    """Ctrl-C ends the process that waits for us, which then ends us."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

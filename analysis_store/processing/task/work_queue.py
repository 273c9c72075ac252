"""A queue of runs for one worker thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class Line:
    """Passes each uid to a function, in a daemon thread, so that the main program decides when Python ends.

    Parameters
    ----------
    work : callable
        ``work(uid, until)``; it does not raise.
    """

    def __init__(self, work: Callable[[str, float], None]) -> None:
        self._work = work
        self._waiting: deque[tuple[str, float]] = deque()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="analysis", daemon=True)
        self._thread.start()

    @property
    def pending(self) -> list[str]:
        """Uids of the waiting runs, and of the running one."""
        with self._changed:
            return [uid for uid, _ in self._waiting]

    def put(self, uid: str, until: float) -> None:
        """Append a run to the queue."""
        with self._changed:
            self._waiting.append((uid, until))
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the queue is empty; return True if that happened within the given seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, timeout)

    def stop(self) -> None:
        """Discard waiting runs; the running one is finished."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def join(self) -> None:
        """Wait until the last one is finished, after `stop`."""
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopped)
                if self._stopped:
                    return
                uid, until = self._waiting[0]
            self._work(uid, until)
            with self._changed:
                self._waiting.popleft()
                self._changed.notify_all()

"""A line of runs that wait for one thread, which does something with one after another."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class Line:
    """Hands each uid to a function, in a daemon thread: whoever ends Python decides how long it goes on.

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
        """The uids of the runs that wait, after the one that is worked on."""
        with self._changed:
            return [uid for uid, _ in self._waiting]

    def put(self, uid: str, until: float) -> None:
        """Let a run wait for its turn."""
        with self._changed:
            self._waiting.append((uid, until))
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is left; tell whether that came to be within so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, timeout)

    def stop(self) -> None:
        """Let go of what waits; the one that is worked on is finished."""
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

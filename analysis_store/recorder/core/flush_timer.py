"""A thread that does periodic work until it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Pulse:
    """Calls ``work`` every ``seconds``; the thread does not keep the process alive."""

    def __init__(self, work: Callable[[], None], seconds: float) -> None:
        self._work, self._seconds = work, seconds
        self._stopped = threading.Event()
        threading.Thread(target=self._beat, name="recorder-pulse", daemon=True).start()

    def _beat(self) -> None:
        while not self._stopped.wait(self._seconds):
            self._work()

    def stop(self) -> None:
        """Stop after the present call, without waiting for it."""
        self._stopped.set()

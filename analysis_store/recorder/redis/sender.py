"""Sending of values to the server: in batches, repeated until the server has them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

from analysis_store.errors import StoreBusyError, StoreWriteError
from analysis_store.recorder.redis import scripts

if TYPE_CHECKING:
    from analysis_store.recorder.redis.connection import Link

Entry = tuple[str, str, float, bytes]
"""``"+"`` for a value that is appended, ``"="`` for one that is set; key; time; value."""

_MANY = 1000
_LARGE = 4 << 20
_GATHER = 0.05
_PAUSE = 0.02


class Sender:
    """Sends the values of one producer, in a separate thread; the server accepts a value that was sent twice once.

    Parameters
    ----------
    link : Link
        The server.
    producer, token : str
        Name of the producer, and token of this process.
    taken : int
        Number of values of this producer on the server.
    """

    def __init__(self, link: Link, producer: str, token: str, taken: int) -> None:
        self.taken = taken
        self._link, self._producer, self._token = link, producer, token
        self._changed = threading.Condition()
        self._waiting: deque[Entry] = deque()
        self._size = 0
        self._hurry = self._ended = False
        self._trouble: StoreWriteError | None = None
        self._final = False
        self._thread = threading.Thread(target=self._send_all, name=f"recording as {producer}", daemon=True)
        self._thread.start()

    def put(self, entry: Entry) -> None:
        """Add a value; it is sent within 50 ms, or as soon as there are many.

        Raises
        ------
        StoreBusyError
            The queue is full, because no process collects; the value was not recorded.
        StoreWriteError
            The server does not answer; the value was not recorded.
        """
        with self._changed:
            if len(self._waiting) >= 2 * _MANY or self._size >= 2 * _LARGE or self._final:
                self._wait_until(lambda: len(self._waiting) < 2 * _MANY and self._size < 2 * _LARGE)
            self._waiting.append(entry)
            self._size += len(entry[3])
            if len(self._waiting) in {1, _MANY} or self._size >= _LARGE:
                self._changed.notify_all()

    def drain(self) -> None:
        """Wait until the server has all values; errors as in `put`, but no value is lost."""
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            try:
                self._wait_until(lambda: not self._waiting)
            finally:
                self._hurry = False

    def end(self) -> bool:
        """Stop sending; return True if the server has all values."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join()
        return not self._waiting

    def _wait_until(self, reached: Callable[[], bool]) -> None:
        """Wait while values are being sent; raise the error if none was sent for the time of the link."""
        end, taken = time.monotonic() + self._link.wait, self.taken
        while not reached() or self._final:
            if self.taken != taken:
                end, taken = time.monotonic() + self._link.wait, self.taken
            if self._trouble is not None and (self._final or time.monotonic() >= end):
                # A new error for each waiting thread: an error that is raised twice has both tracebacks.
                raise type(self._trouble)(*self._trouble.args) from self._trouble.__cause__
            self._changed.wait(0.1)

    # ------------------------------------------------------------------------------------------- the thread

    def _send_all(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._ended:
                    self._changed.wait()
                if not self._waiting or self._final or (self._ended and self._trouble):
                    return
                if not self._hurry and not self._ended and len(self._waiting) < _MANY and self._size < _LARGE:
                    self._changed.wait_for(self._enough, _GATHER)
                batch = self._batch()
            self._send(batch)

    def _enough(self) -> bool:
        return self._hurry or self._ended or len(self._waiting) >= _MANY or self._size >= _LARGE

    def _batch(self) -> list[Entry]:
        """Return the first waiting values, up to the size of one message."""
        batch, size = [], 0
        for entry in islice(self._waiting, _MANY):
            batch.append(entry)
            size += len(entry[3])
            if size >= _LARGE:
                break
        return batch

    def _send(self, batch: list[Entry]) -> None:
        first = self.taken + 1
        arguments = [part for entry in batch for part in entry]
        try:
            status, last = self._link.run(scripts.APPEND, self._producer, self._token, first, *arguments)
        except self._link.error as error:
            self._keep(self._link.refusal(error))
            return
        if status in {b"lost", b"taken"}:
            self._keep(self._refused(status, last), final=True)
            return
        with self._changed:
            for _ in range(last - self.taken):
                self._size -= len(self._waiting.popleft()[3])
            self.taken = last
            self._trouble = None
            self._changed.notify_all()
        if status == b"full":
            self._keep(
                StoreBusyError(
                    f"the queue of {self._link.name!r} in Redis is full, and no process collects it. Start a "
                    "Collector, or open the datastore with maxlen=None, which keeps all values in Redis."
                )
            )

    def _keep(self, error: StoreWriteError, *, final: bool = False) -> None:
        """Store the error, and wait a little before the next attempt."""
        with self._changed:
            self._trouble, self._final = error, final
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._ended, 0 if final else _PAUSE)

    def _refused(self, status: bytes, last: int) -> StoreWriteError:
        if status == b"taken":
            return StoreBusyError(
                f"another process records into {self._link.name!r} as {self._producer!r}; give each producer its own "
                "name."
            )
        return StoreWriteError(
            f"Redis at {self._link.shown} has lost acknowledged values: {self.taken - max(last, 0)} values of "
            f"{self._producer!r}. Set appendonly yes and appendfsync always, and open the datastore again."
        )

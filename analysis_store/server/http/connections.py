"""Connections with time limits: for the head of a request, and for the client to take an answer.

Without limits, uvicorn waits forever for the head of a request, and for a client to take its answer; each such
connection keeps a file descriptor and the unsent data. uvicorn's other HTTP parser accepts heads of any size.
"""

from __future__ import annotations

import asyncio
import resource
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_WITHIN = 20.0
"""Time limit in seconds for the head of a request, after the connection is made or the last answer was sent."""

TAKEN_WITHIN = 30.0
"""Time limit in seconds for a client to take a piece of an answer, of 256 KiB at most."""

LARGEST_HEAD = 1 << 20
"""Largest head in bytes; the address of a search for many uids is long."""

MOST = min(500, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
"""Largest number of connections; the process needs file descriptors for the store, too."""


class Connection(H11Protocol):
    """One connection with time limits."""

    _waits_since = 0.0
    _awaited: asyncio.TimerHandle | None = None
    _untaken: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin, and expect a request; above the limit of connections, close one that is idle."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # so that even small unsent data are noticed
        self._expect()
        if len(self.connections) > MOST:
            waiting = [each for each in self.connections if isinstance(each, Connection) and each.only_waits]
            min(waiting, key=lambda each: each._waits_since).transport.abort()  # noqa: SLF001

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection and its timers."""
        for timer in (self._awaited, self._untaken):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Expect the next request."""
        super().on_response_complete()
        self._expect()

    def pause_writing(self) -> None:
        """Wait for the client to take what was written."""
        super().pause_writing()
        self._untaken = self.loop.call_later(TAKEN_WITHIN, self.transport.abort)

    def resume_writing(self) -> None:
        """Continue after the client took the data."""
        if self._untaken is not None:
            self._untaken.cancel()
        super().resume_writing()

    @property
    def only_waits(self) -> bool:
        """Return True if no request is being answered and no answer is being sent."""
        cycle: Any = self.cycle
        return (cycle is None or cycle.response_complete) and not self.transport.get_write_buffer_size()

    def _expect(self) -> None:
        if self._awaited is not None:
            self._awaited.cancel()
        self._waits_since = self.loop.time()
        self._awaited = self.loop.call_later(REQUEST_WITHIN, self._late)

    def _late(self) -> None:
        if self.only_waits:
            self.transport.abort()


PATIENCE: dict[str, Any] = {"http": Connection, "h11_max_incomplete_event_size": LARGEST_HEAD}
"""Options for uvicorn to use these connections."""

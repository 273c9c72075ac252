"""The lease for collecting a recording: one process holds it, and it expires soon after that process dies."""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from typing import TYPE_CHECKING, Any

from analysis_store.errors import StoreBusyError
from analysis_store.locks import is_running
from analysis_store.recorder.redis import scripts

if TYPE_CHECKING:
    from analysis_store.recorder.redis.connection import Link

_MILLISECONDS = 30_000
_PAUSE = 0.1


class Lease:
    """The lease of one collector; it expires if it is not renewed for 30 s.

    Parameters
    ----------
    link : Link
        The server.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self.text: str = json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "token": secrets.token_hex(8)})

    def take(self) -> None:
        """Acquire or renew the lease.

        Raises
        ------
        StoreBusyError
            Another process holds it; the message names that process.
        """
        end = time.monotonic() + self._link.wait
        found = self._take("")
        while found != self.text:
            holder = json.loads(found)
            if _is_dead(holder):
                found = self._take(found)
                continue
            if time.monotonic() >= end:
                raise StoreBusyError(
                    f"process {holder['pid']} on {holder['host']} collects {self._link.name!r}; only one can. "
                    "Stop it first."
                )
            time.sleep(_PAUSE)
            found = self._take("")

    def leave(self) -> None:
        """Release the lease."""
        self._link.patiently(lambda: self._link.run(scripts.LEAVE, self.text))

    def _take(self, dead: str) -> str:
        """Return the holder: this process, if the lease was free or held by a dead process."""
        arguments = (scripts.HOLD, self.text, dead, _MILLISECONDS)
        return str(self._link.patiently(lambda: self._link.run(*arguments)).decode())


def _is_dead(holder: dict[str, Any]) -> bool:
    """Return True if a process of this host has ended; False for other hosts, where it is unknown."""
    return holder["host"] == socket.gethostname() and not is_running(holder["pid"])

"""Limits on answers: slow or vanished clients hold no memory and do not make others wait.

An answer is built completely before it is sent, up to 300 MB. So only a few are built at a time, and the total size
of answers being sent to slow clients is limited; a small answer is always sent.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from starlette.datastructures import Headers

from analysis_store.server.http.statuses import answer

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OF_VALUES = re.compile(r"/api/v1/(array|table|container|node|awkward|ragged)/|/zarr/v[23]/")
"""The routes that send values; all others send text of moderate length."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of concurrent work and of waiting; bytes and seconds."""

    made_at_once: int = 4
    """Number of answers with values built at a time; more would only share the same processors."""

    turn: float = 60.0
    """Time that a request waits for its turn before it is refused."""

    on_the_way: int = 1_200_000_000
    """Total size of all larger answers being sent."""

    small: int = 1 << 20
    """Answers up to this size are always sent."""

    piece: int = 1 << 18
    """Answers are sent in pieces of this size."""

    request: int = 1 << 22
    """The largest request body: names of keys and columns."""

    request_time: float = 30.0
    """Time limit for the body of a request."""


class Pace:
    """ASGI middleware that keeps slow clients from blocking others.

    Parameters
    ----------
    app : ASGI application
        The application that answers.
    limits : Limits
        Limits of concurrent work.
    """

    def __init__(self, app: ASGIApp, limits: Limits | None = None) -> None:
        self.limits: Limits = limits or Limits()
        self.on_the_way = 0
        self._app = app
        self._turns: MutableMapping[Any, asyncio.Semaphore] = WeakKeyDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on when its turn comes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "POST":
            if (whole := await self._whole(receive)) is None:
                too_long = "The body of the request is too long, or did not arrive in time."
                await answer(413, too_long, {"Connection": "close"})(scope, receive, send)
                return
            receive = whole
        if not _OF_VALUES.search(scope["path"]):
            await _Answer(self, scope, receive, send).by(self._app)
            return
        turns = self._turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(self.limits.made_at_once))
        try:
            async with asyncio.timeout(self.limits.turn):
                await turns.acquire()
        except TimeoutError:
            await later()(scope, receive, send)
            return
        await _Answer(self, scope, receive, send).by(self._app, turns)

    async def _whole(self, receive: Receive) -> Receive | None:
        """Return a receiver of the body that was read; None if it is too large, or did not arrive in time."""
        body = bytearray()
        more = True
        with suppress(TimeoutError):
            async with asyncio.timeout(self.limits.request_time):
                while more and len(body) <= self.limits.request:
                    message = await receive()
                    body += message.get("body", b"")
                    more = message["type"] == "http.request" and message.get("more_body", False)
        if more:
            return None
        kept = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def received() -> Message:
            return kept.pop() if kept else await receive()

        return received


def later() -> Any:
    """Return the answer for a client that should retry later."""
    return answer(503, "Too many large answers are being sent; ask again in a moment.", {"Retry-After": "5"})


class _Answer:
    """One answer being sent: it releases its turn once it is built, and its share of memory once it is sent."""

    def __init__(self, pace: Pace, scope: Scope, receive: Receive, send: Send) -> None:
        self._pace = pace
        self._scope, self._receive, self._send = scope, receive, send
        self._turns: asyncio.Semaphore | None = None
        self._start: Message | None = None
        self._kept: list[bytes] = []
        self._room = 0
        self._refused = self._left = False

    async def by(self, app: ASGIApp, turns: asyncio.Semaphore | None = None) -> None:
        """Let an application build the answer; ``turns`` if it sends values and has taken a turn."""
        self._turns = turns
        try:
            await app(self._scope, self._received, self._sent)
        except Exception:
            if not self._left:  # a client that has left gets no answer and no log entry
                raise
        finally:
            self._is_made()
            self._pace.on_the_way -= self._room

    async def _received(self) -> Message:
        message = await self._receive()
        self._left |= message["type"] == "http.disconnect"
        return message

    async def _sent(self, message: Message) -> None:
        """Send a part of the answer; hold back its head until memory for the rest is reserved."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._start is not None:
            self._kept.append(body)
            if self._turns is not None and more and sum(map(len, self._kept)) <= self._pace.limits.small:
                return
            body = b"".join(self._kept)
            self._kept.clear()
            self._is_made()
            await self._begin(self._start, len(body))
        if not self._refused:
            await self._in_pieces(body, more)

    async def _begin(self, start: Message, size: int) -> None:
        """Send the head of the answer, or another answer if there is no memory for its body."""
        self._start = None
        limits, pace = self._pace.limits, self._pace
        if size > limits.small:
            self._room = int(Headers(raw=start["headers"]).get("content-length", limits.on_the_way // 4))
        if self._room > limits.on_the_way - pace.on_the_way:
            self._room = 0
            self._refused = True
            await later()(self._scope, self._receive, self._send)
            return
        pace.on_the_way += self._room
        await self._send(start)

    async def _in_pieces(self, body: bytes, more: bool) -> None:
        """Send a body, each piece after the last one was taken, so that no full copy waits in a socket."""
        piece = self._pace.limits.piece
        for place in range(0, max(len(body), 1), piece):
            last = place + piece >= len(body)
            part = {"type": "http.response.body", "body": body[place : place + piece], "more_body": more or not last}
            await self._send(part)

    def _is_made(self) -> None:
        if self._turns is not None:
            self._turns.release()
            self._turns = None

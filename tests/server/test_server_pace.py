"""The pace of answers: how many are made at once, how much of them is kept for slow clients, and what is given back."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

pytest.importorskip("tiled", reason="the extra 'server' is not installed")

from analysis_store.server.http.pace import Limits, Pace

VALUES = "/api/v1/array/full/x"
LIMITS = Limits(made_at_once=1, turn=0.05, on_the_way=4000, small=100, piece=64, request=1000, request_time=0.05)


class Client:
    """A client that sends a body in parts, and takes what it is sent only while it is let."""

    def __init__(self, path: str = VALUES, method: str = "GET", parts: tuple[bytes, ...] = (b"",)) -> None:
        self.scope = {"type": "http", "path": path, "method": method, "headers": []}
        self.incoming: asyncio.Queue[Any] = asyncio.Queue()
        for number, part in enumerate(parts):
            more = number + 1 < len(parts)
            self.incoming.put_nowait({"type": "http.request", "body": part, "more_body": more})
        self.may_take = asyncio.Event()
        self.may_take.set()
        self.got: list[Any] = []

    async def take(self, message: Any) -> None:
        """Take a message, when it is let."""
        await self.may_take.wait()
        self.got.append(message)

    async def ask(self, pace: Pace) -> None:
        """Have the request answered."""
        await pace(self.scope, self.incoming.get, self.take)

    @property
    def status(self) -> int:
        """The status that came."""
        found: int = self.got[0]["status"]
        return found

    @property
    def body(self) -> bytes:
        """What came."""
        return b"".join(message["body"] for message in self.got[1:])


def sending(*parts: bytes, length: bool = True) -> Any:
    """Return an application that answers with these parts."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        size = [(b"content-length", str(sum(map(len, parts))).encode())] if length else []
        await send({"type": "http.response.start", "status": 200, "headers": size})
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return app


@pytest.mark.parametrize(
    "parts", [(), (b"",), (b"a" * 30,), (b"a" * 90, b"b" * 90), (b"a" * 1000,), (b"a", b"b" * 1000)]
)
@pytest.mark.parametrize("path", [VALUES, "/api/v1/documents/x", "/healthz"])
@pytest.mark.parametrize("length", [True, False])
def test_what_is_sent_arrives(parts: tuple[bytes, ...], path: str, length: bool) -> None:
    """However an application cuts its answer, and whether it tells the length: the same bytes come, in small pieces."""

    async def main() -> None:
        pace, client = Pace(sending(*parts, length=length), LIMITS), Client(path)
        await client.ask(pace)
        assert (client.status, client.body) == (200, b"".join(parts))
        assert [message["more_body"] for message in client.got[1:]][-1] is False
        assert all(message["more_body"] for message in client.got[1:-1])
        assert max(len(message["body"]) for message in client.got[1:]) <= max(LIMITS.piece, 100)
        assert pace.on_the_way == 0

    asyncio.run(main())


def test_what_is_being_sent_is_limited() -> None:
    """While three answers of 1200 bytes wait to be taken, a fourth finds no room among 4000; a small one does."""

    async def main() -> None:
        large, slow = Pace(sending(b"x" * 1200), LIMITS), [Client() for _ in range(3)]
        for each in slow:
            each.may_take.clear()
        tasks = []
        for each in slow:
            tasks.append(asyncio.create_task(each.ask(large)))
            await asyncio.sleep(0)  # its turn is given back as soon as its answer is made
        refused = Client()
        await refused.ask(large)
        assert refused.status == 503
        assert (b"retry-after", b"5") in refused.got[0]["headers"]
        assert json.loads(refused.body)["detail"].startswith("Too many")
        assert large.on_the_way == 3600
        large._app, few = sending(b"few"), Client()
        await few.ask(large)
        assert few.body == b"few"
        for each in slow:
            each.may_take.set()
        await asyncio.gather(*tasks)
        assert [each.body for each in slow] == [b"x" * 1200] * 3
        assert large.on_the_way == 0

    asyncio.run(main())


def test_an_answer_of_unknown_length_takes_a_quarter_of_the_room() -> None:
    """Nobody knows what stands behind it."""

    async def main() -> None:
        pace, client = Pace(sending(b"x" * 200, b"y" * 200, length=False), LIMITS), Client()
        client.may_take.clear()
        task = asyncio.create_task(client.ask(pace))
        await asyncio.sleep(0)
        assert pace.on_the_way == 1000
        client.may_take.set()
        await task
        assert pace.on_the_way == 0

    asyncio.run(main())


def test_turns() -> None:
    """Answers with values are made one after another here; whoever waits too long is sent away, the others go on."""

    async def main() -> None:
        made = asyncio.Event()

        async def slow(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == VALUES:
                await made.wait()
            await sending(b"done")(scope, receive, send)

        pace, first, second, other = Pace(slow, LIMITS), Client(), Client(), Client("/healthz")
        task = asyncio.create_task(first.ask(pace))
        await asyncio.sleep(0)
        await second.ask(pace)
        assert second.status == 503
        await other.ask(pace)
        assert other.status == 200
        made.set()
        await task
        third = Client()
        await third.ask(pace)
        assert first.body == third.body == b"done"

    asyncio.run(main())


def test_a_turn_is_given_back_after_an_error() -> None:
    """An application that fails keeps neither its turn nor its room."""

    async def main() -> None:
        async def failing(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"x" * 500, "more_body": True})
            raise RuntimeError("in the middle")

        pace = Pace(failing, LIMITS)
        for _ in range(3):
            with pytest.raises(RuntimeError, match="in the middle"):
                await Client().ask(pace)
        assert pace.on_the_way == 0

    asyncio.run(main())


@pytest.mark.parametrize("left", [True, False])
def test_an_error_after_the_client_has_left_is_told_to_nobody(left: bool) -> None:
    """A traceback in the log for each closed tab would hide those that matter; any other error stays one."""

    async def main() -> None:
        async def noticing(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            if (await receive())["type"] == "http.disconnect":
                raise RuntimeError("No response returned.")
            raise RuntimeError("a fault")

        client = Client()
        client.incoming.put_nowait({"type": "http.disconnect" if left else "http.request"})
        if left:
            await client.ask(Pace(noticing, LIMITS))
        else:
            with pytest.raises(RuntimeError, match="a fault"):
                await client.ask(Pace(noticing, LIMITS))
        assert client.got == []

    asyncio.run(main())


def test_the_body_of_a_request() -> None:
    """It comes whole, after it has come in parts; one that is too long, does not come, or breaks off is refused."""

    async def main() -> None:
        async def echo(scope: Any, receive: Any, send: Any) -> None:
            message = await receive()
            await sending(message["body"] + str(message["more_body"]).encode())(scope, receive, send)

        pace = Pace(echo, LIMITS)
        asking = Client(method="POST", parts=(b'["a', b'", ', b'"b"]'))
        await asking.ask(pace)
        assert asking.body == b'["a", "b"]False'
        long, silent = Client(method="POST", parts=(b"x" * 600, b"x" * 600, b"")), Client(method="POST", parts=())
        leaving = Client(method="POST", parts=(b"[", b""))
        leaving.incoming = asyncio.Queue()
        for message in ({"type": "http.request", "body": b"[", "more_body": True}, {"type": "http.disconnect"}):
            leaving.incoming.put_nowait(message)
        for refused in (long, silent):
            await refused.ask(pace)
            assert refused.status == 413
        await leaving.ask(pace)

    asyncio.run(main())

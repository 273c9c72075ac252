"""Clients that are slow, or go away: over real sockets, the server stays usable for the others, in bounded memory."""

from __future__ import annotations

import logging
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis_store.store import AnalysisStore

pytest.importorskip("tiled", reason="the extra 'server' is not installed")

from analysis_store.server import server_app
from analysis_store.server.http import connections
from analysis_store.server.http.pace import Limits, Pace
from tests.server.test_server_guard import KEY, SIMULATED, Server

MIB = 1 << 20
LARGE = 16 * MIB
GENEROUS = 20
"""Seconds that something may take on a busy machine before it is taken for never."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnalysisStore]:
    """A store with one large array."""
    with AnalysisStore(tmp_path_factory.mktemp("slow") / "store") as made:
        values = np.random.default_rng(0).integers(0, 256, (1, LARGE), np.uint8)
        made.insert({"primary": {"large": values, "few": np.arange(1.0)}}, {"provenance": SIMULATED})
        yield made


@pytest.fixture(scope="module")
def server(store: AnalysisStore) -> Iterator[Server]:
    """The store, served by an impatient server with little room."""
    app = server_app(store, api_key=KEY)
    for layer in app.user_middleware:
        if layer.cls is Pace:
            layer.kwargs["limits"] = Limits(made_at_once=2, on_the_way=2 * LARGE + MIB, request_time=1.0)
    with pytest.MonkeyPatch.context() as patch, Server(app) as running:
        patch.setattr(connections, "REQUEST_WITHIN", 1.0)
        patch.setattr(connections, "TAKEN_WITHIN", 1.0)
        patch.setattr(connections, "MOST", 40)
        running.path = f"/api/v1/array/full/{store[-1].uid}/primary/data"  # type: ignore[attr-defined]
        assert running.ask(f"{running.path}/few", KEY).status == 200  # type: ignore[attr-defined]
        yield running


def opened(server: Any, text: str) -> socket.socket:
    """Return a connection over which this was sent; it takes little before it has to be read from."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
    made.settimeout(GENEROUS)
    made.connect(("127.0.0.1", server.port))
    made.sendall(text.encode())
    return made


def asking(server: Any, key: str) -> str:
    """Return a request for all values of a key."""
    form = "Accept: application/octet-stream\r\nAccept-Encoding: identity"
    return f"GET {server.path}/{key} HTTP/1.1\r\nHost: here\r\nAuthorization: Apikey {KEY}\r\n{form}\r\n\r\n"


def has_ended(connection: socket.socket) -> bool:
    """Tell that the server ends a connection; waits for it, and takes what still comes."""
    try:
        while connection.recv(MIB):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


def test_heads_that_never_end(server: Any) -> None:
    """Clients that send their request a letter at a time are let go, and others are answered meanwhile."""
    slow = [opened(server, "GET /healthz HTTP/1.1\r\nX-Slow: ") for _ in range(30)]
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.1):
            for each in slow:
                try:
                    each.send(b"x")
                except OSError:
                    continue

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        assert server.ask("/healthz").status == 200
        assert server.ask(f"{server.path}/few", KEY).status == 200
        assert all(map(has_ended, slow))
    finally:
        stop.set()
        dripping.join()
        for each in slow:
            each.close()


def test_more_connections_than_there_is_room_for(server: Any) -> None:
    """A crowd that says nothing loses those that came first; whoever asks is answered."""
    silent = [opened(server, "") for _ in range(connections.MOST + 30)]
    assert server.ask("/healthz").status == 200
    assert all(map(has_ended, silent[:30]))
    for each in silent:
        each.close()


def test_a_body_that_does_not_come(server: Any) -> None:
    """A request whose body is promised and not sent is refused; it keeps nobody waiting."""
    head = f"POST /api/v1/container/full/x HTTP/1.1\r\nHost: here\r\nAuthorization: Apikey {KEY}\r\n"
    with opened(server, head + "Content-Length: 10\r\n\r\n[") as silent:
        assert silent.recv(100).startswith(b"HTTP/1.1 413")
    assert server.ask("/healthz").status == 200


def endless(connection: socket.socket, part: bytes) -> bool:
    """Tell that the server ends a connection over which something is sent again and again."""
    try:
        for _ in range(64 * MIB // len(part)):
            connection.sendall(part)
    except ConnectionError:
        return True
    return False


def test_a_request_of_any_length_is_not_kept(server: Any) -> None:
    """Neither the body of a request nor, for which no key is needed, its head fills the memory."""
    head = f"POST /api/v1/container/full/x HTTP/1.1\r\nHost: here\r\nAuthorization: Apikey {KEY}\r\n"
    with opened(server, head + "Transfer-Encoding: chunked\r\n\r\n") as long:
        assert endless(long, b"100000\r\n" + bytes(MIB) + b"\r\n")
    with opened(server, "GET / HTTP/1.1\r\n") as long:
        assert endless(long, b"X: " + b"x" * 65_000 + b"\r\n")
    assert server.ask("/healthz").status == 200


def resident() -> int:
    """Return how much memory this process, and so the server in it, holds: bytes."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) << 10


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is asked of Linux")
def test_answers_that_nobody_takes(
    server: Any, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Thirty clients ask for much and read a byte now and then: little of it is kept, and the others are answered."""
    monkeypatch.setattr(connections, "TAKEN_WITHIN", 10 * GENEROUS)
    before = most = resident()
    slow = [opened(server, asking(server, "large")) for _ in range(30)]
    request.addfinalizer(lambda: [each.close() for each in slow])
    began = [each.recv(12)[9:] for each in slow]
    for _ in range(5):
        for each in slow:
            assert each.recv(1)
        most = max(most, resident())
        assert server.ask("/healthz").status == 200
        assert server.ask(f"{server.path}/few", KEY).status == 200
    assert sorted(began) == [b"200"] * 2 + [b"503"] * 28
    # Two that are made, of at most three copies each, and two that are being sent; and what the allocator keeps.
    assert most - before < 15 * LARGE
    for each in slow:
        each.close()
    assert len(whole(server)) == LARGE


@pytest.mark.slow
def test_an_answer_that_is_not_taken_in_time(server: Any) -> None:
    """Whoever stops reading in the middle is let go, however little is left in the socket, and leaves no room taken."""
    for key in ("large", "large"):
        with opened(server, asking(server, key)) as slow:
            assert slow.recv(12).endswith(b"200")
            time.sleep(2 * connections.TAKEN_WITHIN)
            taken = 0
            with suppress(ConnectionError):
                while part := slow.recv(MIB):
                    taken += len(part)
            assert taken < LARGE
    assert len(whole(server)) == LARGE


def whole(server: Any) -> bytes:
    """Return the large array; ask again as long as the server asks for that."""
    end = time.monotonic() + GENEROUS
    while (answer := server.ask(f"{server.path}/large", KEY, Accept="application/octet-stream")).status == 503:
        assert answer.headers["retry-after"] == "5"
        assert time.monotonic() < end
    assert answer.status == 200
    body: bytes = answer.body
    return body


def test_clients_that_go_away(server: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever leaves before a large answer, or in the middle of it, leaves nothing behind: no room, no traceback."""
    log = logging.getLogger("uvicorn.error")
    log.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.WARNING, log.name):
            for number in range(8):
                with opened(server, asking(server, "large")) as leaving:
                    if number % 2:
                        leaving.recv(1 << 16)
            assert len(whole(server)) == LARGE
    finally:
        log.removeHandler(caplog.handler)
    assert not [record.getMessage() for record in caplog.records if record.name == log.name]

"""Nobody passes the server without its key, nobody writes, and no file of the machine is sent: over real HTTP."""

from __future__ import annotations

import hashlib
import http.client
import json
import threading
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import quote

import numpy as np
import pytest

from analysis_store.errors import SettingsError
from analysis_store.store import AnalysisStore

pytest.importorskip("tiled", reason="the extra 'server' is not installed")

import uvicorn
from starlette.routing import Mount, WebSocketRoute
from tiled.adapters.mapping import MapAdapter
from tiled.config import Authentication
from tiled.server.app import build_app

from analysis_store.server import server_app
from analysis_store.server.http.connections import PATIENCE
from analysis_store.server.http.guard import is_of_the_page
from analysis_store.server.listen import bound

KEY = "a1" * 16
OTHER = "b2" * 16
SECRET = "nobody-shall-read-this"
SIMULATED = {"origin": "simulation", "note": "made for a test"}


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Server:
    """A server on a free port of this machine, asked by paths that are sent exactly as they are written."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self._listener = bound("127.0.0.1", 0)
        self.port = self._listener.getsockname()[1]
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none", **PATIENCE))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]})

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()

    def ask(self, path: str, key: str | None = None, method: str = "GET", **headers: str) -> Answer:
        """Send one request; ``path`` goes over the wire as it is, which an HTTP library would not do."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=100)
        try:
            headers = {**({"Authorization": f"Apikey {key}"} if key else {}), **headers}
            connection.connect()
            lines = [f"{method} {path} HTTP/1.1", "Host: here", "Connection: close", "Content-Length: 0"]
            lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
            connection.sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
            response = http.client.HTTPResponse(connection.sock, method=method)
            response.begin()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            connection.close()


def simulated(store: AnalysisStore, **md: Any) -> Any:
    """Save a small run."""
    data = {"primary": {"mu": np.arange(40.0).reshape(2, 20), "e0": np.array([1.5, 2.5])}}
    return store.insert(data, {"provenance": SIMULATED, "sample_name": SECRET, **md})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnalysisStore]:
    """A store with one run."""
    with AnalysisStore(tmp_path_factory.mktemp("guarded") / "store") as made:
        simulated(made)
        yield made


@pytest.fixture(scope="module")
def uid(store: AnalysisStore) -> str:
    """The uid of the run."""
    return store[-1].uid


@pytest.fixture(scope="module")
def server(store: AnalysisStore) -> Iterator[Server]:
    """The store, served."""
    with Server(server_app(store, api_key=KEY)) as running:
        yield running


def every_route(app: Any, uid: str) -> list[tuple[str, str]]:
    """Return (method, path) of every route that the application has, its parameters filled in."""

    def flat(routes: Any, prefix: str) -> Iterator[tuple[str, str]]:
        for route in routes:
            if hasattr(route, "original_router"):
                yield from flat(route.original_router.routes, prefix + route.include_context.prefix)
            elif isinstance(route, Mount):
                yield "GET", f"{prefix}{route.path}/{{path}}"
            elif not isinstance(route, WebSocketRoute):
                yield from ((method, prefix + route.path) for method in route.methods)

    paths = [f"{uid}/primary/data/mu", f"{uid}/primary/data", f"{uid}/primary", uid, ""]
    found = set()
    for method, template in flat(app.routes, ""):
        for path in paths:
            filled = template.replace("{path:path}", path).replace("{path}", path).replace("{block:path}", "0/0")
            assert "{" not in filled.replace("{block}", "0"), template
            found.add((method, filled.replace("{block}", "0")))
    return sorted(found)


STATIC: set[str] = {"/healthz", "/api/v1", "/api/v1/"}


def test_the_list_of_routes_is_whole(server: Server, uid: str) -> None:
    """The walk over the routes finds Tiled's, Zarr's, the page's and ours; else the tests below would prove nothing."""
    routes = every_route(server.app, uid)
    for known in (
        "/api/v1/metadata/",
        "/api/v1/documents/",
        "/custom/documents/",
        "/zarr/v2/",
        "/zarr/v3/",
        "/ui/",
        "/api/v1/metrics",
        "/openapi.json",
        "/static/",
        "/api/v1/array/full/",
        "/api/v1/register/",
    ):
        assert any(path.startswith(known) for _, path in routes), known
    assert {method for method, _ in routes} >= {"GET", "POST", "PUT", "PATCH", "DELETE"}


def test_without_the_key_no_route_says_anything(server: Server, uid: str) -> None:
    """Every route answers 401, but for the two that say that the server is there and which formats it has."""
    for method, path in every_route(server.app, uid):
        answer = server.ask(path, method=method)
        assert SECRET.encode() not in answer.body, path
        assert uid.encode() not in answer.body, path
        assert answer.status == (200 if path in STATIC else 401), (method, path, answer.status)


def test_a_wrong_key_opens_nothing(server: Server, uid: str) -> None:
    """Every route, the open ones too, answers 401 to a key that is not the key, however it comes."""
    for method, path in every_route(server.app, uid):
        assert server.ask(path, OTHER, method).status == 401, (method, path)
    path = f"/api/v1/metadata/{uid}"
    for headers in (
        {"Cookie": f"tiled_api_key={OTHER}"},
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": "Apikey"},
        {"Authorization": KEY},
        {"Authorization": f"Apikey {KEY}x"},
    ):
        assert server.ask(path, **headers).status == 401, headers
    for query in (
        f"api_key={OTHER}",
        "api_key=",
        f"api_key={KEY}&api_key={OTHER}",
        "api_key=%C3%A9%00",
        f"API_KEY={KEY}",
    ):
        assert server.ask(f"{path}?{query}").status == 401, query
    assert server.ask(f"{path}?api_key={OTHER}", KEY).status == 401


def test_the_key_opens_by_header_address_and_cookie(server: Server, uid: str) -> None:
    """What the tests above find closed is open with the key, in each of the three places that a key can be."""
    path = f"/api/v1/metadata/{uid}"
    for answer in (
        server.ask(path, KEY),
        server.ask(f"{path}?api_key={KEY}"),
        server.ask(path, Cookie=f"tiled_api_key={KEY}"),
        server.ask(path, Authorization=f"aPIkEY {KEY}"),
    ):
        assert answer.status == 200
        assert SECRET.encode() in answer.body


@pytest.mark.slow
def test_with_the_key_no_route_breaks(server: Server, uid: str) -> None:
    """Reading what is there and what is not, of every kind, is answered without an internal error."""
    for method, path in every_route(server.app, uid):
        if method == "GET":
            answer = server.ask(path, KEY)
            assert answer.status < 500, (path, answer.status, answer.body[:200])


@pytest.mark.slow
def test_a_head_is_what_get_would_answer(server: Server, uid: str) -> None:
    """On every route that reads, HEAD has the status and the length of GET, and no body; the key is asked for alike."""
    changing = {"date", "server-timing", "x-tiled-request-id", "set-cookie", "content-length", "etag"}
    for method, path in every_route(server.app, uid):
        if method != "GET":
            continue
        whole, head = server.ask(path, KEY), server.ask(path, KEY, "HEAD")
        assert (head.status, head.body) == (whole.status, b""), path
        assert head.headers.keys() - changing == whole.headers.keys() - changing, path
        assert server.ask(path, method="HEAD").status == server.ask(path).status, path
    array = f"/api/v1/array/full/{uid}/primary/data/mu"
    assert server.ask(array, KEY, "HEAD").headers["content-length"] == server.ask(array, KEY).headers["content-length"]
    assert server.ask("/healthz", method="HEAD").status == 200


SYSTEM_FILES = ["etc/passwd", "proc/self/environ"]


@pytest.mark.parametrize("key", [None, KEY])
def test_no_file_of_the_machine_is_sent(server: Server, store: AnalysisStore, key: str | None) -> None:
    """Whatever a path is dressed as, with the key or without, nothing outside the folder of the page comes back."""
    outside = [f"/{name}" for name in SYSTEM_FILES] + [str(store[-1].file)]
    up = "../" * 12
    for target in outside:
        bare = target.lstrip("/")
        dressed = [
            f"/{bare}",
            f"//{bare}",
            f"%2F{bare}",
            f"%2f%2f{bare}",
            up + bare,
            up.replace("..", "%2e%2e") + bare,
            up.replace("/", "%2F") + bare,
            up.replace("..", "%252e%252e") + bare,
            f"assets/{up}{bare}",
            f"./{up}{bare}",
            f"..;/{bare}",
            up.replace("/", "%5C") + bare,
            f"%00/{bare}",
            quote(target, safe=""),
        ]
        for path in dressed:
            for prefix in ("/ui/", "/static/", "/ui/assets/", "//ui/", "/zarr/v2/", "/zarr/v3/", "/"):
                answer = server.ask(prefix + path, key)
                assert b"root:" not in answer.body, (prefix, path)
                assert b"PATH=" not in answer.body, (prefix, path)
                assert not answer.body.startswith(b"\x89HDF"), (prefix, path)
                assert answer.status != 200 or b"<html" in answer.body[:500].lower(), (prefix, path, answer.status)


@pytest.mark.skipif(version("tiled") != "0.2.20", reason="what another version of Tiled sends is not known")
def test_the_attack_is_one(tmp_path: Path) -> None:
    """Bare Tiled does send any file to such a path: it is the guard that holds, not Tiled."""
    (tmp_path / "file.txt").write_text(SECRET)
    with Server(build_app(MapAdapter({}), authentication=Authentication(single_user_api_key=OTHER))) as bare:
        assert SECRET.encode() in bare.ask(f"/ui/{tmp_path}/file.txt").body


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("/ui", True),
        ("/ui/", True),
        ("/ui/index.html", True),
        ("/ui/browse/a/b", True),
        ("/ui//etc/passwd", False),
        ("/ui/../x", False),
        ("/ui/a/../index.html", False),
        ("/ui/\x00", False),
        ("/ui/..\\x", False),
        ("/ui/..x/y", True),
    ],
)
def test_what_belongs_to_the_page(path: str, inside: bool) -> None:
    """A path leads into the folder of the page, or it is refused."""
    assert is_of_the_page(path) is inside


def test_the_page_loads_with_the_key(server: Server) -> None:
    """A browser opens the address that was printed, keeps the key as a cookie, and gets the page and its scripts."""
    first = server.ask(f"/ui/?api_key={KEY}")
    assert first.status == 200
    cookie = next(value for name, value in first.headers.items() if name.lower() == "set-cookie")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    scripts = [part.split(b'"')[0].decode() for part in first.body.split(b'src="')[1:]]
    assert scripts
    for script in scripts:
        assert server.ask(script).status == 401
        assert server.ask(script, Cookie=f"tiled_api_key={KEY}").status == 200
    assert server.ask("/ui/browse/anything", KEY).body == first.body
    assert server.ask("/tiled-ui-settings", KEY).status == 200


def test_zarr_asks_for_the_key(server: Server, uid: str) -> None:
    """The routes that Tiled leaves open give metadata and values to holders of the key only."""
    for release, path in (("v2", f"{uid}/primary/data/mu/.zarray"), ("v3", f"{uid}/primary/data/mu/zarr.json")):
        assert server.ask(f"/zarr/{release}/{path}").status == 401
        assert b"20" in server.ask(f"/zarr/{release}/{path}", KEY).body


def snapshot(folder: Path) -> dict[str, str]:
    """Return what is in every file of a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith("-shm")
    }


def test_nothing_can_be_written_with_the_key(server: Server, store: AnalysisStore, uid: str) -> None:
    """No method on any route changes a byte of the store: results come in with provenance, or not at all."""
    before = snapshot(store.root.parent), store[uid].start
    reading = ("/api/v1/container/full/", "/api/v1/table/", "/api/v1/awkward/buffers/")
    paths = {path for _, path in every_route(server.app, uid)}
    for path in sorted(paths):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = server.ask(path, KEY, method)
            if not (method == "POST" and path.startswith(reading)):
                assert answer.status == 405, (method, path, answer.status)
                assert "insert_analysis" in json.loads(answer.body)["detail"]
                assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
    assert (snapshot(store.root.parent), store[uid].start) == before


def test_the_csrf_token_of_a_page(server: Server, uid: str) -> None:
    """A page that reads by POST with its cookie needs the token, in a header or in the address; a wrong one is 403."""
    path = f"/api/v1/container/full/{uid}/primary/data"
    cookie = f"tiled_api_key={KEY}; tiled_csrf=token"

    def status(query: str = "", **headers: str) -> int:
        return server.ask(path + query, method="POST", **{"Cookie": cookie, **headers}).status

    assert status() == status("?csrf=") == status("?csrf=other") == status(X_CSRF="other") == 403
    assert (
        status("?csrf=t%C3%B6ken") == status(X_CSRF="t\xf6ken") == status(Cookie=f"{cookie}\xf6", X_CSRF="token") == 403
    )
    assert status("?csrf=token") == status(X_CSRF="token") == 200


def test_a_client_cannot_write(server: Server, store: AnalysisStore) -> None:
    """Tiled's own client is told that nothing is written, whatever it tries."""
    from tiled.client import from_uri
    from tiled.client.utils import ClientError

    catalog = from_uri(f"http://127.0.0.1:{server.port}/api/v1", api_key=KEY)
    attempts = [
        lambda: catalog.write_array(np.ones(3), key="x"),
        lambda: catalog.create_container("x"),
        lambda: catalog.values().first().update_metadata({"x": 1}),
        lambda: catalog.values().first().delete(),
        lambda: catalog.post_document("start", {"uid": "x", "time": 0.0}),
    ]
    with catalog.context:
        for attempt in attempts:
            with pytest.raises(ClientError, match="insert_analysis"):
                attempt()
    assert len(store.search()) == 1


@pytest.mark.slow
def test_another_application_of_the_process_opens_nothing(store: AnalysisStore, uid: str) -> None:
    """Tiled keeps one object of settings per process; an anonymous application does not make ours anonymous."""
    path = f"/api/v1/metadata/{uid}"
    ours = server_app(store, api_key=KEY)
    anonymous = build_app(
        MapAdapter({}), authentication=Authentication(allow_anonymous_access=True, single_user_api_key=OTHER)
    )
    later = server_app(store, api_key="c3" * 16)
    with Server(anonymous) as theirs, Server(ours) as first, Server(later) as second:
        assert theirs.ask("/api/v1/metadata/").status == 200  # and now the settings of the process are anonymous
        for running, key, wrong in ((first, KEY, "c3" * 16), (second, "c3" * 16, KEY)):
            assert running.ask(path).status == 401
            assert running.ask(path, OTHER).status == 401
            assert running.ask(path, wrong).status == 401
            assert running.ask(path, key).status == 200
            assert json.loads(running.ask("/api/v1/").body)["authentication"]["required"] is True


def test_our_application_leaves_others_as_they_were(store: AnalysisStore) -> None:
    """Neither our key nor our settings show up in an application of somebody else, whichever came first."""
    theirs = build_app(MapAdapter({}), authentication=Authentication(single_user_api_key=OTHER))
    with Server(server_app(store, api_key=KEY)) as ours, Server(theirs) as running:
        assert ours.ask("/api/v1/metadata/", KEY).status == 200
        assert running.ask("/api/v1/metadata/", OTHER).status == 200
        assert running.ask("/api/v1/metadata/", KEY).status == 401


def test_the_environment_opens_nothing(store: AnalysisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that open a Tiled server do not open this one."""
    monkeypatch.setenv("TILED_ALLOW_ANONYMOUS_ACCESS", "1")
    monkeypatch.setenv("TILED_SINGLE_USER_API_KEY", OTHER)
    with Server(server_app(store, api_key=KEY)) as running:
        assert running.ask("/api/v1/metadata/").status == 401
        assert running.ask("/api/v1/metadata/", OTHER).status == 401
        assert running.ask("/api/v1/metadata/", KEY).status == 200


def test_a_key_is_made_where_none_is_given(store: AnalysisStore) -> None:
    """Two applications without a key have different long ones, not the one that Tiled keeps for the process."""
    from tiled.server.settings import get_settings

    keys = {server_app(store).state.api_key, server_app(store).state.api_key, get_settings().single_user_api_key}
    assert len(keys) == 3
    assert all(len(key) == 64 for key in keys - {get_settings().single_user_api_key})


@pytest.mark.parametrize("key", ["", "with space", "a-b", "é", "a\n"])
def test_a_key_that_no_address_can_carry_is_refused(store: AnalysisStore, key: str) -> None:
    """The message names what a key may be made of, and never the key."""
    with pytest.raises(SettingsError, match="letters a-z"):
        server_app(store, api_key=key)


@pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient` is deprecated")
def test_a_websocket_is_closed_unopened(store: AnalysisStore) -> None:
    """Nothing is streamed, and a socket is no way round the guard, with the key or without."""
    from starlette.testclient import TestClient
    from starlette.websockets import WebSocketDisconnect

    browser = TestClient(server_app(store, api_key=KEY))
    for headers in ({}, {"Authorization": f"Apikey {KEY}"}):
        with pytest.raises(WebSocketDisconnect) as caught:  # noqa: SIM117
            with browser.websocket_connect(f"/api/v1/stream/single/{store[-1].uid}", headers=headers):
                pass
        assert (caught.value.code, caught.value.reason) == (1008, "This server does not stream.")


def test_mounted_under_a_path_the_guard_stands_too(store: AnalysisStore, uid: str) -> None:
    """In a larger application the doors are as closed as in its own, and Tiled's pages are found."""
    from starlette.applications import Starlette

    with Server(Starlette(routes=[Mount("/results", server_app(store, api_key=KEY))])) as running:
        assert running.ask(f"/results/api/v1/metadata/{uid}").status == 401
        assert running.ask("/results/ui//etc/passwd", KEY).status == 404
        assert running.ask(f"/results/api/v1/metadata/{uid}", KEY).status == 200
        assert running.ask(f"/results/api/v1/metadata/{uid}", KEY, "DELETE").status == 405


def test_a_client_elsewhere_reads_everything_as_it_was_stored(server: Server, store: AnalysisStore, uid: str) -> None:
    """Over HTTP, with this package installed or without: the numbers are those of the store."""
    import xarray
    from tiled.client import from_uri

    address = f"http://127.0.0.1:{server.port}/api/v1"
    ours = store[uid]["primary"].read()
    with (near := from_uri(address, api_key=KEY)).context:
        xarray.testing.assert_identical(near[uid]["primary"].read(), ours)
    from tiled.client.container import DEFAULT_STRUCTURE_CLIENT_DISPATCH
    from tiled.utils import OneShotCachedMap

    shared = DEFAULT_STRUCTURE_CLIENT_DISPATCH["numpy"]
    bare = {name: (lambda name=name: shared[name]) for name in shared if name != "AnalysisDataset"}
    with (far := from_uri(address, OneShotCachedMap(bare), api_key=KEY)).context:
        xarray.testing.assert_identical(far[uid]["primary"].read(), ours)

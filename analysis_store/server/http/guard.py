"""The guard: what stands between the network and Tiled. Nobody passes without the key, and nobody writes.

Tiled decides route by route whether a key is needed. In version 0.2.20 some routes do not ask: ``/ui//<any path>``
sends any file that the process can read, ``/zarr`` sends metadata and data. And its settings are one object
per process, so that another application can open this one. Hence the decision is taken once, in front of all
routes, and by a key that belongs to this application alone; a route that a later Tiled adds is closed, too.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from tiled.utils import SHARE_TILED_PATH

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

HEADER_SCHEME = "apikey"
QUERY_PARAMETER = "api_key"
COOKIE = "tiled_api_key"
CSRF_COOKIE = "tiled_csrf"
CSRF_HEADER = "x-csrf"
CSRF_PARAMETER = "csrf"

_PUBLIC = frozenset({"/healthz", "/api/v1", "/api/v1/"})
"""Open without a key: that the server is alive, and what a Tiled client asks for before it sends its key: formats."""

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_READING_BY_POST = re.compile(r"/api/v1/(container/full|table/(full|partition)|awkward/buffers)/")
"""The routes where Tiled's client *reads* by POST, for want of room in the address."""

_PAGE = re.compile(r"/ui(/|$)")


class Guard:
    """ASGI middleware that lets holders of the key read, and refuses everything else before Tiled sees it.

    Parameters
    ----------
    app : ASGI application
        What is guarded.
    api_key : str
        The key; compared in constant time.
    """

    def __init__(self, app: ASGIApp, api_key: str) -> None:
        self._app = app
        self._key = api_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with a refusal."""
        if scope["type"] == "websocket":  # closed before it opens; the client sees 403
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "nothing is streamed here"})
            return
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(with_csrf_token(for_whole_files(scope)), receive, send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        """Return why this request may not pass, or None where it may."""
        path = _path_of(scope)
        key = presented_key(HTTPConnection(scope))
        if key is None and not (path in _PUBLIC and scope["method"] in _READING):
            return _refuse(
                401,
                "This server asks for its key: open the address that ends in ?api_key=..., or send it "
                "in the header 'Authorization: Apikey ...'.",
            )
        if key is not None and not secrets.compare_digest(key.encode(errors="surrogatepass"), self._key):
            return _refuse(401, "The key is not the key of this server.")
        if scope["method"] not in _READING and not (scope["method"] == "POST" and _READING_BY_POST.match(path)):
            return _refuse(
                405,
                "Nothing can be written over HTTP: results come in through insert_analysis, which "
                "asks for their provenance.",
                {"Allow": "GET, HEAD, OPTIONS"},
            )
        if not has_plain_tokens(HTTPConnection(scope)):
            return _refuse(403, "The CSRF token is not made of plain letters.")
        if _PAGE.match(path) and not is_of_the_page(path):
            return _refuse(404, "The page has no such file.")
        return None


def _path_of(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "").rstrip("/"))


def for_whole_files(scope: Scope) -> Scope:
    """Return a request for a file of the page without its range: of a malformed one Starlette tells in plain text."""
    if scope["type"] != "http" or not _PAGE.match(_path_of(scope)):
        return scope
    return {**scope, "headers": [(name, value) for name, value in scope["headers"] if name != b"range"]}


def has_plain_tokens(connection: HTTPConnection) -> bool:
    """Tell whether the CSRF tokens are ASCII; others cannot be compared in constant time, and are none of Tiled's."""
    tokens = connection.cookies.get(CSRF_COOKIE), connection.headers.get(CSRF_HEADER)
    return all(token.isascii() for token in (*tokens, connection.query_params.get(CSRF_PARAMETER)) if token)


def with_csrf_token(scope: Scope) -> Scope:
    """Return a request with its CSRF token in the header: in the address, Tiled compares a list with a string."""
    connection = HTTPConnection(scope) if scope["type"] == "http" else None
    if connection is None or scope["method"] in _READING or CSRF_HEADER in connection.headers:
        return scope
    token = connection.query_params.get(CSRF_PARAMETER, "")
    return {**scope, "headers": [*scope["headers"], (CSRF_HEADER.encode(), token.encode())]} if token else scope


def presented_key(connection: HTTPConnection) -> str | None:
    """Return the key that came with a request, looked for where and in the order in which Tiled does."""
    if (key := connection.query_params.get(QUERY_PARAMETER)) is not None:
        return key
    scheme, _, key = connection.headers.get("authorization", "").partition(" ")
    if scheme:
        # Another scheme is no key of ours. It is not skipped: what is refused with a header is not let in by a cookie.
        return key.strip() if scheme.lower() == HEADER_SCHEME else ""
    return connection.cookies.get(COOKIE)


def is_of_the_page(path: str) -> bool:
    """Tell whether what Tiled would send for ``/ui/...`` lies in the folder of its page.

    A path that names no file is answered with the page itself, which finds its way from there; that is harmless.
    A path with ``..`` never is, even where it leads back into the folder.
    """
    home = Path(SHARE_TILED_PATH, "ui").resolve()
    asked = path.removeprefix("/ui").removeprefix("/")
    if "\x00" in asked or "\\" in asked or ".." in asked.split("/"):
        return False
    try:
        (home / asked).stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError:  # longer than a name may be
        return False
    return (home / asked).resolve().is_relative_to(home)


def _refuse(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, headers)

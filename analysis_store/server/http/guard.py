"""The guard between the network and Tiled: no access without the key, and no writing.

Tiled decides route by route whether a key is needed. In version 0.2.20 some routes do not check: ``/ui//<any path>``
sends any file that the process can read, ``/zarr`` sends metadata and data. Its settings are also one object
per process, so that another application can open this one. Therefore the guard decides once, before all
routes, with a key that belongs to this application alone; routes that a later Tiled adds are closed, too.
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
"""Paths open without a key: the health check, and the formats that a Tiled client requests before it sends its key."""

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_READING_BY_POST = re.compile(r"/api/v1/(container/full|table/(full|partition)|awkward/buffers)/")
"""Routes on which Tiled's client *reads* by POST, because the address would be too long."""

_PAGE = re.compile(r"/ui(/|$)")


class Guard:
    """ASGI middleware that lets holders of the key read, and refuses everything else before Tiled sees it.

    Parameters
    ----------
    app : ASGI application
        The application to guard.
    api_key : str
        The key; compared in constant time.
    """

    def __init__(self, app: ASGIApp, api_key: str) -> None:
        self._app = app
        self._key = api_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "websocket":  # closed before it opens: the client receives 403
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "This server does not stream."})
            return
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(with_csrf_token(for_whole_files(scope)), receive, send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        """Return the refusal of this request, or None if it may pass."""
        path = _path_of(scope)
        key = presented_key(HTTPConnection(scope))
        if key is None and not (path in _PUBLIC and scope["method"] in _READING):
            return _refuse(
                401,
                "This server needs its key. Open the address that ends in ?api_key=..., or send it "
                "in the header 'Authorization: Apikey ...'.",
            )
        if key is not None and not secrets.compare_digest(key.encode(errors="surrogatepass"), self._key):
            return _refuse(401, "Got an invalid key for this server.")
        if scope["method"] not in _READING and not (scope["method"] == "POST" and _READING_BY_POST.match(path)):
            return _refuse(
                405,
                "Writing over HTTP is not possible. Save results with insert_analysis, which checks their provenance.",
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
    """Return a request for a file of the page without its range, since Starlette answers a malformed one in text."""
    if scope["type"] != "http" or not _PAGE.match(_path_of(scope)):
        return scope
    return {**scope, "headers": [(name, value) for name, value in scope["headers"] if name != b"range"]}


def has_plain_tokens(connection: HTTPConnection) -> bool:
    """Return True if the CSRF tokens are ASCII; others cannot be compared in constant time, and are never Tiled's."""
    tokens = connection.cookies.get(CSRF_COOKIE), connection.headers.get(CSRF_HEADER)
    return all(token.isascii() for token in (*tokens, connection.query_params.get(CSRF_PARAMETER)) if token)


def with_csrf_token(scope: Scope) -> Scope:
    """Return a request with its CSRF token in the header, since Tiled compares one in the address with a list."""
    connection = HTTPConnection(scope) if scope["type"] == "http" else None
    if connection is None or scope["method"] in _READING or CSRF_HEADER in connection.headers:
        return scope
    token = connection.query_params.get(CSRF_PARAMETER, "")
    return {**scope, "headers": [*scope["headers"], (CSRF_HEADER.encode(), token.encode())]} if token else scope


def presented_key(connection: HTTPConnection) -> str | None:
    """Return the key of a request, searched in the same places and order as in Tiled."""
    if (key := connection.query_params.get(QUERY_PARAMETER)) is not None:
        return key
    scheme, _, key = connection.headers.get("authorization", "").partition(" ")
    if scheme:
        # Another scheme is an invalid key. It is not skipped: a cookie must not admit what a header refuses.
        return key.strip() if scheme.lower() == HEADER_SCHEME else ""
    return connection.cookies.get(COOKIE)


def is_of_the_page(path: str) -> bool:
    """Return True if the file that Tiled would send for ``/ui/...`` is in the folder of its page.

    A path without a file is answered with the page itself, which is harmless.
    A path with ``..`` is always refused, even if it leads back into the folder.
    """
    home = Path(SHARE_TILED_PATH, "ui").resolve()
    asked = path.removeprefix("/ui").removeprefix("/")
    if "\x00" in asked or "\\" in asked or ".." in asked.split("/"):
        return False
    try:
        (home / asked).stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError:  # the name is too long
        return False
    return (home / asked).resolve().is_relative_to(home)


def _refuse(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, headers)

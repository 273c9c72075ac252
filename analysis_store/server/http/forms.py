"""Serializers for values, where those of Tiled fail or its own web page cannot read them.

In version 0.2.20 the page and its server do not always agree. The server sends a table as lines of JSON, each after
a record separator that the page cannot read, so that it shows no rows. The server sends an image as bytes, which the
page takes for float32 even if they are 64-bit integers, float16, complex or big-endian: it draws stripes that are not
in the data. A value without a serializer is an internal error, after which clients retry for minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.datastructures import Headers, MutableHeaders
from tiled.utils import SerializationError, safe_json_dump

from analysis_store.errors import AnalysisStoreError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
    from tiled.media_type_registration import SerializationRegistry

PICTURE = "application/x-page-picture"

_BYTES = b"format=application/octet-stream"
_DRAWN = frozenset({"b1", "u1", "u2", "u4", "i1", "i2", "i4", "f4", "f8"})
"""Little-endian dtypes that the page knows; it takes all others for float32."""


class PageForms:
    """ASGI middleware that answers the page's request for an image in a form that the page can draw.

    The page requests bytes by its address but accepts JSON first, unlike all other clients: a download
    accepts HTML first, and Tiled's Python client names only the bytes in ``Accept``. Both get the stored values.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; change one of the page to a request for a picture."""
        if scope["type"] == "http" and is_of_the_drawing(scope):
            scope = {**scope, "query_string": scope["query_string"].replace(_BYTES, b"format=" + PICTURE.encode())}
            send = _uncached(send)
        await self._app(scope, receive, send)


def is_of_the_drawing(scope: Scope) -> bool:
    """Return True if the page sent this request to draw an image."""
    accepted: str = Headers(scope=scope).get("accept", "")
    return (
        "/api/v1/array/" in scope["path"]
        and _BYTES in scope["query_string"]
        and accepted.startswith("application/json")
    )


def _uncached(send: Send) -> Send:
    """Keep a picture out of the browser's cache: a download of the values has the same address."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["Cache-Control"] = "no-store"
        await send(message)

    return sent


def register_forms(registry: SerializationRegistry) -> None:
    """Register these conversions in place of Tiled's own."""
    rows = registry.dispatch("table", "application/json-seq")

    def lines(media_type: str, table: Any, metadata: Mapping[str, Any]) -> Iterator[bytes]:
        return (row.removeprefix(b"\x1e") for row in rows(media_type, table, metadata))

    registry.register("table", "application/json-seq", lines)
    registry.register("array", "application/json", _json)
    registry.register("array", PICTURE, picture)
    for family in list(registry.structure_families):
        for media_type, convert in list(registry.media_types(family).items()):
            registry.register(family, media_type, _telling(convert))


def picture(_media_type: str, values: np.ndarray, _metadata: Mapping[str, object]) -> bytes:
    """Return the bytes of an array in the dtype that the page expects; the magnitude of complex numbers."""
    dtype = values.dtype
    if f"{dtype.kind}{dtype.itemsize}" in _DRAWN:
        return values.astype(dtype.newbyteorder("<"), copy=False).tobytes()
    if dtype.kind not in "iufcmM":
        raise SerializationError(f"Arrays of {dtype} cannot be drawn.")
    numbers = np.abs(values) if dtype.kind == "c" else values.astype(np.float64)
    with np.errstate(over="ignore"):
        return numbers.astype("<f4").tobytes()


def _json(_media_type: str, values: np.ndarray, _metadata: Mapping[str, Any]) -> bytes:
    """Return an array as JSON; numbers that JSON cannot hold as text, times with all digits."""
    native = values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))
    if native.dtype.kind in "cmM" or (native.dtype.kind == "f" and native.dtype.itemsize > 8):
        native = np.array([str(value) for value in native.ravel()], dtype=np.str_).reshape(native.shape)
    dumped: bytes = safe_json_dump(native)
    return dumped


def _telling(convert: Callable[..., Any]) -> Callable[..., Any]:
    """Return a conversion that answers 406 with the reason if it fails; libraries may raise any error there."""

    @contextmanager
    def told() -> Iterator[None]:
        try:
            yield
        except (SerializationError, AnalysisStoreError):
            raise
        except Exception as error:
            raise SerializationError(f"{type(error).__name__}: {error}") from error

    async def awaited(*arguments: Any) -> Any:
        with told():
            return await convert(*arguments)

    def called(*arguments: Any) -> Any:
        with told():
            return convert(*arguments)

    return awaited if iscoroutinefunction(convert) else called

"""Validation of requests: invalid filters, slices and pages are refused before any data are read.

Tiled 0.2.20 decodes requests only as its client of the same version encodes them: others end in an
arbitrary Python error, and a filter that is unknown or incomplete is ignored, so that
the answer has more than the client asked for.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, get_origin
from urllib.parse import parse_qsl

from fastapi import Query
from starlette.datastructures import Headers
from tiled.ndslice import NDBlock, NDSlice
from tiled.query_registration import QueryRegistry, default_query_registry
from tiled.server import dependencies as tiled
from tiled.utils import parse_mimetype

from analysis_store.errors import QueryError
from analysis_store.server.http.statuses import answer

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

_FARTHEST = 2**62
"""Beyond any array or list index, and sums with it still fit 64 bits."""

_FILTER = re.compile(r"filter\[(.*)\]\[condition\]\[(.*)\]", re.DOTALL)
_CHUNK = re.compile(r"/zarr/v3/.*/c/(?P<block>.*)|/zarr/v2/.*/(?P<dotted>\d+(\.\d+)*)", re.DOTALL)
_INDEX = re.compile(r"[0-9]{1,18}(/[0-9]{1,18})*")
_FILE_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f\"/\\\u0100-\U0010ffff]{1,255}")


def own_queries() -> QueryRegistry:
    """Return Tiled's queries in a registry of our own that raises `QueryError` for those it cannot decode."""
    registry = QueryRegistry()
    for name, query in default_query_registry.name_to_query_type.items():
        registry.register(name)(_telling(name, query))
    return registry


def _telling(name: str, query: Any) -> type:
    """Return a query class whose decoder explains errors; it decodes to the original query."""

    def decode(**parts: Any) -> Any:
        try:
            return _checked(query.decode(**parts))
        except (
            Exception
        ) as error:  # each kind of fault raises another error: JSON, dates, zones, numbers, missing parts
            raise QueryError(
                f"Got filter[{name}] as {_shortened(parts)}, which is invalid: "
                f"{_shortened(error)}. Encode each of its parts as Tiled's client does."
            ) from error

    return type(query.__name__, (query,), {"decode": staticmethod(decode)})


def _checked(query: Any) -> Any:
    """Return a query whose lists are checked to be lists: Tiled accepts any JSON for them."""
    for each in fields(query):
        value = getattr(query, each.name)
        if get_origin(each.type) is list and not isinstance(value, list):
            raise TypeError(f"{each.name} is {value!r}, not a list")
    return query


def _shortened(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


# ------------------------------------------------------------------- parameters, in the place of Tiled's own


def slice_param(slice: Annotated[str, Query(pattern=tiled.SLICE_REGEX)] = "") -> NDSlice:
    """Return a slice; as in Python, positions beyond the end mean the end."""
    return NDSlice(*map(_within, _read(NDSlice.from_numpy_str, "slice", slice)))


def block_param(block: Annotated[str, Query(pattern="^[0-9]*(,[0-9]+)*$")]) -> NDBlock:
    """Return the indices of a block."""
    return NDBlock(*map(_within, _read(NDBlock.from_numpy_str, "block", block)))


def expected_shape_param(
    expected_shape: Annotated[str | None, Query(min_length=1, pattern="^[0-9]+(,[0-9]+)*$|^scalar$")] = None,
) -> tuple[int, ...] | None:
    """Return the shape that a client expects."""
    shape: tuple[int, ...] | None = _read(tiled.expected_shape, "expected_shape", expected_shape)
    return shape


def page_param(
    offset: Annotated[int | None, Query(alias="page[offset]", ge=0)] = None,
    cursor: Annotated[int | None, Query(alias="page[cursor]", ge=0)] = None,
    limit: Annotated[int, Query(alias="page[limit]", ge=0, le=tiled.MAX_PAGE_SIZE)] = tiled.DEFAULT_PAGE_SIZE,
) -> tiled.PaginationParams:
    """Return the selected part of a list; it is empty beyond the end."""
    if cursor is not None:
        raise QueryError(f"Got page[cursor]={_shortened(cursor)}; lists have no cursors here. Use page[offset].")
    return tiled.PaginationParams(None if offset is None else min(offset, _FARTHEST), None, limit)


PARAMETERS: dict[Callable[..., Any], Callable[..., Any]] = {
    tiled.parse_slice_param: slice_param,
    tiled.parse_block_param: block_param,
    tiled.expected_shape: expected_shape_param,
    tiled.PaginationParams: page_param,
}
"""Replacements for dependencies of Tiled's routes."""


def _read(read: Callable[[Any], Any], name: str, text: Any) -> Any:
    try:
        return read(text)
    except ValueError as error:
        raise QueryError(f"Got {name}={_shortened(text)}, which is invalid: {_shortened(error)}") from error


def _within(part: Any) -> Any:
    """Return a part of a slice as an equivalent 64-bit number."""
    if isinstance(part, int) and abs(part) > _FARTHEST:
        raise QueryError(f"Got index {_shortened(part)}, which is beyond the end of any array.")
    if not isinstance(part, slice):
        return part
    if part.step == 0:
        raise QueryError("Got a slice with step 0; expected any other step, e.g. ::2 or ::-1.")
    return slice(*(None if end is None else max(-_FARTHEST, min(end, _FARTHEST)) for end in _ends(part)))


def _ends(part: slice) -> tuple[int | None, int | None, int | None]:
    return part.start, part.stop, part.step


# --------------------------------------------------------------------------------------------- whole requests


class Questions:
    """ASGI middleware that refuses requests that Tiled would ignore in part or fail on, before any node is looked up.

    Parameters
    ----------
    app : ASGI application
        The application that answers.
    queries : QueryRegistry
        The known filters.
    """

    def __init__(self, app: ASGIApp, queries: QueryRegistry) -> None:
        self._app = app
        self._fields = {
            (name, each.name) for name, query in queries.name_to_query_type.items() for each in fields(query)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer with its fault."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        chunk = _CHUNK.fullmatch(scope["path"])
        if chunk and not _INDEX.fullmatch((chunk["dotted"] or "").replace(".", "/") or chunk["block"]):
            return answer(404, "There is no such chunk: its index is not made of numbers.")
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if any(name == "filename" and not _FILE_NAME.fullmatch(value) for name, value in query):
            return answer(422, "Got a filename with a path, or with a character that a header cannot hold.")
        wanted = [value for name, value in query if name == "format"] + Headers(scope=scope).getlist("accept")
        if not all(map(_is_media_type, chain.from_iterable(each.split(",") for each in wanted))):
            return answer(406, "Got no valid media type; expected one such as text/csv.")
        try:
            self._check_filters(query)
        except QueryError as error:
            return answer(400, f"QueryError: {error}")
        except RecursionError:
            return answer(400, "Got a filter that is nested too deep; expected some dozens of levels at most.")
        return None

    def _check_filters(self, query: list[tuple[str, str]]) -> None:
        """Raise for unknown and for incomplete filters, which Tiled would ignore."""
        found: dict[str, Counter[str]] = {}
        for name, _ in query:
            if not name.startswith("filter["):
                continue
            parts = _FILTER.fullmatch(name)
            if parts is None or (parts[1], parts[2]) not in self._fields:
                known = ", ".join(sorted(f"{query}.{part}" for query, part in self._fields))
                raise QueryError(
                    f"Got {_shortened(name)} as a filter; expected filter[<query>][condition][<part>], with "
                    f"<query>.<part> among {known}"
                )
            found.setdefault(parts[1], Counter())[parts[2]] += 1
        for name, counts in found.items():
            if len(set(counts.values())) > 1:
                raise QueryError(f"Got filter[{name}] with {dict(counts)}; expected each of these parts equally often.")


def _is_media_type(text: str) -> bool:
    """Return True if Tiled can parse a media type; short names such as "csv" are valid, too."""
    try:
        parse_mimetype(text)
    except ValueError:
        return False
    return True

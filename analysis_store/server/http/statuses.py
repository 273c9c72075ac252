"""Errors as answers: the status code of each error, with a JSON body that can always be written.

A status of 500 or above means that the server failed, and Tiled's clients repeat such a request for minutes. So every
error caused by the request gets a lower status; only unexpected errors remain internal errors.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from analysis_store.errors import (
    AnalysisStoreError,
    DamagedFileError,
    InvalidDataError,
    PairError,
    QueryError,
    StoreBusyError,
    StoreClosedError,
    TooLargeError,
    UnsafeFileError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI, Request

_STATUS: tuple[tuple[type[BaseException], int], ...] = (
    (QueryError, 400),
    (UnsafeFileError, 403),
    (LookupError, 404),
    (TooLargeError, 413),
    (DamagedFileError, 422),
    (InvalidDataError, 422),
    (PairError, 422),  # a handler that fails
    (StoreClosedError, 409),
    (StoreBusyError, 503),  # temporary: Tiled's clients repeat after a 5xx, for minutes
)


def tell_errors(app: FastAPI) -> None:
    """Register handlers that answer with the message of an error; only holders of the key can read it."""
    app.add_exception_handler(AnalysisStoreError, _of_ours)
    app.add_exception_handler(HTTPException, _of_tiled)
    app.add_exception_handler(RequestValidationError, _of_parameters)
    app.add_exception_handler(RecursionError, _of_depth)
    app.add_exception_handler(UnicodeEncodeError, _of_text)
    app.add_exception_handler(ValueError, _of_zarr)


def answer(status: int, detail: object, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer with the body ``{"detail": …}`` in plain ASCII, which can hold lone surrogates."""
    body = json.dumps({"detail": detail}, default=str)
    return Response(body, status, headers=dict(headers or {}), media_type="application/json")


def _of_ours(_request: Request, error: Any) -> Response:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    return answer(status, f"{type(error).__name__}: {error}")


def _of_tiled(_request: Request, error: Any) -> Response:
    """Answer with the status that Tiled chose; not with 500, which it uses for blocks that do not exist."""
    if error.status_code < 200 or error.status_code in (204, 304):
        return Response(status_code=error.status_code, headers=error.headers)
    return answer(422 if error.status_code == 500 else error.status_code, error.detail, error.headers)


def _of_depth(_request: Request, _error: Any) -> Response:
    """Refuse deeply nested brackets, such as ``select_metadata`` accepts."""
    return answer(400, "Got a parameter that is nested too deep; expected some dozens of levels at most.")


def _of_text(_request: Request, _error: Any) -> Response:
    """Refuse a name that UTF-8 cannot hold: a lone surrogate."""
    return answer(400, "Got text that is not valid Unicode; expected UTF-8 without lone surrogates.")


def _of_zarr(request: Request, error: Any) -> Response:
    """Answer 406 if Zarr has no such dtype; any other `ValueError` is an internal error."""
    if request.url.path.startswith("/zarr/") and "Zarr data type" in str(error):
        return answer(406, f"These values cannot be sent as Zarr: {error}")
    raise error


def _of_parameters(_request: Request, error: Any) -> Response:
    """Answer with the location of the fault and the expected value, without echoing the request."""
    return answer(422, [{part: each[part] for part in ("type", "loc", "msg")} for each in error.errors()])

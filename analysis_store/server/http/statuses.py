"""Errors as answers: which status an error becomes, in JSON that can be written whatever the request held.

A status from 500 on says that the server failed, and Tiled's clients repeat such a request for minutes. So whatever
the request is to blame for gets a status below; only what nobody foresaw is left to be an internal error.
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
    (StoreBusyError, 503),  # the one that passes: Tiled's clients ask again after a 5xx, for minutes
)


def tell_errors(app: FastAPI) -> None:
    """Have an application answer with what its errors say; whoever reads it has shown the key."""
    app.add_exception_handler(AnalysisStoreError, _of_ours)
    app.add_exception_handler(HTTPException, _of_tiled)
    app.add_exception_handler(RequestValidationError, _of_parameters)
    app.add_exception_handler(RecursionError, _of_depth)
    app.add_exception_handler(UnicodeEncodeError, _of_text)
    app.add_exception_handler(ValueError, _of_zarr)


def answer(status: int, detail: object, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer whose body is ``{"detail": …}``: plain ASCII, so that a lone surrogate is no obstacle."""
    body = json.dumps({"detail": detail}, default=str)
    return Response(body, status, headers=dict(headers or {}), media_type="application/json")


def _of_ours(_request: Request, error: Any) -> Response:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    return answer(status, f"{type(error).__name__}: {error}")


def _of_tiled(_request: Request, error: Any) -> Response:
    """Answer with the status that Tiled chose, but for 500: it takes that for blocks that are not there."""
    if error.status_code < 200 or error.status_code in (204, 304):
        return Response(status_code=error.status_code, headers=error.headers)
    return answer(422 if error.status_code == 500 else error.status_code, error.detail, error.headers)


def _of_depth(_request: Request, _error: Any) -> Response:
    """Refuse an expression of brackets in brackets, such as ``select_metadata`` takes."""
    return answer(400, "Got a parameter that is nested too deep; expected some dozens of levels at most.")


def _of_text(_request: Request, _error: Any) -> Response:
    """Refuse a name that UTF-8 cannot hold: a lone surrogate."""
    return answer(400, "Got text that is not valid Unicode; expected UTF-8 without lone surrogates.")


def _of_zarr(request: Request, error: Any) -> Response:
    """Answer that Zarr knows no such values, where that is so; any other `ValueError` is an internal error."""
    if request.url.path.startswith("/zarr/") and "Zarr data type" in str(error):
        return answer(406, f"These values cannot be had as Zarr: {error}")
    raise error


def _of_parameters(_request: Request, error: Any) -> Response:
    """Answer with where the fault is and what was expected there; what was sent is not sent back."""
    return answer(422, [{part: each[part] for part in ("type", "loc", "msg")} for each in error.errors()])

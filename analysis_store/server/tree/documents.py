"""``GET /documents/<uid>``: the documents of a run, in the form that databroker's clients request."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request, Security
from fastapi.responses import StreamingResponse
from tiled.server.authentication import (
    check_scopes,
    get_current_access_tags,
    get_current_principal,
    get_current_scopes,
    get_session_state,
)
from tiled.server.dependencies import get_entry, get_root_tree

from analysis_store.core.jsonable import as_python, rebuilt
from analysis_store.documents import Document

router = APIRouter()

_SCOPES = ["read:data", "read:metadata"]
_MEDIA_TYPE = "application/json-seq"


@router.get("/documents/{path:path}")
async def documents(
    request: Request,
    path: str,
    *,
    principal: Annotated[Any, Depends(get_current_principal)],
    root_tree: Annotated[Any, Depends(get_root_tree)],
    session_state: Annotated[Any, Depends(get_session_state)],
    tags: Annotated[Any, Depends(get_current_access_tags)],
    scopes: Annotated[Any, Depends(get_current_scopes)],
    _allowed: Annotated[None, Security(check_scopes, scopes=_SCOPES)],
    fill: bool = False,
) -> StreamingResponse:
    """Send the documents of a run, one JSON object ``{"name": …, "doc": …}`` per line, in their order.

    A datum is sent as a page of one, the only form that the clients read. NaN and infinity are sent as in Python's
    JSON for the same reason, since no part of a document may change in transit.
    """
    if fill:
        raise HTTPException(400, "Documents are sent unfilled. Read the values from the stream, as arrays.")
    state, policy = request.state, getattr(request.app.state, "access_policy", None)
    run = await get_entry(path, _SCOPES, principal, tags, scopes, root_tree, session_state, state.metrics, None, policy)
    if not hasattr(run, "documents"):
        raise HTTPException(404, f"{path!r} is not a run. Documents are at /documents/<uid>.")
    return StreamingResponse(begun(map(as_line, run.documents())), media_type=_MEDIA_TYPE)


def begun(lines: Iterator[str]) -> Iterator[str]:
    """Return the lines after producing the first one: later errors could not change the status any more."""
    return chain(list(islice(lines, 1)), lines)


def as_line(named: tuple[str, Document]) -> str:
    """Return a document in the form in which it is sent."""
    from analysis_store.documents import dumps

    name, doc = named
    if name == "datum":
        page = {
            "resource": doc["resource"],
            "datum_id": [doc["datum_id"]],
            "datum_kwargs": {key: [value] for key, value in doc["datum_kwargs"].items()},
        }
        name, doc = "datum_page", page
    return dumps({"name": name, "doc": rebuilt(doc, as_python)}) + "\n"

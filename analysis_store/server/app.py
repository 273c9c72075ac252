"""The ASGI application: Tiled's own server and web page over the tree of a store, behind the guard."""

from __future__ import annotations

import copy
import secrets
from typing import TYPE_CHECKING

# Clients of databroker send queries that are registered only when this module is imported.
import bluesky_tiled_plugins.queries  # noqa: F401
from tiled.media_type_registration import default_serialization_registry
from tiled.server.app import build_app
from tiled.server.settings import Settings, get_settings

from analysis_store.errors import SettingsError
from analysis_store.server.http.forms import PageForms, register_forms
from analysis_store.server.http.guard import Guard
from analysis_store.server.http.heads import Heads
from analysis_store.server.http.pace import Pace
from analysis_store.server.http.requests import PARAMETERS, Questions, own_queries
from analysis_store.server.http.statuses import tell_errors
from analysis_store.server.tree.arrays import RESPONSE_LIMIT
from analysis_store.server.tree.arrow import register_arrow
from analysis_store.server.tree.runs import RunsTree

if TYPE_CHECKING:
    from fastapi import FastAPI

    from analysis_store.run_store import RunStore


def server_app(store: RunStore, *, api_key: str | None = None) -> FastAPI:
    """Return an application that serves a store read-only, to holders of the key.

    It can be run by any ASGI server, or mounted under a path of a larger application.

    Parameters
    ----------
    store : AnalysisStore
        The store to serve, including runs that are saved later.
    api_key : str, optional
        Letters and digits. By default a new key is created; it is at ``app.state.api_key``.

    Raises
    ------
    SettingsError
        The key is empty, or has other characters.
    """
    key = secrets.token_hex(32) if api_key is None else checked_key(api_key)
    registry = copy.deepcopy(default_serialization_registry)
    register_arrow(registry)
    register_forms(registry)
    queries = own_queries()
    app: FastAPI = build_app(RunsTree(store), query_registry=queries, serialization_registry=registry)
    settings = own_settings(key)
    app.dependency_overrides |= {get_settings: lambda: settings, **PARAMETERS}
    tell_errors(app)
    # The last one added is the outermost: the guard checks the key before any other work is done.
    app.add_middleware(PageForms)
    app.add_middleware(Questions, queries=queries)
    app.add_middleware(Heads)
    app.add_middleware(Pace)
    app.add_middleware(Guard, api_key=key)
    app.state.api_key = key
    return app


def own_settings(api_key: str) -> Settings:
    """Return settings of Tiled that no other application of the process and no environment variable can change.

    Tiled keeps one settings object per process, and every application writes into it: once one of them allows
    anonymous access, all do. ``model_construct`` reads no environment.
    """
    return Settings.model_construct(
        allow_anonymous_access=False,
        single_user_api_key=api_key,
        secret_keys=[secrets.token_hex(32)],
        allow_origins=[],
        response_bytesize_limit=RESPONSE_LIMIT,
        expose_raw_assets=False,
    )


def checked_key(key: str) -> str:
    """Return a key that can be part of an address without quoting.

    Raises
    ------
    SettingsError
        The key is empty, or has characters other than letters and digits.
    """
    if not (key.isascii() and key.isalnum()):
        raise SettingsError(
            f"Got an API key of {len(key)} characters; expected only the letters a-z, A-Z and the digits "
            "0-9. Create one with: python -c 'import secrets; print(secrets.token_hex(32))'"
        )
    return key

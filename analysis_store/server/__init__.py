"""The server: a store as databroker and Tiled know it, in this process or over HTTP.

Everything here needs the extra ``server``; its libraries are loaded on first use, not on import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bluesky_tiled_plugins.clients.catalog_of_bluesky_runs import CatalogOfBlueskyRuns
    from databroker.v1 import Broker
    from fastapi import FastAPI

    from analysis_store.run_store import RunStore

__all__ = ["broker", "client", "serve", "server_app"]

DEFAULT_PORT = 8000
KEY_VARIABLE = "ANALYSIS_STORE_API_KEY"


def client(store: RunStore) -> CatalogOfBlueskyRuns:
    """Return a Tiled client of the store, in this process and without a socket.

    The client sees runs that are saved later. It holds a thread, which ends with the process or with
    ``client.context.close()``.

    Examples
    --------
    >>> catalog = client(store)  # doctest: +SKIP
    >>> catalog[uid]["primary"].read()  # doctest: +SKIP
    """
    made: CatalogOfBlueskyRuns = _module("clients").client(store)
    return made


def broker(store: RunStore) -> Broker:
    """Return a databroker v1 ``Broker`` over the store, in this process and without a socket.

    Examples
    --------
    >>> db = broker(store)  # doctest: +SKIP
    >>> db(sample_name="Fe foil"), db[-1].table(fill=True)  # doctest: +SKIP
    """
    return _module("clients").broker(store)


def server_app(store: RunStore, *, api_key: str | None = None) -> FastAPI:
    """Return an ASGI application that serves the store read-only, to holders of the key.

    Parameters
    ----------
    store : AnalysisStore
        The store to serve.
    api_key : str, optional
        Letters and digits. By default a new key is created; it is at ``app.state.api_key``.

    Raises
    ------
    SettingsError
        The key is empty, or has other characters.
    """
    app: FastAPI = _module("app").server_app(store, api_key=api_key)
    return app


def serve(store: RunStore, host: str = "127.0.0.1", port: int = DEFAULT_PORT, api_key: str | None = None) -> None:
    """Serve the store until interrupted, and print the address to open.

    Parameters
    ----------
    store : AnalysisStore
        The store to serve.
    host : str
        The interface. The default accepts connections from this machine only.
    port : int
        The port; 0 takes a free one.
    api_key : str, optional
        By default the value of the environment variable ``ANALYSIS_STORE_API_KEY``; without it, a key is created
        and printed with the address.

    Raises
    ------
    SettingsError
        The key does not consist of letters and digits, or the address cannot be used.
    """
    _module("listen").serve(store, host, port, api_key)


def _module(name: str) -> Any:
    """Load a module of this package; name the extra if its libraries are not installed."""
    from importlib import import_module

    from analysis_store.errors import MissingDependencyError

    try:
        return import_module(f"{__name__}.{name}")
    except ImportError as error:
        if (error.name or "").startswith("analysis_store"):
            raise
        raise MissingDependencyError(
            f"the server needs {error.name or 'a library'}, which is not installed: "
            "pip install 'analysis_store[server]'"
        ) from error

"""Methods of a store that return a databroker Broker, a Tiled client and a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis_store.run_store import RunStore

if TYPE_CHECKING:
    from bluesky_tiled_plugins.clients.catalog_of_bluesky_runs import CatalogOfBlueskyRuns
    from databroker.v1 import Broker
    from fastapi import FastAPI


class ServerMethods(RunStore):
    """Methods of a store that return a databroker Broker, a Tiled client and a server."""

    def broker(self) -> Broker:
        """Return the store as a databroker (v1) Broker."""
        from analysis_store.server import broker

        self._alive()
        return broker(self)

    def client(self) -> CatalogOfBlueskyRuns:
        """Return the store as a Tiled client, in this process."""
        from analysis_store.server import client

        self._alive()
        return client(self)

    def server_app(self, *, api_key: str | None = None) -> FastAPI:
        """Return the store as an ASGI application, Tiled's server; see `analysis_store.server.server_app`."""
        from analysis_store.server import server_app

        self._alive()
        return server_app(self, api_key=api_key)

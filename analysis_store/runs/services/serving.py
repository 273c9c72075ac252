"""The methods of a store that show it as a databroker, a Tiled client, a server."""

from __future__ import annotations

from typing import Any

from analysis_store.runs.services.found import Found


class Serving(Found):
    """The methods of a store that show it as a databroker, a Tiled client, a server."""

    def broker(self) -> Any:
        """Return the store as a databroker (v1) Broker."""
        return self._service("broker")

    def client(self) -> Any:
        """Return the store as a Tiled client, in this process."""
        return self._service("client")

    def server_app(self, **options: Any) -> Any:
        """Return the store as an ASGI app: Tiled's own server; see `analysis_store.server.server_app`."""
        return self._service("server_app", **options)

"""A server that listens on a port: its key, and the address that it prints."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from typing import TYPE_CHECKING

import uvicorn

from analysis_store.errors import SettingsError
from analysis_store.server import KEY_VARIABLE
from analysis_store.server.app import checked_key, server_app
from analysis_store.server.http.connections import PATIENCE

if TYPE_CHECKING:
    from analysis_store.run_store import RunStore


def serve(store: RunStore, host: str, port: int, api_key: str | None) -> None:
    """Serve the store until interrupted; see `analysis_store.server.serve`."""
    given = os.environ.get(KEY_VARIABLE) if api_key is None else api_key
    key = secrets.token_hex(32) if given is None else checked_key(given)
    app = server_app(store, api_key=key)
    # The access log would contain the key, which is in the first address that a browser requests.
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, **PATIENCE)
    with bound(host, port) as listener:
        print(announcement(listener, key if given is None else None), flush=True)  # noqa: T201  the address is what was asked for
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn shuts down cleanly, then raises it again
            uvicorn.Server(config).run(sockets=[listener])


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that listens on this address.

    Raises
    ------
    SettingsError
        The address is in use, or does not belong to this machine.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise SettingsError(
            f"Cannot listen on {host}, port {port}: {error}. Give another --port (0 takes a free one) or --host"
        ) from error


def announcement(listener: socket.socket, made_key: str | None) -> str:
    """Return the text printed at start: the address, with the key if it was created here."""
    host, port = listener.getsockname()[:2]
    address = f"http://[{host}]:{port}/ui/" if ":" in host else f"http://{host}:{port}/ui/"
    if made_key is None:
        return f"Serving at {address} with the given key. Stop with Ctrl-C."
    return f"Serving at {address}?api_key={made_key}\nStop with Ctrl-C."

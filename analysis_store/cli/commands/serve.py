"""``analysis-store serve``: the store over HTTP, for Tiled, databroker and web browsers."""

from __future__ import annotations

from typing import Annotated

import typer

from analysis_store.cli.options import StoreOption, open_store


def serve(
    location: Annotated[str | None, typer.Argument(help="Folder or URI of the store.", show_default=False)] = None,
    store: StoreOption = None,
    host: Annotated[
        str, typer.Option(help="Interface to listen on; the default accepts connections from this machine only.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free port.")] = 8000,
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="ANALYSIS_STORE_API_KEY",
            help="Key that clients must give; generated and printed by default.",
            show_default=False,
            show_envvar=True,
        ),
    ] = None,
) -> None:
    """Serve a store over HTTP until interrupted.

    Read-only, with Tiled's API and web page, for clients that have the key.
    """
    from analysis_store.server import serve as listen

    with open_store(location or store) as opened:
        listen(opened, host, port, api_key)

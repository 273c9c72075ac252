"""A store in this process, as a Tiled client and as databroker's Broker: no socket, the same answers."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from bluesky_tiled_plugins.clients.bluesky_event_stream import BlueskyEventStream
from bluesky_tiled_plugins.clients.bluesky_run import BlueskyRun
from bluesky_tiled_plugins.clients.catalog_of_bluesky_runs import CatalogOfBlueskyRuns
from databroker.v1 import Broker
from tiled.client import from_context
from tiled.client.container import DEFAULT_STRUCTURE_CLIENT_DISPATCH, Container
from tiled.client.context import Context
from tiled.utils import OneShotCachedMap

from analysis_store.server.app import server_app
from analysis_store.server.reading import AnalysisDatasetClient
from analysis_store.server.tree.arrays import DATASET_SPEC

if TYPE_CHECKING:
    from analysis_store.run_store import RunStore


def client(store: RunStore) -> CatalogOfBlueskyRuns:
    """Return a Tiled client of the store; see `analysis_store.server.client`."""
    app = server_app(store)
    with _quietly():
        context = Context.from_app(app, api_key=app.state.api_key)
    catalog: CatalogOfBlueskyRuns = from_context(context, structure_clients=own_dispatch(), remember_me=False)
    return catalog


def broker(store: RunStore) -> Broker:
    """Return a databroker v1 Broker over the store; see `analysis_store.server.broker`."""
    made = Broker(client(store))
    shown = made.prepare_hook
    # databroker's Header fails on a run without a stop document, i.e. one that has not ended.
    made.prepare_hook = lambda name, doc: shown(name, doc or {})
    return made


@contextmanager
def _quietly() -> Iterator[None]:
    """Silence warnings of libraries: users of a broker did not start a server and cannot change Tiled's imports."""
    logger = logging.getLogger("tiled.server.app")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient` is deprecated")
            yield
    finally:
        logger.setLevel(level)


def own_dispatch() -> OneShotCachedMap[str, Any]:
    """Return the mapping from spec to client class, for one client alone.

    Tiled has one such table per process, and some accessors of databroker's clients write into it: a client that
    shared the table would change class after a ``catalog.v1[...]`` elsewhere, and would change all other clients.
    """
    Container.discover_clients_from_entrypoints()
    shared = DEFAULT_STRUCTURE_CLIENT_DISPATCH["numpy"]
    return OneShotCachedMap(
        {
            **{name: partial(shared.__getitem__, name) for name in shared},
            "CatalogOfBlueskyRuns": lambda: CatalogOfBlueskyRuns,
            "BlueskyRun": lambda: BlueskyRun,
            "BlueskyEventStream": lambda: BlueskyEventStream,
            DATASET_SPEC: lambda: AnalysisDatasetClient,
        }
    )

"""Under an access policy of Tiled that goes by tags, runs without tags are closed, not open to everybody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analysis_store.store import AnalysisStore

pytest.importorskip("tiled", reason="the extra 'server' is not installed")

from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import create_async_engine
from tiled.access_control.access_policies import DummyAccessPolicy, TagBasedAccessPolicy
from tiled.access_control.access_tags import (
    AccessTagsParser,
    create_access_tags_tables,
    update_access_tags_tables,
)
from tiled.adapters.mapping import MapAdapter
from tiled.config import Authentication
from tiled.queries import AccessTagsFilter
from tiled.server.app import build_app

from analysis_store.server.tree.runs import RunsTree
from tests.server.test_server_guard import OTHER, SECRET, Server, every_route, simulated


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnalysisStore]:
    """A store with one run."""
    with AnalysisStore(tmp_path_factory.mktemp("policy") / "store") as made:
        simulated(made)
        yield made


def by_tags(path: Path) -> TagBasedAccessPolicy:
    """Return Tiled's policy over a database of tags, one of which everybody may read."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", poolclass=NullPool)  # nothing is left open

    async def prepared() -> None:
        await create_access_tags_tables(engine)
        await update_access_tags_tables(engine, {"everybody": {}}, {}, {"everybody"})
        await engine.dispose()

    asyncio.run(prepared())
    return TagBasedAccessPolicy(provider="none", access_tags_parser=lambda: AccessTagsParser(engine))


def served(tree: Any, policy: Any) -> Server:
    """Return a Tiled server of somebody else, which lets anybody in as far as its policy does."""
    authentication = Authentication(allow_anonymous_access=True, single_user_api_key=OTHER)
    return Server(build_app(tree, authentication=authentication, access_policy=policy))


@pytest.mark.slow
def test_a_policy_by_tags_shows_no_run(store: AnalysisStore, tmp_path: Path) -> None:
    """On no route, by no uid, is there a word of a run; the list is empty, its counts and values too."""
    uid = store[-1].uid
    with served(RunsTree(store), by_tags(tmp_path / "tags.sqlite")) as running:
        for method, path in every_route(running.app, uid):
            if method == "GET":
                answer = running.ask(path)
                assert SECRET.encode() not in answer.body, path
                assert not (answer.status == 200 and uid in path and path.startswith(("/api", "/zarr", "/custom"))), (
                    path
                )
        for path in ("search/", "distinct/?metadata=sample_name&counts=true"):
            assert SECRET.encode() not in running.ask(f"/api/v1/{path}").body


def test_the_policy_is_what_closes_it(store: AnalysisStore) -> None:
    """Under a policy that restricts nothing the same run is read: the test above does not pass for want of a way in."""
    with served(RunsTree(store), DummyAccessPolicy()) as running:
        assert SECRET.encode() in running.ask(f"/api/v1/metadata/{store[-1].uid}").body


def test_a_tree_within_a_tree_is_closed_too(store: AnalysisStore, tmp_path: Path) -> None:
    """Mounted beside others, as a configuration of Tiled does it, the runs are as closed."""
    uid = store[-1].uid
    tree = MapAdapter({"analysis": RunsTree(store)})
    with served(tree, by_tags(tmp_path / "tags.sqlite")) as running:
        assert running.ask(f"/api/v1/metadata/analysis/{uid}").status == 404
        assert running.ask(f"/api/v1/array/full/analysis/{uid}/primary/data/mu").status == 404
        found = running.ask("/api/v1/search/analysis")
        assert found.status == 404 or json.loads(found.body)["data"] == []


def test_no_node_has_the_tags_that_are_looked_for(store: AnalysisStore) -> None:
    """A search by tags finds nothing, at every level; no node is without the attribute that policies look at."""
    tree = RunsTree(store)
    run = tree[store[-1].uid]
    for node in (tree, run, run["primary"], run["primary"]["data"], run["primary"]["config"]):
        assert node.access_tags == frozenset()
        found = node.search(AccessTagsFilter(["everybody"]))
        assert (len(found), list(found)) == (0, [])

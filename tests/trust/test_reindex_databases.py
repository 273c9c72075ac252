"""A catalog in a database made anew from the files, as one in SQLite is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from analysis_store import AnalysisStore, Policy, Provenance
from analysis_store.trust import reindex
from tests.conformance import test_catalogs_mongo, test_catalogs_postgresql
from tests.trust.test_reindex import all_of, fill

mongo = test_catalogs_mongo.server
postgresql = test_catalogs_postgresql.server


@pytest.fixture(params=["mongo", "postgresql"])
def new_uri(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Give what names an empty database."""
    server = request.getfixturevalue(request.param)

    def make() -> str:
        name = f"test_{uuid4().hex[:12]}"
        if request.param == "mongo":
            return f"{server}/{name}?directConnection=true"
        psycopg = pytest.importorskip("psycopg")
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"{server}/{name}"

    return make


def test_an_empty_database(new_uri: Callable[[], str], tmp_path: Path, origin: Provenance) -> None:
    """It has everything then that the lost one had; some runs that are missing are entered alone."""
    policy = Policy(require_inputs=False, require_code=False)
    with AnalysisStore(new_uri(), root=tmp_path / "files", policy=policy) as store:
        fill(store, origin)
        before = all_of(store.catalog)
        assert store.check(), str(store.check())
    fresh = new_uri()
    report = reindex(fresh, root=tmp_path / "files")
    assert report
    assert report.runs == 9
    with AnalysisStore(fresh, root=tmp_path / "files") as store:
        assert all_of(store.catalog) == before
        store.catalog.remove("theirs")
        assert store.reindex().runs == 1
        assert all_of(store.catalog) == before
        assert store.check()

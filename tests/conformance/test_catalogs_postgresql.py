"""The catalog in PostgreSQL keeps the contract of catalogs; a private server is started for it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from analysis_store.catalogs import open_catalog
from analysis_store.catalogs.base import Catalog
from analysis_store.catalogs.sql.engine import make_engine
from analysis_store.catalogs.sql.schema import metadata
from analysis_store.errors import StoreWriteError
from analysis_store.testing.catalogs import CatalogTests, make_record
from analysis_store.testing.catalogs.index import Spoil
from tests.conformance.old_catalogs import made_by, opened_at_once
from tests.conformance.spoiling import spoil_sql


def _program(name: str) -> str:
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = str(installed[-1]) if installed else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} of PostgreSQL is not installed")
    return found


def _unprivileged(folder: Path) -> list[str]:
    """Return what to put before a command, because PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    if shutil.which("runuser") is None:
        pytest.skip("running as root, and there is no runuser to start PostgreSQL as its own user")
    try:
        shutil.chown(folder, "postgres")
    except LookupError:
        pytest.skip("running as root, and there is no user 'postgres' to start PostgreSQL as")
    return ["runuser", "-u", "postgres", "--"]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Start a server of our own; give its URI without a database."""
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    with tempfile.TemporaryDirectory() as name:
        before = _unprivileged(Path(name))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        data, quiet = f"{name}/data", {"check": True, "stdout": subprocess.DEVNULL, "cwd": name}
        subprocess.run([*before, initdb, "-D", data, "-A", "trust", "-U", "tester", "-E", "UTF8"], **quiet)  # type: ignore[call-overload]
        options = f"-p {port} -k {name} -c listen_addresses=127.0.0.1 -c fsync=off"
        subprocess.run([*before, pg_ctl, "-D", data, "-w", "-l", f"{name}/log", "-o", options, "start"], **quiet)  # type: ignore[call-overload]
        try:
            yield f"postgresql://tester@127.0.0.1:{port}"
        finally:
            subprocess.run([*before, pg_ctl, "-D", data, "-m", "immediate", "stop"], **quiet)  # type: ignore[call-overload]


@pytest.fixture
def uri(server: str) -> str:
    """Make a database of its own for one test; give its URI."""
    psycopg = pytest.importorskip("psycopg")
    name = f"test_{uuid4().hex}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server}/{name}"


class TestPostgresql(CatalogTests):
    """Every test of the public suite, and what is PostgreSQL's own."""

    @pytest.fixture
    def reopen(self, uri: str) -> Iterator[Callable[[], Catalog]]:
        """Open the same database once more."""
        with ExitStack() as stack:
            yield lambda: stack.enter_context(closing(open_catalog(uri)))

    @pytest.fixture
    def catalog(self, reopen: Callable[[], Catalog]) -> Catalog:
        """Make the tables in a new database."""
        return reopen()

    @pytest.fixture
    def spoil(self, uri: str) -> Spoil:
        """Falsify the index as another program does."""
        return partial(spoil_sql, uri)

    def test_lost_connection(self, catalog: Catalog, uri: str) -> None:
        """A connection that the server ends is an error that says so; the next one works."""
        import psycopg

        catalog.insert(make_record("before"))
        with psycopg.connect(uri, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        with pytest.raises(StoreWriteError, match="cannot be used"):
            catalog.insert(make_record("lost"))
        catalog.insert(make_record("after"))
        assert catalog.with_prefix("") == ["after", "before"]

    def test_an_older_version_is_upgraded(self, uri: str) -> None:
        """Of processes that open a catalog of the first version at once, one upgrades it; its runs stay."""
        made_by("0001", uri)
        assert opened_at_once(uri, 3) == ["good"] * 3
        with closing(open_catalog(uri)) as catalog:
            assert catalog.get("old").start["time"] == 1.0
            assert [run.uid for run in catalog.results("key")] == ["old"]
            assert len(catalog.notes("old")) == 3

    def test_migrations_make_what_we_declare(self, uri: str) -> None:
        """The tables that migrations make are those that a new catalog gets at once."""
        from alembic.autogenerate import compare_metadata
        from alembic.migration import MigrationContext

        made_by("head", uri)
        engine = make_engine(uri)
        with engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        engine.dispose()

    def test_the_password_is_not_told(self, uri: str) -> None:
        """Neither an error nor the information for people holds it."""
        with closing(open_catalog(uri.replace("tester@", "tester:secret@"))) as catalog:
            assert "secret" not in str(catalog.info())
        with pytest.raises(StoreWriteError) as caught:
            open_catalog(uri.replace("tester@", "nobody:secret@"))
        assert "secret" not in str(caught.value)

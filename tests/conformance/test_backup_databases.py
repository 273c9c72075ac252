"""Backups of stores whose catalog is in a database server: made while others save, and restored into a fresh one."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from uuid import uuid4

import pytest

from analysis_store import AnalysisStore, Policy
from analysis_store.errors import StoreWriteError
from analysis_store.trust.backups.catalog import DUMP
from tests.conformance import test_catalogs_mongo, test_catalogs_postgresql
from tests.conformance.test_catalogs_postgresql import _program
from tests.faults.children import start
from tests.faults.on_disk import ORIGIN, result
from tests.trust.test_reindex import all_of

mongo = test_catalogs_mongo.server
server = test_catalogs_postgresql.server
uri = test_catalogs_postgresql.uri

STRICT = Policy(dirty="refuse")


@pytest.fixture
def fresh(server: str) -> str:
    """Make an empty database to restore into; give its URI."""
    psycopg = pytest.importorskip("psycopg")
    name = f"fresh_{uuid4().hex}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server}/{name}"


def restored(folder: Path, uri: str) -> AnalysisStore:
    """Open a backup on a database into which its dump was read."""
    command = [_program("pg_restore"), "--no-owner", "--exit-on-error", f"--dbname={uri}", str(folder / DUMP)]
    subprocess.run(command, check=True)
    return AnalysisStore(uri, root=folder / "files")


def fill(store: AnalysisStore) -> str:
    """Save a chain of runs, retract one and delete another; return the uid of the first."""
    first = store.insert(result(1), {"sample_name": "Fe"}, provenance=ORIGIN)
    child = store.insert(result(2), {"parent_uids": [first.uid]}, provenance={"code": ORIGIN.code})
    store.insert(result(3), {"parent_uids": [child.uid]}, provenance={"code": ORIGIN.code})
    store.retract(child.uid, "wrong energy")
    gone = store.insert(result(4), {}, provenance=ORIGIN)
    store.delete(gone.uid, "a test", dry_run=False)
    return first.uid


def save_for_ever(connection: Connection, uri: str, root: Path) -> None:
    """Save results, each with a note and a parent, and tell the uid of each."""
    with AnalysisStore(uri, root=root) as store:
        last = store.insert(result(), {}, provenance=ORIGIN)
        while True:
            last = store.insert(result(), {"parent_uids": [last.uid]}, provenance={"code": ORIGIN.code})
            store.note(last.uid, "seen", {})
            connection.send(last.uid)


@pytest.mark.filterwarnings("ignore::analysis_store.errors.RetractedWarning")
def test_a_dump_restored(uri: str, fresh: str, tmp_path: Path) -> None:
    """Every run, edge and note is the same, and the policy; more can be saved."""
    with AnalysisStore(uri, root=tmp_path / "files", policy=STRICT) as store:
        fill(store)
        report = store.backup(tmp_path / "backup")
        assert report, str(report)
        assert (report.catalog, report.runs) == ("pg_dump", 3)
        with restored(tmp_path / "backup", fresh) as copy:
            assert all_of(copy.catalog) == all_of(store.catalog)
            assert all(run.verify() for run in copy)
            assert all(run.file.is_relative_to(tmp_path / "backup") for run in copy)
            assert copy.policy == STRICT
            assert copy.check(), str(copy.check())
            assert copy.insert(result(5), {}, provenance=ORIGIN).verify()


@pytest.mark.slow
def test_processes_save_meanwhile(uri: str, fresh: str, tmp_path: Path) -> None:
    """Every run that was saved before the backup began is in it with its edges, whole."""
    root = tmp_path / "files"
    with AnalysisStore(uri, root=root) as store:
        savers = [start(save_for_ever, uri, root) for _ in range(2)]
        try:
            for _, connection in savers:
                connection.recv()
            before = {run.uid for run in store}
            store.backup(tmp_path / "backup")
            report = store.backup(tmp_path / "backup")
            assert report, str(report)
            assert report.runs > len(before)
        finally:
            for process, _ in savers:
                process.kill()
                process.join()
        with restored(tmp_path / "backup", fresh) as copy:
            assert before <= {run.uid for run in copy}
            assert report.runs <= len(copy)
            for run in copy:
                assert run.verify()
                assert copy.catalog.get(run.uid) == store.catalog.get(run.uid)
            copy.check(repair=True)  # what came while the files were copied is in them alone
            assert copy.check(), str(copy.check())


def test_a_dump_opened_as_a_folder(uri: str, tmp_path: Path) -> None:
    """Without a server: the catalog is made anew from the files."""
    with AnalysisStore(uri, root=tmp_path / "files", policy=STRICT) as store:
        first = fill(store)
        store.backup(tmp_path / "backup")
        everything = {(run.uid, tuple(run.parents)) for run in store}
    with AnalysisStore(tmp_path / "backup") as copy:
        assert copy.reindex()
        assert {(run.uid, tuple(run.parents)) for run in copy} == everything
        assert len(copy[first].descendants()) == 2
        assert copy.policy == STRICT
        assert copy.check(), str(copy.check())


def test_a_database_shared_with_others(uri: str, fresh: str, tmp_path: Path) -> None:
    """Tables of other programs are not in the dump."""
    psycopg = pytest.importorskip("psycopg")
    with AnalysisStore(uri, root=tmp_path / "files") as store:
        store.insert(result(), {}, provenance=ORIGIN)
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute("CREATE TABLE theirs (x int)")
        store.backup(tmp_path / "backup")
    with restored(tmp_path / "backup", fresh) as copy:
        assert len(copy) == 1
    with psycopg.connect(fresh) as connection:
        assert connection.execute("SELECT to_regclass('theirs'), to_regclass('run')").fetchone() == (None, "run")


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], None]:
    """Give what puts a script in place of every pg_dump, or with None takes every pg_dump away."""

    def put(script: str | None) -> None:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        if script is not None:
            (folder / "pg_dump").write_text(f"#!/bin/sh\n{script}\n")
            (folder / "pg_dump").chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))

    return put


def test_without_pg_dump(uri: str, tmp_path: Path, on_path: Callable[[str | None], None]) -> None:
    """The files alone are copied, which is enough, and the report says what to install for a dump."""
    with AnalysisStore(uri, root=tmp_path / "files") as store:
        run = store.insert(result(), {}, provenance=ORIGIN)
        on_path(None)
        report = store.backup(tmp_path / "backup")
    assert report
    assert (report.catalog, report.runs) == ("none", 1)
    assert "reindex()" in str(report)
    with AnalysisStore(tmp_path / "backup") as copy:
        assert copy.reindex().runs == 1
        assert copy[run.uid].verify()


def test_a_pg_dump_of_an_older_version(uri: str, tmp_path: Path, on_path: Callable[[str | None], None]) -> None:
    """It refuses; the message has its words and what to do, the last dump stays, and nothing else is left."""
    target = tmp_path / "backup"
    with AnalysisStore(uri, root=tmp_path / "files") as store:
        store.insert(result(), {}, provenance=ORIGIN)
        store.backup(target)
        last = (target / DUMP).read_bytes()
        on_path("echo 'pg_dump: error: aborting because of server version mismatch' >&2; exit 1")
        with pytest.raises(StoreWriteError, match=r"server version mismatch.*of the version of the server"):
            store.backup(target)
    assert (target / DUMP).read_bytes() == last
    assert not [path for path in target.iterdir() if path.suffix == ".part"]


def test_a_server_that_is_gone(uri: str, tmp_path: Path, on_path: Callable[[str | None], None]) -> None:
    """What the real pg_dump says of it is told, without the password."""
    with AnalysisStore(uri.replace("tester@", "tester:secret@"), root=tmp_path / "files") as store:
        on_path(f"exec {_program('pg_dump')} --dbname=postgresql://127.0.0.1:1/none")
        with pytest.raises(StoreWriteError, match="Connection refused") as caught:
            store.backup(tmp_path / "backup")
    assert "secret" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::analysis_store.errors.RetractedWarning")
def test_mongodb(mongo: str, tmp_path: Path) -> None:
    """The files are copied while a process saves; opened as a folder, the catalog is made anew, with every note."""
    root, target = tmp_path / "files", tmp_path / "backup"
    uri = f"{mongo}/test_{uuid4().hex[:12]}?directConnection=true"
    with AnalysisStore(uri, root=root, policy=STRICT) as store:
        fill(store)
        before = {run.uid for run in store}
        process, connection = start(save_for_ever, uri, root)
        try:
            connection.recv()
            report = store.backup(target)
        finally:
            process.kill()
            process.join()
        assert report, str(report)
        assert report.catalog == "none"
        with AnalysisStore(target) as copy:
            assert copy.reindex()
            assert before <= {run.uid for run in copy}
            assert len(copy) >= report.runs
            for run in copy:
                assert run.verify()
                assert run.uid not in store or run.start == store[run.uid].start
                assert run.uid not in before or run.notes == store[run.uid].notes
            assert copy.policy == STRICT

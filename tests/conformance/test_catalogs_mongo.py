"""The catalog in MongoDB keeps the contract of catalogs, and an existing databroker reads its runs."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import event_model
import pytest

from analysis_store.catalogs import open_catalog
from analysis_store.catalogs.base import RunRecord
from analysis_store.catalogs.mongo import documents as mongo_documents
from analysis_store.catalogs.mongo import kinship as mongo_kinship
from analysis_store.catalogs.query.query import Query
from analysis_store.errors import DuplicateRunError, SettingsError, StoreVersionError, StoreWriteError
from analysis_store.testing.catalogs import CatalogTests, make_record
from analysis_store.testing.catalogs.index import Spoil
from tests.conformance.spoiling import spoil_mongo
from tests.sweeps import slowly

if TYPE_CHECKING:
    from analysis_store.catalogs.base import Catalog

pymongo = pytest.importorskip("pymongo")

IS_313 = "import sys; sys.exit(sys.version_info < (3, 13))"


def _pythons() -> Iterator[str]:
    """Yield where a Python of 3.13 or later may be: a shim of pyenv may be there and not work."""
    yield from filter(None, (shutil.which("python3.13"), shutil.which("python3.14"), shutil.which("python3")))
    yield from map(str, sorted(Path.home().glob(".pyenv/versions/3.1[3-9]*/bin/python")))
    if (uv := shutil.which("uv")) is not None:
        yield subprocess.run(
            [uv, "python", "find", ">=3.13"], capture_output=True, text=True, check=False
        ).stdout.strip()


def _works(python: str) -> bool:
    return bool(python) and subprocess.run([python, "-c", IS_313], capture_output=True, check=False).returncode == 0


def _server_python() -> str:
    """Return a Python that has mongoeco, in an environment that is made once and kept."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "analysis_store" / "mongoeco-4.11"
    python = cache / "bin" / "python"
    if (cache / "complete").exists():
        return str(python)
    found = next(filter(_works, _pythons()), None)
    if found is None:
        pytest.skip("mongoeco needs a Python of 3.13 or later, and none was found")
    commands = [
        [found, "-m", "venv", "--clear", str(cache)],
        [str(python), "-m", "pip", "install", "-q", "mongoeco[wire]==4.11.0"],
    ]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no environment with mongoeco: {' '.join(command)} said {done.stderr.strip()[-200:]}")
    (cache / "complete").touch()
    return str(python)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Start a server of our own; give its URI without a database."""
    command = [_server_python(), str(Path(__file__).with_name("mongo_server.py"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=lambda: lines.put(process.stdout.readline()), daemon=True).start()
        try:
            uri = lines.get(timeout=60).strip()
            assert uri, "the server ended before it listened"
            yield uri.partition("?")[0].rstrip("/")
        finally:
            process.kill()


@pytest.fixture
def uri(server: str) -> str:
    """Name a database of its own for one test."""
    return f"{server}/test_{uuid4().hex[:12]}?directConnection=true"


class TestMongo(CatalogTests):
    """Every test of the public suite, and what is MongoDB's own."""

    @pytest.mark.slow
    def test_very_many_uids(self, filled: Catalog) -> None:
        """The server of the tests takes long for it."""
        super().test_very_many_uids(filled)

    @pytest.fixture
    def reopen(self, uri: str) -> Iterator[Callable[[], Catalog]]:
        """Open the same database once more."""
        with ExitStack() as stack:
            yield lambda: stack.enter_context(closing(open_catalog(uri)))

    @pytest.fixture
    def catalog(self, reopen: Callable[[], Catalog]) -> Catalog:
        """Make the collections in a new database."""
        return reopen()

    @pytest.fixture
    def spoil(self, database: Any) -> Spoil:
        """Falsify the index as another program does."""
        return partial(spoil_mongo, database["analysis_store"])

    @pytest.fixture
    def database(self, uri: str) -> Iterator[Any]:
        """Give the database itself."""
        with pymongo.MongoClient(uri) as client:
            yield client.get_default_database()

    @pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient`")  # Tiled's own client
    def test_databroker_reads_it(self, catalog: Catalog, uri: str) -> None:
        """An existing databroker, told nothing but the URI, finds our run and reads its events."""
        from databroker.mongo_normalized import MongoAdapter
        from tiled.client import Context, from_context
        from tiled.queries import Key
        from tiled.server.app import build_app

        record, documents = _real_run(events=3)
        catalog.insert(record, documents)
        tree = MongoAdapter.from_uri(uri)
        with closing(tree.database.client), Context.from_app(build_app(tree)) as context:
            found = from_context(context).search(Key("sample") == "Fe foil")
            run = found.values().first()
            assert run.metadata["start"]["uid"] == record.uid
            assert run["primary"].read()["x"].values.tolist() == [0.0, 1.0, 2.0]

    def test_event_pages(self, catalog: Catalog, database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Events and data come singly or in pages, in any number."""
        monkeypatch.setattr(mongo_documents, "BATCH", 10)
        record, documents = _real_run(events=25)
        events = [document for name, document in documents if name == "event"]
        pages = [
            ("event_page", event_model.pack_event_page(*events[:15])),
            *(("event", event) for event in events[15:]),
        ]
        catalog.insert(record, pages)
        assert database["event"].count_documents({}) == 25

    def test_a_failure_leaves_nothing(self, catalog: Catalog, database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """When the documents end in an error, no collection holds anything of the run, and it can be written again."""
        monkeypatch.setattr(mongo_documents, "BATCH", 10)
        record, documents = _real_run(events=25)

        def broken() -> Iterator[tuple[str, dict[str, Any]]]:
            yield from documents[:-1]
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            catalog.insert(record, broken())
        names = set(database.list_collection_names()) - {"analysis_store_meta"}
        assert {name: database[name].count_documents({}) for name in names} == dict.fromkeys(names, 0)
        catalog.insert(record, documents)
        assert catalog.get(record.uid).start == record.start

    def test_the_run_of_another_program_stays(self, catalog: Catalog, database: Any) -> None:
        """A uid that databroker's own documents have is refused, and they are not touched."""
        record, documents = _real_run(events=1)
        database["run_start"].insert_one({"uid": record.uid, "time": 0.0})
        with pytest.raises(DuplicateRunError, match=record.uid):
            catalog.insert(record, documents)
        assert database["run_start"].count_documents({}) == 1
        assert database["event_descriptor"].count_documents({}) == 0

    def test_a_writer_that_died(self, catalog: Catalog, database: Any) -> None:
        """What it left is seen by nobody; its uid is free again once it is surely dead."""
        record, documents = _real_run(events=2)
        left = {
            "_id": record.uid,
            "token": "dead",
            "committed": False,
            "time": 0.0,
            "order": 0,
            "terms": [],
            "begun": 0.0,
        }
        database["analysis_store"].insert_one(left)
        database["event_descriptor"].insert_one(dict(record.descriptors[0]))
        assert catalog.count(Query()) == 0
        assert catalog.with_prefix("") == []
        catalog.insert(record, documents)
        assert catalog.with_prefix("") == [record.uid]
        assert database["event_descriptor"].count_documents({}) == 1

    def test_a_writer_that_lives(self, catalog: Catalog, database: Any) -> None:
        """A uid that somebody is writing just now is taken."""
        import time

        database["analysis_store"].insert_one(
            {"_id": "busy", "token": "other", "committed": False, "begun": time.time()}
        )
        with pytest.raises(DuplicateRunError, match="busy"):
            catalog.insert(make_record("busy"))
        assert database["analysis_store"].count_documents({}) == 1

    def test_a_long_chain(self, catalog: Catalog, database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """In a small catalog it takes a few requests; as many as it is long only where that reads less than all."""
        asked = []
        among = mongo_kinship._among

        def counted(*wanted: Any) -> Any:
            asked.append(wanted)
            return among(*wanted)

        monkeypatch.setattr(mongo_kinship, "_among", counted)
        chain = [
            {"_id": str(n), "parents": [str(n - 1)], "committed": True, "time": 0.0, "order": n} for n in range(1, 1001)
        ]
        database["analysis_store"].insert_many(chain)
        assert catalog.ancestors("1000") == [(str(1000 - n), n) for n in range(1, 1001)]
        assert catalog.descendants("0") == [(str(n), n) for n in range(1, 1001)]
        assert len(asked) == 2 * 1000 / mongo_kinship.WORTH
        assert len(catalog.ancestors("15")) == 15
        asked.clear()
        monkeypatch.setattr(mongo_kinship, "WORTH", 1)
        assert catalog.ancestors("100")[-1] == ("0", 100)
        assert len(asked) == 101

    def test_a_newer_version(self, catalog: Catalog, database: Any, uri: str) -> None:
        """A database of a newer version is refused, naming both versions."""
        database["analysis_store_meta"].update_one({"_id": "schema"}, {"$set": {"version": 7}})
        with pytest.raises(StoreVersionError, match=r"version 7 .* up to 1"):
            open_catalog(uri)

    test_queries = slowly(CatalogTests.test_queries)
    test_kin_far_away = slowly(CatalogTests.test_kin_far_away)
    test_runs_that_come_and_go_meanwhile = slowly(CatalogTests.test_runs_that_come_and_go_meanwhile)
    test_removal_while_others_search = slowly(CatalogTests.test_removal_while_others_search)
    test_many_writers = slowly(CatalogTests.test_many_writers)


def test_no_server() -> None:
    """A server that is not there is an error that names it, without the password."""
    with pytest.raises(StoreWriteError, match=r"127\.0\.0\.1:9/") as caught:
        open_catalog("mongodb://me:secret@127.0.0.1:9/db?serverSelectionTimeoutMS=200")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("uri", ["mongodb://", "mongodb://127.0.0.1:9"])
def test_no_database(uri: str) -> None:
    """A URI that names no database is refused."""
    with pytest.raises(SettingsError, match="mongodb://host/database"):
        open_catalog(uri)


def _real_run(events: int) -> tuple[RunRecord, list[tuple[str, dict[str, Any]]]]:
    """Return a run of one stream with one number per event."""
    run = event_model.compose_run(metadata={"sample": "Fe foil"})
    key = {"dtype": "number", "shape": [], "source": "test", "dtype_numpy": "<f8"}
    stream = run.compose_descriptor(name="primary", data_keys={"x": key})
    documents = [
        ("event", stream.compose_event(data={"x": float(n)}, timestamps={"x": 0.0}, validate=False))
        for n in range(events)
    ]
    start, descriptor, stop = run.start_doc, stream.descriptor_doc, run.compose_stop()
    everything = [("start", start), ("descriptor", descriptor), *documents, ("stop", stop)]
    return RunRecord(dict(start), dict(stop), (dict(descriptor),), "run.h5"), everything

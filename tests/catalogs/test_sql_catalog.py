"""The catalog in SQLite: how it is made, shared, upgraded, and what it does when something goes wrong."""

from __future__ import annotations

import multiprocessing
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, event, inspect

from analysis_store.catalogs import open_catalog
from analysis_store.catalogs.base import Catalog, Note, RunRecord
from analysis_store.catalogs.query.query import Query
from analysis_store.catalogs.records import read_json
from analysis_store.catalogs.sql import engine as sql_engine
from analysis_store.catalogs.sql import schema as sql_schema
from analysis_store.catalogs.sql.migrations import upgrade
from analysis_store.catalogs.sql.schema import HEAD, metadata
from analysis_store.catalogs.sql.search import ENOUGH, PATIENCE, Search
from analysis_store.errors import (
    DamagedFileError,
    InvalidDocumentError,
    SettingsError,
    StoreBusyError,
    StoreVersionError,
    StoreWriteError,
)
from analysis_store.testing.catalogs import make_record
from benchmarks.search import build
from tests.conformance.old_catalogs import made_by, opened_at_once
from tests.sweeps import sizes

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the catalog is."""
    return tmp_path / "catalog.sqlite"


@pytest.fixture
def catalog(path: Path) -> Iterator[Catalog]:
    """Give a new catalog."""
    with closing(open_catalog(f"sqlite:///{path}")) as catalog:
        yield catalog


class TestSchema:
    """Made from nothing, upgraded in place, or refused."""

    def test_migrations_make_what_we_declare(self, path: Path, tmp_path: Path, catalog: Catalog) -> None:
        """The tables that migrations make are those that a new catalog gets at once."""
        migrated, made = create_engine(f"sqlite:///{tmp_path}/migrated.sqlite"), create_engine(f"sqlite:///{path}")
        try:
            with migrated.begin() as connection:
                upgrade(connection)
                assert compare_metadata(MigrationContext.configure(connection), metadata) == []
            assert _statements(tmp_path / "migrated.sqlite") == _statements(path)
            assert set(inspect(made).get_table_names()) == {*metadata.tables, "alembic_version"}
        finally:
            migrated.dispose()
            made.dispose()

    def test_an_older_version_is_upgraded(self, path: Path) -> None:
        """A database in which the first migration has yet to run is brought to today's version."""
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
        with closing(open_catalog(f"sqlite:///{path}")) as catalog:
            catalog.insert(make_record("a"))
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]

    def test_notes_come_with_the_second_version(self, path: Path) -> None:
        """A catalog that the first version made, with runs in it, gets notes in place and keeps its runs."""
        made_by("0001", f"sqlite:///{path}")
        with closing(open_catalog(f"sqlite:///{path}")) as catalog:
            assert catalog.get("old").parents == ("raw",)
            assert [run.uid for run in catalog.results("key")] == ["old"]
            catalog.add_notes([Note("old", "reuse", 1.0, "ann@bl7")])
            assert len(catalog.notes("old")) == 1
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]

    def test_two_upgrade_at_once(self, path: Path) -> None:
        """Of processes that open an old catalog at the same time, one upgrades it and each can use it."""
        made_by("0001", f"sqlite:///{path}")
        assert opened_at_once(f"sqlite:///{path}", 3) == ["good"] * 3
        with closing(open_catalog(f"sqlite:///{path}")) as catalog:
            assert len(catalog.notes("old")) == 3

    def test_threads_upgrade_at_once(self, tmp_path: Path) -> None:
        """Threads that upgrade catalogs of their own do not come in each other's way."""
        uris = [f"sqlite:///{tmp_path}/{number}.sqlite" for number in range(6)]
        for uri in uris:
            made_by("0001", uri)
        with ThreadPoolExecutor(len(uris)) as pool:
            catalogs = list(pool.map(open_catalog, uris))
        for catalog in catalogs:
            assert catalog.get("old").start["time"] == 1.0
            assert catalog.notes("old") == []
            catalog.close()

    def test_the_first_version_refuses_the_second(
        self, path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A package that knows only the first version meets this one's catalog, and says what to do."""
        catalog.close()
        monkeypatch.setattr(sql_schema, "VERSIONS", ("0001",))
        monkeypatch.setattr(sql_schema, "HEAD", "0001")
        monkeypatch.setattr(sql_engine, "HEAD", "0001")
        with pytest.raises(StoreVersionError, match=f"version '{HEAD}' .* up to '0001': upgrade"):
            open_catalog(f"sqlite:///{path}")

    def test_a_newer_version_is_refused(self, path: Path, catalog: Catalog) -> None:
        """The error names both versions, and nothing is changed."""
        catalog.close()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
            connection.commit()
        before = path.read_bytes()
        with pytest.raises(StoreVersionError, match=f"'9999'.*'{HEAD}'"):
            open_catalog(f"sqlite:///{path}")
        assert path.read_bytes() == before

    def test_tables_of_somebody_else(self, path: Path) -> None:
        """A database that has tables of our names, and no version, is left alone."""
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE run (uid TEXT)")
        with pytest.raises(DamagedFileError, match=r"\['run'\]"):
            open_catalog(f"sqlite:///{path}")
        assert len(_statements(path)) == 1

    def test_a_file_that_is_no_database(self, path: Path) -> None:
        """It is refused and stays as it is."""
        path.write_bytes(b"not a database " * 1000)
        with pytest.raises(DamagedFileError, match=r"catalog\.sqlite is damaged or not a catalog"):
            open_catalog(f"sqlite:///{path}")
        assert path.read_bytes() == b"not a database " * 1000

    def test_opening_does_not_load_alembic(self, path: Path, catalog: Catalog) -> None:
        """Neither a new catalog nor one of today needs it."""
        code = (
            "import sys; from analysis_store.catalogs import open_catalog;"
            "[open_catalog('sqlite:///' + p).close() for p in sys.argv[1:]]; print('alembic' in sys.modules)"
        )
        paths = [str(path), str(path.with_name("new.sqlite"))]
        done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "False"


def _statements(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'alembic_version'")
        return {" ".join(row[0].replace(",", ", ").split()) for row in rows}


class TestUris:
    """Which catalog a URI names."""

    @pytest.mark.parametrize("uri", ["mysql://host/db", "catalog.sqlite", "", "file:///x"])
    def test_an_unknown_kind(self, uri: str) -> None:
        """It is refused with the known ones."""
        with pytest.raises(SettingsError, match=r"sqlite:///.*postgresql://.*mongodb://"):
            open_catalog(uri)

    @pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///:memory:"])
    def test_no_file(self, uri: str) -> None:
        """A catalog in memory is refused: it would be lost."""
        with pytest.raises(SettingsError, match="lost"):
            open_catalog(uri)

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        """The error names the file."""
        with pytest.raises(StoreWriteError, match=r"missing/catalog\.sqlite"):
            open_catalog(f"sqlite:///{tmp_path}/missing/catalog.sqlite")

    def test_a_relative_path_stays_where_it_was(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Changing the folder of the process does not change the catalog."""
        monkeypatch.chdir(tmp_path)
        with closing(open_catalog("sqlite:///catalog.sqlite")) as catalog:
            (tmp_path / "other").mkdir()
            monkeypatch.chdir(tmp_path / "other")
            catalog.insert(make_record("a"))
        assert list((tmp_path / "other").iterdir()) == []


def _write(path: str, writer: int, runs: int) -> None:
    with closing(open_catalog(f"sqlite:///{path}")) as catalog:
        for run in range(runs):
            catalog.insert(make_record(f"{writer}-{run}", float(run), writer=writer))


class TestSharing:
    """Several processes at one file."""

    @pytest.mark.parametrize("writers", sizes(3, 8))
    def test_processes_make_and_fill_one_catalog(self, path: Path, writers: int) -> None:
        """All succeed in making it at once, and no run is lost."""
        spawn = multiprocessing.get_context("spawn")
        processes = [spawn.Process(target=_write, args=(str(path), number, 25)) for number in range(writers)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(120)
        assert [process.exitcode for process in processes] == [0] * writers
        with closing(open_catalog(f"sqlite:///{path}")) as catalog:
            assert catalog.count(Query()) == 25 * writers
            assert dict(catalog.distinct(Query(), "writer")) == dict.fromkeys(range(writers), 25)

    def test_a_lock_is_waited_for_and_then_named(
        self, path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who finds it locked for too long is told where, and works on when it is free."""
        monkeypatch.setattr(sql_engine, "PATIENCE", 0.2)
        with (
            closing(open_catalog(f"sqlite:///{path}")) as impatient,
            closing(sqlite3.connect(path, isolation_level=None)) as holder,
        ):
            holder.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreBusyError, match=r"catalog\.sqlite is locked by another process"):
                impatient.insert(make_record("a"))
            assert impatient.count(Query()) == 0  # readers are not kept out
            holder.execute("ROLLBACK")
            impatient.insert(make_record("a"))
            assert impatient.count(Query()) == 1


class TestFaults:
    """What goes wrong is told, leaves nothing, and the catalog works on."""

    @pytest.mark.parametrize("table", ["run", "term", "lineage"])
    def test_an_interrupt_at_each_step(self, catalog: Catalog, table: str) -> None:
        """Ctrl-C within the transaction leaves nothing of the run, and the lock is free."""

        def interrupt(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
            if statement.startswith(f"INSERT INTO {table} "):
                raise KeyboardInterrupt

        event.listen(catalog._engine, "after_cursor_execute", interrupt)
        with pytest.raises(KeyboardInterrupt):
            catalog.insert(make_record("a", parents=("p",)))
        event.remove(catalog._engine, "after_cursor_execute", interrupt)
        assert catalog.count(Query()) == 0
        catalog.insert(make_record("a"))
        assert catalog.with_prefix("") == ["a"]
        assert catalog.children("p") == []

    def test_a_real_interrupt(self, path: Path) -> None:
        """A process that gets SIGINT at some instant leaves only whole runs, and ends as interrupted."""
        code = textwrap.dedent("""
            import signal, sys
            from analysis_store.catalogs import open_catalog
            from analysis_store.testing.catalogs import make_record
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is born deaf to it
            catalog = open_catalog("sqlite:///" + sys.argv[1])
            for number in range(100_000):
                catalog.insert(make_record(str(number), float(number), number=number, parents=("p",)))
                print(number, flush=True)
        """)
        with subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdout is not None
            for _ in range(20):
                process.stdout.readline()
            process.send_signal(signal.SIGINT)
            told = 20 + len(process.stdout.read().split())
            assert process.wait(60) != 0
        with closing(open_catalog(f"sqlite:///{path}")) as catalog:
            there = catalog.count(Query())
            assert told <= there <= told + 1
            assert len(catalog.children("p")) == there == catalog.count(Query.parse({"number": {"$exists": True}}))

    def test_a_full_disk(self, path: Path) -> None:
        """A file that may not grow is a clear error; afterwards the catalog reads, and writes when it may again."""
        code = textwrap.dedent("""
            import resource, signal, sys
            from analysis_store.catalogs import open_catalog
            from analysis_store.catalogs.query.query import Query
            from analysis_store.errors import StoreBusyError, StoreWriteError
            from analysis_store.testing.catalogs import make_record
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            catalog = open_catalog("sqlite:///" + sys.argv[1])
            catalog.insert(make_record("before"))
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
            try:
                catalog.insert(make_record("huge", text="x" * 1_000_000))
            except StoreBusyError:
                raise SystemExit("busy")
            except StoreWriteError as error:
                assert sys.argv[1] in str(error), error
            else:
                raise SystemExit("no error")
            assert catalog.with_prefix("") == ["before"]
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            catalog.insert(make_record("huge", text="x" * 1_000_000))
            assert catalog.count(Query()) == 2
            print("usable")
        """)
        done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
        assert (done.stdout.strip(), done.stderr) == ("usable", "")

    def test_a_read_only_database(self, path: Path, catalog: Catalog) -> None:
        """Writing is an error that says so; reading works, and writing too once it may."""
        catalog.insert(make_record("a"))
        with catalog._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA query_only=ON")
        with pytest.raises(StoreWriteError, match=r"catalog\.sqlite cannot be used.*readonly"):
            catalog.insert(make_record("b"))
        assert catalog.with_prefix("") == ["a"]
        with catalog._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA query_only=OFF")
        catalog.insert(make_record("b"))

    def test_a_damaged_database(self, path: Path, catalog: Catalog) -> None:
        """Bytes that were overwritten are told from a full disk, with what to do."""
        for number in range(50):
            catalog.insert(make_record(str(number), number=number, text="x" * 500))
        catalog.close()
        content = path.read_bytes()
        path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
        with pytest.raises(DamagedFileError, match="rebuild it"), closing(open_catalog(f"sqlite:///{path}")) as damaged:
            damaged.search(Query.parse(number=3))

    @pytest.mark.parametrize("uid", ["a\0b", "\ud800"])
    def test_names_that_no_database_can_hold(self, catalog: Catalog, uid: str) -> None:
        """They are refused as what they are, in any field."""
        for record in (make_record(uid), make_record("ok", parents=(uid,))):
            with pytest.raises(InvalidDocumentError, match="NUL or half a surrogate"):
                catalog.insert(record)
        assert catalog.count(Query()) == 0


SMALL = {"ENOUGH": 400, "FEW": 40, "PATIENCE": 6, "FEW_VALUES": 8}
"""What a search goes by, in the small form of the tests: a slice of 400 entries is a long one."""


class Big(NamedTuple):
    """A catalog in which some slices of the index are long."""

    catalog: Catalog
    runs: list[RunRecord]
    """All of them, newest first."""


@pytest.fixture(scope="module", params=["small", pytest.param("whole", marks=pytest.mark.slow)])
def big(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Big]:
    """Give the catalog, small with all that a search goes by made small, too; or as large as it takes."""
    path = tmp_path_factory.mktemp("big") / "catalog.sqlite"
    with pytest.MonkeyPatch.context() as patch, closing(open_catalog(f"sqlite:///{path}")) as catalog:
        if request.param == "small":
            for name, value in SMALL.items():
                patch.setattr(f"analysis_store.catalogs.sql.search.{name}", value)
            patch.setattr("analysis_store.catalogs.sql.values.FEW_VALUES", SMALL["FEW_VALUES"])
            patch.setattr("analysis_store.catalogs.sql.conditions.FEW_POINTS", 2)
            patch.setattr("analysis_store.catalogs.sql.conditions.MOST_VALUES", 10)
        build(500 if request.param == "small" else ENOUGH + PATIENCE + 2000, path)
        yield Big(catalog, catalog.search(Query()))


def pool(size: int) -> list[Any]:
    """Return conditions of all sorts on a catalog of so many runs; numbers and short words are few, uids are many."""
    most = int(0.9 * size)
    return [
        {"temperature": {"$gt": 100}},
        {"temperature": {"$not": {"$gt": 100}}},
        {"scan_id": {"$lt": most}},
        {"scan_id": {"$gte": 5, "$lt": most}, "element": "Fe"},
        {"scan_id": {"$lt": most // 2}, "temperature": {"$lt": 450}},
        {"scan_id": {"$lt": most // 2}, "time": {"$gt": 1.7e9 + most}},
        {"temperature": {"$exists": True}, "scan_id": {"$lt": 30}},
        {"temperature": {"$exists": False}},
        {"uid": {"$regex": "^0"}},
        {"uid": {"$regex": "(?i)^0A"}},
        {"uid": {"$regex": "^00?a"}},
        {"uid": {"$regex": "no uid"}},
        {"uid": {"$contains": "0f"}},
        {"uid": {"$regex": "f"}, "scan_id": {"$lt": most // 2}},
        {"uid": {"$regex": "[a-f]"}, "scan_id": 7},
        {"sample.name": {"$regex": "17$"}},
        {"sample.name": {"$not": {"$regex": "[1-8]"}}},
        {"note": {"$contains": "annealed batch 7"}},
        {"scan_id": {"$in": list(range(0, most, 7))}},
        {"element": {"$in": ["Fe", "Ni", "Cu", "Co", "Mn", "Cr", "V", "Ti", "Zn"]}},
        {"detectors": {"$contains": "eiger"}},
        {"$or": [{"temperature": {"$lt": 1}}, {"scan_id": {"$gt": 100}}]},
        {"$or": [{"scan_id": 17}, {"scan_id": 99, "element": {"$exists": True}}, {"element": "Uuo"}]},
        {"$or": [{"uid": {"$regex": "^00"}}, {"$and": [{"scan_id": {"$lt": 9}}, {"element": "Fe"}]}]},
        {"$or": [{"scan_id": 3}, {"element": {"$ne": "Fe"}}]},
    ]


class TestLongSlices:
    """Where hits are so many that they are walked, not sorted: the answers are the same."""

    @pytest.mark.parametrize("number", range(len(pool(0))))
    def test_the_first_page_and_the_last(self, big: Big, number: int) -> None:
        """Pages and counts are those of judging every run."""
        same(big, pool(len(big.runs))[number])

    def test_any_two_conditions(self, big: Big) -> None:
        """So they are where two conditions are joined in any way."""
        asked, chance = pool(len(big.runs)), random.Random(0)
        for _ in range(40 if len(big.runs) < ENOUGH else 3):
            one, other = chance.sample(asked, 2)
            neither, without = {"$not": {"$or": [one, other]}}, {"$and": [one, {"$not": other}]}
            same(big, chance.choice([{"$and": [one, other]}, {"$or": [one, other]}, neither, without]))

    def test_distinct(self, big: Big) -> None:
        """Counting by value in the database is counting by value in the documents."""
        everything = dict(big.catalog.distinct(Query(), "element"))
        assert everything == dict(big.catalog.distinct(Query.parse({"uid": {"$regex": "."}}), "element"))
        assert everything == Counter(run.start["element"] for run in big.runs)

    @pytest.mark.parametrize("big", [pytest.param("whole", marks=pytest.mark.slow)], indirect=True)
    def test_a_page_reads_no_more_than_it_shows(self, big: Big) -> None:
        """Frequent hits are found among the newest runs: the database takes thousands of steps, not millions."""
        for asked in ({"element": "Fe"}, {"temperature": {"$gt": 20}}, {"element": {"$ne": "Fe"}}, {}):
            assert steps_of(big.catalog, asked) < 100

    def test_no_page_reads_every_document(self, big: Big) -> None:
        """Rare hits are found by the index: of a pattern, of an alternative, of old runs."""
        size = len(big.runs)
        rare = (
            {"uid": {"$regex": big.runs[-1].uid[3:20]}},
            {"uid": {"$contains": big.runs[-1].uid[3:20]}},
            {"uid": {"$regex": f"^{big.runs[-1].uid[:9]}"}},
            {"$or": [{"scan_id": 1}, {"scan_id": 2}]},
            {"scan_id": {"$lt": size // 2}, "uid": {"$regex": "no uid"}},
        )
        for asked in rare:
            assert documents_of(big.catalog, asked) < size / 5, asked


def same(big: Big, asked: Any) -> None:
    """Assert that a search gives what judging every run gives."""
    query = Query.parse(asked)
    expected = [run.uid for run in big.runs if query.matches(run.start, run.stop)]

    def page(offset: int = 0, sort: Any = (("time", -1),)) -> list[str]:
        return [run.uid for run in big.catalog.search(query, offset=offset, limit=5, sort=sort)]

    assert page() == expected[:5], asked
    assert page(sort=[("time", 1)]) == expected[::-1][:5], asked
    last = max(0, len(expected) - 3)
    assert page(last) == expected[last:], asked
    assert big.catalog.count(query) == len(expected), asked
    assert [big.catalog.count(query, most) for most in (3, 450)] == [min(most, len(expected)) for most in (3, 450)], (
        asked
    )


def steps_of(catalog: Catalog, asked: Any) -> int:
    """Return how many hundreds of steps the database takes for the first ten hits."""
    with catalog._engine.connect() as connection:  # type: ignore[attr-defined]
        steps: list[None] = []
        search = Search(connection, Query.parse(asked))
        driver = connection.connection.driver_connection
        driver.set_progress_handler(lambda: steps.append(None), 100)
        try:
            assert len(search.ids([], 0, 10)) == 10
        finally:
            driver.set_progress_handler(None, 0)
    return len(steps)


def documents_of(catalog: Catalog, asked: Any) -> int:
    """Return how many documents are read for the first ten hits."""
    read = Counter[str]()

    def counted(text: str) -> Any:
        read["documents"] += 1
        return read_json(text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("analysis_store.catalogs.sql.search.read_json", counted)
        catalog.search(Query.parse(asked), limit=10)
    return read["documents"]


class TestResults:
    """The results of a key, which every computation asks for first."""

    def test_the_index_answers(self, catalog: Catalog) -> None:
        """The statement walks no table: it seeks in the index of terms, and its rows by their ids."""
        with catalog._engine.connect() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {catalog._results}", (1, b"", 10)).all()
        steps = [row[-1] for row in plan]
        assert not [step for step in steps if step.startswith("SCAN") and step != "SCAN d"]
        assert any("SEARCH term USING PRIMARY KEY (place=? AND value=?)" in step for step in steps)

    def test_notes_are_found_by_index(self, catalog: Catalog) -> None:
        """A run that was reused a million times tells as fast whether it was retracted."""
        with catalog._engine.connect() as connection:
            asked = "SELECT body FROM note WHERE uid = 'a' AND kind = 'retracted' ORDER BY time"
            (row,) = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}").all()
        assert "USING INDEX note_uid (uid=? AND kind=?)" in row[-1]

    def test_only_what_may_be_lost_is_not_waited_for(self, catalog: Catalog) -> None:
        """What need not be durable lets the next commit be as durable as ever."""
        modes = []
        with event_listening(catalog, modes):
            catalog.add_notes([Note("a", "reuse", 1.0, "ann@bl7")], durable=False)
            catalog.insert(make_record("a"))
            catalog.insert(make_record("b"), durable=False)
            catalog.add_notes([Note("a", "retracted", 1.0, "ann@bl7")])
        assert modes == [1, 2, 1, 2]


@contextmanager
def event_listening(catalog: Catalog, modes: list[int]) -> Iterator[None]:
    """Write down how durable each commit is, as the database itself says it."""

    def note_mode(connection: Any) -> None:
        modes.append(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())

    event.listen(catalog._engine, "commit", note_mode)
    try:
        yield
    finally:
        event.remove(catalog._engine, "commit", note_mode)

"""Damage inside the file of a SQLite catalog: whoever asks gets an error of ours, and reindex gives all of it back."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from analysis_store import AnalysisStore
from analysis_store.catalogs.query.query import Query
from analysis_store.catalogs.sql.sqlite_damage import damage_of
from analysis_store.errors import AnalysisStoreError, DamagedFileError
from analysis_store.trust import reindex
from tests.faults.on_disk import ORIGIN, result
from tests.sweeps import some


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give the folder of a closed store of four runs, of which one has a note."""
    with AnalysisStore(tmp_path / "store") as store:
        for number in range(4):
            store.insert(result(number), {"scan_id": number, "sample": "foil"}, provenance=ORIGIN)
        store.annotate(store[-1].uid, {"quality": "good"})
    return tmp_path / "store"


def changed(folder: Path, *statements: str) -> None:
    """Change a catalog as no page of ours would be; the schema may be written, too."""
    with closing(sqlite3.connect(folder / "catalog.sqlite", isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        for statement in statements:
            connection.execute(statement)


def spoiled(folder: Path, table: str) -> None:
    """Overwrite the page where a table or an index begins, as a disk does."""
    with closing(sqlite3.connect(folder / "catalog.sqlite")) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with (folder / "catalog.sqlite").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(random.Random(0).randbytes(size))


def scan_ids(folder: Path) -> list[int]:
    """Return what the runs of a store say, after a reindex."""
    reindex(folder)
    with AnalysisStore(folder) as store:
        assert store.check()
        return [run.start["scan_id"] for run in store]


@pytest.mark.parametrize("table", ["run", "term", "lineage", "note", "run_uid", "run_time", "lineage_parent"])
def test_a_page_of_garbage(folder: Path, table: str) -> None:
    """Check says that the catalog is damaged, or cannot be asked any more; nobody sees an error of SQLite."""
    spoiled(folder, table)
    with AnalysisStore(folder) as store:
        try:
            faults = store.check(quick=True).faults
        except DamagedFileError as error:
            assert "analysis-store reindex" in str(error)
        else:
            assert "catalog" in [fault.kind for fault in faults]
    assert scan_ids(folder) == [3, 2, 1, 0]


def test_an_index_that_lost_a_run(folder: Path) -> None:
    """Each page is whole, yet a run is not found by its uid: check compares the index with its table."""
    root = "(SELECT rootpage FROM sqlite_master WHERE name = '{}')"
    changed(folder, "CREATE INDEX emptied ON run (uid) WHERE id < 0")
    swapped = f"UPDATE sqlite_master SET rootpage = {root.format('emptied')} WHERE name = 'run_uid'"
    changed(folder, swapped, "DELETE FROM sqlite_master WHERE name = 'emptied'")
    with AnalysisStore(folder) as store:
        assert [fault.kind for fault in store.check(quick=True).faults if fault.subject == "catalog"] == ["catalog"]
    assert scan_ids(folder) == [3, 2, 1, 0]


@pytest.mark.parametrize("name", ["term", "note", "lineage"])
def test_a_table_of_another_name(folder: Path, name: str) -> None:
    """A table whose name was damaged is missing; that is no fault of the disk's space or of a permission."""
    changed(folder, f"UPDATE sqlite_master SET name = 'x', tbl_name = 'x', sql = replace(sql, '{name} (', 'x (') "
            f"WHERE name = '{name}'", f"DELETE FROM sqlite_master WHERE tbl_name = '{name}'")  # fmt: skip
    with (
        AnalysisStore(folder) as store,
        pytest.raises(DamagedFileError, match=rf"(?s)no such table: .*{name}.*reindex"),
    ):
        saved_and_annotated(store)
    assert scan_ids(folder)[-4:] == [3, 2, 1, 0]


def saved_and_annotated(store: AnalysisStore) -> None:
    """Write into every table."""
    run = store.insert(result(), {"scan_id": 4, "parent_uids": [store[-1].uid]}, provenance=ORIGIN)
    store.annotate(run.uid, {"quality": "bad"})


TYPES = {
    "a uid of bytes": "UPDATE run SET uid = X'00ff' WHERE id = 2",
    "a path of bytes": "UPDATE run SET path = X'00ff' WHERE id = 2",
    "a path with a NUL": "UPDATE run SET path = 'files' || char(0) WHERE id = 2",
    "a start of bytes": "UPDATE run SET start = X'00ff' WHERE id = 2",
    "a start that is no text": "UPDATE run SET start = CAST(X'7bff7d' AS TEXT) WHERE id = 2",
    "a start that is a list": "UPDATE run SET start = '[1]' WHERE id = 2",
    "a start that is null": "UPDATE run SET start = 'null' WHERE id = 2",
    "a start cut short": "UPDATE run SET start = substr(start, 1, 50) WHERE id = 2",
    "a stop that is a number": "UPDATE run SET stop = '7' WHERE id = 2",
    "descriptors that are numbers": "UPDATE run SET descriptors = '[7]' WHERE id = 2",
    "a time of text": "UPDATE run SET time = 'noon' WHERE id = 2",
    "a digest of text": "UPDATE run SET terms = 'many' WHERE id = 2",
    "a seal of bytes": "UPDATE run SET seal = X'00ff' WHERE id = 2",
    "a run in the index that is text": "UPDATE term SET run = 'two' WHERE run = 2",
    "a value in the index that is text": "UPDATE term SET value = 'value' || hex(value) WHERE run = 2",
    "a note whose time is text": "UPDATE note SET time = 'noon'",
    "a note that is a list": "UPDATE note SET body = '[]'",
    "a note by bytes": "UPDATE note SET who = X'00ff'",
}


@pytest.mark.parametrize("kind", some(TYPES, 5))
def test_values_of_another_type(folder: Path, kind: str) -> None:
    """Wherever a damaged value is met, the error is ours; and somebody who checks is told."""
    changed(folder, TYPES[kind])
    with AnalysisStore(folder) as store:
        failed = [error for ask in _asked(store) if (error := _error(ask)) is not None]
        assert [error for error in failed if not isinstance(error, AnalysisStoreError)] == []
        assert all("reindex" in str(error) or "check" in str(error) for error in failed)
        try:
            assert not store.check(quick=True)
        except DamagedFileError:
            assert failed
    reindex(folder, scratch=True)
    assert scan_ids(folder) == [3, 2, 1, 0]


def _asked(store: AnalysisStore) -> list[Any]:
    return [
        lambda: [(run.uid, run.start, run.stop, run.descriptors, run.parents, run.notes, run.file) for run in store],
        lambda: [run.verify() for run in store],
        lambda: store.search(sample="foil").table(),
        lambda: store.search({"sample": {"$regex": "f"}})[:2],
        lambda: [run.read() for run in store.search(text="foil")],
        lambda: store.catalog.distinct(Query(), "scan_id"),
        lambda: list(store.catalog.all_notes()),
        lambda: list(store.catalog.paths()),
        store.catalog.check_index,
    ]


def _error(ask: Any) -> Exception | None:
    try:
        ask()
    except Exception as error:
        return error
    return None


def test_what_is_no_damage(folder: Path) -> None:
    """A sound catalog has none, nor has one that is locked, that is not there or that is of an older version."""
    file = folder / "catalog.sqlite"
    assert damage_of(file) is None
    assert damage_of(folder / "nothing.sqlite") is None
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        assert damage_of(file) is None
    changed(folder, "UPDATE alembic_version SET version_num = '0004'", "ALTER TABLE run DROP COLUMN seal")
    assert damage_of(file) is None

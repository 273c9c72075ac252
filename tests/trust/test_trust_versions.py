"""Versions: a store of the first release opens and verifies; what a newer release made is refused, and says so."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import h5py
import pytest

from analysis_store import AnalysisStore
from analysis_store.errors import StoreVersionError
from analysis_store.runs.read.reader import RunFile
from analysis_store.trust.reindexing.reindex import reindex

FIRST = Path(__file__).resolve().parents[1] / "data" / "store-0.1"


@pytest.fixture
def first(tmp_path):
    """A copy of a store that the first release wrote, and what that read of it."""
    copied = shutil.copytree(FIRST, tmp_path / "first")
    for file in (copied / "files").glob("*/*/*/*.h5"):
        file.chmod(0o444)  # which a checkout does not keep
    return copied, json.loads((FIRST / "expected.json").read_text())


def as_json(documents):
    """Return documents as JSON has them."""
    return json.loads(json.dumps(list(documents), default=lambda value: value.tolist()))


def schema(folder):
    """Return the version of the schema of a store's catalog."""
    with closing(sqlite3.connect(folder / "catalog.sqlite")) as connection:
        return connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]


def test_store_of_the_first_release(first):
    """It opens, its catalog is upgraded, every run reads as it did then, verifies and is found."""
    folder, expected = first
    assert schema(folder) == "0001"

    with AnalysisStore(folder) as store:
        assert len(store) == len(expected) == 3
        for told in expected:
            run = store[told["uid"]]
            assert as_json(run.documents(fill=True)) == told["documents"]
            assert run.parents == told["parents"]
            assert run.verify(), str(run.verify())
        assert {run.uid for run in store.search(sample_name="Fe foil")} == {told["uid"] for told in expected[:2]}
        assert [run.uid for run in store.search(text="foil", scan_id=1)] == [expected[0]["uid"]]
        assert store[expected[0]["uid"]].children == [expected[1]["uid"]]
        assert store.check(), str(store.check())
    assert schema(folder) > "0001"


def test_store_of_the_first_release_goes_on(first, origin):
    """It takes new runs, notes and retractions."""
    folder, expected = first
    with AnalysisStore(folder) as store:
        run = store.insert([{"primary": {"x": 1.0}}], {}, provenance=origin)
        store.retract(expected[0]["uid"], "wrong energy")
        assert run.verify()
        assert store[expected[1]["uid"]].retraction.body["because"] == expected[0]["uid"]
        with pytest.warns(UserWarning, match="wrong energy"):
            store[expected[1]["uid"]].read()


def test_catalog_of_the_first_release_made_anew(first):
    """A catalog that is made anew from the files of the first release says what the old one says."""
    folder, expected = first
    with AnalysisStore(folder) as store:
        before = [(run.record, run.children) for run in store]
    (folder / "catalog.sqlite").unlink()

    reindex(folder)

    with AnalysisStore(folder) as store:
        assert [(run.record, run.children) for run in store] == before
        assert len(before) == len(expected)


def test_catalog_of_a_newer_release(store):
    """A second process whose package is older is told which schema is there, which it knows, and what to do."""
    folder = Path(store.location)
    store.close()
    with closing(sqlite3.connect(folder / "catalog.sqlite")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()

    script = "import sys, analysis_store; analysis_store.AnalysisStore(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "StoreVersionError" in done.stderr
    assert "'9999'" in done.stderr
    assert "upgrade analysis_store" in done.stderr


def test_settings_of_a_newer_release(store):
    """The error names both versions and what to do."""
    folder = Path(store.location)
    store.close()
    settings = folder / "analysis_store.toml"
    settings.write_text(settings.read_text().replace('layout = "2"', 'layout = "3"'))

    with pytest.raises(StoreVersionError, match=r"layout 3, .* up to 2; update analysis_store"):
        AnalysisStore(folder)


@pytest.fixture
def newer(store, origin):
    """A run whose file says that it has a layout of the future."""
    run = store.insert([{"primary": {"x": 1.0}}], {}, provenance=origin)
    run.file.chmod(0o644)
    with h5py.File(run.file, "r+") as file:
        file.attrs["analysis_store_layout"] = "3"
    return store[run.uid]


def test_file_of_a_newer_release(newer):
    """A run file of a later layout is not half understood: reading it names both versions and what to do."""
    with pytest.raises(StoreVersionError, match=r"layout '3', .* up to 2; update analysis_store"):
        newer.read()
    with pytest.raises(StoreVersionError, match="update analysis_store"):
        RunFile(newer.file).record("x")


def test_check_and_a_file_of_a_newer_release(store, newer):
    """Checking a store that holds one names it, and goes on."""
    report = store.check()

    assert not report
    assert [finding.subject for finding in report.faults] == [newer.uid]
    assert "update analysis_store" in str(report)
    assert not newer.verify()


def test_note_of_a_newer_release(store, origin):
    """A note with a field more than this package knows does not hide the others, nor keep a catalog from being made."""
    run = store.insert([{"primary": {"x": 1.0}}], {}, provenance=origin)
    store.annotate(run.uid, {"grade": "A"})
    log = next((store.root / "notes").glob("*.jsonl"))
    entry = json.loads(log.read_text())
    with log.open("a") as file:
        file.write(json.dumps({**entry, "kind": "praise", "colour": "green", "time": entry["time"] + 1}) + "\n")
    folder = Path(store.location)
    store.close()
    (folder / "catalog.sqlite").unlink()

    reindex(folder)

    with AnalysisStore(folder) as opened:
        assert [note.kind for note in opened[run.uid].notes] == ["annotation", "praise"]

"""Files of layout 1, in which names were stored as they are, do all that they did."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import pytest

from analysis_store import AnalysisStore, Policy, Provenance
from analysis_store.exchange import read_export
from analysis_store.recorder import recorded
from analysis_store.testing.equality import assert_identical
from analysis_store.trust.reindexing.reindex import reindex

FIRST = Path(__file__).resolve().parents[1] / "data" / "store-layout-1"
OPEN = Policy(require_inputs=False, require_code=False)


def make() -> Any:
    """Return the module that made the store, which knows the values."""
    spec = importlib.util.spec_from_file_location("make_layout_1", FIRST / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MAKE = make()
TOLD = json.loads((FIRST / "expected.json").read_text())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the store."""
    copied = shutil.copytree(FIRST, tmp_path / "first")
    for file in (copied / "files").glob("*/*/*/*.h5"):
        file.chmod(0o444)  # which a checkout does not keep
    return copied


def assert_all_there(store: AnalysisStore) -> None:
    """Fail where a value, a document or a digest is not what it was."""
    for told in TOLD.values():
        run = store[told["uid"]]
        assert json.loads(json.dumps(list(run.documents()), default=lambda value: value.tolist())) == told["documents"]
        assert run.verify(), str(run.verify())
        with h5py.File(run.file) as file:
            assert file.attrs["analysis_store_layout"] == "1"
    for name, streams in MAKE.kinds().items():
        run = store[TOLD[name]["uid"]]
        for stream, columns in streams.items():
            for key, values in columns.items():
                assert_same(list(run[stream][key]), values, f"{name}/{stream}/{key}")
    recording = recorded(store[TOLD["recorded"]["uid"]])
    for key, values in MAKE.RECORDED.items():
        assert_same(list(recording[key]), values, key)


def assert_same(found: list[Any], wanted: list[Any], where: str) -> None:
    """Fail where values differ, in type too where they are objects."""
    assert len(found) == len(wanted), where
    for one, other in zip(found, wanted, strict=True):
        if type(other) in (int, float, bool, str):  # of a column: NumPy's
            assert one == other, where
        else:
            assert_identical(other, one)


def test_it_reads_verifies_and_checks(folder: Path) -> None:
    """Every value of every kind, under the name it had."""
    with AnalysisStore(folder) as store:
        assert len(store) == len(TOLD) == 10
        assert_all_there(store)
        report = store.check()
        assert report, str(report)


def test_its_catalog_is_made_anew(folder: Path) -> None:
    """From the files alone."""
    (folder / "catalog.sqlite").unlink()
    reindex(folder)

    with AnalysisStore(folder) as store:
        assert_all_there(store)


def test_it_goes_on(folder: Path, origin: Provenance) -> None:
    """New runs have layout 2 and lie beside the others, of which nothing is changed."""
    with AnalysisStore(folder) as store:
        before = {path: path.read_bytes() for path in folder.glob("files/*/*/*/*.h5")}
        new = store.insert([{"my stream": {"a-b": 1, "a_b": 2}}], {}, provenance=origin)
        with h5py.File(new.file) as file:
            assert file.attrs["analysis_store_layout"] == "2"
        assert (new["my stream"]["a-b"][0], new["my stream"]["a_b"][0]) == (1, 2)
        assert store.check(), str(store.check())
        assert all(path.read_bytes() == held for path, held in before.items())


@pytest.mark.parametrize("way", ["bundle", "sync"])
def test_it_goes_into_another_store(folder: Path, tmp_path: Path, way: str) -> None:
    """By a bundle, or at once; the files stay as they are."""
    with AnalysisStore(folder) as store, AnalysisStore(tmp_path / "other", policy=OPEN) as other:
        if way == "bundle":
            store.dump(list(store), tmp_path / "all.zip")
            other.load(tmp_path / "all.zip")
        else:
            other.sync(store)

        assert len(other) == len(TOLD)
        assert_all_there(other)
        assert other.check(), str(other.check())


@pytest.mark.parametrize("name", TOLD)
def test_it_is_exported(folder: Path, name: str) -> None:
    """A run file is an export as it is."""
    with AnalysisStore(folder) as store:
        run = store[TOLD[name]["uid"]]
        export = read_export(run.file)
        assert set(export.streams) == set(run)
        for stream in run:
            assert set(export.streams[stream]) == set(run[stream])


@pytest.mark.parametrize("stored", ["a-b", "a_b", "time_"])
def test_a_changed_value_is_found(folder: Path, stored: str) -> None:
    """Under the name that it has in a file of layout 1."""
    with AnalysisStore(folder) as store:
        run = store[TOLD["names"]["uid"]]
        run.file.chmod(0o644)
        with h5py.File(run.file, "r+") as file:
            file[f"entry/my stream/{stored}"][1] += 1
        assert f"key '{stored.rstrip('_')}'" in str(run.verify())

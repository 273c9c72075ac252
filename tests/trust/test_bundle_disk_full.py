"""A disk that is full while runs are packed or taken: an error that says so, and nothing stays by halves."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from analysis_store import AnalysisStore
from analysis_store.errors import StoreWriteError
from tests.faults.on_disk import ORIGIN, assert_whole, result
from tests.store.test_disk_full import largest_file


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle of two small runs and, in between, a large one; a second one of them has exactly its size."""
    # When a bundle was made is a number of 15 to 17 digits, and here a byte counts.
    monkeypatch.setattr(time, "time", lambda: 1789000000.25)
    with AnalysisStore(tmp_path / "origin") as store:
        for size in (100, 60_000, 100):
            store.insert(result(1, size), {}, provenance=ORIGIN)
        store.dump({}, tmp_path / "bundle.zip")
    return tmp_path / "bundle.zip"


@pytest.mark.parametrize("missing", [1, 30, 1000, 20_000, 500_000])
def test_a_dump(tmp_path: Path, bundle: Path, missing: int) -> None:
    """However little is missing, it names the bundle, and nothing of it stays."""
    target = tmp_path / "out" / "again.zip"
    size = bundle.stat().st_size
    with (
        AnalysisStore(tmp_path / "origin") as store,
        largest_file(size - missing),
        pytest.raises(StoreWriteError, match=r"could not write .*again\.zip"),
    ):
        store.dump({}, target)
    assert not target.parent.exists()


def test_a_load(tmp_path: Path, bundle: Path) -> None:
    """Names the file; the runs before it are whole, of the one that did not fit nothing stays; again completes it."""
    with AnalysisStore(tmp_path / "target") as store:
        with largest_file(400_000), pytest.raises(StoreWriteError, match=r"could not write .*\.h5"):
            store.load(bundle)
        there = assert_whole(store, tmp_path / "target")
        assert len(there) < 3
        assert {path.stem for path in store.root.rglob("*.h5")} == there
        assert list(store.root.rglob("*.part")) == []
        store.load(bundle)
        assert len(assert_whole(store, tmp_path / "target")) == 3

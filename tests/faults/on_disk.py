"""What the tests of faults share: results to save, and a look at what is left on the disk."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from analysis_store import AnalysisStore, Code, Provenance

ORIGIN = Provenance(
    origin="synthetic",
    note="a test of faults",
    code=Code("faults", version="1.0", url="https://example.org/faults"),
)


def result(number: int = 0, size: int = 1000) -> list[dict[str, Any]]:
    """Return two events of data: a number, a text and an array that lies in the run file."""
    return [{"primary": {"n": number, "text": "é", "x": np.arange(size) + number + event}} for event in range(2)]


def rows(location: Path) -> dict[str, int]:
    """Return how many rows each table of the catalog has, read by SQLite alone."""
    with closing(sqlite3.connect(location / "catalog.sqlite")) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}


def listing(location: Path) -> dict[str, int]:
    """Return every path below a folder with its size, folders with -1.

    The files of the catalog are left out: SQLite writes to its log when it likes. Their rows stand for them.
    """
    found = {
        str(path.relative_to(location)): -1 if path.is_dir() else path.stat().st_size
        for path in sorted(location.rglob("*"))
        if not path.name.startswith("catalog.sqlite")
    }
    return found | {f"rows of {name}": count for name, count in rows(location).items()}


def run_files(location: Path) -> set[str]:
    """Return the uids of the run files that have their final name."""
    return {path.stem for path in (location / "files").rglob("*.h5")}


def scratch_files(location: Path) -> list[Path]:
    """Return whatever is neither a run file, nor the catalog, nor settings, nor a list of packages."""
    known = ("catalog.sqlite", "analysis_store.toml")
    return [
        path
        for path in location.rglob("*")
        if path.is_file()
        and not path.name.startswith(known)
        and path.suffix != ".h5"
        and path.parent.name != "environments"
    ] + list((location / "files" / "environments").glob("*.part"))


def assert_whole(store: AnalysisStore, location: Path, *, checked: set[str] | None = None) -> set[str]:
    """Assert that every run of a store can be read and is what it was; return their uids.

    Those in ``checked`` have been read before, and are not read again.
    """
    uids = set()
    for run in store:
        assert run.uid not in uids, "a run that is told twice"
        uids.add(run.uid)
        if run.uid not in (checked or ()):
            report = run.verify()
            assert report, str(report)
            assert run.stop is not None
    assert uids <= run_files(location)
    return uids


def assert_works(store: AnalysisStore) -> None:
    """Assert that a result can be saved, found and read back."""
    run = store.insert(result(7), {"sample_name": "afterwards"}, provenance=ORIGIN)

    assert run.uid in [found.uid for found in store.search(sample_name="afterwards")]
    assert run.verify()
    np.testing.assert_array_equal(np.arange(1000) + 8, run["primary"]["x"][1])

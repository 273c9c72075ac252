"""Links in the place of our files: nothing outside the root is read or written, whichever way somebody comes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis_store import AnalysisStore, Provenance
from analysis_store.errors import AnalysisStoreError, DamagedFileError, UnsafeFileError
from analysis_store.exchange import export
from analysis_store.handlers.arrays import ArrayHandler
from analysis_store.recorder import RunDataStore
from analysis_store.recorder.run.live_runs import live_runs, recover
from analysis_store.roots import check_opened, open_inside, root_of
from analysis_store.runs.notes.notes import month_log
from analysis_store.runs.notes.removal_records import LOCK, tombstone_path
from analysis_store.runs.read.run import Run
from analysis_store.runs.write.packages import packages_path, read_packages

DATA = [{"primary": {"n": 1.5, "image": np.arange(400.0).reshape(20, 20)}}]


@pytest.fixture
def run(store: AnalysisStore, origin: Provenance) -> Run:
    """A run with a value in its documents, and one in its file alone."""
    return store.insert(DATA, {"sample_name": "Fe"}, provenance=origin)


def moved_out(path: Path, outside: Path) -> Path:
    """Put a link in the place of a file or folder, which goes elsewhere; return where."""
    outside.mkdir(exist_ok=True)
    target = outside / path.name
    shutil.move(path, target)
    path.symlink_to(target)
    return target


READS: dict[str, Callable[[AnalysisStore, Run, Path], Any]] = {
    "read": lambda store, run, _: store[run.uid].read(),
    "checked": lambda store, run, _: store.read_checked(run.uid),
    "stream": lambda store, run, _: store[run.uid]["primary"].read(),
    "inline": lambda store, run, _: store[run.uid]["primary"]["n"][0],
    "slice": lambda store, run, _: store[run.uid]["primary"]["image"][0, :3],
    "dask": lambda store, run, _: store[run.uid]["primary"]["image"].to_dask().compute(),
    "documents": lambda store, run, _: list(store[run.uid].documents(fill=True)),
    "handler": lambda _, run, __: ArrayHandler(run.file, "/entry/primary/image")(0),
    "export": lambda store, run, out: export(store[run.uid], out / "out.nxs", format="nexus"),
    "bundle": lambda store, _, out: store.dump({}, out / "out.zip"),
    "adopt": lambda store, run, _: store.adopt(run.file),
}


@pytest.mark.parametrize("way", READS)
@pytest.mark.parametrize("above", [0, 1, 3], ids=["file", "day", "year"])
def test_run_file(store: AnalysisStore, run: Run, tmp_path: Path, way: str, above: int) -> None:
    """A run file that is a link, or that a folder which is one leads to, is not read."""
    moved_out([run.file, *run.file.parents][above], tmp_path / "outside")

    with pytest.raises((UnsafeFileError, DamagedFileError), match="link"):
        READS[way](store, run, tmp_path)
    assert not (tmp_path / "out.zip").exists()
    assert not (tmp_path / "out.nxs").exists()
    assert not run.verify()
    assert [finding.kind for finding in store.check().faults] == ["unsafe"]


def test_values_that_were_asked_for_before(store: AnalysisStore, run: Run, tmp_path: Path) -> None:
    """Whoever holds a column reads no link that came in the place of the file since."""
    column = run["primary"]["image"]
    assert column.shape == (1, 20, 20)
    moved_out(run.file, tmp_path / "outside")

    for use in (lambda: column[0, 3], column.read, column.digest):
        with pytest.raises(UnsafeFileError, match="is a link"):
            use()


def test_link_that_stays_inside(store: AnalysisStore, run: Run, origin: Provenance) -> None:
    """A link to another run file is none the better."""
    other = store.insert(DATA, {}, provenance=origin)
    run.file.unlink()
    run.file.symlink_to(other.file)

    with pytest.raises(UnsafeFileError, match="is a link"):
        store[run.uid].read()
    assert other.read()["n"][0] == 1.5


def test_root_that_is_a_link(tmp_path: Path, origin: Provenance) -> None:
    """The root itself, or a folder above it, may be a link: whoever made the store has chosen that."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    for location in (tmp_path / "link", tmp_path / "link" / "below"):
        with AnalysisStore(location) as store:
            run = store.insert(DATA, {}, provenance=origin)
            assert run.read()["image"].shape == (1, 20, 20)
            assert store.check()
    with AnalysisStore(tmp_path / "disk") as store:
        assert store[0 - 1].verify()


def test_pipe(store: AnalysisStore, run: Run) -> None:
    """A pipe in the place of a run file is not waited for."""
    run.file.unlink()
    os.mkfifo(run.file)

    with pytest.raises(UnsafeFileError, match="not an ordinary file"):
        store[run.uid].read()
    assert [finding.kind for finding in store.check().faults] == ["unsafe"]


def test_file_that_is_exchanged_while_it_is_opened(store: AnalysisStore, run: Run, origin: Provenance) -> None:
    """What was opened is compared with what is at the path."""
    other = store.insert(DATA, {}, provenance=origin)
    file = os.open(other.file, os.O_RDONLY)
    try:
        check_opened(other.file, file)
        with pytest.raises(UnsafeFileError, match="was replaced while it was opened"):
            check_opened(run.file, file)
    finally:
        os.close(file)


def test_what_lies_under_no_root(tmp_path: Path) -> None:
    """Files of others may be reached by links."""
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "file")

    assert root_of(tmp_path / "link") is None
    with os.fdopen(open_inside(tmp_path / "link")) as file:
        assert file.read() == "content"


def test_way_out_of_the_root(store: AnalysisStore, run: Run) -> None:
    """Names that lead up are refused, wherever they lead to."""
    with pytest.raises(UnsafeFileError, match="leads out"):
        open_inside(f"{run.file.parent}/../../../../analysis_store.toml")


# -------------------------------------------------------------------------------------------------- writing


def test_save_into_a_folder_that_is_a_link(store: AnalysisStore, run: Run, origin: Provenance, tmp_path: Path) -> None:
    """Nothing is saved to where nobody would read it from."""
    target = moved_out(run.file.parent, tmp_path / "outside")
    before = sorted(target.iterdir())

    with pytest.raises(UnsafeFileError, match="link"):
        store.insert(DATA, {}, provenance=origin)
    assert sorted(target.iterdir()) == before
    assert len(store) == 1


def planted(path: Path, outside: Path) -> Path:
    """Put a link in the place of a file that is there, or might be; return to what it leads."""
    outside.mkdir()
    target = outside / "secret"
    target.write_bytes(b'{"secret": "of somebody else"}\n')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    return target


def test_log_of_notes(store: AnalysisStore, run: Run, tmp_path: Path) -> None:
    """A note goes to no other file, and none is read; the check tells of the link and goes on."""
    note = store.note(run.uid, "seen", {})
    target = planted(month_log(store.root, note.time), tmp_path / "outside")

    with pytest.raises(UnsafeFileError, match="is a link"):
        store.note(run.uid, "seen", {})
    assert target.read_bytes() == b'{"secret": "of somebody else"}\n'
    report = store.check()
    assert {"link", "unlogged"} <= {finding.kind for finding in report.findings}
    assert "secret" not in str(report).replace(str(target), "")


def test_lock(store: AnalysisStore, run: Run, tmp_path: Path) -> None:
    """Whoever takes a lock writes into it: into no other file."""
    target = planted(store.root / LOCK, tmp_path / "outside")

    with pytest.raises(UnsafeFileError, match="is a link"):
        store.delete(run.uid, "a test", dry_run=False)
    assert target.read_bytes() == b'{"secret": "of somebody else"}\n'


def test_list_of_packages(store: AnalysisStore, run: Run, tmp_path: Path) -> None:
    """What was installed is told by our files alone."""
    digest = run.start["provenance"]["environment"]["digest"]
    planted(packages_path(store.root, digest), tmp_path / "outside")

    with pytest.raises(UnsafeFileError, match="is a link"):
        read_packages(store.root, digest)


def test_tombstone(store: AnalysisStore, tmp_path: Path) -> None:
    """A link says of no run that it was deleted."""
    planted(tombstone_path(store.root, "gone"), tmp_path / "outside")

    with pytest.raises(AnalysisStoreError, match="is a link"):
        store["gone"]


def test_recording(store: AnalysisStore, tmp_path: Path) -> None:
    """A recording that is a link is neither read nor ended nor gone on with; the others are."""
    for name in ("one", "two"):
        code = (
            "import os; from analysis_store import AnalysisStore, Provenance; "
            "from analysis_store.recorder import RunDataStore; "
            f"made = RunDataStore(AnalysisStore({str(tmp_path / 'store')!r}), {{'uid': {name!r}}}, "
            "provenance=Provenance(origin='synthetic', note='a test')); made.append('x', 1.0, 1.0); made.flush(); "
            "os._exit(0)"
        )
        subprocess.run([sys.executable, "-c", code], check=True)
    live = next(store.root.rglob("one.h5.live"))
    before = moved_out(live, tmp_path / "outside").read_bytes()

    with pytest.warns(UserWarning, match="is a link"):
        assert [left.uid for left in live_runs(store)] == ["two"]
    with pytest.raises(UnsafeFileError, match="is a link"):
        recover(store)
    assert [run.uid for run in store] == ["two"]
    assert (tmp_path / "outside" / live.name).read_bytes() == before
    assert {"link", "live"} <= {finding.kind for finding in store.check().findings}


def test_recording_into_a_folder_that_is_a_link(
    store: AnalysisStore, run: Run, origin: Provenance, tmp_path: Path
) -> None:
    """Nothing is recorded to where nobody would read it from."""
    target = moved_out(run.file.parent, tmp_path / "outside")
    before = sorted(target.iterdir())

    with pytest.raises(UnsafeFileError, match="link"):
        RunDataStore(store, {}, provenance=origin)
    assert sorted(target.iterdir()) == before

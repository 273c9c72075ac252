"""Stores read by people who may not write them: as another user, or from a disk that takes no writes."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from analysis_store import AnalysisStore
from analysis_store.catalogs.sql.sqlite_visit import is_visitor
from tests.conformance.old_catalogs import made_by
from tests.faults import visitors
from tests.faults.children import start
from tests.faults.on_disk import ORIGIN, listing, result
from tests.faults.visitors import HOME, as_visitor, on_read_only_mount, visit
from tests.flow_processors import peak

WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
SIDE = ("catalog.sqlite-shm", "catalog.sqlite-wal")


@pytest.fixture
def shared() -> Iterator[Path]:
    """Give a folder that everybody gets to, which is not so of ``tmp_path``."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)
        set_writable(Path(name), True)


@pytest.fixture
def location(shared: Path) -> Path:
    """Give the folder of a closed store with three runs, each from the last."""
    with AnalysisStore(shared / "store") as store:
        add(store, 3)
    return shared / "store"


def add(store: AnalysisStore, number: int) -> None:
    """Save runs, each from the last, with a note."""
    for _ in range(number):
        md = {"sample_name": "Fe"} | ({"parent_uids": [store[-1].uid]} if len(store) else {})
        run = store.insert(result(), md, provenance=ORIGIN)
        store.note(run.uid, "seen", {})


def set_writable(folder: Path, on: bool) -> None:
    """Let everything in a folder be written by its owner, or by nobody; final run files never are."""
    for path in (folder, *folder.rglob("*")):
        if path.exists() and path.suffix != ".h5":
            path.chmod(path.stat().st_mode | stat.S_IWUSR if on else path.stat().st_mode & ~WRITE)


def sides(location: Path) -> list[str]:
    """Return what lies beside the catalog."""
    return [name for name in SIDE if (location / name).exists()]


def test_a_closed_store(location: Path) -> None:
    """It is read whole; nothing is left behind, and nothing in its way."""
    set_writable(location, False)
    before = listing(location)
    assert visit(visitors.read_everything, location) == "3"
    assert listing(location) == before
    assert sides(location) == []
    set_writable(location, True)
    with AnalysisStore(location) as store:
        add(store, 1)
    assert visit(visitors.open_it, location) == "4"


@pytest.mark.slow
def test_a_file_that_is_not_ours_in_a_folder_for_all(location: Path) -> None:
    """Nothing of the visitor's own lies beside the catalog, which its owner could not write then."""
    set_writable(location, False)
    location.chmod(0o777)
    assert visit(visitors.read_everything, location) == "3"
    assert sides(location) == []


@pytest.mark.slow
def test_a_store_that_is_open_elsewhere(location: Path) -> None:
    """What lies in the log alone is seen, too, and what is saved while a visitor is there."""
    with AnalysisStore(location) as store:
        add(store, 2)
        assert sides(location) == list(SIDE)
        set_writable(location, False)
        assert visit(visitors.read_everything, location) == "5"
        set_writable(location, True)
        add(store, 1)
        set_writable(location, False)
        assert visit(visitors.open_it, location) == "6"
        set_writable(location, True)
        add(store, 1)


def die_saving(connection: Connection, location: Path) -> None:
    """Save a run, and die with the store open."""
    store = AnalysisStore(location)
    add(store, 1)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_store_that_somebody_died_with(location: Path) -> None:
    """The log that is left is read; without its index, what to do is said."""
    process, _ = start(die_saving, location)
    process.join()
    assert sides(location) == list(SIDE)
    set_writable(location, False)
    assert visit(visitors.read_everything, location) == "4"
    set_writable(location, True)
    (location / SIDE[0]).unlink()
    set_writable(location, False)
    assert "permission to open the store once" in visit(visitors.open_it, location)
    set_writable(location, True)
    with AnalysisStore(location) as store:
        assert len(store) == 4
    set_writable(location, False)
    assert visit(visitors.open_it, location) == "4"


def test_saving(location: Path) -> None:
    """Every way to change something says that it cannot, before work is done for it, and changes nothing."""
    set_writable(location, False)
    before = listing(location)
    told = visit(visitors.save, location).splitlines()
    assert len(told) == 8
    assert not [line for line in told if "changed something" in line]
    for line in told[:5]:
        assert "catalog.sqlite is read-only for you" in line
        assert "store of your own" in line
    assert listing(location) == before


def test_computing(location: Path) -> None:
    """A result that is there is given; that it was reused is noted nowhere. One that is not is not worked on."""
    with AnalysisStore(location) as store:
        store.compute(peak, store[-1])
    set_writable(location, False)
    before = listing(location)
    assert "Nothing was computed" in visit(visitors.compute, location)
    assert listing(location) == before


@pytest.mark.slow
def test_a_disk_that_takes_no_writes(location: Path) -> None:
    """Root may write everywhere but there."""
    assert not is_visitor(location / "catalog.sqlite")
    assert on_read_only_mount(visitors.read_everything, location) == "3"
    with AnalysisStore(location) as store:
        add(store, 2)
        assert on_read_only_mount(visitors.open_it, location) == "5"


@pytest.fixture
def look(location: Path) -> Callable[[Callable[[], None]], str]:
    """Give what lets somebody look, does something meanwhile, and returns what was seen."""

    def looked(meanwhile: Callable[[], None]) -> str:
        pipe = subprocess.PIPE
        command = as_visitor(visitors.look_while_it_changes, location)
        with subprocess.Popen(command, cwd=HOME, stdin=pipe, stdout=pipe, text=True) as visitor:
            assert visitor.stdout is not None
            assert visitor.stdout.readline() == "looking\n"
            meanwhile()
            answer, _ = visitor.communicate("go on\n", timeout=100)
        return answer.strip()

    return looked


@pytest.mark.slow
def test_it_changes_during_a_look(location: Path, look: Callable[[Callable[[], None]], str]) -> None:
    """What was seen is thrown away and looked for again, unless all that is new lies in a log."""

    def save() -> None:
        set_writable(location, True)
        with AnalysisStore(location) as store:
            add(store, 1)

    set_writable(location, False)
    assert look(save) == "[3, 4]"
    if os.geteuid() == 0:
        with AnalysisStore(location) as store:
            add(store, 1)
            assert look(lambda: add(store, 1)) == "[5]"


def save_and_close(connection: Connection, location: Path) -> None:
    """Open the store for each run that is saved, as commands do."""
    for _ in range(40):
        with AnalysisStore(location) as store:
            add(store, 1)


@pytest.mark.slow
def test_many_save_and_close_meanwhile(location: Path) -> None:
    """No look shows a part of the catalog, none fails, and none keeps the owner from anything."""
    if os.geteuid() != 0:
        pytest.skip("needs two users: one who writes, one who may not; run as root")
    pipe, command = subprocess.PIPE, as_visitor(visitors.follow, location)
    with subprocess.Popen(command, cwd=HOME, stdout=pipe, text=True) as visitor:
        assert visitor.stdout is not None
        assert visitor.stdout.readline() == "looking\n"
        process, _ = start(save_and_close, location)
        process.join()
        answer, _ = visitor.communicate(timeout=100)
    assert (process.exitcode, visitor.returncode, answer) == (0, 0, "done\n")
    with AnalysisStore(location) as store:
        assert len(store) == 43


def test_an_older_version(shared: Path) -> None:
    """A visitor cannot upgrade it, and is told who can; once that was done, it is read."""
    file = shared / "old" / "catalog.sqlite"
    file.parent.mkdir()
    made_by("0001", f"sqlite:///{file}")
    set_writable(file.parent, False)
    told = visit(visitors.open_catalog_of, f"sqlite:///{file}")
    assert told.startswith("StoreVersionError")
    assert "Ask a person with write permission to open it once" in told
    set_writable(file.parent, True)
    with AnalysisStore(f"sqlite:///{file}", root=shared / "files"):
        pass
    set_writable(file.parent, False)
    assert visit(visitors.open_catalog_of, f"sqlite:///{file}") == "1"
    set_writable(file.parent, True)


def test_no_catalog(shared: Path) -> None:
    """An empty file is none; one that may not even be read is named."""
    file = shared / "catalog.sqlite"
    file.touch()
    file.chmod(0o444)
    assert visit(visitors.open_catalog_of, f"sqlite:///{file}").startswith("DamagedFileError")

"""A full disk and a permission that is taken away: a clear error, nothing half-written, the store usable afterwards."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from analysis_store import AnalysisStore
from analysis_store.errors import DamagedFileError, StoreWriteError
from tests.faults.children import call
from tests.faults.on_disk import ORIGIN, assert_whole, assert_works, listing, result
from tests.sweeps import some

NOISE = [{"primary": {"x": np.random.default_rng(1).integers(0, 255, 400_000, dtype="u1")}}]
"""Nothing that could be compressed."""


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let this process write no file larger than ``size`` bytes: a disk that is full at a byte of choice."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def refused_at(location: Path, sizes: list[int], data: object) -> list[int]:
    """Save at every limit; return those at which it was refused, each time without a trace."""
    refused = []
    with AnalysisStore(location) as store:
        store.insert(result(), {}, provenance=ORIGIN)
        for size in sizes:
            before = listing(location)
            try:
                with largest_file(size):
                    store.insert(data, {"limit": size}, provenance=ORIGIN)
            except StoreWriteError as error:
                assert str(location) in str(error), error
                assert "again" in str(error), error
                assert before == listing(location)
                assert not store.search(limit=size)
                refused.append(size)
            else:
                assert store.search(limit=size)[0].verify()
        assert_works(store)
        assert_whole(store, location)
    with AnalysisStore(location) as store:
        assert_works(store)
    return refused


def test_file_size_limit(tmp_path: Path) -> None:
    """The values, the documents behind them, the log of the catalog: wherever the space ends, nothing is left."""
    sizes = [0, 1, 96, 800, 2048, 4095, 4096, 10_000, 100_000, 399_999, 400_000, 403_000, 406_000, 410_000, 10**7]

    refused = call(refused_at, tmp_path, sizes, NOISE)

    assert refused[:11] == sizes[:11]
    assert 10**7 not in refused


def test_file_size_limit_of_the_catalog(tmp_path: Path) -> None:
    """The run file fits, the catalog does not: the file goes again."""
    with AnalysisStore(tmp_path) as store:
        runs = [store.insert(result(0, 17), {}, provenance=ORIGIN) for _ in range(3)]
        largest = max(run.file.stat().st_size for run in runs)

    sizes = [*range(largest + 500, largest + 1000, 100), 10**7]

    assert call(refused_at, tmp_path, sizes, result(0, 17)) == sizes[:-1]


def test_store_made_on_a_full_disk(tmp_path: Path) -> None:
    """A store that cannot be made says so; with space again it can."""
    for size in (0, 100, 4096, 20_000):
        assert call(made_at, tmp_path / str(size), size)


def made_at(location: Path, size: int) -> bool:
    """Tell whether a store was refused at a limit; it must be possible to make it afterwards."""
    refused = False
    try:
        with largest_file(size), AnalysisStore(location):
            pass
    except StoreWriteError as error:
        refused = True
        assert str(location) in str(error)
    leftovers = [path for path in location.rglob("*") if path.name.endswith(".part")]
    assert [] == leftovers
    with AnalysisStore(location) as store:
        assert_works(store)
    return refused


def test_open_run_can_be_closed_again_when_there_is_space(tmp_path: Path) -> None:
    """The events of a long measurement are not lost with the first attempt to save them."""
    call(close_twice, tmp_path)


def close_twice(location: Path) -> None:
    """End an open run and a foreign one on a full disk, and again on one with space."""
    with AnalysisStore(location) as store:
        run = store.new_run({}, provenance=ORIGIN)
        run.event("primary", {"x": 1.0})
        store("start", {"uid": "foreign", "time": 1.0, "provenance": ORIGIN.to_document()})
        stop = {"uid": "s", "time": 2.0, "run_start": "foreign", "exit_status": "success"}
        before = listing(location)
        with largest_file(0):
            for end in (run.close, lambda: store("stop", stop)):
                with pytest.raises(StoreWriteError, match="could not write"):
                    end()
        assert before == listing(location)

        run.close()
        store("stop", stop)

        assert {"success"} == {found.stop["exit_status"] for found in store}
        assert {run.uid, "foreign"} == assert_whole(store, location)


def test_open_run_can_be_closed_again_when_the_catalog_is_sound(tmp_path: Path) -> None:
    """A damaged catalog, too, loses no event of a run that is open."""
    location = tmp_path / "store"
    with AnalysisStore(location) as store:
        run = store.new_run({}, provenance=ORIGIN)
        run.event("primary", {"x": 1.0})
        store("start", {"uid": "foreign", "time": 1.0, "provenance": ORIGIN.to_document()})
        stop = {"uid": "s", "time": 2.0, "run_start": "foreign", "exit_status": "success"}
        rename(store, "term", "away")
        for end in (run.close, lambda: store("stop", stop)):
            with pytest.raises(DamagedFileError, match="catalog"):
                end()
        rename(store, "away", "term")

        run.close()
        store("stop", stop)

        assert {run.uid, "foreign"} == assert_whole(store, location)


def rename(store: AnalysisStore, table: str, name: str) -> None:
    """Rename a table of the catalog."""
    with closing(sqlite3.connect(store.location + "/catalog.sqlite")) as connection:
        connection.execute(f"ALTER TABLE {table} RENAME TO {name}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 3 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    told = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if not told or told.returncode:
        pytest.skip(f"a small tmpfs cannot be mounted here: {told.stderr.strip() if told else 'no mount command'}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_full_disk(small_disk: Path) -> None:
    """A disk with less and less space takes what fits, and of the rest nothing."""
    location, filler = small_disk / "store", small_disk / "filler"
    refused = []
    with AnalysisStore(location) as store:
        store.insert(result(), {}, provenance=ORIGIN)
        for free in (0, 4096, 16_384, 65_536, 200_000, 390_000, 420_000, 600_000):
            before = listing(location)
            fill(filler, free)
            try:
                store.insert(NOISE, {"free": free}, provenance=ORIGIN)
            except StoreWriteError as error:
                assert errno.ENOSPC == error.errno or "full" in str(error)
                refused.append(free)
                assert before == listing(location)
            filler.unlink()
        assert [0, 4096, 16_384, 65_536, 200_000, 390_000] == refused[:6]
        assert_whole(store, location)
        assert_works(store)


def fill(filler: Path, free: int) -> None:
    """Write a file that leaves so many bytes of the disk."""
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError as error:
            assert errno.ENOSPC == error.errno
        file.truncate(max(0, file.tell() - free))


# ---------------------------------------------------------------------------------------------- permissions

NOBODY = 65534


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """Return a folder that every user reaches, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


STEPS = {
    "root": ("files", "could not write .*files.*Permission denied"),
    "year": ("files/{year}", "could not write .*Permission denied"),
    "day": ("files/{day}", "could not write .*Permission denied"),
    "packages": ("files/environments", "could not write .*Permission denied"),
}


@pytest.mark.parametrize("step", STEPS)
def test_permission_taken_from_a_folder(public_folder: Path, step: str) -> None:
    """The error names the file and the reason; with the permission back everything works."""
    call(without_permission, public_folder / "store", *STEPS[step])


def without_permission(location: Path, place: str, message: str) -> None:
    """Take the right to write from a folder, and save."""
    if os.getuid() == 0:  # whom no permission stops
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    with AnalysisStore(location) as store:
        file = store.insert(result(), {}, provenance=ORIGIN).file
        day = file.parent
        for packages in (location / "files" / "environments").iterdir():
            packages.unlink()
        folder = location / place.format(year=day.parent.parent.name, day=day.relative_to(location / "files"))
        if day != folder and place.startswith("files"):  # so that something has to be made in it
            for made in folder.glob("2*" if place == "files" else "[01]*"):
                shutil.rmtree(made)
        before = listing(location)
        folder.chmod(0o555)

        with pytest.raises(StoreWriteError, match=message) as caught:
            store.insert(result(), {}, provenance=ORIGIN)

        assert errno.EACCES == caught.value.errno
        assert before == listing(location)
        folder.chmod(0o755)
        assert_works(store)


def test_permission_taken_from_the_catalog(public_folder: Path) -> None:
    """A catalog that may be read only can be read, or is refused by name."""
    call(without_catalog, public_folder / "store")


def without_catalog(location: Path) -> None:
    """Make the catalog and its folder read-only, and save."""
    if os.getuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    with AnalysisStore(location) as store:
        uid = store.insert(result(), {}, provenance=ORIGIN).uid
    before = listing(location)
    catalog = location / "catalog.sqlite"
    catalog.chmod(0o444)

    with AnalysisStore(location) as store:
        assert store[uid].verify()
        with pytest.raises(StoreWriteError, match=r"catalog\.sqlite is read-only for you, nothing was changed"):
            store.insert(result(), {}, provenance=ORIGIN)
    assert before == listing(location)

    location.chmod(0o555)
    with AnalysisStore(location) as store:
        assert store[uid].verify()
        with pytest.raises(StoreWriteError, match=r"catalog\.sqlite is read-only for you, nothing was changed"):
            store.insert(result(), {}, provenance=ORIGIN)

    location.chmod(0o755)
    for path in (catalog, *location.glob("catalog.sqlite-*")):  # SQLite makes its log with the permissions of the file
        path.chmod(0o644)
    assert before == listing(location)
    with AnalysisStore(location) as store:
        assert_works(store)


def test_store_where_nothing_may_be_made(public_folder: Path) -> None:
    """The folder is named, and stays empty."""
    call(made_without_permission, public_folder)


def made_without_permission(folder: Path) -> None:
    """Make a store in a folder that is not ours."""
    folder.chmod(0o755)
    if os.getuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    else:
        folder.chmod(0o555)
    with pytest.raises(StoreWriteError, match=r"write the store .*: Permission denied. Choose another folder"):
        AnalysisStore(folder / "store")

    assert [] == list(folder.iterdir())


MANY_PARTS = """
import resource, sys
from analysis_store import AnalysisStore, Provenance
from analysis_store.errors import StoreWriteError

data = [{"fits": {"fit": [{"a": n, "b": "x" * n}, None, "y" * 300]}} for n in range(4000)]
with AnalysisStore(sys.argv[1]) as store:
    if len(sys.argv) > 2:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    try:
        store.insert(data, {}, provenance=Provenance(origin="synthetic", note="test"))
    except StoreWriteError:
        print("refused")
"""


def ends_well(*arguments: object) -> bool:
    """Save many small parts in a process of its own, where they are refused; say whether it ended without a crash."""
    done = subprocess.run(
        [sys.executable, "-c", MANY_PARTS, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.stdout == "refused\n", done.stderr
    return done.returncode == 0 and not done.stderr


def test_a_process_that_met_a_full_disk_ends_well(small_disk: Path) -> None:
    """What HDF5 could not write is not tried again, and does not crash it, when the process ends."""
    (small_disk / "ballast").write_bytes(bytes(2_400_000))

    assert ends_well(small_disk / "store")


@pytest.mark.parametrize("limit", some([100_000, 10_000, 200_000], 1))
def test_a_process_that_met_a_limit_ends_well(tmp_path: Path, limit: int) -> None:
    """Also where no file at all may be larger."""
    assert ends_well(tmp_path / "store", limit)

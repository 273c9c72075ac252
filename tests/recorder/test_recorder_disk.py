"""A disk that fills up while values are recorded: who recorded is told, what was flushed is there, it can go on."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis_store.errors import StoreWriteError
from analysis_store.recorder.hdf5.datastore import HDF5DataStore
from tests.faults.children import call
from tests.store.test_disk_full import fill, largest_file, small_disk

__all__ = ["small_disk"]


def record_until_refused(datastore: HDF5DataStore, most: int = 100_000) -> int:
    """Record numbers that count up until one is refused; return how many were not."""
    start = len(datastore.get_all("x")) if datastore.form("x") else 0
    for number in range(start, start + most):
        try:
            datastore.append("x", np.full(100, number), 0.0)
        except StoreWriteError as error:
            assert str(datastore.path) in str(error)
            assert error.errno in {errno.ENOSPC, errno.EFBIG}
            return number
    return start + most


def flushed(path: Path) -> int:
    """Check the numbers that another reader finds; return how many there are."""
    with HDF5DataStore(path, mode="r") as datastore:
        values = datastore.get_all("x")[:]
        assert (values == np.arange(len(values))[:, None]).all()
        return len(values)


@pytest.mark.slow
def test_limit(tmp_path: Path) -> None:
    """The record or flush that finds no room says so; with room again, nothing of what was recorded is missing."""
    call(recorded_at_limits, tmp_path / "recording.h5")


def recorded_at_limits(path: Path) -> None:
    """Record under ever larger limits for the size of a file."""
    with HDF5DataStore(path, block=1 << 14, flush_every=100) as datastore:
        datastore.append("x", np.full(100, 0), 0.0)
        datastore.flush()
        for limit in (0, 100, 50_000, 131_072, 200_001, 1_000_000):
            with largest_file(limit):
                count = record_until_refused(datastore)
                with pytest.raises(StoreWriteError, match=r"could not write .*File too large"):
                    datastore.flush()
                kept = flushed(path)
                assert max(1, count - 21) <= kept <= count
                assert kept == len(datastore.get_all("x"))
            datastore.flush()
            assert flushed(path) == count == len(datastore.get_all("x"))
    assert flushed(path) == count
    with h5py.File(path) as file:
        assert count == len(file["x"])


def test_new_key_without_room(tmp_path: Path) -> None:
    """Neither a key nor a value that is set is there by halves; both are there when there is room."""
    call(keys_at_a_limit, tmp_path / "recording.h5")


def keys_at_a_limit(path: Path) -> None:
    """Add keys where no file can grow."""
    with HDF5DataStore(path, flush_every=100) as datastore:
        datastore.append("x", np.full(100, 0), 0.0)
        datastore.flush()
        with largest_file(path.stat().st_size):
            datastore.append("y", 1, 0.0)
            datastore.set("s", "text", 0.0)
            with pytest.raises(StoreWriteError, match="File too large"):
                datastore.flush()
            assert flushed(path) == 1
            with pytest.raises(StoreWriteError, match="File too large"):
                datastore.append("large", np.zeros(1 << 18), 0.0)
            assert datastore.form("large") is None
            assert datastore.get("y") == 1
        datastore.append("x", np.full(100, 1), 0.0)
    with HDF5DataStore(path, mode="r") as datastore:
        assert ["x", "y", "s"] == datastore.keys()
        assert (datastore.get("y"), datastore.get("s"), len(datastore.get_all("x"))) == (1, "text", 2)
    assert [path] == list(path.parent.iterdir())


def test_file_made_on_a_full_disk(tmp_path: Path) -> None:
    """It says so and leaves nothing; with room it can be made."""
    assert call(made_at_a_limit, tmp_path / "recording.h5") == []


def made_at_a_limit(path: Path) -> list[Path]:
    """Make a file where none may be written; return what is left."""
    for limit in (0, 100, 500):
        with largest_file(limit), pytest.raises(StoreWriteError, match=r"could not write .*recording\.h5"):
            HDF5DataStore(path)
    left = list(path.parent.iterdir())
    HDF5DataStore(path).close()
    return left


def test_full_disk(small_disk: Path) -> None:
    """What fits is kept, the rest is refused; with space again it goes on."""
    path, filler = small_disk / "recording.h5", small_disk / "filler"
    with HDF5DataStore(path, block=1 << 16, flush_every=100) as datastore:
        datastore.append("x", np.full(100, 0), 0.0)
        datastore.flush()
        for free in (0, 4096, 100_000, 500_000):
            fill(filler, free)
            count = record_until_refused(datastore)
            kept = flushed(path)
            assert 0 < kept <= count
            filler.unlink()
            datastore.flush()
            assert flushed(path) == count
    assert flushed(path) == count


def test_thread_tells_the_next(small_disk: Path) -> None:
    """What the thread could not write, the next record says."""
    path, filler = small_disk / "recording.h5", small_disk / "filler"
    with HDF5DataStore(path, flush_every=0.02) as datastore:
        datastore.append("x", np.full(100, 0), 0.0)
        datastore.flush()
        fill(filler, 0)
        count = record_until_refused(datastore)
        assert 0 < flushed(path) <= count
        filler.unlink()
    assert flushed(path) == count


ENDS = """
import resource, sys
import numpy as np
from analysis_store.errors import StoreWriteError
from analysis_store.recorder.hdf5.datastore import HDF5DataStore

datastore = HDF5DataStore(sys.argv[1], block=1 << 16)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    for number in range(10_000):
        datastore.append(f"key {number % 50}", np.full(100, number), 0.0)
except StoreWriteError:
    print("refused")
try:
    datastore.close()
except StoreWriteError:
    print("refused again")
"""


@pytest.mark.parametrize("limit", [10_000, 100_000, 3_000_000])
def test_a_process_that_met_a_limit_ends_well(tmp_path: Path, limit: int) -> None:
    """It is told twice, does not crash at its end, and leaves a file that any program reads."""
    path = tmp_path / "recording.h5"

    done = subprocess.run(
        [sys.executable, "-c", ENDS, path, str(limit)], capture_output=True, text=True, check=False, timeout=60
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "refused\nrefused again\n", "")
    with HDF5DataStore(path) as datastore:
        keys = datastore.keys()
        for key in keys:
            first = int(key.split()[1])
            assert (datastore.get_all(key)[:, 0] == np.arange(first, 10_000, 50)[: len(datastore.get_all(key))]).all()
    assert [path] == list(tmp_path.iterdir())

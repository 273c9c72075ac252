"""The writer of a recording is killed at any moment: what it had flushed is there, and the recording goes on."""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis_store.errors import StoreBusyError, StoreClosedError
from analysis_store.recorder.hdf5.datastore import HDF5DataStore
from analysis_store.recorder.hdf5.live import LiveFile
from analysis_store.recorder.hdf5.repair import repair
from analysis_store.recorder.hdf5.row_counts import Column
from tests.faults.children import heard, start
from tests.sweeps import sizes, some

PER_KEY = 300
KILLS = 10


class Telling(HDF5DataStore):
    """Knows how many of the numbers that were recorded have been flushed, however a flush came about."""

    recorded = flushed = 0

    def _flush(self) -> None:
        recorded = self.recorded
        super()._flush()
        self.flushed = recorded


def record_for_ever(connection: Connection, path: Path) -> None:
    """Record numbers that count up, in every form, with a new key every so often; tell how many, and were flushed."""
    with Telling(path, flush_every=0.1, block=1 << 16) as datastore:
        n, arrays, text, new = lengths(datastore)
        connection.send((n, n))
        for more in itertools.count():
            datastore.recorded = n + more
            datastore.append("n", n + more, float(n + more))
            datastore.append("arrays", np.full(100, arrays + more), 0.0)
            datastore.append("text", f"value {text + more}", 0.0)
            datastore.append(f"new/{(new + more) // PER_KEY}", new + more, 0.0)
            if more % 20 == 0:
                datastore.set("last", more, 0.0)
            if more % 10 == 9:
                connection.send((n + more + 1, datastore.flushed))


def lengths(datastore: HDF5DataStore) -> tuple[int, int, int, int]:
    """Return how many values there are of each kind."""
    keys = datastore.keys()
    n, arrays, text = (len(datastore.get_all(key)) if key in keys else 0 for key in ("n", "arrays", "text"))
    return n, arrays, text, sum(len(datastore.get_all(key)) for key in keys if key.startswith("new/"))


def add_keys_for_ever(connection: Connection, path: Path) -> None:
    """Make nothing but new datasets, each with its number in it."""
    live = LiveFile(path)
    connection.send((len(live.counts), 0))
    while True:
        number = len(live.counts)
        live.add({f"/group {number % 7}/{number}": Column(np.dtype(float), (2,), {"number": number})})
        live.append(f"/group {number % 7}/{number}", np.full((3, 2), number))


def kill(work: object, path: Path, after: float) -> list[tuple[int, int]]:
    """Start a writer and kill it some time after it has begun; return what it told."""
    process, connection = start(work, path)  # type: ignore[arg-type]
    first = connection.recv()
    time.sleep(after)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    return [first, *heard(connection)]


def check(datastore: HDF5DataStore) -> int:
    """Check that every key has the beginning of what was recorded; return how many numbers there are."""
    keys = datastore.keys()
    if "n" not in keys:
        return 0
    count = len(datastore.get_all("n"))
    assert list(range(count)) == datastore.get_all("n")[:].tolist()
    assert list(range(count)) == datastore.times("n")[:].tolist()
    assert all(abs(length - count) <= KILLS for length in lengths(datastore))  # each kill may part them by one
    arrays = values(datastore, "arrays").reshape(-1, 100)
    assert (arrays == np.arange(len(arrays))[:, None]).all()
    texts = values(datastore, "text")
    assert [f"value {number}" for number in range(len(texts))] == texts.tolist()
    news = [key for key in keys if key.startswith("new/")]
    found = [value for key in news for value in datastore.get_all(key)[:].tolist()]
    assert list(range(len(found))) == found
    assert "last" not in keys or datastore.get("last") % 20 == 0
    return count


def values(datastore: HDF5DataStore, key: str) -> np.ndarray:
    """Return what a key has: nothing where the writer died in the flush that came between the first keys."""
    return datastore.get_all(key)[:] if datastore.form(key) else np.empty(0)


@pytest.mark.parametrize("seed", some(range(10), 1))
def test_killed_at_any_moment(tmp_path: Path, seed: int) -> None:
    """Ten times on one file: it opens, what was flushed is there, and recording goes on behind it."""
    moments, path = random.Random(seed), tmp_path / "recording.h5"
    before = 0
    for _ in range(KILLS):
        told = kill(record_for_ever, path, moments.uniform(0.0, 0.15))

        with HDF5DataStore(path, mode="r") as datastore:
            count = check(datastore)
        assert told[-1][1] <= count <= told[-1][0] + 11
        assert told[0][0] == before
        before = count
    repair(path)
    with h5py.File(path) as file:
        assert list(range(before)) == (file["n"][:].tolist() if before else [])
    assert [path] == list(tmp_path.iterdir())


def record_once(connection: Connection, path: Path) -> None:
    """Record one number, and flush nothing; tell when it has been flushed all the same."""
    with Telling(path, flush_every=0.1) as datastore:
        datastore.append("x", 1.0, 0.0)
        datastore.recorded = 1
        while not datastore.flushed:
            time.sleep(0.01)
        connection.send("flushed")
        time.sleep(600)


def test_at_most_the_last_moment_is_missing(tmp_path: Path) -> None:
    """What was recorded is flushed after a while, whether or not more comes."""
    process, connection = start(record_once, tmp_path / "recording.h5")
    assert connection.recv() == "flushed"
    process.kill()
    process.join()

    with HDF5DataStore(tmp_path / "recording.h5", mode="r") as datastore:
        assert datastore.get_all("x")[:].tolist() == [1.0]


@pytest.mark.parametrize("least", sizes(4, 15))
def test_killed_while_it_makes_keys(tmp_path: Path, least: int) -> None:
    """A change of the file is there wholly or not at all, also for those that read before anybody repairs it."""
    moments, path = random.Random(1), tmp_path / "live.h5"
    lengths: list[int] = []
    killed = 0
    while killed < least or lengths.count(3) <= 5:
        killed += 1
        kill(add_keys_for_ever, path, moments.uniform(0.0, 0.05))
        repair(path)
        with h5py.File(path) as file:
            names = file[".live/names"].asstr()[:]
            for number, name in enumerate(names):
                assert number == file[name].attrs["number"]
                assert (file[name][:] == number).all()
            lengths = [len(file[name]) for name in names]
        assert set(lengths) <= {0, 3}
        assert lengths.count(0) <= killed  # made, and killed before its rows were committed


def test_the_second_writer_is_told_of_the_first(tmp_path: Path) -> None:
    """The message names the process that holds the file; when that is dead, the file is free."""
    path = tmp_path / "recording.h5"
    process, connection = start(record_for_ever, path)
    connection.recv()

    with pytest.raises(StoreBusyError, match=rf"recording\.h5 is being written by process {process.pid} of .* since "):
        HDF5DataStore(path)

    process.kill()
    process.join()
    HDF5DataStore(path).close()


def test_a_forked_process_does_not_record(tmp_path: Path) -> None:
    """It is told so; its end neither spoils the file nor keeps it locked."""
    path = tmp_path / "recording.h5"
    with HDF5DataStore(path) as datastore:
        datastore.append("x", 1.0, 0.0)
        datastore.flush()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                datastore.append("x", 2.0, 0.0)
            except StoreClosedError as error:
                os.write(writing, str(error).encode())
            datastore.close()
            os._exit(0)
        os.waitpid(child, 0)
        assert b"belongs to the parent process of this fork" in os.read(reading, 1000)
        datastore.append("x", 3.0, 0.0)
        assert [1.0, 3.0] == datastore.get_all("x")[:].tolist()
    os.close(reading)
    os.close(writing)
    with h5py.File(path) as file:
        assert [1.0, 3.0] == file["x"][:].tolist()

"""A recording in an HDF5 file: what it looks like to others, while it grows and afterwards."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis_store.errors import DamagedFileError, InvalidDataError, KeyNotFoundError, RunClosedError
from analysis_store.handlers.ragged import RaggedHandler
from analysis_store.recorder import Recorder
from analysis_store.recorder.core.object_bytes import unpacked
from analysis_store.recorder.core.value_kinds import Declared
from analysis_store.recorder.hdf5.datastore import HDF5DataStore
from tests.faults.children import start, wait_for


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the recording lies."""
    return tmp_path / "recording.h5"


def elsewhere(code: str, path: Path) -> str:
    """Return what another process prints."""
    done = subprocess.run(
        [sys.executable, "-c", f"path = {str(path)!r}\n{code}"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


VALUES = {
    "train/loss": [0.5, 1.5, 2.5],
    "count": [1, 2, 3],
    "images": [np.full((2, 3), number, ">f4") for number in range(3)],
    "text": ["", "a\0b", "größe"],
    "objects": [{"a": [1, None]}, None, {1, 2}],
    "times of day": [np.datetime64("2020-01-01T00:00", "s"), np.datetime64("NaT", "s"), np.datetime64(5, "s")],
    "names": [np.array(["a", "bé"]), np.array(["", "漢字"]), np.array(["c", "d"])],
    "nothing": [np.zeros((0, 3))] * 3,
    ".hidden/ключ": [True, False, True],
    "%2Ehidden": [1j, 2j, 3j],
}


def same(one: object, other: object) -> bool:
    """Say whether two values are the same, arrays element by element and NaT as NaT."""
    if isinstance(one, (np.ndarray, np.generic)):
        return np.array_equal(one, other, equal_nan=one.dtype.kind in "mM")  # type: ignore[arg-type]
    return bool(one == other)


def recorded(path: Path, **options: object) -> HDF5DataStore:
    """Record every kind of value."""
    datastore = HDF5DataStore(path, **options)  # type: ignore[arg-type]
    for index in range(3):
        for key, values in VALUES.items():
            datastore.append(key, values[index], float(index))
    datastore.declare("ragged", Declared(ragged=True, attrs={"units": "m", "note": {"a": 1}}))
    for index in range(3):
        datastore.append("ragged", np.full((index, 2), index), 0.0)
    datastore.set("config/all", {"lr": 0.1}, 1.0)
    datastore.set("config/all", {"lr": 0.2}, 2.0)
    return datastore


def check(datastore: HDF5DataStore) -> None:
    """Check that every value is there."""
    assert [*VALUES, "ragged", "config/all"] == datastore.keys()
    for key, values in VALUES.items():
        series = datastore.get_all(key)
        assert len(series) == 3
        assert all(same(value, found) for value, found in zip(values, series, strict=True)), key
        assert same(values[-1], datastore.get(key))
        assert all(same(value, found) for value, found in zip(values[::-2], series[::-2], strict=True))
        assert [0.0, 1.0, 2.0] == datastore.times(key)[:].tolist()
    assert [(0, 2), (1, 2), (2, 2)] == [value.shape for value in datastore.get_all("ragged")]
    assert datastore.get_all("ragged").attrs["units"] == "m"
    assert datastore.get("config/all") == {"lr": 0.2}
    assert datastore.times("config/all")[:].tolist() == [2.0]


@pytest.mark.parametrize("options", [{}, {"block": 1}, {"compression": "gzip"}], ids=str)
def test_every_value_comes_back(path: Path, options: dict[str, object]) -> None:
    """While it is recorded, after closing, in a reader beside, and when it is opened again."""
    with recorded(path, **options) as datastore:
        check(datastore)
        with HDF5DataStore(path, mode="r") as reader:
            check(reader)
    check(datastore)
    with HDF5DataStore(path) as again:
        check(again)
        again.append("train/loss", 3, 3.0)
        assert [0.5, 1.5, 2.5, 3.0] == again.get_all("train/loss")[:].tolist()


def test_plain_h5py_reads_it(path: Path) -> None:
    """Each array is a dataset under its key; what is not plain says what it is."""
    recorded(path).close()
    with h5py.File(path) as file:
        assert VALUES["train/loss"] == file["train/loss"][:].tolist()
        assert [0.0, 1.0, 2.0] == file[".times/train/loss"][:].tolist()
        assert file["text"].attrs["analysis_store_form"] == "recorded_text"
        assert bytes(file["text/values"][:]).decode() == "a\0bgröße"
        assert file["ragged"].attrs["units"] == "m"
        assert unpacked(bytes(file[".set/config/all"][:])) == {"lr": 0.2}
        assert b'"train/loss"' in bytes(file[".keys"][:]).splitlines()[0]
    assert RaggedHandler(str(path), "/ragged")(2).tolist() == [[2, 2], [2, 2]]


def seen(path: Path) -> tuple[int, int, object]:
    """Return how many values and keys of the next test a reader finds, and what was set."""
    with HDF5DataStore(path, mode="r") as reader:
        keys = reader.keys()
        news = sum(key.startswith("new/") for key in keys)
        return len(reader.get_all("x")) if "x" in keys else 0, news, reader.get("s") if "s" in keys else None


def test_another_process_follows(path: Path) -> None:
    """Values and keys are visible there though nobody has flushed them, with this class and with h5py."""
    reader = (
        "import h5py, time\nfrom analysis_store.recorder.hdf5.datastore import HDF5DataStore\n"
        "print(h5py.File(path, swmr=True)['x'][:].tolist())\n"
        "store = HDF5DataStore(path, mode='r')\nprint(store.keys(), store.get_all('x')[:].tolist(), store.get('s'))\n"
    )
    with HDF5DataStore(path, flush_every=0.1) as datastore:
        for number in range(3):
            datastore.append("x", number, 0.0)
            datastore.append(f"new/{number}", number, 0.0)
            datastore.set("s", number, 0.0)
            wait_for(lambda number=number: seen(path) == (number + 1, number + 1, number), "what was recorded")
            keys = ["x", "new/0", "s", *(f"new/{more}" for more in range(1, number + 1))]
            assert elsewhere(reader, path) == f"{[*range(number + 1)]}\n{keys} {[*range(number + 1)]} {number}"


def test_reader_follows(path: Path) -> None:
    """A reader that stays open sees new keys and values; it cannot record."""
    with HDF5DataStore(path) as datastore, HDF5DataStore(path, mode="r") as reader:
        assert [] == reader.keys()
        datastore.append("x", 1.0, 0.0)
        assert [] == reader.keys()
        datastore.flush()
        assert ["x"] == reader.keys()
        series = reader.get_all("x")
        datastore.append("x", 2.0, 0.0)
        datastore.flush()
        assert [1.0, 2.0] == series[:].tolist()
        reader.flush()
        with pytest.raises(RunClosedError, match="is open for reading; open it with mode='a' to record"):
            reader.append("x", 1.0, 0.0)


def test_a_slice_reads_little(path: Path) -> None:
    """Chunks of a large value are small, and keep the last axis whole."""
    with HDF5DataStore(path) as datastore:
        for number in range(3):
            datastore.append("large", np.full((3, 1000, 200), number, float), 0.0)
        found = datastore.get_all("large")[:2, 1, 500, :]
        assert (found == [[0.0], [1.0]]).all()
        assert found.shape == (2, 200)
    with h5py.File(path) as file:
        assert (1, 1, 40, 200) == file["large"].chunks


def test_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``~`` is expanded."""
    monkeypatch.setenv("HOME", str(tmp_path))
    HDF5DataStore("~/recording.h5").close()
    assert (tmp_path / "recording.h5").exists()


def test_refused_values_leave_the_key(path: Path) -> None:
    """Nothing that does not fit is recorded, not even a row of zeros; a first value that does not makes no key."""
    with Recorder(HDF5DataStore(path)) as recorder:
        recorder.record("x", np.zeros(3))
        for value in (np.zeros(2), np.zeros(1), "text", None, np.zeros(3, complex)):
            with pytest.raises(InvalidDataError, match="'x'"):
                recorder.record("x", value)
        recorder.record("n", 1)
        with pytest.raises(InvalidDataError, match=r"got a value of dtype float64; expected int64"):
            recorder.record("n", 1.7)
        recorder.declare("r", ragged=True)
        with pytest.raises(InvalidDataError, match="got an array of 9 axes; expected at most 8"):
            recorder.record("r", np.zeros((1,) * 9))
        with pytest.raises(InvalidDataError, match=r"surrogate|UTF-8"):
            recorder.declare("attributes", units="\ud800")
        assert ["x", "n"] == recorder.keys()
        assert (1, 3) == recorder.get_all("x").shape
        with pytest.raises(KeyNotFoundError, match="'r' is not recorded"):
            recorder.get("r")


def test_files_of_something_else(path: Path) -> None:
    """An HDF5 file that is not a recording is refused by both modes and can be opened by others afterwards."""
    with h5py.File(path, "w", libver="v110") as file:
        file["x"] = 1
    with pytest.raises(InvalidDataError, match=r"recording\.h5 is not a recording"):
        HDF5DataStore(path)
    with pytest.raises(DamagedFileError, match=r"'\.keys' is missing"):
        HDF5DataStore(path, mode="r")
    with h5py.File(path) as file:
        assert file["x"][()] == 1
    with pytest.raises(DamagedFileError, match="does not exist"):
        HDF5DataStore(path.with_name("missing.h5"), mode="r")


@pytest.mark.slow
def test_many_keys_are_one_change(path: Path) -> None:
    """A thousand new keys are made together, and read back."""
    with HDF5DataStore(path) as datastore:
        for number in range(1000):
            datastore.append(f"layer {number}/weight", number, 0.0)
        datastore.flush()
        assert datastore.get_all("layer 999")["weight"][:].tolist() == [999]
    with HDF5DataStore(path, mode="r") as reader:
        assert 1000 == len(reader.keys())


def test_what_is_not_closed_is_flushed_at_the_end_of_the_process(path: Path) -> None:
    """An ordinary file is left."""
    code = (
        "from analysis_store.recorder.hdf5.datastore import HDF5DataStore\n"
        "datastore = HDF5DataStore(path, flush_every=100)\ndatastore.append('x', 1.0, 0.0)\n"
    )
    elsewhere(code, path)
    with h5py.File(path) as file:
        assert [1.0] == file["x"][:].tolist()
    assert [path] == list(path.parent.iterdir())


def test_a_reader_is_in_nobodys_way(tmp_path):
    """One that goes on reading a finished file keeps neither its own process nor others from writing."""
    path = tmp_path / "fit.h5"
    with HDF5DataStore(path) as first:
        first.append("loss", 0.5, 0.0)
    process, connection = start(read_again, path)
    assert connection.recv() == [0.5]
    with HDF5DataStore(path, mode="r") as reader:
        assert reader.get_all("loss")[:].tolist() == [0.5]
        for number in range(3):
            with HDF5DataStore(path) as again:
                again.append("loss", float(number), 0.0)
                again.append(f"new {number}", "text", 0.0)
            assert len(reader.get_all("loss")) == number + 2
            assert connection.recv() == [0.5, *map(float, range(number + 1))]
        assert reader.get_all("new 2")[0] == "text"
    process.kill()
    process.join()


def read_again(connection, path):
    """Read the same file again and again, with one datastore, and tell whatever is new."""
    told = None
    with HDF5DataStore(path, mode="r") as reader:
        while True:
            found = reader.get_all("loss")[:].tolist()
            if found != told:
                connection.send(found)
            told = found
            time.sleep(0.02)

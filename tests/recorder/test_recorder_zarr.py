"""What is particular to a Zarr datastore: its directory, its one writer, its death, a disk that is full."""

from __future__ import annotations

import json
import os
import pickle
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray
import zarr

from analysis_store.errors import (
    DamagedFileError,
    InvalidDataError,
    MissingDependencyError,
    RunClosedError,
    StoreBusyError,
    StoreClosedError,
    StoreVersionError,
    StoreWriteError,
    TooLargeError,
)
from analysis_store.recorder import ZarrDataStore
from analysis_store.recorder.core.value_kinds import Declared
from tests.faults.children import wait_for

KILLS = 20

RECORD_FOR_EVER = """
import sys, time
import numpy as np
from analysis_store.recorder import ZarrDataStore
datastore = ZarrDataStore(sys.argv[1], flush_every=0.05, block=1 << 15)
number = len(datastore.get_all("x")) if "x" in datastore.keys() else 0
print("open", flush=True)
while True:
    datastore.append("x", number, time.time())
    datastore.append("row", np.full(50, number), time.time())
    datastore.append("text", "t" * (number % 50), time.time())
    number += 1
    if number % 50 == 0:
        datastore.set("last", number, time.time())
        datastore.flush()
        print(number, flush=True)
"""


def value_of(key, number):
    """Return what the process records under a key."""
    return {"x": number, "row": np.full(50, number), "text": "t" * (number % 50)}[key]


def killed_after(path: Path, delay: float) -> int:
    """Kill a process that records; return how many values it has flushed."""
    command = [sys.executable, "-c", RECORD_FOR_EVER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert "open\n" == process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        told = process.stdout.read().split()
    assert -signal.SIGKILL == process.returncode
    return int(told[-1]) if told else 0


@pytest.mark.slow
def test_kill_at_random_instants(tmp_path):
    """20 kills: what was flushed is there, whole, in order; the same recording goes on after each."""
    chance, path, flushed = random.Random(20260401), tmp_path / "x.zarr", 0

    for _ in range(KILLS):
        told = killed_after(path, chance.uniform(0, 0.3))
        flushed = max(flushed, told)
        with ZarrDataStore(path, mode="r") as found:
            counts = [len(found.get_all(key)) if found.form(key) else 0 for key in ("x", "row", "text")]
            assert min(counts) >= flushed
            assert all(counts) or not told
            for key, count in zip(("x", "row", "text"), counts, strict=True):
                kept = found.get_all(key)[:] if count else ()
                assert all(np.array_equal(value, value_of(key, number)) for number, value in enumerate(kept))
            assert not told or found.get("last") >= told
        if not all(counts):  # killed before every key had its first value: their lengths would differ for good
            shutil.rmtree(path)
            continue
        with ZarrDataStore(path) as datastore:  # three keys may have been flushed at different lengths
            for number in range(min(counts), max(counts)):
                for key, count in zip(("x", "row", "text"), counts, strict=True):
                    if number >= count:
                        datastore.append(
                            key, {"x": number, "row": np.full(50, number)}.get(key, "t" * (number % 50)), 0
                        )
        flushed = max(counts)
    assert flushed > 50
    arrays = zarr.open_group(path, mode="r")
    assert flushed == arrays["x/values"].shape[0] == arrays["text/ends"].shape[0]


def test_plain_zarr_and_xarray_read_it(tmp_path):
    """Any program that knows Zarr reads it; xarray knows the time of each value, and the units."""
    with ZarrDataStore(tmp_path / "x.zarr") as datastore:
        datastore.declare("train/loss", Declared(attrs={"units": "eV"}))
        for number in range(5):
            datastore.append("train/loss", [number, 0.5], 1.7e9 + number)
            datastore.append("text", "ab"[: number % 3], 1.7e9)

    group = zarr.open_group(tmp_path / "x.zarr", mode="r")
    assert (5, 2) == group["train/loss/values"].shape
    assert [0, 1, 3, 3, 4] == group["text/ends"][:].tolist()
    assert b"aaba" == group["text/values"][:].tobytes()
    found = xarray.open_zarr(tmp_path / "x.zarr", group="train/loss", consolidated=False)
    assert ("time", "axis_1") == found["values"].dims
    assert "eV" == found["values"].attrs["units"]
    assert np.datetime64("2023-11-14T22:13:24") == found["time"].values[-1]


def test_home(tmp_path, monkeypatch):
    """``~`` is the home directory, and folders are made."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with ZarrDataStore("~/a/b/x.zarr") as datastore:
        datastore.append("a", 1, 0.0)
    assert (tmp_path / "a/b/x.zarr/a/values").is_dir()


def test_one_writer(tmp_path):
    """The second writer is told who the first is; readers are welcome, and the lock goes with its holder."""
    with ZarrDataStore(tmp_path / "x.zarr") as datastore:
        datastore.append("a", 1, 0.0)
        datastore.flush()
        with pytest.raises(StoreBusyError, match=f"process {os.getpid()} of .* on .*, since 20"):
            ZarrDataStore(tmp_path / "x.zarr")
        assert 1 == ZarrDataStore(tmp_path / "x.zarr", mode="r").get("a")
    ZarrDataStore(tmp_path / "x.zarr").close()
    assert not (tmp_path / "x.zarr.lock").exists()


def test_reader_follows_the_writer(tmp_path):
    """A reader sees new keys and values that were flushed, also of a key that is set; it takes none."""
    with ZarrDataStore(tmp_path / "x.zarr", flush_every=60) as datastore:
        reader = ZarrDataStore(tmp_path / "x.zarr", mode="r")
        assert [] == reader.keys()
        for number in range(3):
            datastore.append("a", number, 0.0)
            datastore.set("last", number, 5.0 + number)
            assert max(0, number) == (len(reader.get_all("a")) if reader.form("a") else 0)
            datastore.flush()
            assert list(range(number + 1)) == reader.get_all("a")[:].tolist()
            assert number == reader.get("last")
            assert [5.0 + number] == reader.times("last")[:].tolist()
        with pytest.raises(RunClosedError, match="open for reading; open it with mode='a'"):
            reader.append("a", 1, 0.0)
        reader.flush()
        reader.close()
        assert [0, 1, 2] == reader.get_all("a")[:].tolist()
        assert 1 == len(list((tmp_path / "x.zarr/last").glob("value-*")))


def test_what_is_not_a_recording(tmp_path):
    """A path where something else lies is left alone."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/mine").write_text("mine")
    zarr.open_group(tmp_path / "other.zarr", mode="w", zarr_format=2).attrs.put({"mine": 1})
    for name in ("file", "folder"):
        with pytest.raises(InvalidDataError, match="There is no recording at"):
            ZarrDataStore(tmp_path / name)
    with pytest.raises(InvalidDataError, match="There is no recording at"):
        ZarrDataStore(tmp_path / "none", mode="r")
    with pytest.raises(DamagedFileError, match="does not describe a recording"):
        ZarrDataStore(tmp_path / "other.zarr")
    with pytest.raises(StoreWriteError, match="could not write"):
        ZarrDataStore(tmp_path / "file" / "x.zarr")
    assert "mine" == (tmp_path / "file").read_text()
    assert [] == list(tmp_path.glob("*.lock"))


@pytest.mark.parametrize("wrong", [{"mode": "w"}, {"block": 0}, {"flush_every": 0}], ids=str)
def test_arguments(tmp_path, wrong):
    """What an argument cannot be makes no directory."""
    with pytest.raises(InvalidDataError, match="expected mode 'a' or 'r', and numbers above 0"):
        ZarrDataStore(tmp_path / "x.zarr", **wrong)
    assert [] == list(tmp_path.iterdir())


def test_newer_version(tmp_path):
    """A recording of a newer version is not misread."""
    ZarrDataStore(tmp_path / "x.zarr").close()
    attributes = tmp_path / "x.zarr/.zattrs"
    attributes.write_text(attributes.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(StoreVersionError, match="newer version"):
        ZarrDataStore(tmp_path / "x.zarr")


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("a", {"dtype": "|O"}),
        ("a", {"dtype": "V100"}),
        ("a", {"dtype": "f8,O"}),
        ("a", {"dtype": [["a", "O"]]}),
        ("a", {"dtype": "<U9999999999"}),
        ("a", {"dtype": "<f3"}),
        ("a", {"kind": "pickle"}),
        ("a", {"shape": [-1]}),
        ("a", {"shape": 3}),
        ("a", {"attrs": []}),
        ("a", {"sizes": {"values": 1, "time": -1}}),
        ("a", {"sizes": {"values": "1", "time": 1}}),
        ("a", {"sizes": {}}),
        ("last", {"set": "1/../../../outside"}),
        ("/etc", {}),
        ("../x", {}),
    ],
    ids=str,
)
def test_hostile_attributes(tmp_path, key, told):
    """What the attributes say of a key is believed only where it can be of one that was recorded."""
    with ZarrDataStore(tmp_path / "x.zarr") as datastore:
        datastore.append("a", 1.5, 0.0)
        datastore.set("last", 1.5, 0.0)
    attributes = tmp_path / "x.zarr/.zattrs"
    whole = json.loads(attributes.read_text())
    keys = whole["analysis_store_recording"]["keys"]
    keys[key] = {**keys.get(key, keys["a"]), **told}
    attributes.write_text(json.dumps(whole))

    for mode in ("r", "a"):
        with pytest.raises(DamagedFileError, match=r"\.zattrs does not describe a recording: .* It was changed"):
            ZarrDataStore(tmp_path / "x.zarr", mode=mode)


class Hostile:
    """Makes a file where somebody unpickles it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"compressor": {"id": "pickle"}}, DamagedFileError, "not a recorded array"),
        ({"filters": [{"id": "json2"}]}, DamagedFileError, "not a recorded array"),
        ({"filters": [{"id": "base64"}]}, DamagedFileError, r"packed by \['base64', 'zstd'\]; expected"),
        (
            {"compressor": None, "filters": [{"id": "pickle"}, {"id": "zlib"}]},
            DamagedFileError,
            "not a recorded array",
        ),
        (
            {"compressor": None, "filters": [{"id": "zlib"}, {"id": "pickle"}]},
            DamagedFileError,
            "not a recorded array",
        ),
        ({"dtype": "<f4"}, DamagedFileError, "has float32 values of shape"),
        ({"shape": [1, 2], "chunks": [1, 2]}, DamagedFileError, r"of shape \(2,\)"),
        ({"chunks": [1 << 50]}, TooLargeError, r"One chunk of .*a/values would take"),
    ],
    ids=str,
)
def test_hostile_arrays(tmp_path, change, error, message):
    """Metadata of an array that nobody here wrote run no code, and take no memory."""
    with ZarrDataStore(tmp_path / "x.zarr") as datastore:
        datastore.append("a", 1.5, 0.0)
        datastore.set("last", 1.5, 0.0)
    for where in ("a/values", "last/value-1"):
        metadata = tmp_path / "x.zarr" / where / ".zarray"
        metadata.write_text(json.dumps({**json.loads(metadata.read_text()), **change}))
        (metadata.parent / "0").write_bytes(pickle.dumps(Hostile(tmp_path / "run")))
    found = ZarrDataStore(tmp_path / "x.zarr", mode="r")

    with pytest.raises(error, match=message):
        found.get("a")
    with pytest.raises((DamagedFileError, TooLargeError)):
        found.get("last")
    assert not (tmp_path / "run").exists()


def test_values_that_were_removed(tmp_path):
    """Arrays that are gone are an error that names what happened."""
    with ZarrDataStore(tmp_path / "x.zarr") as datastore:
        datastore.append("a", 1, 0.0)
    (tmp_path / "x.zarr/a/values/.zarray").unlink()
    with pytest.raises(DamagedFileError, match="cannot be read"):
        ZarrDataStore(tmp_path / "x.zarr", mode="r").get("a")


def test_forked_process_leaves_it_alone(tmp_path):
    """A process that was forked neither records nor writes what waits."""
    with ZarrDataStore(tmp_path / "x.zarr", flush_every=60) as datastore:
        datastore.append("a", 1, 0.0)
        monkey = datastore._process
        datastore._process = -1  # as a fork finds it
        with pytest.raises(StoreClosedError, match="forked"):
            datastore.append("a", 2, 0.0)
        datastore._process = monkey
    assert [1] == ZarrDataStore(tmp_path / "x.zarr", mode="r").get_all("a")[:].tolist()


def recorded_until_refused(datastore, rows):
    """Record; return how many there are when the disk is full."""
    for taken in range(1, len(rows)):
        try:
            datastore.append("a", rows[taken], 0.0)
        except StoreWriteError as error:
            assert ": File too large" in str(error)
            return taken
    return len(rows)


def test_disk_full(tmp_path):
    """The error comes from the very record or flush; what was flushed stays readable; with room it goes on."""
    with ZarrDataStore(tmp_path / "x.zarr", flush_every=60, block=1 << 15) as datastore:
        rows = np.random.default_rng(1).random((200, 512))
        datastore.append("a", rows[0], 0.0)
        datastore.flush()
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
        try:
            taken = recorded_until_refused(datastore, rows)
            assert taken == len(datastore.get_all("a")) < 200
            with pytest.raises(StoreWriteError, match="could not write"):
                datastore.flush()
            assert np.array_equal(rows[:taken], datastore.get_all("a")[:])
            found = ZarrDataStore(tmp_path / "x.zarr", mode="r")
            assert np.array_equal(rows[:1], found.get_all("a")[:])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        for number in range(taken, 200):
            datastore.append("a", rows[number], 0.0)
    assert np.array_equal(rows, found.get_all("a")[:])


def test_disk_full_behind_the_back(tmp_path):
    """What the thread could not write is told to whoever records under that key next, and nothing of it is lost."""
    with ZarrDataStore(tmp_path / "x.zarr", flush_every=0.02) as datastore:
        row = np.random.default_rng(1).random(5000)
        datastore.append("a", row, 0.0)
        datastore.flush()
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
        try:
            datastore.append("a", row + 1, 0.0)
            wait_for(lambda: datastore._failing, "the thread fails")
            with pytest.raises(StoreWriteError, match="could not write"):
                datastore.append("a", row, 0.0)
            datastore.append("small", 1, 0.0)
            with pytest.raises(StoreWriteError, match=r"^'a': .*could not write .*"):
                datastore.flush()
            assert ZarrDataStore(tmp_path / "x.zarr", mode="r").get("small") == 1
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert np.array_equal([row, row + 1], ZarrDataStore(tmp_path / "x.zarr", mode="r").get_all("a")[:])


def test_slices_read_no_more(tmp_path):
    """A slice of large values reads the chunks in which it lies."""
    with ZarrDataStore(tmp_path / "x.zarr", block=1 << 14) as datastore:
        for number in range(3):
            datastore.append("a", np.full((4, 1000, 20), number * 1.0), 0.0)
    for path in (tmp_path / "x.zarr/a/values").glob("[0-9]*"):
        if not path.name.startswith(("0.1.0.", "1.1.0.", "2.1.0.")):
            path.write_bytes(b"not read")
    found = ZarrDataStore(tmp_path / "x.zarr", mode="r").get_all("a")
    assert [[0, 0], [1, 1], [2, 2]] == found[:, 1, 7, :2].tolist()
    with pytest.raises(DamagedFileError, match="cannot be read"):
        found[0]


def test_missing_package(tmp_path, monkeypatch):
    """Without Zarr the error names the extra."""
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'analysis_store\[zarr\]'"):
        ZarrDataStore(tmp_path / "x.zarr")


def test_a_chunk_that_is_torn(tmp_path):
    """Of the key that is set as of one that is recorded, the error is ours."""
    with ZarrDataStore(tmp_path / "x.zarr") as datastore:
        datastore.append("a", 1.5, 0.0)
        datastore.set("last", 1.5, 0.0)
    for where in ("a/values", "last/value-1"):
        (tmp_path / "x.zarr" / where / "0").write_bytes(b"torn")
    found = ZarrDataStore(tmp_path / "x.zarr", mode="r")

    for key in ("a", "last"):
        with pytest.raises(DamagedFileError, match=r"Recorded values cannot be read: .* The directory was changed"):
            found.get(key)

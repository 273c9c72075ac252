"""What of a recording is durable: after a restart of the machine it is there, and nothing that came later spoils it."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import analysis_store.recorder.hdf5.safe as module
from analysis_store.errors import DamagedFileError, InvalidDataError, StoreWriteError
from analysis_store.recorder import DataStore, HDF5DataStore, InMemoryDataStore, Recorder, ZarrDataStore
from analysis_store.recorder.core.due import Due
from analysis_store.recorder.hdf5 import chunks
from analysis_store.recorder.hdf5.live import LiveFile
from analysis_store.recorder.hdf5.live_reading import read_live
from analysis_store.recorder.hdf5.row_counts import Column
from analysis_store.recorder.hdf5.safe import is_cut, safe_path

Boot = Any


@pytest.fixture
def restart(monkeypatch: pytest.MonkeyPatch) -> Boot:
    """Start the machine again, as far as a recording can tell."""
    return lambda: monkeypatch.setattr(module, "boot", lambda: "another")


def left(path: Path, to: Path) -> Path:
    """Return what a process leaves that dies now, and has no lock then."""
    to.mkdir()
    for each in (path, safe_path(path)):
        if each.exists():
            shutil.copy(each, to)
    return to / path.name


def values(path: Path, mode: Any = "r") -> list[float]:
    """Return what is found under ``x``."""
    with HDF5DataStore(path, mode=mode) as datastore:
        return datastore.get_all("x")[:].tolist() if datastore.form("x") else []


def test_what_was_durable_comes_back(tmp_path: Path, restart: Boot) -> None:
    """After a restart; after the death of the process alone, what was flushed later is there as well."""
    path = tmp_path / "fit.h5"
    with Recorder(HDF5DataStore(path, flush_every=3600.0)) as recorder:
        for number in range(3000):
            recorder.record("x", float(number))
            if number == 1999:
                recorder.flush(durable=True)
        recorder.flush()
        dead, cut = left(path, tmp_path / "dead"), left(path, tmp_path / "cut")
    assert not safe_path(path).exists()
    assert values(dead) == [float(number) for number in range(3000)]

    restart()

    assert is_cut(cut)
    for mode in ("r", "a"):
        assert values(cut, mode) == [float(number) for number in range(2000)]
    assert not safe_path(cut).exists()


@pytest.mark.parametrize(("every", "expected"), [(None, []), (3600.0, [0.0]), (1e-9, [0.0, 1.0])])
def test_every_so_often(tmp_path: Path, restart: Boot, every: float | None, expected: list[float]) -> None:
    """A recording is durable at a new key and whenever the time is over, or never before it is told."""
    path = tmp_path / "fit.h5"
    with Recorder(HDF5DataStore(path, flush_every=3600.0, durable_every=every)) as recorder:
        for number in range(2):
            recorder.record("x", float(number))
            recorder.flush()
        cut = left(path, tmp_path / "cut")
    restart()

    assert values(cut) == expected


def test_when_it_is_due() -> None:
    """Something new is a reason, unless it is never due."""
    assert [Due(every).is_now() for every in (None, 3600.0, 1e-9)] == [False, False, True]
    assert [Due(every).is_now(new=True) for every in (None, 3600.0, 1e-9)] == [False, True, True]


@pytest.mark.parametrize("every", [0, -1.0, float("nan")])
def test_no_time(tmp_path: Path, every: float) -> None:
    """A period is above 0."""
    with pytest.raises(InvalidDataError, match=r"Got durable_every=.*; expected seconds above 0, or None"):
        HDF5DataStore(tmp_path / "fit.h5", durable_every=every)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("make", [lambda path: InMemoryDataStore(), ZarrDataStore])
def test_what_cannot_promise_it(tmp_path: Path, make: Any) -> None:
    """It says so, by name, and has flushed; other datastores of the recorder have done what they were asked for."""
    datastore: DataStore = make(tmp_path / "x.zarr")
    with Recorder(datastore, HDF5DataStore(tmp_path / "fit.h5")) as recorder:
        recorder.record("x", 1.0)
        with pytest.raises(
            StoreWriteError, match=r"DataStore of 1 keys.* cannot guarantee .* Record into an HDF5DataStore"
        ):
            recorder.flush(durable=True)
        assert recorder.get("x") == 1.0


def test_a_system_that_does_not_tell_its_boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There a recording goes on as ever, and promises nothing."""
    monkeypatch.setattr(module, "boot", lambda: "")
    monkeypatch.setattr("analysis_store.recorder.hdf5.datastore.boot", lambda: "")
    with Recorder(HDF5DataStore(tmp_path / "fit.h5")) as recorder:
        recorder.record("x", 1.0)
        with pytest.raises(StoreWriteError, match="does not report when it was started"):
            recorder.flush(durable=True)
        recorder.set("y", 1)
    assert values(tmp_path / "fit.h5") == [1.0]
    assert [path.name for path in tmp_path.iterdir()] == ["fit.h5"]


def test_a_disk_that_lost_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system tells it once; nothing is promised of this file any more."""
    path, fsync, told = tmp_path / "fit.h5", os.fsync, []

    def failing(file: int) -> None:
        if not told and os.fstat(file).st_ino == path.stat().st_ino:
            told.append(file)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(file)

    recorder = Recorder(HDF5DataStore(path, flush_every=3600.0))
    recorder.record("x", 1.0)
    recorder.flush()
    monkeypatch.setattr(os, "fsync", failing)
    for number in range(3):
        recorder.record("x", float(number))
        with pytest.raises(StoreWriteError, match=os.strerror(errno.EIO)):
            recorder.flush(durable=True)
    with pytest.raises(StoreWriteError, match=os.strerror(errno.EIO)):
        recorder.close()


@pytest.mark.parametrize("at", [0, 10, 60, 200, -1])
def test_what_is_kept_is_damaged(tmp_path: Path, restart: Boot, at: int) -> None:
    """A bit of it flips: that is said, and what to do; under the same boot nobody needs it."""
    path = tmp_path / "fit.h5"
    with Recorder(HDF5DataStore(path, flush_every=3600.0)) as recorder:
        recorder.record("x", 1.0)
        recorder.flush(durable=True)
        cut = left(path, tmp_path / "cut")
    restart()
    data = bytearray(safe_path(cut).read_bytes())
    data[at] ^= 1
    safe_path(cut).write_bytes(data)

    for mode in ("r", "a"):
        with pytest.raises((DamagedFileError, InvalidDataError), match=r"fit\.h5\.safe is damaged.*Remove it to open"):
            values(cut, mode)

    safe_path(cut).unlink()
    assert values(cut, "a") == [1.0]


def test_another_recording_of_this_name(tmp_path: Path, restart: Boot) -> None:
    """What is kept of a file that somebody removed is not put into a new one."""
    path = tmp_path / "fit.h5"
    with Recorder(HDF5DataStore(path)) as recorder:
        recorder.record("x", 1.0)
        recorder.flush(durable=True)
        kept = safe_path(path).read_bytes()
    path.unlink()
    safe_path(path).write_bytes(kept)
    restart()

    with Recorder(HDF5DataStore(path)) as recorder:
        recorder.record("x", 2.0)
    assert values(path) == [2.0]


def test_rows_are_not_kept_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor the copies that compressed chunks leave behind: what is kept stays small."""
    monkeypatch.setattr(chunks, "_LONG", 3600.0)  # on a slow machine as well
    chance = np.random.default_rng(0)
    for compression in (None, "gzip"):
        path = tmp_path / f"{compression}.h5"
        with Recorder(HDF5DataStore(path, flush_every=3600.0, compression=compression)) as recorder:
            for _ in range(60):
                recorder.record("image", chance.normal(size=(64, 64)))
                recorder.record("x", chance.normal())
                recorder.flush()
            recorder.flush(durable=True)
            assert path.stat().st_size > 60 * 64 * 64 * 8 * 0.9
            assert safe_path(path).stat().st_size < 80_000


def test_the_last_change_may_write_over_rows(tmp_path: Path, restart: Boot) -> None:
    """What the file is going to be is kept before that: halfway, it is the one or the other."""
    path, column = tmp_path / "live.h5", Column(np.dtype(float), (512,))
    live = LiveFile(path)
    live.add({"/old": column})
    live.append("/old", np.ones((500, 512)))
    live.secure()

    def work(file: h5py.File) -> None:
        del file["old"]
        file.create_dataset("new", data=np.full((500, 512), 2.0))

    live.change(work, last=True)
    cut = left(path, tmp_path / "cut")
    live.close()
    restart()

    found = read_live(cut, lambda file: (h5py.File(file)["new"][:] == 2.0).all())
    assert found

"""One key of a recording that cannot be written or read any more: it fails alone, and is named."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from analysis_store import AnalysisStore
from analysis_store.errors import DamagedFileError, StoreWriteError
from analysis_store.recorder import (
    HDF5DataStore,
    InMemoryDataStore,
    Recorder,
    RunDataStore,
    ZarrDataStore,
    live_runs,
    recorded,
    recover,
    resume,
)
from tests.faults.children import call
from tests.faults.on_disk import ORIGIN

WIDTH = 300


def test_an_hdf5_file_with_a_damaged_key_goes_on_without_it(tmp_path: Path) -> None:
    """That key is refused from the beginning; every other one is written and read."""
    path = tmp_path / "recording.h5"
    with Recorder(HDF5DataStore(path)) as recorder:
        record(recorder, 0, 10)
    damage(path)

    with Recorder(HDF5DataStore(path, flush_every=100)) as recorder:
        with pytest.raises(
            StoreWriteError, match=r"the values of 'bad' .* cannot be written; values of all other keys"
        ):
            recorder.record("bad", np.full(WIDTH, 10))
        with pytest.raises(DamagedFileError, match="'bad' cannot be read"):
            recorder.get_all("bad")
        for number in range(10, 20):
            recorder.record("good", number)
        recorder.record("new", 1)
        recorder.flush()

    with HDF5DataStore(path, mode="r") as found:
        assert found.get_all("good")[:].tolist() == list(range(20))
        assert found.get("new") == 1


def test_a_key_that_hdf5_refuses_late_costs_no_others(tmp_path: Path) -> None:
    """A flush writes every other key, and says once which it could not; that one is refused from then on."""
    path = tmp_path / "recording.h5"
    with Recorder(HDF5DataStore(path)) as recorder:
        record(recorder, 0, 10)
    reshape(path)

    with Recorder(HDF5DataStore(path, flush_every=100)) as recorder:
        record(recorder, 10, 20)
        recorder.record("new", 1)
        with pytest.raises(StoreWriteError, match=r"the values of 'bad' since the last flush cannot be written"):
            recorder.flush()
        with pytest.raises(StoreWriteError, match="'bad'"):
            recorder.record("bad", np.full(WIDTH, 20))
        recorder.record("good", 20)
        recorder.flush()

    with HDF5DataStore(path, mode="r") as found:
        assert found.get_all("good")[:].tolist() == list(range(21))
        assert found.get("new") == 1


def test_the_thread_goes_on_without_it(tmp_path: Path) -> None:
    """What is found out while others are recorded is told by the close, and costs none of these."""
    path = tmp_path / "recording.h5"
    with Recorder(HDF5DataStore(path)) as recorder:
        record(recorder, 0, 10)
    reshape(path)

    datastore = HDF5DataStore(path, block=1)  # every record writes, as the thread would
    record(Recorder(datastore), 10, 11)
    for number in range(11, 20):
        datastore.append("good", number, 0.0)
    with pytest.raises(StoreWriteError, match="'bad'"):
        datastore.close()

    with HDF5DataStore(path, mode="r") as found:
        assert found.get_all("good")[:].tolist() == list(range(20))


def test_a_recording_is_recovered_without_it(tmp_path: Path) -> None:
    """The run has every other key, and its stop document names the one that is lost, and why."""
    path = call(killed, tmp_path)
    damage(path)

    with AnalysisStore(tmp_path) as store:
        with pytest.warns(UserWarning, match="without all values of 'bad'"):
            (run,) = recover(store)
        assert live_runs(store) == []
        assert recorded(run)["good"][:].tolist() == list(range(10))
        assert "bad" not in recorded(run)
        assert run.stop is not None
        assert [entry["recorded_key"] for entry in run.stop["lost"]] == ["bad"]
        assert run.stop["reason"].endswith("lost: bad")
        assert run.verify()
        assert store.check()


def test_a_run_is_closed_without_it(tmp_path: Path) -> None:
    """The close says which key is lost, once; the run is in the store, with what was left of that key in its file."""
    path = call(killed, tmp_path)
    damage(path)

    with AnalysisStore(tmp_path) as store:
        live = resume(store, path.name.partition(".")[0])
        for number in range(10, 20):
            live.append("good", number, 0.0)
        with pytest.raises(StoreWriteError, match=r"run .* is in the store, without all values of 'bad'"):
            live.close()
        live.close()
        assert recorded(live.run)["good"][:].tolist() == list(range(20))
        assert live.run.verify()
        with h5py.File(live.run.file) as file:
            assert set(file) == {"entry", "bad", ".recorded"}


def test_a_run_is_closed_without_values_that_are_damaged(tmp_path: Path) -> None:
    """Also where only the list of the chunks is damaged, which nothing reads before the values are."""
    path = call(killed, tmp_path, 3000)
    damage_chunks(path)

    with AnalysisStore(tmp_path) as store:
        with pytest.warns(UserWarning, match="without all values of 'bad'"):
            (run,) = recover(store)
        assert recorded(run)["good"][:].tolist() == list(range(3000))
        assert run.stop is not None
        assert [entry["recorded_key"] for entry in run.stop["lost"]] == ["bad"]


def test_a_zarr_directory_goes_on_without_it(tmp_path: Path) -> None:
    """Every flush writes the other keys, and says which it could not; a record of that one says so as well."""
    path = tmp_path / "recording.zarr"
    with Recorder(ZarrDataStore(path)) as recorder:
        record(recorder, 0, 10)
    recorder = Recorder(ZarrDataStore(path, flush_every=100))
    record(recorder, 10, 20)
    shutil.rmtree(path / "bad" / "values")
    (path / "bad" / "values").write_text("a file where a folder was")

    with pytest.raises(StoreWriteError, match=r"^'bad': "):
        recorder.flush()
    with pytest.raises(StoreWriteError, match="could not write"):
        recorder.record("bad", np.full(WIDTH, 20))
    recorder.record("good", 20)
    with pytest.raises(StoreWriteError, match=r"^'bad': "):
        recorder.close()

    with ZarrDataStore(path, mode="r") as found:
        assert found.get_all("good")[:].tolist() == list(range(21))


def test_the_other_datastores_are_flushed(tmp_path: Path) -> None:
    """Of several datastores, one that fails does not keep the next from being flushed."""
    path = tmp_path / "recording.h5"
    with Recorder(HDF5DataStore(path)) as recorder:
        record(recorder, 0, 10)
    reshape(path)

    both = Recorder(HDF5DataStore(path, flush_every=100), HDF5DataStore(tmp_path / "other.h5", flush_every=100))
    record(both, 10, 20)
    with pytest.raises(StoreWriteError, match="'bad'"):
        both.flush()
    with HDF5DataStore(tmp_path / "other.h5", mode="r") as other:
        assert len(other.get_all("bad")) == 10
    both.close()


def test_a_value_that_only_a_run_refuses(tmp_path: Path) -> None:
    """A recorder asks every datastore first: what a run cannot describe is in none of them."""
    with AnalysisStore(tmp_path) as store, RunDataStore(store, {}, ORIGIN) as run:
        memory = InMemoryDataStore()
        recorder = Recorder(memory, run)
        with pytest.raises(ValueError, match="32 axes"):
            recorder.set("bad", np.zeros((1,) * 32))
        recorder.record("good", 1)
        assert memory.keys() == ["good"] == run.keys()


def record(recorder: Recorder, start: int, stop: int) -> None:
    """Record numbers that count up, under a key that will be damaged and one that will not."""
    for number in range(start, stop):
        recorder.record("bad", np.full(WIDTH, number))
        recorder.record("good", number)


def killed(location: Path, count: int = 10) -> Path:
    """Record into a run, and leave it as a process that was killed; return the live file."""
    process = os.fork()
    if process == 0:
        live = RunDataStore(AnalysisStore(location), {}, ORIGIN)
        record(Recorder(live), 0, count)
        live.flush()
        os.kill(os.getpid(), 9)
    os.waitpid(process, 0)
    (found,) = location.rglob("*.live")
    return found


def damage(path: Path) -> None:
    """Flip a bit in the header of one dataset."""
    with h5py.File(path, "r", swmr=True) as file:
        header: Any = h5py.h5o.get_info(file["bad"].id)
    flip(path, header.addr + 10)


def damage_chunks(path: Path) -> None:
    """Flip a bit in a block of the list of the chunks of one dataset: the last chunk is found without it."""
    with h5py.File(path, "r", swmr=True) as file:
        place: Any = file["bad"].id.get_chunk_info_by_coord((1000, 0))
    data = path.read_bytes()
    at = data.index(place.byte_offset.to_bytes(8, "little"))
    flip(path, at)


def flip(path: Path, at: int) -> None:
    """Flip a bit."""
    with path.open("r+b") as raw:
        raw.seek(at)
        (byte,) = raw.read(1)
        raw.seek(at)
        raw.write(bytes([byte ^ 1]))


def reshape(path: Path) -> None:
    """Put a dataset of another rank in the place of one, as another program might."""
    with h5py.File(path, "r+") as file:
        attributes = dict(file["bad"].attrs)
        del file["bad"]
        file.create_dataset("bad", (10,), float, maxshape=(None,)).attrs.update(attributes)

"""The recorder: several datastores at once, and what users of SimRecorder know and were bitten by."""

from __future__ import annotations

import numpy as np
import pytest

from analysis_store.errors import InvalidDataError, KeyNotFoundError, RunClosedError, StoreWriteError, TooLargeError
from analysis_store.recorder import InMemoryDataStore, Recorder, Series, ZarrDataStore

N = 10


class FullDataStore(InMemoryDataStore):
    """A datastore whose disk is full."""

    def _append(self, key, form, value, time):
        raise StoreWriteError("the disk is full")

    def _flush(self):
        raise StoreWriteError("the disk is full")


def both(tmp_path):
    """Return a recorder into memory and into a directory."""
    return Recorder(InMemoryDataStore(), ZarrDataStore(tmp_path / "x.zarr"))


# -------------------------------------------------------------------------------------- what SimRecorder's tests say


def test_arrays_record_close_reopen(tmp_path):
    """Ten arrays under 'train/what' come back from every datastore, and from the disk after closing."""
    arrays = [np.random.default_rng(number).random((10, 5, 2, 6)) for number in range(N)]
    with both(tmp_path) as recorder:
        for array in arrays:
            recorder.record("train/what", array)
        for datastore in recorder.datastores:
            assert np.array_equal(arrays, np.array(datastore.get_all("train/what")))
    assert np.array_equal(arrays, np.array(recorder.get_all("train/what")))
    found = Recorder(ZarrDataStore(tmp_path / "x.zarr", mode="r"))
    assert np.array_equal(arrays, np.array(found.get_all("train/what")))


def test_set_twice(tmp_path):
    """The last value that was set is the one."""
    with both(tmp_path) as recorder:
        recorder.set("what", 1)
        recorder.set("what", np.arange(3))
        for datastore in recorder.datastores:
            assert [0, 1, 2] == datastore.get("what").tolist()


def test_scalars(tmp_path):
    """10., 20. are [10., 20.]."""
    with both(tmp_path) as recorder:
        recorder.record("what", 10.0)
        recorder.record("what", 20.0)
        for datastore in recorder.datastores:
            assert [10.0, 20.0] == datastore.get_all("what")[:].tolist()


def test_objects(tmp_path):
    """Two lists of arrays of different shapes come back as lists of arrays."""
    things = [[np.random.default_rng(0).random(shape) for shape in [(3, 1), (4, 1), (0,)]] for _ in range(2)]
    with both(tmp_path) as recorder:
        for thing in things:
            recorder.record("what", thing)
        for datastore in recorder.datastores:
            found = datastore.get_all("what")
            for wanted, back in zip(things, found, strict=True):
                assert all(np.array_equal(one, other) for one, other in zip(wanted, back, strict=True))


# --------------------------------------------------------------------------------------- what it did wrong, and we not


def test_parent_of_keys(tmp_path):
    """``get_all`` of a parent gives its children; it raised."""
    with both(tmp_path) as recorder:
        recorder.record("a/b", 1)
        recorder.record("a/c", "x")
        for datastore in recorder.datastores:
            below = datastore.get_all("a")
            assert {"b": [1], "c": ["x"]} == {name: list(series) for name, series in below.items()}


@pytest.mark.parametrize(
    ("first", "wrong"), [(np.ones(3), np.ones(4)), (np.ones(3), np.ones(1)), (1, 1.7), (1, np.ones(2))]
)
def test_failed_record_leaves_no_row(tmp_path, first, wrong):
    """A value that does not fit left a zero row, was truncated or broadcast, or stopped with an AssertionError."""
    with both(tmp_path) as recorder:
        recorder.record("a", first)
        with pytest.raises(InvalidDataError, match="'a': got a value of"):
            recorder.record("a", wrong)
        assert [1, 1] == [len(datastore.get_all("a")) for datastore in recorder.datastores]
        recorder.record("a", first)
        for datastore in recorder.datastores:
            assert np.array_equal([first, first], datastore.get_all("a")[:])


@pytest.mark.parametrize(
    "value", [np.zeros(0), np.zeros((10, 100_000)), {"a": 1}, None, [[1], [1, 2]], np.array(["ab"])]
)
def test_values_that_were_errors(tmp_path, value):
    """Arrays of size zero, wide ones, dicts, None, ragged lists and text were refused."""
    with both(tmp_path) as recorder:
        recorder.record("a", value)
        for datastore in recorder.datastores:
            found = datastore.get("a")
            assert type(found) is type(value)
            assert np.array_equal(value, found) if isinstance(value, np.ndarray) else value == found


def test_each_key_counts_for_itself(tmp_path):
    """One counter was shared by all keys."""
    with both(tmp_path) as recorder:
        for number in range(4):
            recorder.record("ab"[number % 2], {"number": number})
        for datastore in recorder.datastores:
            assert [{"number": 0}, {"number": 2}] == list(datastore.get_all("a"))
            assert {"number": 3} == datastore.get_all("b")[1]


def test_existing_recording_goes_on(tmp_path):
    """What is there was read-only."""
    for number in range(3):
        with Recorder(ZarrDataStore(tmp_path / "x.zarr")) as recorder:
            recorder.record("a", number)
            recorder.record(f"new {number}", number)
    assert [0, 1, 2] == recorder.get_all("a")[:].tolist()
    assert ["a", "new 0", "new 1", "new 2"] == recorder.keys()


def test_missing_keys(tmp_path):
    """They were None, None or [], by datastore."""
    with both(tmp_path) as recorder:
        recorder.record("loss", 1)
        for read in (recorder.get, recorder.get_all, recorder.times, recorder.datastores[1].get):
            with pytest.raises(KeyNotFoundError, match="'los' is not recorded; recorded keys: loss"):
                read("los")


def test_set_then_record(tmp_path):
    """It was an AttributeError."""
    with both(tmp_path) as recorder:
        recorder.set("a", 1)
        with pytest.raises(InvalidDataError, match="'a' was set before, and is recorded now; use another key"):
            recorder.record("a", 1)


def test_later_changes_change_nothing(tmp_path):
    """The memory kept references."""
    array = np.zeros(2)
    with both(tmp_path) as recorder:
        recorder.record("a", array)
        array[:] = 1
        recorder.record("a", array)
        for datastore in recorder.datastores:
            assert [[0, 0], [1, 1]] == datastore.get_all("a")[:].tolist()


# ------------------------------------------------------------------------------------------------ several datastores


def test_no_datastore():
    """A recorder needs one, and one that is one."""
    for wrong in ((), ("file.h5",)):
        with pytest.raises(InvalidDataError, match="expected datastores"):
            Recorder(*wrong)


def test_refused_by_one_is_taken_by_none(tmp_path):
    """A value that the second datastore refuses is not in the first either."""
    first, second = InMemoryDataStore(), InMemoryDataStore()
    second.append("a", "text", 0.0)
    with Recorder(first, second) as recorder:
        with pytest.raises(InvalidDataError, match="expected text"):
            recorder.record("a", 1.5)
        with pytest.raises(InvalidDataError, match="was recorded before"):
            recorder.set("a", 1.5)
        assert [] == recorder.keys()


def test_the_same_time_in_all(tmp_path):
    """A value has one time, the reading is from the first, and declarations reach all."""
    with both(tmp_path) as recorder:
        recorder.declare("a", dtype=np.float32, units="eV")
        recorder.record("a", 1)
        first, second = recorder.datastores
        assert first.times("a")[0] == second.times("a")[0] == recorder.times("a")[0]
        assert "<a: float32 (1,) eV>" == repr(first.get_all("a")) == repr(second.get_all("a"))
        recorder.flush()
        assert 1 == ZarrDataStore(tmp_path / "x.zarr", mode="r").get("a")
        assert "1 keys" in repr(recorder)


@pytest.mark.parametrize(
    "options", [{"dtype": "what"}, {"dtype": object}, {"dtype": [("a", "f8")]}, {"units": object()}]
)
def test_declared_nonsense(options):
    """What no value can be is not declared."""
    with Recorder(InMemoryDataStore()) as recorder, pytest.raises(InvalidDataError, match="declared"):
        recorder.declare("a", **options)


def test_closing_closes_all(tmp_path):
    """Every datastore is closed whatever becomes of the others, and the error of one is told."""
    recorder = Recorder(FullDataStore(), ZarrDataStore(tmp_path / "x.zarr"))
    recorder.datastores[1].append("a", 1, 0.0)
    with pytest.raises(StoreWriteError, match="full"):
        recorder.record("a", 1)
    with pytest.raises(StoreWriteError, match="full"):
        recorder.close()
    recorder.close()
    assert [1] == ZarrDataStore(tmp_path / "x.zarr", mode="r").get_all("a")[:].tolist()
    for refused in (recorder.record, recorder.set):
        with pytest.raises(RunClosedError, match="closed"):
            refused("a", 1)
    with pytest.raises(RunClosedError, match="closed"):
        recorder.declare("b")


# ------------------------------------------------------------------------------------------------------------ series


class Endless:
    """Values that do not fit into memory."""

    shape, dtype = (1 << 40, 1 << 10), np.dtype(float)

    def __getitem__(self, key):
        return np.broadcast_to(7.0, self.shape)[key].copy()


def test_larger_than_memory():
    """A slice of what does not fit into memory is read; all of it is refused by name, and dask makes chunks."""
    series = Series("a", Endless(), {"units": "V"})
    assert [[7.0, 7.0]] == series[5:6, :2].tolist()
    with pytest.raises(TooLargeError, match="read slices, or use to_dask"):
        np.asarray(series)
    assert "<a: float64 (1099511627776, 1024) V>" == repr(series)
    assert [7.0] * 1024 == next(iter(series)).tolist()


@pytest.mark.parametrize("shape", [(0, 3), (5, 0), (0,), (4, 0, 2)])
def test_dask_of_nothing(shape):
    """An array without values is one in dask, too."""
    lazy = Series("a", np.zeros(shape)).to_dask()
    assert shape == lazy.shape == lazy.compute().shape

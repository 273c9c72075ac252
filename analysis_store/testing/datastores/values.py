"""What may be recorded, and that it comes back exactly."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from analysis_store.errors import InvalidDataError
from analysis_store.recorder.core.value_kinds import Declared
from analysis_store.testing.datastores.cases import (
    ATTRIBUTES,
    DTYPES,
    NOW,
    REFUSED,
    SEQUENCES,
    SHAPES,
    TOO_MUCH,
    assert_same,
    assert_values,
    kept_as,
    made_array,
    record,
)
from analysis_store.testing.datastores.suite import Suite

if TYPE_CHECKING:
    from analysis_store.recorder.core.base import DataStore


class ValuesOfDataStore(Suite):
    """Values come back as they were given, or are refused."""

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_arrays(self, tmp_path: Path, dtype: str) -> None:
        """Numbers, times and fixed text of every dtype and shape come back, of one shape or of many under a key."""
        same = {f"fixed/{shape}": [made_array(dtype, shape, seed) for seed in range(3)] for shape in SHAPES}
        ragged = [made_array(dtype, shape, seed) for seed, shape in enumerate(SHAPES)]

        def fill(datastore: DataStore) -> None:
            datastore.declare("ragged", Declared(ragged=True))
            record(datastore, "ragged", ragged)
            for key, values in same.items():
                record(datastore, key, values)

        for found in self._both(tmp_path, fill):
            for key, values in same.items():
                series = found.get_all(key)
                assert series.shape == (3, *values[0].shape)
                assert series.dtype == np.dtype(dtype)
                assert_values(values, series)
            assert_values(ragged, found.get_all("ragged"))
            assert_same(ragged[-1], found.get("ragged"))

    @pytest.mark.parametrize("name", SEQUENCES)
    def test_values(self, tmp_path: Path, name: str) -> None:
        """Recorded values are read back unchanged, from the datastore and from one that is opened again."""
        values = SEQUENCES[name]
        for found in self._both(tmp_path, lambda datastore: record(datastore, "a", values)):
            assert_values(values, found.get_all("a"))
            assert_same(kept_as(found.get_all("a"), values[-1]), found.get("a"))

    def test_many_values_of_many_sizes(self, tmp_path: Path) -> None:
        """More than any block holds: texts, arrays and numbers come back in their order."""
        texts = ["x" * (index % 97) for index in range(3000)]
        arrays = [np.full((index % 5, 1 + index % 3), index, "f4") for index in range(500)]

        def fill(datastore: DataStore) -> None:
            datastore.declare("arrays", Declared(ragged=True))
            record(datastore, "texts", texts)
            record(datastore, "arrays", arrays)
            record(datastore, "large", [np.full((30, 10_000), 1.0 * index) for index in range(4)])

        for found in self._both(tmp_path, fill):
            assert texts == list(found.get_all("texts"))
            assert_values(arrays, found.get_all("arrays"))
            assert found.get_all("large")[:, 29, 9_999].tolist() == [0.0, 1.0, 2.0, 3.0]

    def test_int_among_floats_is_one(self, tmp_path: Path) -> None:
        """3 among floats is 3.0."""
        with self.make(tmp_path) as datastore:
            record(datastore, "a", [0.5, 3])
            assert datastore.get("a") == 3.0
            assert np.dtype(float) == datastore.get_all("a").dtype

    @pytest.mark.parametrize("name", REFUSED)
    def test_refused_values_leave_the_key_as_it_was(self, tmp_path: Path, name: str) -> None:
        """What does not fit is refused; length, values and the next record are as if nothing had been."""
        first, wrong = REFUSED[name]

        def fill(datastore: DataStore) -> None:
            datastore.append("a", first, NOW)
            for refuses in (datastore.append, lambda key, value, _: datastore.check(key, value)):
                with pytest.raises(InvalidDataError, match="a"):
                    refuses("a", wrong, NOW)
            assert len(datastore.get_all("a")) == 1
            datastore.append("a", first, NOW)

        for found in self._both(tmp_path, fill):
            assert_values([first, first], found.get_all("a"))
            assert len(found.times("a")) == 2

    @pytest.mark.parametrize("wrong", [threading.Lock(), "\udc00"], ids=["lock", "text"])
    def test_refused_first_values_make_no_key(self, tmp_path: Path, wrong: object) -> None:
        """A key whose first value is refused does not exist."""
        with self.make(tmp_path) as datastore:
            with pytest.raises(InvalidDataError, match="new"):
                datastore.append("new", wrong, NOW)
            assert datastore.keys() == []
            datastore.append("new", 1, NOW)
            assert datastore.get_all("new")[:].tolist() == [1]

    @pytest.mark.parametrize("name", TOO_MUCH)
    def test_values_that_are_too_much_cost_no_others(self, tmp_path: Path, name: str) -> None:
        """What HDF5 cannot hold is refused when it comes; the values of another key are there, before and after."""

        def fill(datastore: DataStore) -> None:
            datastore.append("good", 1.5, NOW)
            for refuses in (datastore.append, datastore.set, lambda key, value, _: datastore.check(key, value)):
                with pytest.raises(InvalidDataError, match="bad"):
                    refuses("bad", TOO_MUCH[name], NOW)
            assert datastore.keys() == ["good"]
            datastore.append("good", 2.5, NOW)

        for found in self._both(tmp_path, fill):
            assert found.get_all("good")[:].tolist() == [1.5, 2.5]

    @pytest.mark.parametrize("name", ATTRIBUTES)
    def test_attributes_that_are_too_much_cost_no_others(self, tmp_path: Path, name: str) -> None:
        """What no file can say of a key is refused when it is declared."""

        def fill(datastore: DataStore) -> None:
            datastore.append("good", 1.5, NOW)
            with pytest.raises(InvalidDataError):
                datastore.declare("bad", Declared(attrs=ATTRIBUTES[name]))
            datastore.append("bad", 2.5, NOW)

        for found in self._both(tmp_path, fill):
            assert (found.get("good"), found.get("bad")) == (1.5, 2.5)

    def test_later_changes_change_nothing(self, tmp_path: Path) -> None:
        """What is recorded is a copy, and so is what is read."""
        array, thing = np.zeros(3), {"a": [1]}

        def fill(datastore: DataStore) -> None:
            for key, value in (("array", array), ("thing", thing)):
                datastore.append(key, value, NOW)
                datastore.set(f"set {key}", value, NOW)
            array[:], thing["a"] = 7, [8]
            datastore.get("array")[:] = 9
            datastore.get_all("array")[:][:] = 9
            datastore.get("thing")["a"] = 9

        for found in self._both(tmp_path, fill):
            assert [0, 0, 0] == found.get("array").tolist() == found.get("set array").tolist()
            assert {"a": [1]} == found.get("thing") == found.get("set thing")

    def test_declared(self, tmp_path: Path) -> None:
        """A key is what was declared: its dtype, its shapes, its units; and declaring comes first."""

        def fill(datastore: DataStore) -> None:
            datastore.declare("x", Declared(dtype="f8", attrs={"units": "eV"}))
            record(datastore, "x", [1, 1.5])
            datastore.declare("names", Declared(dtype="U5"))
            record(datastore, "names", ["a", "", "abcde"])
            datastore.declare("lists", Declared(ragged=True, dtype="f8"))
            record(datastore, "lists", [[], [1, 2], 3.5])
            with pytest.raises(InvalidDataError, match="has values already"):
                datastore.declare("x", Declared())
            for wrong in (Declared(dtype="O"), Declared(dtype="what"), Declared(attrs={"units": object()})):
                with pytest.raises(InvalidDataError, match="declared"):
                    datastore.declare("new", wrong)

        for found in self._both(tmp_path, fill):
            assert found.get_all("x")[:].tolist() == [1.0, 1.5]
            assert found.get_all("x").attrs["units"] == "eV"
            assert found.get_all("names")[:].tolist() == ["a", "", "abcde"]
            assert_values([np.empty(0), np.array([1.0, 2.0]), 3.5], found.get_all("lists"))

"""How recorded values are read again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from analysis_store.recorder.core.series import Series
from analysis_store.testing.datastores.cases import INDICES, NOW, assert_same, record
from analysis_store.testing.datastores.suite import Suite

if TYPE_CHECKING:
    from analysis_store.recorder.core.base import DataStore


class ReadingOfDataStore(Suite):
    """All values of a key are read as an array is."""

    @pytest.mark.parametrize("name", INDICES)
    def test_indices(self, tmp_path: Path, name: str) -> None:
        """A series gives what NumPy gives for the same index, of values that were flushed and that were not."""
        rows, key = np.arange(12 * 2 * 3, dtype="f8").reshape(12, 2, 3), INDICES[name]
        texts = np.array([f"t{number}" for number in range(12)], object)

        def fill(datastore: DataStore) -> None:
            for number in range(12):
                datastore.append("a", rows[number], NOW)
                datastore.append("texts", texts[number], NOW)
                if number == 6:
                    datastore.flush()

        first = key[0] if isinstance(key, tuple) and key else key
        for found in self._both(tmp_path, fill):
            assert_same(rows[key], found.get_all("a")[key])
            wanted, text = texts[first], found.get_all("texts")[first]
            assert type(text) is type(wanted)
            assert np.array_equal(wanted, text)

    @pytest.mark.parametrize("index", [3, -4, (0, 2), (0, 0, 0), [5], (slice(None), 2)], ids=str)
    def test_indices_out_of_bounds(self, tmp_path: Path, index: object) -> None:
        """An index that is not there raises IndexError."""
        for found in self._both(tmp_path, lambda datastore: record(datastore, "a", [[1.0, 2.0]] * 3)):
            with pytest.raises(IndexError):
                found.get_all("a")[index]

    def test_series(self, tmp_path: Path) -> None:
        """A series is an array that is read when it is wanted, iterated over, or given to dask; and it grows."""
        rows = np.random.default_rng(1).random((20, 3))
        with self.make(tmp_path) as datastore:
            record(datastore, "a", rows)
            series = datastore.get_all("a")
            assert isinstance(series, Series)
            assert (series.ndim, len(series), series.dtype) == (2, 20, np.dtype(float))
            assert "a: float64 (20, 3)" in repr(series)
            lazy = series.to_dask()
            assert np.array_equal(rows, np.asarray(series))
            assert np.array_equal(rows.astype("f4"), np.asarray(series, "f4"))
            assert np.array_equal(rows, np.stack(list(series)))
            datastore.append("a", rows[0], NOW)
            assert series.shape == (21, 3)
            assert np.array_equal(rows[0], series[-1])
            assert np.array_equal(rows, np.asarray(lazy))

    def test_repr_tells_where(self, tmp_path: Path) -> None:
        """The representation names the class and how many keys there are."""
        with self.make(tmp_path) as datastore:
            datastore.append("a", 1, NOW)
            assert type(datastore).__name__ in repr(datastore)
            assert re.search(r"\b1\b", repr(datastore)), repr(datastore)

"""The keys under which values are recorded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from analysis_store.errors import InvalidDataError, KeyNotFoundError
from analysis_store.testing.datastores.cases import NOW
from analysis_store.testing.datastores.suite import Suite
from analysis_store.testing.equality import assert_identical

if TYPE_CHECKING:
    from analysis_store.recorder.core.base import DataStore


class KeysOfDataStore(Suite):
    """Each key has its values, the last of them, and their times."""

    def test_keys_are_paths(self, tmp_path: Path) -> None:
        """Keys keep their order; of one that others lie below, get_all gives these by name, however deep."""
        names = [
            "b",
            "train/loss",
            "a",
            "train/deep/er",
            "λ x/50 %",
            ".hidden",
            "C:\\x",
            "values",
            "time",
            "train/time",
        ]

        def fill(datastore: DataStore) -> None:
            for number, name in enumerate(names):
                datastore.append(name, number, NOW)

        for found in self._both(tmp_path, fill):
            assert names == found.keys()
            assert list(range(len(names))) == [found.get(name) for name in names]
            below = found.get_all("train")
            assert list(below) == ["loss", "deep", "time"]
            assert below["deep"]["er"][:].tolist() == [3]
            assert list(dict.fromkeys(name.split("/")[0] for name in names)) == list(found.get_all(""))

    @pytest.mark.parametrize("key", ["", "/", "a//b", "/a", "a/", "..", "a/../b", ".", "a\0b", "a\nb", 3, None, b"a"])
    def test_no_keys(self, tmp_path: Path, key: str) -> None:
        """Text that is not a path is not a key."""
        with self.make(tmp_path) as datastore:
            for write in (datastore.append, datastore.set):
                with pytest.raises(InvalidDataError, match="as a key; expected names joined"):
                    write(key, 1, NOW)
            assert datastore.keys() == []

    @pytest.mark.parametrize("key", ["k" * 256, "é" * 128, "/".join(["ab"] * 400)], ids=["long", "UTF-8", "deep"])
    def test_no_long_keys(self, tmp_path: Path, key: str) -> None:
        """A key that a folder cannot have as its name, or that is too deep, is refused; another one is kept."""
        with self.make(tmp_path) as datastore:
            for write in (datastore.append, datastore.set):
                with pytest.raises(InvalidDataError, match="expected at most 1000, and 255 for each name"):
                    write(key, 1, NOW)
            datastore.append("k" * 255, 1, NOW)
            datastore.flush()
            assert datastore.keys() == ["k" * 255]

    def test_a_key_has_values_or_keys_below(self, tmp_path: Path) -> None:
        """No key above or below one with values."""
        with self.make(tmp_path) as datastore:
            datastore.append("a/b", 1, NOW)
            for wrong in ("a", "a/b/c"):
                with pytest.raises(InvalidDataError, match="with 'a/b': a key has values, or keys below it"):
                    datastore.append(wrong, 1, NOW)
            datastore.append("a/bc", 1, NOW)
            assert datastore.keys() == ["a/b", "a/bc"]

    def test_unknown_keys(self, tmp_path: Path) -> None:
        """The error lists the existing keys."""
        with self.make(tmp_path) as datastore:
            for read in (datastore.get, datastore.get_all, datastore.times):
                with pytest.raises(KeyNotFoundError, match="is not recorded"):
                    read("a")
            datastore.append("train/loss", 1, NOW)
            for read in (datastore.get, datastore.get_all, datastore.times):
                with pytest.raises(KeyNotFoundError, match=r"'loss' is not recorded.*train/loss"):
                    read("loss")

    def test_set_keeps_the_last(self, tmp_path: Path) -> None:
        """A key that is set keeps the last value, of any type; it cannot be appended to."""

        def fill(datastore: DataStore) -> None:
            datastore.append("recorded", 1, NOW)
            for value in (1, "two", np.arange(3), None, {"five": 5.5}):
                datastore.set("a/set", value, NOW)
                assert_identical(value, datastore.get("a/set"))
            with pytest.raises(InvalidDataError, match="was set before"):
                datastore.append("a/set", 1, NOW)
            with pytest.raises(InvalidDataError, match="was recorded before"):
                datastore.set("recorded", 1, NOW)
            datastore.flush()
            datastore.set("a/set", {"six": 6}, NOW + 6)

        for found in self._both(tmp_path, fill):
            assert {"six": 6} == found.get("a/set") == found.get_all("a/set") == found.get_all("a")["set"]
            assert found.times("a/set")[:].tolist() == [NOW + 6]

    def test_times(self, tmp_path: Path) -> None:
        """Each value knows its time."""

        def fill(datastore: DataStore) -> None:
            for number in range(10):
                datastore.append("a", "text" * number, NOW + number / 7)

        for found in self._both(tmp_path, fill):
            times = found.times("a")
            assert (np.dtype(float), (10,)) == (times.dtype, times.shape)
            assert [NOW + number / 7 for number in range(10)] == times[:].tolist()
            assert times[-1] == NOW + 9 / 7

"""The conformance suite of datastores: subclass it for a place of one's own where recorded values are kept."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

from analysis_store.errors import InvalidDataError, KeyNotFoundError, RunClosedError
from analysis_store.recorder.forms import Declared, as_array
from analysis_store.recorder.series import Series
from analysis_store.testing.equality import assert_identical

if TYPE_CHECKING:
    from collections.abc import Callable

    from analysis_store.recorder.base import DataStore

_NOW = 1.7e9
_EACH = 500

_DTYPES = (
    *("?", "i1", "u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16"),
    *(">f8", ">i4", "g", "G", "<M8[ns]", "<M8[D]", "<m8[us]", "<U3", ">U2", "S4"),
)
_SHAPES: tuple[tuple[int, ...], ...] = ((), (1,), (4,), (3, 2), (2, 1, 2, 3), (0,), (2, 0, 3))

_SEQUENCES: dict[str, list[Any]] = {
    "floats": [0.5, -0.0, float("nan"), float("inf"), 5e-324],
    "floats and an int": [0.5, 3, np.float32(0.25)],
    "ints": [1, -(2**63), 2**63 - 1, np.int8(3)],
    "bools": [True, False, np.True_],
    "complex": [1j, 2.5, 3],
    "text": ["", "a", "λ\n\0x", "x" * 5000, np.str_("numpy's")],
    "lists of numbers": [[1.0, 2.0], [3, 4]],
    "lists of lists": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]],
    "empty lists": [[], [1.0], []],
    "lists of arrays": [[np.ones((3, 1)), np.zeros((4, 1)), np.array([])], [np.ones(1)]],
    "big ints": [2**70, 1, -(2**90)],
    "None": [None, 1.5, "text", None],
    "dicts": [{"a": 1, "b": [None, {"c": np.arange(3)}]}, {}],
    "bytes": [b"", b"a\0", b"\xff\x00\x00"],
    "structured": [np.zeros(2, [("x", "f8"), ("n", "i4")])] * 2,
}

_REFUSED: dict[str, tuple[Any, Any]] = {
    "a fraction among ints": (1, 1.7),
    "a float among ints": (1, 2.0),
    "an int that a float cannot hold": (0.5, 2**53 + 1),
    "a big int among ints": (1, 2**63),
    "a negative among unsigned": (np.uint8(1), -1),
    "a large one among bytes": (np.int8(1), 200),
    "complex among floats": (1.0, 1j),
    "a bool among ints": (1, True),
    "an int among bools": (True, 1),
    "an int among timedeltas": (np.timedelta64(1, "s"), 1),
    "a date that nanoseconds cannot hold": (np.datetime64("2000", "ns"), np.datetime64("3000-01-01", "s")),
    "text among numbers": (1.0, "1"),
    "a number among text": ("1", 1.0),
    "bytes among text": ("1", b"1"),
    "None among numbers": (1.0, None),
    "an object among arrays": (np.ones(2), {"a": 1}),
    "an array among numbers": (1.0, np.ones(1)),
    "a number among arrays": (np.ones(1), 1.0),
    "(1,) among (3,)": (np.ones(3), np.ones(1)),
    "another rank": (np.ones(3), np.ones((3, 1))),
    "a longer list": ([1.0, 2.0], [1.0, 2.0, 3.0]),
    "wider text": (np.array(["ab"]), np.array(["abc"])),
    "text with a lone surrogate": ("a", "\ud800"),
    "what has no codec": ({"a": 1}, {"a": threading.Lock()}),
}

_INDICES: dict[str, Any] = {
    "an int": 3,
    "a negative int": -2,
    "a NumPy int": np.int32(4),
    "a slice": slice(2, 9),
    "a slice with a step": slice(1, None, 3),
    "a slice backwards": slice(8, 1, -2),
    "all backwards": slice(None, None, -1),
    "an empty slice": slice(5, 2),
    "a slice out of bounds": slice(-100, 100),
    "nothing": (),
    "an ellipsis": ...,
    "an ellipsis and an index": (..., 1),
    "within each": (slice(None), 1, slice(0, 2)),
    "within one": (2, slice(None, None, -1), 0),
    "backwards within each": (slice(2, 8), slice(None), slice(None, None, -1)),
    "a list": [5, 1, 1, -1],
    "an array": np.array([[0, 3], [2, 2]]),
    "a mask": np.arange(12) % 3 == 1,
    "pairs": ([1, 2, 5], [0, 1, 1]),
    "an empty list": [],
    "a new axis": (slice(None), None),
}

_CHILD = """
import importlib.util, sys, time
from pathlib import Path
module, file, name, where, key, wanted = sys.argv[1:]
spec = importlib.util.spec_from_file_location(module, file)
sys.modules[module] = made = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made)
suite = getattr(made, name)()
print("ready", flush=True)
sys.stdin.readline()
datastore = suite.reopen(Path(where))
for count in map(int, wanted.split(",")):
    until = time.monotonic() + 5
    while not (key in datastore.keys() and len(datastore.get_all(key)) >= count):
        if time.monotonic() > until:
            sys.exit(f"{datastore!r} shows no {count} values of {key}")
        time.sleep(0.01)
    values = datastore.get_all(key)[:count]
    assert list(values) == list(range(count)), values
    print(count, flush=True)
"""


class DataStoreTests:
    """What every datastore has to do. A subclass makes one, and opens it again where what is in it outlives it.

    The module of the subclass is imported by another process, too, if `visible_within` is not None.

    Examples
    --------
    >>> class TestMine(DataStoreTests):
    ...     def make(self, path):
    ...         return MyDataStore(path / "mine")
    ...
    ...     def reopen(self, path):
    ...         return MyDataStore(path / "mine", mode="r")
    """

    visible_within: ClassVar[float | None] = 1.0
    """Seconds after which another process sees a value without a flush; None where none ever does."""

    appends: ClassVar[bool] = True
    """Whether what was recorded can be gone on with after closing."""

    max_seconds: ClassVar[float] = 60.0
    """How long 4 threads may take for 500 values each."""

    def make(self, path: Path) -> DataStore:
        """Return a datastore in a directory: a new one, or what was recorded there before, to go on with."""
        raise NotImplementedError(f"{type(self).__name__}.make returns a datastore in {path}")

    def reopen(self, path: Path) -> Any:
        """Return what was recorded, to be read; also while it is being recorded. None where nothing outlives it."""
        return None

    # ------------------------------------------------------------------------------------------------ values

    @pytest.mark.parametrize("dtype", _DTYPES)
    def test_arrays(self, tmp_path: Path, dtype: str) -> None:
        """Numbers, times and fixed text of every dtype and shape come back, of one shape or of many under a key."""
        same = {f"fixed/{shape}": [_array(dtype, shape, seed) for seed in range(3)] for shape in _SHAPES}
        ragged = [_array(dtype, shape, seed) for seed, shape in enumerate(_SHAPES)]

        def fill(datastore: DataStore) -> None:
            datastore.declare("ragged", Declared(ragged=True))
            _record(datastore, "ragged", ragged)
            for key, values in same.items():
                _record(datastore, key, values)

        for found in self._both(tmp_path, fill):
            for key, values in same.items():
                series = found.get_all(key)
                assert series.shape == (3, *values[0].shape)
                assert series.dtype == np.dtype(dtype)
                assert_values(values, series)
            assert_values(ragged, found.get_all("ragged"))
            assert_same(ragged[-1], found.get("ragged"))

    @pytest.mark.parametrize("name", _SEQUENCES)
    def test_values(self, tmp_path: Path, name: str) -> None:
        """Whatever is recorded comes back as it was, from the datastore and from one that is opened again."""
        values = _SEQUENCES[name]
        for found in self._both(tmp_path, lambda datastore: _record(datastore, "a", values)):
            assert_values(values, found.get_all("a"))
            assert_same(_as(found.get_all("a"), values[-1]), found.get("a"))

    def test_many_values_of_many_sizes(self, tmp_path: Path) -> None:
        """More than any block holds: texts, arrays and numbers come back in their order."""
        texts = ["x" * (index % 97) for index in range(3000)]
        arrays = [np.full((index % 5, 1 + index % 3), index, "f4") for index in range(500)]

        def fill(datastore: DataStore) -> None:
            datastore.declare("arrays", Declared(ragged=True))
            _record(datastore, "texts", texts)
            _record(datastore, "arrays", arrays)
            _record(datastore, "large", [np.full((30, 10_000), 1.0 * index) for index in range(4)])

        for found in self._both(tmp_path, fill):
            assert texts == list(found.get_all("texts"))
            assert_values(arrays, found.get_all("arrays"))
            assert found.get_all("large")[:, 29, 9_999].tolist() == [0.0, 1.0, 2.0, 3.0]

    def test_int_among_floats_is_one(self, tmp_path: Path) -> None:
        """3 among floats is 3.0."""
        with self.make(tmp_path) as datastore:
            _record(datastore, "a", [0.5, 3])
            assert datastore.get("a") == 3.0
            assert np.dtype(float) == datastore.get_all("a").dtype

    @pytest.mark.parametrize("name", _REFUSED)
    def test_refused_values_leave_the_key_as_it_was(self, tmp_path: Path, name: str) -> None:
        """What does not fit is refused; length, values and the next record are as if nothing had been."""
        first, wrong = _REFUSED[name]

        def fill(datastore: DataStore) -> None:
            datastore.append("a", first, _NOW)
            for refuses in (datastore.append, lambda key, value, _: datastore.check(key, value)):
                with pytest.raises(InvalidDataError, match="a"):
                    refuses("a", wrong, _NOW)
            assert len(datastore.get_all("a")) == 1
            datastore.append("a", first, _NOW)

        for found in self._both(tmp_path, fill):
            assert_values([first, first], found.get_all("a"))
            assert len(found.times("a")) == 2

    @pytest.mark.parametrize("wrong", [threading.Lock(), "\udc00"], ids=["lock", "text"])
    def test_refused_first_values_make_no_key(self, tmp_path: Path, wrong: Any) -> None:
        """A key whose first value cannot be kept is none."""
        with self.make(tmp_path) as datastore:
            with pytest.raises(InvalidDataError, match="new"):
                datastore.append("new", wrong, _NOW)
            assert datastore.keys() == []
            datastore.append("new", 1, _NOW)
            assert datastore.get_all("new")[:].tolist() == [1]

    def test_later_changes_change_nothing(self, tmp_path: Path) -> None:
        """What is recorded is a copy, and so is what is read."""
        array, thing = np.zeros(3), {"a": [1]}

        def fill(datastore: DataStore) -> None:
            for key, value in (("array", array), ("thing", thing)):
                datastore.append(key, value, _NOW)
                datastore.set(f"set {key}", value, _NOW)
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
            _record(datastore, "x", [1, 1.5])
            datastore.declare("names", Declared(dtype="U5"))
            _record(datastore, "names", ["a", "", "abcde"])
            datastore.declare("lists", Declared(ragged=True, dtype="f8"))
            _record(datastore, "lists", [[], [1, 2], 3.5])
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

    # -------------------------------------------------------------------------------------------------- keys

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
                datastore.append(name, number, _NOW)

        for found in self._both(tmp_path, fill):
            assert names == found.keys()
            assert list(range(len(names))) == [found.get(name) for name in names]
            below = found.get_all("train")
            assert list(below) == ["loss", "deep", "time"]
            assert below["deep"]["er"][:].tolist() == [3]
            assert list(dict.fromkeys(name.split("/")[0] for name in names)) == list(found.get_all(""))

    @pytest.mark.parametrize("key", ["", "/", "a//b", "/a", "a/", "..", "a/../b", ".", "a\0b", "a\nb", 3, None, b"a"])
    def test_no_keys(self, tmp_path: Path, key: Any) -> None:
        """What is no path is no key."""
        with self.make(tmp_path) as datastore:
            for write in (datastore.append, datastore.set):
                with pytest.raises(InvalidDataError, match="came as a key"):
                    write(key, 1, _NOW)
            assert datastore.keys() == []

    def test_a_key_has_values_or_keys_below(self, tmp_path: Path) -> None:
        """No key above or below one with values."""
        with self.make(tmp_path) as datastore:
            datastore.append("a/b", 1, _NOW)
            for wrong in ("a", "a/b/c"):
                with pytest.raises(InvalidDataError, match="beside 'a/b'"):
                    datastore.append(wrong, 1, _NOW)
            datastore.append("a/bc", 1, _NOW)
            assert datastore.keys() == ["a/b", "a/bc"]

    def test_unknown_keys(self, tmp_path: Path) -> None:
        """The error tells the keys that there are."""
        with self.make(tmp_path) as datastore:
            for read in (datastore.get, datastore.get_all, datastore.times):
                with pytest.raises(KeyNotFoundError, match="nothing is recorded"):
                    read("a")
            datastore.append("train/loss", 1, _NOW)
            for read in (datastore.get, datastore.get_all, datastore.times):
                with pytest.raises(KeyNotFoundError, match=r"'loss' is not recorded.*train/loss"):
                    read("loss")

    def test_set_keeps_the_last(self, tmp_path: Path) -> None:
        """Of a key that is set, the last value is there, whatever it is; it is not also recorded."""

        def fill(datastore: DataStore) -> None:
            datastore.append("recorded", 1, _NOW)
            for value in (1, "two", np.arange(3), None, {"five": 5.5}):
                datastore.set("a/set", value, _NOW)
                assert_identical(value, datastore.get("a/set"))
            with pytest.raises(InvalidDataError, match="was set before"):
                datastore.append("a/set", 1, _NOW)
            with pytest.raises(InvalidDataError, match="was recorded before"):
                datastore.set("recorded", 1, _NOW)
            datastore.flush()
            datastore.set("a/set", {"six": 6}, _NOW + 6)

        for found in self._both(tmp_path, fill):
            assert {"six": 6} == found.get("a/set") == found.get_all("a/set") == found.get_all("a")["set"]
            assert found.times("a/set")[:].tolist() == [_NOW + 6]

    def test_times(self, tmp_path: Path) -> None:
        """Each value knows its time."""

        def fill(datastore: DataStore) -> None:
            for number in range(10):
                datastore.append("a", "text" * number, _NOW + number / 7)

        for found in self._both(tmp_path, fill):
            times = found.times("a")
            assert (np.dtype(float), (10,)) == (times.dtype, times.shape)
            assert [_NOW + number / 7 for number in range(10)] == times[:].tolist()
            assert times[-1] == _NOW + 9 / 7

    # ----------------------------------------------------------------------------------------------- reading

    @pytest.mark.parametrize("name", _INDICES)
    def test_indices(self, tmp_path: Path, name: str) -> None:
        """A series gives what NumPy gives for the same index, of values that were flushed and that were not."""
        rows, key = np.arange(12 * 2 * 3, dtype="f8").reshape(12, 2, 3), _INDICES[name]
        texts = np.array([f"t{number}" for number in range(12)], object)

        def fill(datastore: DataStore) -> None:
            for number in range(12):
                datastore.append("a", rows[number], _NOW)
                datastore.append("texts", texts[number], _NOW)
                if number == 6:
                    datastore.flush()

        first = key[0] if isinstance(key, tuple) and key else key
        for found in self._both(tmp_path, fill):
            assert_same(rows[key], found.get_all("a")[key])
            wanted, text = texts[first], found.get_all("texts")[first]
            assert type(text) is type(wanted)
            assert np.array_equal(wanted, text)

    @pytest.mark.parametrize("index", [3, -4, (0, 2), (0, 0, 0), [5], (slice(None), 2)], ids=str)
    def test_indices_out_of_bounds(self, tmp_path: Path, index: Any) -> None:
        """An index that is not there raises IndexError."""
        for found in self._both(tmp_path, lambda datastore: _record(datastore, "a", [[1.0, 2.0]] * 3)):
            with pytest.raises(IndexError):
                found.get_all("a")[index]

    def test_series(self, tmp_path: Path) -> None:
        """A series is an array that is read when it is wanted, iterated over, or given to dask; and it grows."""
        rows = np.random.default_rng(1).random((20, 3))
        with self.make(tmp_path) as datastore:
            _record(datastore, "a", rows)
            series = datastore.get_all("a")
            assert isinstance(series, Series)
            assert (series.ndim, len(series), series.dtype) == (2, 20, np.dtype(float))
            assert "a: float64 (20, 3)" in repr(series)
            lazy = series.to_dask()
            assert np.array_equal(rows, np.asarray(series))
            assert np.array_equal(rows.astype("f4"), np.asarray(series, "f4"))
            assert np.array_equal(rows, np.stack(list(series)))
            datastore.append("a", rows[0], _NOW)
            assert series.shape == (21, 3)
            assert np.array_equal(rows[0], series[-1])
            assert np.array_equal(rows, np.asarray(lazy))

    def test_repr_tells_where(self, tmp_path: Path) -> None:
        """The representation names the class and how many keys there are."""
        with self.make(tmp_path) as datastore:
            datastore.append("a", 1, _NOW)
            assert type(datastore).__name__ in repr(datastore)
            assert re.search(r"\b1\b", repr(datastore)), repr(datastore)

    # ---------------------------------------------------------------------------------- ends, and beginnings

    def test_flush_and_close(self, tmp_path: Path) -> None:
        """Flushing changes nothing that is seen; what is closed is read, and takes no more."""
        datastore = self.make(tmp_path)
        datastore.flush()
        datastore.append("a", 1, _NOW)
        datastore.flush()
        datastore.flush()
        datastore.append("a", 2, _NOW)
        datastore.close()
        datastore.close()
        assert datastore.get_all("a")[:].tolist() == [1, 2]
        assert (datastore.get("a"), datastore.keys()) == (2, ["a"])
        refusals: list[Callable[[], None]] = [
            lambda: datastore.append("a", 1, _NOW),
            lambda: datastore.set("b", 1, _NOW),
            lambda: datastore.declare("b", Declared()),
            datastore.flush,
        ]
        for refused in refusals:
            with pytest.raises(RunClosedError, match="closed"):
                refused()
        assert datastore.get_all("a")[:].tolist() == [1, 2]

    def test_opened_again(self, tmp_path: Path) -> None:
        """What is opened again goes on where it ended, with the same forms."""
        if self.reopen(tmp_path / "none") is None and not self._outlives(tmp_path / "other"):
            pytest.skip("what is recorded does not outlive the datastore")
        if not self.appends:
            pytest.skip("a recording that has ended is not gone on with")
        for start in (0, 3, 6):
            with self.make(tmp_path) as datastore:
                for number in range(start, start + 3):
                    datastore.append("a", number, _NOW)
                    datastore.append("text", "x" * number, _NOW)
                datastore.set("last", start, _NOW)
                datastore.append(f"key of {start}", [1.5], _NOW)
                with pytest.raises(InvalidDataError, match="a"):
                    datastore.append("a", 1.7, _NOW)
                with pytest.raises(InvalidDataError, match="was set before"):
                    datastore.append("last", 1.7, _NOW)
                assert list(range(start + 3)) == datastore.get_all("a")[:].tolist()
        found = self.reopen(tmp_path)
        assert ["x" * number for number in range(9)] == list(found.get_all("text"))
        assert found.keys() == ["a", "text", "last", "key of 0", "key of 3", "key of 6"]
        assert found.get("last") == 6
        _close(found)

    def test_another_process_sees_it(self, tmp_path: Path) -> None:
        """Another process sees a value that was flushed at once, and one that was not soon."""
        if self.visible_within is None:
            pytest.skip("no other process sees what is recorded")
        file = inspect.getfile(type(self))
        arguments = [type(self).__module__, file, type(self).__name__, str(tmp_path), "a/b", "3,4"]
        with (
            self.make(tmp_path) as datastore,
            subprocess.Popen(  # noqa: S603 - this file, in another process
                [sys.executable, "-c", _CHILD, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            ) as child,
        ):
            assert child.stdin is not None
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            _record(datastore, "a/b", range(3))
            datastore.flush()
            child.stdin.write("\n")
            child.stdin.flush()
            assert child.stdout.readline() == "3\n"
            begin = time.monotonic()
            datastore.append("a/b", 3, _NOW)
            assert child.stdout.readline() == "4\n"
            assert time.monotonic() - begin < self.visible_within + 0.5, "it took too long"
            child.stdin.close()
            assert child.wait() == 0

    def test_threads(self, tmp_path: Path) -> None:
        """Four threads record into keys of their own and into one: nothing is lost, each one's order is kept."""

        def work(datastore: DataStore, thread: int) -> None:
            for number in range(_EACH):
                datastore.append("shared", [thread, number], _NOW)
                datastore.append(f"own/{thread}", number, _NOW)
                if number % 100 == 0:
                    datastore.flush()
                    assert number == datastore.get(f"own/{thread}")

        def fill(datastore: DataStore) -> None:
            begin = time.monotonic()
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(work, [datastore] * 4, range(4)))
            assert time.monotonic() - begin < self.max_seconds

        for found in self._both(tmp_path, fill):
            shared = found.get_all("shared")[:]
            assert shared.shape == (4 * _EACH, 2)
            for thread in range(4):
                assert list(range(_EACH)) == shared[shared[:, 0] == thread, 1].tolist()
                assert list(range(_EACH)) == found.get_all(f"own/{thread}")[:].tolist()

    # ----------------------------------------------------------------------------------------------- helpers

    def _both(self, path: Path, fill: Any) -> Any:
        """Yield a datastore that was filled: before a flush, after it, after closing, and opened again."""
        with self.make(path) as datastore:
            fill(datastore)
            yield datastore
            datastore.flush()
            yield datastore
        yield datastore
        again = self.reopen(path)
        if again is not None:
            yield again
            _close(again)

    def _outlives(self, path: Path) -> bool:
        path.mkdir()
        with self.make(path) as datastore:
            datastore.append("a", 1, _NOW)
        found = self.reopen(path)
        _close(found)
        return found is not None


def assert_values(wanted: list[Any], series: Any) -> None:
    """Fail where a series is not these values, taken one by one and all at once."""
    assert len(series) == len(wanted)
    for index in {0, len(wanted) // 2, len(wanted) - 1}:
        assert_same(_as(series, wanted[index]), series[index])
    for value, found in zip(wanted, series[:], strict=True):
        assert_same(_as(series, value), found)


def assert_same(wanted: Any, found: Any) -> None:
    """Fail where a value is not what was recorded: numbers and arrays by dtype, shape and bits, others by type."""
    array = as_array(wanted)
    if array is None or type(found) is list:
        assert_identical(str(wanted) if type(wanted) is np.str_ else wanted, found)
        return
    if array.dtype.kind in "US" and array.ndim == 0:  # NumPy's own scalars are as wide as what they hold
        assert found == array[()]
        return
    assert np.asarray(found).dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
    assert np.asarray(found).shape == array.shape
    np.testing.assert_array_equal(array, np.asarray(found))
    if array.dtype.kind == "f":
        assert np.array_equal(np.signbit(array), np.signbit(found))


def _as(series: Any, value: Any) -> Any:
    """Return a number that is recorded among wider ones as it is kept there."""
    if series.dtype.kind == "O" and not isinstance(value, (np.ndarray, np.generic)):
        return value
    return np.asarray(value, None if series.dtype.kind == "O" else series.dtype)


def _array(dtype: str, shape: tuple[int, ...], seed: int) -> np.ndarray[Any, np.dtype[Any]]:
    """Return values that use the whole width of a dtype."""
    kind, random = np.dtype(dtype), np.random.default_rng(seed)
    if kind.kind in "US":
        words = np.array(["", "a", "bcd", "xy"] if kind.kind == "S" else ["", "a", "éλ", "𝄞"])
        return random.choice(words, shape).astype(kind) if shape else np.array(words[seed % 4]).astype(kind)
    if kind.kind in "fc":
        return np.asarray(random.normal(size=shape) * (1 if kind.kind == "f" else 1 + 2j)).astype(kind)
    return np.asarray(random.integers(0, 2 if kind.kind == "b" else 100, shape)).astype(kind)


def _record(datastore: DataStore, key: str, values: Any) -> None:
    for value in values:
        datastore.append(key, value, _NOW)


def _close(found: Any) -> None:
    if hasattr(found, "close"):
        found.close()

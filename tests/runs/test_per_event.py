"""Values that a handler gives event by event: what any index selects of them is what NumPy would give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.array
import h5py
import numpy as np
import pandas as pd
import pytest

from analysis_store import AnalysisStore, Provenance
from analysis_store.arrays import as_objects
from analysis_store.errors import DamagedFileError, InvalidDataError, PairError, TooLargeError
from analysis_store.handlers.columns import LazyDataset, Part
from analysis_store.processing.inputs.memory_columns import HeldArray, HeldObjects
from analysis_store.runs.read.lazy import LazyArray
from analysis_store.runs.read.per_event import PerEvent

IMAGES = np.arange(5 * 4 * 6.0).reshape(5, 4, 6)
INDICES: list[Any] = [
    0, -1, np.int64(2), (3,), slice(1, 3), slice(None, None, -1), slice(None, None, 2), slice(4, 1, -2), slice(3, 3),
    ..., (), None, [0, 2, 0], [], np.array([True, False, True, False, True]), [[0, 1], [4, 3]], [-1, -5],
    (0, 1), (0, -1, 2), (0, slice(0, 3), slice(0, 3)), (0, slice(None, None, -1)), (0, ..., 1), (..., 1), (..., 0, 1),
    (slice(None), 0), (slice(None), slice(1, 3)), (slice(1, 4), slice(None), slice(0, 6, 4)), (slice(None), [0, 3]),
    (slice(None), [3, 0, 1], slice(2, 3)), ([0, 1], [2, 3]), ([0, 1], [2, 3], [5, 0]), ([0, 4], slice(None), [1, 2]),
    (0, slice(None), [0, 3]), (0, [0, 3]), (0, [3, 0, 0], slice(1, 4)), (None, 0), (0, None, 1), (slice(0, 2), None, 1),
    (slice(None), np.array([True, False, False, True])), (0, np.array([True, False, False, True])),
    ([0, 1], ..., [2, 3]), (slice(None), slice(0, 0)), (2, slice(None), [5, 2, 4, 0]), (slice(0, 4, 3), 1, [0, 5]),
    5, -6, (0, 4), (0, 0, 0, 0), (slice(None), slice(None), 6), "a", 1.5, {0}, (0, "a"), [0.5], [9], (..., 0, ...),
    (0, 1.5), (0, {1}), np.array([True, False]),
]  # fmt: skip


def from_array(values: np.ndarray, **said: Any) -> PerEvent:
    """Return a source of the values of an array, which are asked for one by one."""
    return PerEvent("k", lambda number: values[number], len(values), said)


def in_hdf5(tmp_path: Any) -> LazyDataset:
    """Return the images as a column of an HDF5 file."""
    with h5py.File(tmp_path / "images.h5", "w") as file:
        file["images"] = IMAGES
    return LazyDataset(str(tmp_path / "images.h5"), "/images")


SOURCES: dict[str, Callable[[Any], Any]] = {
    "arrays": lambda _: from_array(IMAGES),
    "lists": lambda _: PerEvent("k", lambda number: IMAGES[number].tolist(), 5, {}),
    "dask": lambda _: PerEvent("k", lambda number: dask.array.from_array(IMAGES)[number], 5, {}),
    "unread": lambda path: PerEvent("k", lambda number: Part(in_hdf5(path), number), 5, {}),
    "a column of the run file": in_hdf5,
    "a column in memory": lambda _: HeldArray(IMAGES.copy()),
}


def taken(values: Any, index: Any) -> Any:
    """Return what an index selects, or that it selects nothing; NumPy says so by errors of several kinds."""
    try:
        return np.asarray(values[index])
    except (IndexError, TypeError):
        return IndexError


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("index", INDICES, ids=str)
def test_an_index_selects_what_numpy_selects(tmp_path: Any, source: str, index: Any) -> None:
    """Of images, through every source; what is no index is an `IndexError`, and nothing else."""
    column = LazyArray("k", SOURCES[source](tmp_path), {})
    expected = taken(IMAGES, index)
    if expected is IndexError:
        with pytest.raises(IndexError):
            column[index]
        return
    found = np.asarray(column[index])
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("index", [True, np.True_, np.array(True), (0, False), slice("a", None), (0, slice(None, "a"))])
def test_a_truth_is_no_number(tmp_path: Any, source: str, index: Any) -> None:
    """Which Python itself would take for 0 or 1."""
    with pytest.raises(IndexError):
        LazyArray("k", SOURCES[source](tmp_path), {})[index]


RAGGED = [np.arange(3), np.arange(2), np.arange(6).reshape(2, 3), np.arange(0), np.arange(4)]
OBJECT_SOURCES: dict[str, Callable[[], Any]] = {
    "per event": lambda: PerEvent("k", RAGGED.__getitem__, 5, {"shape": [None]}),
    "in memory": lambda: HeldObjects("ragged", RAGGED),
}


@pytest.mark.parametrize("index", INDICES, ids=str)
@pytest.mark.parametrize("source", OBJECT_SOURCES)
def test_an_index_of_objects_selects_what_numpy_selects(source: str, index: Any) -> None:
    """After the number of an event further indices select of its array."""
    column, expected = LazyArray("k", OBJECT_SOURCES[source](), {}), as_objects(RAGGED)
    parts = index if isinstance(index, tuple) else (index,)
    if parts and isinstance(parts[0], int) and any(part is not ... for part in parts[1:]):
        wanted = taken(RAGGED[parts[0]], parts[1:])
    else:
        try:
            wanted = expected[index]
            wanted = wanted[()] if isinstance(wanted, np.ndarray) and wanted.shape == () else wanted
        except (IndexError, TypeError):
            wanted = IndexError
    if wanted is IndexError:
        with pytest.raises(IndexError):
            column[index]
        return
    found = column[index]
    if isinstance(wanted, np.ndarray) and wanted.dtype == object:
        assert found.shape == wanted.shape
        assert all(np.array_equal(one, other) for one, other in zip(found.ravel(), wanted.ravel(), strict=True))
    else:
        np.testing.assert_array_equal(found, wanted)


def test_only_what_is_sliced_is_read(tmp_path: Any) -> None:
    """An event that would fill the memory many times over is sliced; whole it is refused."""
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        huge = file.create_dataset("huge", (2, 1 << 20, 1 << 20), "f8", chunks=(1, 8, 8))
        huge[0, :4, :4] = np.arange(16.0).reshape(4, 4)
    column = LazyDataset(str(tmp_path / "huge.h5"), "/huge")
    lazy = LazyArray("k", PerEvent("k", lambda number: Part(column, number), 2, {"shape": [1 << 20, 1 << 20]}), {})
    assert lazy[0, :3, :3].tolist() == [[0, 1, 2], [4, 5, 6], [8, 9, 10]]
    assert lazy[:, 1, :2].tolist() == [[4, 5], [0, 0]]
    assert lazy[0, 3, [3, 0]].tolist() == [15, 12]
    assert lazy.to_dask()[0, 2:4, 1].compute().tolist() == [9, 13]
    for whole in (lambda: lazy[0], lazy.read):
        with pytest.raises(TooLargeError, match="Read a slice"):
            whole()


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({}, "says nothing"),
        ({"shape": [4, 6]}, "an ordinary detector: no dtype_numpy"),
        ({"shape": [6, 4], "dtype_numpy": "<f8"}, "width before height"),
        ({"shape": [1, 4, 6], "dtype_numpy": "<u2"}, "another dtype, one frame"),
        ({"shape": [], "dtype_numpy": "no dtype"}, "nonsense"),
    ],
)
def test_the_first_value_says_what_the_values_are(said: dict[str, Any], kind: str) -> None:
    """Not the document; so images are one array whatever it says."""
    column = LazyArray("k", from_array(IMAGES, **said), said)
    assert (column.shape, column.dtype) == (IMAGES.shape, IMAGES.dtype), kind
    np.testing.assert_array_equal(column.read(), IMAGES)
    np.testing.assert_array_equal(column.to_dask().compute(), IMAGES)
    np.testing.assert_array_equal(list(column), IMAGES)


@pytest.mark.parametrize(
    ("values", "dtype", "read"),
    [
        ([1, 2], "i8", np.array([1, 2])),
        ([1, 2.5], "i8", np.array([1.0, 2.5])),
        ([1.0, float("nan")], "f8", np.array([1.0, np.nan])),
        ([True, False], "?", np.array([True, False])),
        ([2**63, 2**63 + 1], "u8", np.array([2**63, 2**63 + 1], "u8")),
        ([2**70, 1], "O", None),
        ([2**53 + 1, 0.5], "i8", None),
        (["a", "bcd"], "O", None),
        (["ab\0", "b"], "O", None),
        ([b"ab\0", b"b"], "O", None),
        ([np.array([1, 2], "u1"), np.array([1, 300], "u2")], "u1", None),
        ([np.array([1, 2]), np.array([0.5, 1])], "i8", None),
        ([np.zeros(2), np.zeros(3)], "f8", None),
        ([np.array(["a"]), np.array(["bcd"])], "O", None),
        ([[1, 2], [3, 4]], "i8", np.array([[1, 2], [3, 4]])),
        ([[1, 2], [3]], "i8", None),
        ([[1, [2]], [3]], "O", None),
        ([{"a": 1}, {"b": 2}], "O", None),
        ([None, None], "O", None),
        ([np.array(1.5), np.array(2.5)], "f8", np.array([1.5, 2.5])),
        ([np.float32(1.5), np.float32(2.5)], "f4", np.array([1.5, 2.5], "f4")),
        ([np.array([1, 2], ">i4")] * 2, ">i4", np.array([[1, 2], [1, 2]], ">i4")),
        ([np.zeros((0, 3))] * 2, "f8", np.zeros((2, 0, 3))),
        ([np.ma.masked_array([1, 2], [True, False])] * 2, "O", None),
        ([np.array([1, 2], "m8[25us]")] * 2, "m8[25us]", np.array([[1, 2], [1, 2]], "m8[25us]")),
        ([np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")])] * 2, "O", None),
    ],
    ids=str,
)
def test_values_are_together_only_where_nothing_is_lost(values: list[Any], dtype: str, read: np.ndarray | None) -> None:
    """Else each stands for itself, as the handler gave it; a list of numbers is an array."""
    column = LazyArray("k", PerEvent("k", values.__getitem__, len(values), {"shape": []}), {})
    assert column.dtype == np.dtype(dtype)
    found = column.read()
    if read is not None:
        assert (found.dtype, found.shape, found.tobytes()) == (read.dtype, read.shape, read.tobytes())
    else:
        assert (found.dtype, found.shape) == (np.dtype(object), (len(values),))
        wanted = [
            np.asarray(each) if isinstance(each, list) and {int} == set(map(type, each)) else each for each in values
        ]
        for one, other in zip(found, wanted, strict=True):
            assert np.array_equal(one, other) if isinstance(other, np.ndarray) else one == other
            assert getattr(one, "dtype", None) == getattr(other, "dtype", None)
    for number, value in enumerate(values):
        assert np.array_equal(column[number], value, equal_nan=isinstance(value, float)) or column[number] is value


def test_text_is_as_wide_as_the_document_says() -> None:
    """Where it says so, text in arrays is one array; where a text is wider than that, each is for itself."""
    said = {"shape": [1], "dtype_numpy": "<U3"}
    fits = LazyArray("k", PerEvent("k", [np.array(["a"]), np.array(["bcd"])].__getitem__, 2, said), said)
    assert (fits.dtype, fits.read().tolist()) == (np.dtype("<U3"), [["a"], ["bcd"]])
    wide = LazyArray("k", PerEvent("k", [np.array(["a"]), np.array(["bcde"])].__getitem__, 2, said), said)
    assert [each.tolist() for each in wide.read()] == [["a"], ["bcde"]]


def test_tables_stay_tables() -> None:
    """A handler of tables gives tables, one per event, and no part of one by a further index."""
    frames = [pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [3]})]
    column = LazyArray("k", PerEvent("k", frames.__getitem__, 2, {"shape": [2, 1], "dtype_numpy": "<i8"}), {})
    assert column.shape == (2,)
    assert all(one is other for one, other in zip(column.read(), frames, strict=True))
    with pytest.raises(IndexError, match="each value is one object, a DataFrame"):
        column[0, "a"]


def test_an_event_unlike_the_first() -> None:
    """Its own parts can be read, and all events whole; a part of all is refused, for there is no such array."""
    values = [np.arange(12.0).reshape(3, 4), np.arange(12.0).reshape(3, 4), np.arange(30.0).reshape(5, 6)]
    column = LazyArray("k", PerEvent("k", values.__getitem__, 3, {}), {})
    assert column.shape == (3, 3, 4)
    assert column[:2, 1].shape == (2, 4)
    assert column[2, 4, 5] == 29
    assert column[2, -1].tolist() == values[2][-1].tolist()
    for found in (column.read(), column[:], column[:, ...], column[[0, 1, 2]], column[::-1][::-1]):
        assert found.shape == (3,)
        assert all(np.array_equal(one, other) for one, other in zip(found, values, strict=True))
    for index in ((slice(None), 1), (slice(None), slice(0, 2)), (..., 0)):
        with pytest.raises(InvalidDataError, match=r"Got float64 \(5, 6\).*expected float64 \(3, 4\)"):
            column[index]


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (KeyError("entry"), PairError),
        (TypeError("no"), PairError),
        (FileNotFoundError(2, "gone"), DamagedFileError),
        (MemoryError(), TooLargeError),
        (ZeroDivisionError(), PairError),
    ],
    ids=repr,
)
def test_what_a_handler_raises_says_where(raised: Exception, expected: type[Exception]) -> None:
    """Every error is one of the package's own, and names key and event."""

    def read_one(number: int) -> np.ndarray:
        if number == 1:
            raise raised
        return np.zeros(3)

    column = LazyArray("k", PerEvent("k", read_one, 3, {}), {})
    for asked in (column.read, lambda: column[1], lambda: column[:, 0], lambda: list(column), column.digest):
        with pytest.raises(expected, match="event 1 of 'k'"):
            asked()
    assert column[2, 1] == 0


def test_no_event_has_what_the_document_promises() -> None:
    """Where there is no value to look at, the descriptor is all there is."""
    said = {"shape": [2, 3], "dtype_numpy": ">f4"}
    column = LazyArray("k", PerEvent("k", [].__getitem__, 0, said), said)
    assert (column.shape, column.dtype, column.read().shape) == ((0, 2, 3), np.dtype(">f4"), (0, 2, 3))
    assert column[:, 0].shape == (0, 3)
    assert column.to_dask().compute().shape == (0, 2, 3)
    assert LazyArray("k", PerEvent("k", [].__getitem__, 0, {}), {}).read().shape == (0,)


def test_the_same_digest_however_it_is_taken() -> None:
    """Event by event as of the whole, of values alike and unlike."""
    from analysis_store.digests import digest_values

    unlike = [np.zeros(2), np.zeros(3)]
    assert LazyArray("k", from_array(IMAGES), {}).digest() == digest_values(IMAGES)
    assert LazyArray("k", PerEvent("k", unlike.__getitem__, 2, {}), {}).digest() == digest_values(unlike)


OBJECTS: dict[str, Any] = {
    "dict": {"a": 1}, "none": None, "frame": pd.DataFrame({"a": [1]}), "ragged list": [1, [2]], "big": 2**70,
    "ragged": None,
}  # fmt: skip


@pytest.mark.parametrize("kind", OBJECTS)
def test_objects_as_a_dask_array(store: AnalysisStore, origin: Provenance, kind: str) -> None:
    """One entry per event, read in blocks when it is computed."""
    rows = [{"primary": {"k": np.arange(number + 1.0) if kind == "ragged" else OBJECTS[kind]}} for number in range(3)]
    column = store.insert(rows, {"provenance": origin})["primary"]["k"]
    lazy = column.to_dask()
    assert (lazy.shape, lazy.dtype) == ((3,), np.dtype(object))
    for one, other in zip(lazy.compute(), column.read(), strict=True):
        assert (
            one.equals(other) if kind == "frame" else np.array_equal(one, other) if kind == "ragged" else one == other
        )
    assert lazy[1:].compute().shape == (2,)

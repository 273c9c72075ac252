"""Values that are recorded, what is refused among them, and how they are compared with what is read."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.recorder.core.numeric import as_array
from analysis_store.testing.equality import assert_identical

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from analysis_store.recorder.core.base import DataStore

NOW = 1.7e9
"""When values are known, unless a test is about that: s since 1970."""

DTYPES = (
    *("?", "i1", "u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16"),
    *(">f8", ">i4", "g", "G", "<M8[ns]", "<M8[D]", "<m8[us]", "<U3", ">U2", "S4"),
)
SHAPES: tuple[tuple[int, ...], ...] = ((), (1,), (4,), (3, 2), (2, 1, 2, 3), (0,), (2, 0, 3))

SEQUENCES: dict[str, list[Any]] = {
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

REFUSED: dict[str, tuple[Any, Any]] = {
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

TOO_MUCH: dict[str, Any] = {
    "32 axes": np.zeros((1,) * 32),
    "64 axes": np.zeros((1,) * 64),
    "33 axes in a dict": {"a": np.zeros((1,) * 33)},
}
"""What HDF5 cannot hold; a collector may bring a value from any datastore into an HDF5 file."""

ATTRIBUTES: dict[str, dict[str, Any]] = {
    "no name": {"": 1},
    "a long name": {"n" * 300: 1},
    "NUL in a name": {"a\0b": 1},
    "NUL in a text": {"a": "x\0y"},
    "a lone surrogate": {"a": "\ud800"},
    "a big int": {"a": 2**64},
    "NaN": {"a": float("nan")},
    "a name of the file's own": {"dtype_numpy": "<i4"},
}

INDICES: dict[str, Any] = {
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


def assert_values(wanted: Sequence[object], series: Any) -> None:
    """Fail where a series is not these values, taken one by one and all at once."""
    assert len(series) == len(wanted)
    for index in {0, len(wanted) // 2, len(wanted) - 1}:
        assert_same(kept_as(series, wanted[index]), series[index])
    for value, found in zip(wanted, series[:], strict=True):
        assert_same(kept_as(series, value), found)


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


def kept_as(series: Any, value: Any) -> Any:
    """Return a number that is recorded among wider ones as it is kept there."""
    if series.dtype.kind == "O" and not isinstance(value, (np.ndarray, np.generic)):
        return value
    return np.asarray(value, None if series.dtype.kind == "O" else series.dtype)


def made_array(dtype: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Return values that use the whole width of a dtype."""
    kind, random = np.dtype(dtype), np.random.default_rng(seed)
    if kind.kind in "US":
        words = np.array(["", "a", "bcd", "xy"] if kind.kind == "S" else ["", "a", "éλ", "𝄞"])
        return random.choice(words, shape).astype(kind) if shape else np.array(words[seed % 4]).astype(kind)
    if kind.kind in "fc":
        return np.asarray(random.normal(size=shape) * (1 if kind.kind == "f" else 1 + 2j)).astype(kind)
    return np.asarray(random.integers(0, 2 if kind.kind == "b" else 100, shape)).astype(kind)


def record(datastore: DataStore, key: str, values: Iterable[object]) -> None:
    """Append values to a key."""
    for value in values:
        datastore.append(key, value, NOW)


def close_it(found: object) -> None:
    """Close what was opened again, if it can be closed."""
    if hasattr(found, "close"):
        found.close()

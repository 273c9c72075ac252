"""Every kind of value through the whole store: in by events and by columns, out of documents, file and Dataset."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis_store import AnalysisStore, Provenance

DTYPES = [
    "?", "i1", "<u2", ">i4", "<i8", ">u8", "<f2", ">f4", "<f8", "<c8", ">c16", "g",
    "<M8[ns]", "<M8[D]", "<m8[ms]", "S3", "<U4", ">U2",
]  # fmt: skip
SHAPES = [(), (0,), (1,), (3,), (2, 3), (20,), (0, 4), (4, 5, 6)]


def make(dtype: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Return an array of this dtype and shape, with extreme values among them."""
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype).kind
    if kind in "US":
        texts = np.array(["", "a", "äé" if kind == "U" else "ab", "z"])
        return rng.choice(texts, shape).astype(dtype) if shape else np.array("b").astype(dtype)
    raw = rng.integers(0, 2, shape) if kind == "b" else rng.integers(0, 100, shape)
    array = np.asarray(raw).astype(dtype)
    if kind == "f" and array.size:
        array.reshape(-1)[0] = np.nan
        array.reshape(-1)[-1] = -np.inf
    return array


def same(expected: np.ndarray, found: Any) -> None:
    """Equal in value bit for bit, in dtype and in shape; a native NumPy scalar is a 0-d array."""
    found = np.asarray(found)
    assert (expected.dtype, expected.shape) == (found.dtype, found.shape)
    if expected.dtype.char in "gG":  # padding is not part of the value
        np.testing.assert_array_equal(expected, found)
    else:
        assert expected.tobytes() == found.tobytes()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_value_comes_back_exactly(
    store: AnalysisStore, origin: Provenance, dtype: str, shape: tuple[int, ...]
) -> None:
    """By events and by columns; lazily, whole, and as a Dataset."""
    values = [make(dtype, shape, seed) for seed in range(3)]
    by_event = store.insert([{"s": {"k": value}} for value in values], {}, provenance=origin)
    by_column = store.insert({"s": {"k": np.stack(values, dtype=values[0].dtype)}}, {}, provenance=origin)

    for run in (by_event, by_column):
        for index, value in enumerate(values):
            # NumPy's text scalars are as wide as their text
            scalar = value.dtype.kind in "SU" and value.dtype.isnative and not shape
            same(np.asarray(value[()]) if scalar else value, run["s"]["k"][index])
        same(np.stack(values, dtype=values[0].dtype), run["s"]["k"].read())
        if dtype != "<M8[D]":  # xarray knows no unit of time coarser than the second
            assert np.dtype(dtype) == run.read("s")["k"].dtype
        assert run.verify()
        assert 3 == sum(name == "event" for name, _ in run.documents())
    assert by_event.stop["digests"] == by_column.stop["digests"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_ragged_values_come_back_exactly(store: AnalysisStore, origin: Provenance, dtype: str) -> None:
    """One array per event, of any shape with the same number of dimensions."""
    values = [make(dtype, shape, 1) for shape in ((0, 3), (2, 3), (30, 1))]

    run = store.insert([{"s": {"k": value}} for value in values], {}, provenance=origin)

    for index, value in enumerate(values):
        same(value, run["s"]["k"][index])
    assert run.verify()


@pytest.mark.parametrize("text", ["", "plain", "ünï→😀", "a\0b", "trailing\0", " " * 5])
def test_text_comes_back_exactly(store: AnalysisStore, origin: Provenance, text: str) -> None:
    """Unicode, NUL and emptiness included, alone and in lists."""
    run = store.insert([{"s": {"k": text, "l": [text, "x"]}}], {}, provenance=origin)

    assert text == run["s"]["k"][0]
    assert [text, "x"] == list(run["s"]["l"][0])
    assert text == dict(run.documents())["event"]["data"]["k"]
    assert run.verify()


@pytest.mark.parametrize("value", [2**53 + 1, -(2**63), 2**64 - 1, float("nan"), float("-inf"), -0.0, 5e-324, True])
def test_numbers_come_back_bit_for_bit(store: AnalysisStore, origin: Provenance, value: Any) -> None:
    """In the event document and in the data."""
    run = store.insert([{"s": {"k": value}}], {"key": value}, provenance=origin)

    found = dict(store[run.uid].documents())["event"]["data"]["k"]
    assert repr(value) == repr(found)
    assert repr(value) == repr(store[run.uid].start["key"])
    assert repr(value) == repr(run["s"]["k"][0].item())


def test_a_stream_without_events_is_kept(store: AnalysisStore, origin: Provenance) -> None:
    """With its keys, dtypes and shapes."""
    run = store.insert({"s": {"x": np.zeros(0, ">i2"), "image": np.zeros((0, 30, 40))}}, {}, provenance=origin)

    assert ((0,), np.dtype(">i2")) == (run["s"]["x"].shape, run["s"]["x"].dtype)
    assert (0, 30, 40) == run.read("s")["image"].shape
    assert {"s": 0} == run.stop["num_events"]
    assert run.verify()

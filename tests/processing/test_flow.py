"""What flows from step to step in memory is what would be read back: shape, dtype, values, attributes, digest."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from analysis_store import AnalysisStore, Provenance
from analysis_store.errors import InvalidDataError
from analysis_store.processing.inputs.base import InputStream
from analysis_store.processing.inputs.in_memory import FreshInput, SavedInput
from analysis_store.processing.inputs.stored import RunInput
from analysis_store.runs.values.gather import gather
from analysis_store.testing import strategies
from analysis_store.testing.equality import assert_identical

pytestmark = pytest.mark.properties

ORIGIN = Provenance(origin="synthetic", note="made by a test")


@pytest.fixture(scope="module")
def store() -> Iterator[AnalysisStore]:
    """One for all examples: each is a run of its own."""
    with tempfile.TemporaryDirectory() as folder, AnalysisStore(Path(folder) / "store") as opened:
        yield opened


def hold_together(store: AnalysisStore, data: Any, descriptor_md: Any = None) -> None:
    """Save data, and compare what is in memory with what is on the disk."""
    try:
        streams = gather(data, None, descriptor_md)
        run = store.insert(streams, {}, provenance=ORIGIN)
    except InvalidDataError:
        assume(False)
        return
    stored = RunInput(run)
    saved, unsaved = SavedInput(run, streams), FreshInput(streams, "not saved")
    assert saved.digest == stored.digest
    assert list(saved) == list(unsaved) == list(stored)
    for name in stored:
        same_stream(saved[name], stored[name])
        same_columns(unsaved[name], stored[name])
        assert saved[name].times.tolist() == stored[name].times.tolist()
        assert unsaved[name].num_events == stored[name].num_events


def same_stream(one: InputStream, other: InputStream) -> None:
    """Compare two streams, and what `read` makes of them."""
    same_columns(one, other)
    assert dict(one.data_keys) == dict(other.data_keys)
    if any(other[key].dtype.kind in "mM" for key in other):  # xarray has no times as early and as late as NumPy
        return
    ours, theirs = one.read(), other.read()
    assert list(ours.variables) == list(theirs.variables)
    for label in ours.variables:
        assert ours[label].dims == theirs[label].dims
        assert ours[label].attrs == theirs[label].attrs


def same_columns(one: InputStream, other: InputStream) -> None:
    """Compare the columns of two streams, whole, by event and in slices."""
    assert list(one) == list(other)
    for key in other:
        ours, theirs = one[key], other[key]
        assert (ours.form, ours.dtype, ours.shape, ours.dims) == (theirs.form, theirs.dtype, theirs.shape, theirs.dims)
        assert ours.attrs == theirs.attrs
        assert ours.digest() == theirs.digest()
        assert_identical(theirs.read(), ours.read())
        for index in (*range(len(theirs)), slice(None, None, 2), slice(1, None), [0] if len(theirs) else []):
            assert_identical(theirs[index], ours[index])


@settings(deadline=None)
@given(strategies.columns())
def test_columns(store: AnalysisStore, values: Any) -> None:
    """Columns of any dtype and shape, empty ones among them."""
    hold_together(store, {"primary": {"x": values}})


@settings(deadline=None)
@given(st.one_of(strategies.ragged(), strategies.tables(), st.lists(strategies.texts)).filter(len))
def test_lists_of_events(store: AnalysisStore, values: list[Any]) -> None:
    """Arrays that differ in shape, tables, text."""
    hold_together(store, [{"primary": {"x": value}} for value in values])


@settings(deadline=None)
@given(strategies.objects())
def test_objects(store: AnalysisStore, value: Any) -> None:
    """Any object that can be stored: what the next step gets is equal, and a copy of its own."""
    hold_together(store, [{"primary": {"x": value}}, {"primary": {"x": value}}])


def test_units_dims_and_roles(store: AnalysisStore) -> None:
    """What a descriptor says of a key is said of the column in memory, too."""
    data = {"primary": {"energy": np.tile(np.arange(5.0), (3, 1)), "mu": np.ones((3, 5)), "when": np.arange(3)}}
    told = {"energy": {"units": "eV", "dims": ["energy"], "role": "coordinate"}, "mu": {"dims": ["energy"]}}
    hold_together(store, data, {"primary": {"data_keys": told}})


def test_dates_big_arrays_and_small_ragged_ones(store: AnalysisStore) -> None:
    """Forms that are kept in different places: in the event, in a dataset, in pieces."""
    large = np.arange(2 * 300_000, dtype=">f4").reshape(2, -1)
    hold_together(store, [{"primary": {"large": row, "small": np.arange(n)}} for n, row in enumerate(large, 1)])
    hold_together(store, {"primary": {"day": np.array(["2026-03-01", "NaT"], "M8[D]"), "z": np.array([1j, 2])}})


def test_what_one_step_does_to_its_input_spoils_no_other(store: AnalysisStore) -> None:
    """Arrays are read-only, from memory and from the disk alike; objects are copies; the maker's arrays are copied."""
    mine, ragged = np.arange(50.0), [np.arange(40.0), np.arange(30.0)]
    data = [{"primary": {"x": mine, "r": part, "o": {"fit": [1, 2]}}} for part in ragged]
    streams = gather(data)
    run = store.insert(streams, {}, provenance=ORIGIN)
    saved = SavedInput(run, streams)
    mine[:] = 0
    ragged[0][:] = 0
    for one in (saved, RunInput(run)):
        stream = one["primary"]
        for array in (stream["x"].read(), stream["x"][0], stream["x"][:1], stream["r"][0], stream["r"].read()[0]):
            with pytest.raises(ValueError, match="read-only"):
                array[:] = 1
        with pytest.raises(ValueError, match="read-only"):
            stream.read()["x"].values[:] = 1
        stream["o"][0]["fit"].append(3)
        one.start["uid"] = "another"
        assert stream["o"][0] == {"fit": [1, 2]}
        assert stream["x"][0][49] == 49.0
        assert stream["r"][0][39] == 39.0
        assert one.start["uid"] == run.uid

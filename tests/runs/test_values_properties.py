"""Whatever value hypothesis thinks of: what is written as a column is read as the same column."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis_store.core.selection import runs_of
from analysis_store.digests import ValueDigest, digest_array, digest_values
from analysis_store.handlers.arrays import ArrayHandler
from analysis_store.handlers.ragged import RaggedHandler
from analysis_store.handlers.tables import TableHandler
from analysis_store.hdf5 import columns
from analysis_store.testing import strategies
from analysis_store.testing.pairs import assert_same
from analysis_store.writers.arrays import write_array
from analysis_store.writers.ragged import write_ragged
from analysis_store.writers.tables import write_tables

pytestmark = pytest.mark.properties


@contextmanager
def written(function, values) -> Iterator[tuple[str, str]]:
    """Write a column into a file of its own; give its path and digest."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "values.h5")
        with h5py.File(path, "w") as file:
            said = function(file.id, "column", values)
        yield path, said.digest


@settings(deadline=None)
@given(strategies.columns())
def test_arrays(values):
    """A column of any dtype and shape comes back bit for bit."""
    with written(write_array, values) as (path, digest):
        found = ArrayHandler(path, "/column").column().read()

    assert_same(values, found)
    assert digest == digest_values(found)


@settings(deadline=None)
@given(strategies.ragged())
def test_ragged(values):
    """Arrays of any shapes come back one by one."""
    with written(write_ragged, values) as (path, digest):
        found = RaggedHandler(path, "/column").column().read()

    assert len(found) == len(values)
    for wanted, value in zip(values, found, strict=True):
        assert_same(wanted, value)
    if values:
        assert digest == digest_values(found)


@settings(deadline=None)
@given(strategies.tables())
def test_tables(frames):
    """Tables with any columns, labels and index come back strictly equal."""
    with written(write_tables, frames) as (path, digest):
        found = TableHandler(path, "/column").column().read()

    assert len(found) == len(frames)
    for wanted, value in zip(frames, found, strict=True):
        assert_same(wanted, value)
    if frames:
        assert digest == digest_values(found)


@given(strategies.columns(), st.data())
def test_digest_of_blocks(values, data):
    """However a column is cut into blocks of rows, its digest is the same."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=3)))
    digest = ValueDigest(values.shape, values.dtype)
    for begin, end in zip([0, *cuts], [*cuts, len(values)], strict=True):
        digest.update(values[begin:end])

    assert digest.result() == digest_array(values)


@given(strategies.columns().filter(lambda values: values.dtype.kind not in "OT"), st.integers(1, 200))
def test_pieces(values, limit):
    """The pieces of a column, put together, are its elements in C order, also of one that is not contiguous."""
    for column in (values, np.asfortranarray(values), [values[at, ...] for at in range(len(values))]):
        found = list(columns.pieces(column, limit)) if len(column) else []

        assert all(piece.flags.c_contiguous and piece.ndim == 1 and piece.dtype == values.dtype for piece in found)
        if found:
            assert_same(values.reshape(-1), np.concatenate(found, dtype=values.dtype))


def _part(length: int) -> st.SearchStrategy[object]:
    numbers = st.integers(-length, length - 1) if length else st.nothing()
    whole = st.one_of(st.none(), st.integers(-7, 7))
    slices = st.builds(slice, whole, whole, whole.filter(lambda step: step != 0))
    return st.one_of(numbers, slices, st.lists(numbers, min_size=1, max_size=4)) if length else slices


@settings(deadline=None)
@given(st.data())
def test_selection(data):
    """What is read, and the index that is then applied, together give what NumPy selects."""
    shape = tuple(data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=3)))
    values = np.arange(int(np.prod(shape))).reshape(shape)
    key = tuple(data.draw(_part(length)) for length in shape[: data.draw(st.integers(0, len(shape)))])
    try:
        wanted = values[key]
    except IndexError:  # lists of different length
        return
    runs, local = runs_of(key, shape)
    read = values
    for axis, pieces in enumerate(runs):
        numbers = [start + step * at for _, (start, count, step) in pieces for at in range(count)]
        read = np.take(read, np.array(numbers, int), axis)

    np.testing.assert_array_equal(read[(*local, ...)], wanted)

"""Whatever array or table hypothesis thinks of: it comes back with its dtype, order and bits, or text is no text."""

from __future__ import annotations

import h5py
import hypothesis.extra.numpy as of_numpy
import hypothesis.extra.pandas as of_pandas
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis_store.codecs import dump, load

pytestmark = pytest.mark.properties

DTYPES = st.one_of(
    of_numpy.scalar_dtypes(), of_numpy.nested_dtypes(max_leaves=4), of_numpy.array_dtypes(allow_subarrays=True)
)
SHAPES = of_numpy.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)  # UTF-8 has no lone surrogates
OBJECTS = st.one_of(TEXT, st.none(), st.integers(), st.floats(), st.binary(max_size=3), st.tuples(TEXT, st.booleans()))


def _trip(value):
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        dump(value, file, "value")
        return load(file["value"])


def _assert_same(found, values):
    assert type(found) is type(values)
    assert found.dtype == values.dtype
    assert found.shape == values.shape
    if values.dtype.names is not None:
        for name in values.dtype.names:
            _assert_same(np.asarray(found[name]), np.asarray(values[name]))
    elif values.dtype.char in "gG":  # of these some bytes mean nothing
        np.testing.assert_array_equal(found, values)
    else:
        assert found.tobytes() == values.tobytes()


def _is_text(values):
    """Return whether all text in an array is what UTF-8 can say."""
    if values.dtype.names is not None:
        return all(_is_text(values[name]) for name in values.dtype.names)
    return values.dtype.kind != "U" or not any("\ud800" <= char <= "\udfff" for char in "".join(values.flat))


@settings(deadline=None)
@given(of_numpy.arrays(DTYPES, SHAPES).filter(_is_text), st.booleans())
def test_arrays(values, fortran):
    """An array of any dtype, nested ones among them, comes back bit for bit, in its order."""
    values = np.asfortranarray(values) if fortran else values

    found = _trip(values)

    _assert_same(found, values)
    assert found.flags.f_contiguous == values.flags.f_contiguous


@settings(deadline=None)
@given(DTYPES)
def test_dtypes(dtype):
    """A dtype itself comes back."""
    found = _trip(dtype)

    assert found == dtype
    assert type(found) is type(dtype)


@st.composite
def _frames(draw):
    kinds = [np.dtype(text) for text in ("?", "i1", "u8", "f4", "f8", "c16", "M8[ns]", "m8[ns]", "O")]
    names = draw(st.lists(st.one_of(TEXT, st.integers()), max_size=4, unique=True))
    columns = []
    for name in names:
        kind = draw(st.sampled_from(kinds))
        columns.append(of_pandas.column(name, dtype=kind, elements=OBJECTS if kind.kind == "O" else None))
    return draw(of_pandas.data_frames(columns, index=of_pandas.range_indexes(max_size=4)))


@settings(deadline=None)
@given(_frames())
def test_tables(frame):
    """A table comes back with labels of any text, and with every object in its columns."""
    found = _trip(frame)

    pd.testing.assert_frame_equal(found, frame, check_exact=True, check_column_type="exact")
    for number in range(frame.shape[1]):
        assert list(map(type, found.iloc[:, number])) == list(map(type, frame.iloc[:, number]))
